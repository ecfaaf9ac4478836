"""The A/A control: a second session of the reference, timed in turn with the first and the cell.

Its ratio to the first session is 1 in truth. What it shows instead is what this machine, now, makes of two sessions of
one thing; a verdict that is closer to its limit than that is none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_envrobust.timing.intervals import Estimate

MARGIN = 0.03
"""The control may always be off by so much."""


@dataclass(frozen=True)
class ControlCheck:
    """Whether a control is near enough to 1 for what is to be judged beside it."""

    control: Estimate
    margin: float

    @property
    def holds(self) -> bool:
        return self.control.mid > 0 and abs(math.log(self.control.mid)) <= math.log1p(self.margin)


def check_control(control: Estimate, ratio: Estimate, limit: float) -> ControlCheck:
    """Hold a control against its margin: 3 % or, where that is more, half of the way from the ratio to the limit.

    A cell that is three times over its limit is so whether or not the machine favors one process by 5 %.
    """
    far = abs(math.log(ratio.mid / limit)) / 2 if ratio.mid > 0 and limit > 0 else 0.0
    return ControlCheck(control, max(MARGIN, math.expm1(far)))
