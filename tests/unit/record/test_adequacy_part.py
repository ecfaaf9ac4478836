"""What inputs can tell, in a record."""

from __future__ import annotations

import numpy as np

from pytest_envrobust.comparison.adequacy import FaultEffect, adequacy
from pytest_envrobust.record import codec
from pytest_envrobust.record.adequacy_part import adequacy_part, recorded_adequacy


def test_into_the_record_and_back() -> None:
    found = adequacy(np.eye(3, dtype=np.float32)[[0, 1, 2, 2]], [FaultEffect("bgr", 1, 4)])
    part = adequacy_part(found)
    assert codec.plain(part)["faults"][0] == {"fault": "bgr", "changed": 1, "n": 4}
    assert recorded_adequacy(part) == found
