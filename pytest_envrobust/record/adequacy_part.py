"""What a model's inputs can tell, as the record has it."""

from __future__ import annotations

from pytest_envrobust.comparison.adequacy import Adequacy, FaultEffect
from pytest_envrobust.record import schema


def adequacy_part(adequacy: Adequacy) -> schema.Adequacy:
    """What the record says of it."""
    faults = [
        schema.Fault(fault=each.fault, changed=each.changed, n=each.n, strength=each.strength)
        for each in adequacy.effects
    ]
    return schema.Adequacy(n=adequacy.n, distinct_labels=adequacy.distinct_labels, faults=faults)


def recorded_adequacy(part: schema.Adequacy) -> Adequacy:
    """What `adequacy_part` was made from."""
    effects = tuple(FaultEffect(each.fault, each.changed, each.n, each.strength) for each in part.faults)
    return Adequacy(part.n, part.distinct_labels, effects)
