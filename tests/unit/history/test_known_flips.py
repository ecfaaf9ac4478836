"""The ledger of known flips against the record of a run."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from pytest_envrobust.comparison.labels import compare_labels
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.shard import Shard
from pytest_envrobust.core.status import Status
from pytest_envrobust.history.known_flips import DAYS, UNEXPLAINED, ledger_faults, ledger_of_run, write_flips
from pytest_envrobust.planning.catalogue import Catalogue
from pytest_envrobust.record import schema
from pytest_envrobust.record.document import new_record
from pytest_envrobust.record.label_part import labels_part, with_label_verdict
from pytest_envrobust.record.ledger_file import read_ledger, update_ledger
from pytest_envrobust.record.schema import Cell, Labels, Model, Record, Run
from pytest_envrobust.verdicts.ledger import KnownFlip, Ledger
from pytest_envrobust.verdicts.limits import MIN_LABEL_AGREEMENT, LabelLimit
from pytest_envrobust.verdicts.verdict import Verdict

TODAY = date(2026, 11, 28)
REFERENCE, OTHER, THIRD = "torch/eager/cpu", "torch/ort-all/cpu", "torch/tvm-o3/cpu"
NAMES, DIGESTS = list("abcd"), [16 * digit for digit in "0123"]
MODEL = Model(name="signs", inputs=NAMES, input_digests=DIGESTS)
SCORES = np.array([[3.0, 1.0], [0.0, 2.0], [1.0, 0.9], [0.0, 5.0]], dtype=np.float32)


def labels(*flipped: int, n: int = 4, known: dict[int, str] | None = None, passed: bool = False) -> Labels:
    """Labels of the first n inputs, of which these rows flipped, judged."""
    scores = SCORES.copy()
    scores[list(flipped)] = scores[list(flipped), ::-1]
    compared = compare_labels(scores[:n], SCORES[:n], noise=0.0, inputs=NAMES[:n])
    status = Status.PASSED if passed or not flipped else Status.FAILED
    verdict = Verdict(status, "", LabelLimit(MIN_LABEL_AGREEMENT, 1.0, "ini"))
    return with_label_verdict(labels_part(compared, 0.0, known), verdict)


def cell(environment: str, found: Labels | None = None, **more: Any) -> Cell:
    told = {"model": "signs", "reference": REFERENCE, "status": Status.PASSED, **more}
    return Cell(environment=environment, labels=found, **told)


def record_of(*cells: Cell, models: tuple[Model, ...] = (MODEL,), shard: schema.Shard | None = None) -> Record:
    return new_record(Run(shard=shard), list(models), list(cells))


def known(row: int, environment: str = OTHER, expires: date = TODAY, model: str = "signs") -> KnownFlip:
    return KnownFlip(model, environment, DIGESTS[row], "rounding", expires, NAMES[row])


def faults(record: Record, *entries: KnownFlip, today: date = TODAY) -> list[str]:
    return ledger_faults(Ledger(entries), record, today)


def test_an_entry_that_matches_a_flip_is_no_fault_until_its_date_is_past() -> None:
    record = record_of(cell(OTHER, labels(1)))
    assert faults(record, known(1), known(1, "torch/*/cpu")) == []
    assert faults(record, known(1), today=TODAY + timedelta(days=1)) == [
        "1 known flip has expired: b of signs in torch/ort-all/cpu on 2026-11-28 (look at each again and give it a "
        "later date; --envrobust-update-flips removes them, and writes anew what still flips)"
    ]


def test_an_entry_that_matches_no_flip_is_a_fault() -> None:
    assert faults(record_of(cell(OTHER, labels(1))), known(0)) == [
        "1 known flip is none any more: a of signs in torch/ort-all/cpu; the labels agree, or it is no input of the "
        "model (--envrobust-update-flips removes it)"
    ]


def test_entries_with_one_fault_are_told_in_one_line() -> None:
    yesterday = TODAY - timedelta(days=1)
    record = record_of(cell(OTHER, labels()), cell(THIRD, labels()))
    stale, expired = faults(
        record, known(0), known(1), known(3, THIRD), known(2, expires=yesterday), known(3, expires=yesterday)
    )[::-1]
    assert stale.startswith(
        "3 known flips are none any more: a and b of signs in torch/ort-all/cpu; d of signs in torch/tvm-o3/cpu; the "
    )
    assert expired.startswith("2 known flips have expired: c and d of signs in torch/ort-all/cpu on 2026-11-2")


@pytest.mark.parametrize(
    "record",
    [
        record_of(cell(THIRD, labels(1))),
        record_of(cell(OTHER)),
        record_of(cell(OTHER, labels(1), model="faces")),
        record_of(cell(OTHER, labels(1)), models=(replace(MODEL, input_digests=None),)),
        record_of(cell(OTHER, labels(1)), models=()),
        record_of(Cell(model="signs", status=Status.FAILED, labels=labels(1))),
        record_of(cell(OTHER, labels(1), reference=OTHER)),
        record_of(cell(OTHER, labels(1, n=2))),
    ],
    ids=["elsewhere", "no labels", "other model", "no digests", "not described", "no cell", "reference", "stopped"],
)
def test_an_entry_of_which_the_run_says_nothing_is_no_fault(record: Record) -> None:
    assert faults(record, known(3)) == []


def test_a_reference_can_flip_against_that_of_an_earlier_run() -> None:
    against = replace(labels(1), reference="the earlier run's")
    assert len(faults(record_of(cell(OTHER, against, reference=OTHER)), known(3))) == 1


def test_an_entry_that_speaks_of_cells_in_other_shards_too_is_no_fault_here() -> None:
    names = [("signs", OTHER), ("signs", THIRD)]
    here = next(number for number in (1, 2) if names[0] in Shard(number, 2).share(names))
    shard = schema.Shard(numbers=[here], of=2, whole=names)
    record = record_of(cell(OTHER, labels(1)), shard=shard)
    assert faults(record, known(0, "torch/*/cpu")) == []
    assert len(faults(record, known(0))) == 1
    assert len(faults(record_of(cell(OTHER, labels(1)), shard=replace(shard, numbers=[1, 2])), known(0, "*"))) == 1


def test_new_flips_are_written_once_and_those_that_are_none_go(tmp_path: Path) -> None:
    path = tmp_path / "flips.toml"
    nan = SCORES.copy()
    nan[2] = np.nan
    broken = labels_part(compare_labels(nan, SCORES, inputs=NAMES))
    verdict = Verdict(Status.FAILED, "", LabelLimit(MIN_LABEL_AGREEMENT, 1.0, "ini"))
    record = record_of(
        cell(OTHER, labels(1, 3, known={3: "rounding"})),
        cell(OTHER, labels(1, 3, known={3: "rounding"})),  # another test of the same
        cell(THIRD, with_label_verdict(broken, verdict)),
        cell("torch/script/cpu", labels(0, passed=True)),
        cell("torch/graph/cpu", labels(0), model="faces"),
    )
    kept, stale, expired = known(3), known(0), known(2, THIRD, TODAY - timedelta(days=1))
    update_ledger(path, [kept, stale, expired], [])
    said = write_flips(path, Ledger((kept, stale, expired)), record, TODAY)
    assert said == (
        f"1 flip written and 2 entries removed in {path}, each with the reason {UNEXPLAINED!r}: say why; "
        "the next run is held against it"
    )
    new = KnownFlip("signs", OTHER, DIGESTS[1], UNEXPLAINED, TODAY + timedelta(days=DAYS), "b")
    assert read_ledger(path).entries == (kept, new)


def test_what_was_written_or_removed_alone_is_told(tmp_path: Path) -> None:
    path = tmp_path / "flips.toml"
    record = record_of(cell(OTHER, labels(1, 3)))
    advice = f"each with the reason {UNEXPLAINED!r}: say why"
    said = write_flips(path, Ledger(), record, TODAY)
    assert said == f"2 flips written in {path}, {advice}; the next run is held against it"
    stale = known(0)
    update_ledger(path, [stale], [])
    explained = record_of(cell(OTHER, labels(1, 3, known={1: "rounding", 3: "rounding"})))
    said = write_flips(path, read_ledger(path), explained, TODAY)
    assert said == f"1 entry removed in {path}; the next run is held against it"
    assert [entry.name for entry in read_ledger(path).entries] == ["b", "d"]


def test_what_is_no_new_flip_hides_none_that_comes_after_it(tmp_path: Path) -> None:
    path = tmp_path / "flips.toml"
    record = record_of(
        cell("torch/script/cpu"),
        cell(REFERENCE, labels(), reference=REFERENCE),
        cell(THIRD, labels(0, passed=True)),
        cell(OTHER, labels(0, 1, 2, known={0: "rounding"})),
    )
    write_flips(path, Ledger(), record, TODAY)
    assert [(entry.environment, entry.name) for entry in read_ledger(path).entries] == [(OTHER, "b"), (OTHER, "c")]


def test_a_flip_of_an_input_whose_digest_is_not_known_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "flips.toml"
    of_other_names = replace(MODEL, inputs=["w", "b", "y", "z"])
    write_flips(path, Ledger(), record_of(cell(OTHER, labels(0, 1)), models=(of_other_names,)), TODAY)
    assert [entry.name for entry in read_ledger(path).entries] == ["b"]


def test_where_nothing_changed_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "flips.toml"
    record = record_of(cell(OTHER, labels(1, known={1: "rounding"})))
    assert write_flips(path, Ledger((known(1),)), record, TODAY) == ""
    assert not path.exists()


def test_a_run_has_a_ledger_where_there_is_a_file(tmp_path: Path) -> None:
    path, catalogue = tmp_path / "flips.toml", Catalogue()
    assert ledger_of_run(path, is_named=False, catalogue=catalogue) == Ledger()
    with pytest.raises(DeclarationError, match="cannot be read"):
        ledger_of_run(path, is_named=True, catalogue=catalogue)
    update_ledger(path, [known(1)], [])
    assert ledger_of_run(path, is_named=False, catalogue=catalogue).entries == (known(1),)
    update_ledger(path, [known(1, "torch/nothing/cpu")], [])
    with pytest.raises(DeclarationError, match=f"entry 2 of {path}"):
        ledger_of_run(path, is_named=False, catalogue=catalogue)
