"""Which faults are tried on which inputs, and for how long."""

from __future__ import annotations

from pytest_envrobust.comparison.adequacy import FaultEffect
from pytest_envrobust.core.faults import BY_NAME, INPUTS, SOURCE, Fault, faults
from pytest_envrobust.runs.fault_seeding import Trials


class Tried:
    """Faults that change the label of each input from a place on, and on which inputs they were tried."""

    def __init__(self, changes_from: int) -> None:
        self.changes_from, self.calls = changes_from, list[tuple[Fault, list[int]]]()

    def __call__(self, fault: Fault, places: list[int]) -> FaultEffect:
        self.calls.append((fault, places))
        changed = sum(place >= self.changes_from for place in places)
        return FaultEffect(fault.kind, changed, len(places), fault.strength)

    def effects(self, count: int) -> list[FaultEffect]:
        return Trials(count, {INPUTS: self, SOURCE: self}).effects()


def counts(effects: list[FaultEffect]) -> set[tuple[int, int]]:
    return {(effect.changed, effect.n) for effect in effects}


def test_every_fault_is_tried_on_all_of_few_inputs() -> None:
    assert counts(Tried(0).effects(20)) == {(20, 20)}
    assert counts(Tried(20).effects(20)) == {(0, 20)}


def test_a_strong_fault_is_tried_on_few_inputs_that_lie_all_over() -> None:
    tried = Tried(0)
    assert counts(tried.effects(1000)) == {(16, 16)}
    (places,) = {tuple(places) for _, places in tried.calls}
    assert max(places) > 900
    assert sorted(places)[8] in range(400, 600)


def test_a_weak_fault_is_tried_on_more() -> None:
    assert counts(Tried(990).effects(1000)) == {(1, 64)}


def test_a_fault_that_changes_nothing_is_tried_on_the_rest_until_it_does() -> None:
    assert counts(Tried(1000).effects(1000)) == {(0, 1000)}
    changed, n = counts(Tried(985).effects(990)).pop()
    assert changed
    assert n <= 64


def test_one_strength_of_each_kind_comes_first() -> None:
    tried = Tried(0)
    effects = tried.effects(8)
    kinds = [fault.kind for fault, _ in tried.calls]
    every = {kind.name for kind in BY_NAME.values() if kind.place in (INPUTS, SOURCE)}
    assert set(kinds[: len(every)]) == every
    in_order = [(fault.kind, fault.strength) for fault in (*faults(INPUTS), *faults(SOURCE))]
    assert [(effect.fault, effect.strength) for effect in effects] == in_order


def test_nothing_is_tried_when_the_time_is_up() -> None:
    tried = Tried(0)
    trials = Trials(20, {INPUTS: tried, SOURCE: tried}, until=0.0)
    assert trials.effects() == tried.calls == []
    assert not trials.tried_every_kind
