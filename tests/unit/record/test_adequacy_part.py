"""What inputs can tell, in a record."""

from __future__ import annotations

import numpy as np

from pytest_envrobust.comparison.adequacy import FaultEffect, adequacy
from pytest_envrobust.record import codec, schema
from pytest_envrobust.record.adequacy_part import adequacy_part, recorded_adequacy


def test_into_the_record_and_back() -> None:
    found = adequacy(np.eye(3, dtype=np.float32)[[0, 1, 2, 2]], [FaultEffect("shift", 1, 4, 3.0)])
    part = adequacy_part(found)
    assert codec.plain(part)["faults"][0] == {"fault": "shift", "changed": 1, "n": 4, "strength": 3.0}
    assert recorded_adequacy(part) == found
    older = schema.Adequacy(n=4, distinct_labels=3, faults=[schema.Fault(fault="bgr", changed=1, n=4)])
    assert recorded_adequacy(older).effects == (FaultEffect("bgr", 1, 4),)
