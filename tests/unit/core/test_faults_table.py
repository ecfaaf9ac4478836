"""The one table of faults that are seeded."""

from __future__ import annotations

from pytest_envrobust.core.faults import BY_NAME, INPUTS, KINDS, LAYER, ONE, OUTPUTS, SOURCE, Fault, faults, told


def test_every_kind_has_its_weaker_strengths_first() -> None:
    for kind in KINDS:
        levels = list(kind.levels)
        assert levels == sorted(levels, reverse=kind.falls), kind.name


def test_every_fault_is_made_in_one_place() -> None:
    every = [*faults(INPUTS), *faults(SOURCE), *faults(OUTPUTS)]
    assert len(every) == len(set(every))
    assert {fault.kind for fault in every} == set(BY_NAME)


def test_what_is_random_is_drawn_several_times_and_the_whole_once() -> None:
    padding = [fault for fault in faults(SOURCE) if fault.kind == "padding"]
    assert [(fault.strength, fault.draw) for fault in padding] == [(LAYER, 0), (LAYER, 1), (LAYER, 2), (1.0, 0)]
    biased = [fault.strength for fault in faults(OUTPUTS) if fault.kind == "biased-class"]
    assert biased == [1.0] * 8 + [3.0] * 8, "one deviation is not the whole of anything"


def test_draws_differ_and_are_the_same_at_every_strength() -> None:
    seeds = [Fault("order", strength, draw).seed for strength in (ONE, 0.1) for draw in range(2)]
    assert seeds[:2] == seeds[2:]
    assert seeds[0] != seeds[1] != Fault("stuck", ONE, 1).seed


def test_a_fault_is_told_by_its_kind_and_how_strong_it_is() -> None:
    assert told("shift", 3.0) == "shift by 3 pixels"
    assert told("mirrored", 1.0) == str(Fault("mirrored", 1.0)) == "mirrored"
    assert told("bgr", None) == "bgr", "a kind of an older record"
    assert told("shift", 5.0) == told("shift", None) == "shift"
