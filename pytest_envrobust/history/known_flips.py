"""The ledger of known flips in a run: what it excuses, and what is wrong with it at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pytest_envrobust.core.status import Status
from pytest_envrobust.core.wording import counted, shortened
from pytest_envrobust.environments.selection import check_patterns
from pytest_envrobust.record.ledger_file import read_ledger, update_ledger
from pytest_envrobust.record.shards import covered_by, whole_of
from pytest_envrobust.verdicts.ledger import Compared, KnownFlip, Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_envrobust.core.shard import CellName
    from pytest_envrobust.planning.catalogue import Catalogue
    from pytest_envrobust.record.schema import Labels, Record

DAYS = 90
"""For so long a flip counts as known that the plugin wrote into the ledger."""
UNEXPLAINED = "not explained yet"
UPDATE = "--envrobust-update-flips"
SHOWN = 10
"""Of so many inputs of a model in an environment a line has the names."""


def ledger_of_run(path: Path, *, is_named: bool, catalogue: Catalogue) -> Ledger:
    """The run's ledger; empty where there is no file and none was named.

    Raises `DeclarationError` for one that is malformed, or whose entries name environments that there cannot be.
    """
    if not is_named and not path.exists():
        return Ledger()
    ledger = read_ledger(path)
    for number, entry in enumerate(ledger.entries, 1):
        check_patterns([entry.environment], catalogue.everything, f"entry {number} of {path}")
    return ledger


def ledger_faults(ledger: Ledger, record: Record, today: date) -> list[str]:
    """What fails the run, one line for all entries past their dates and one for all that match no flip.

    What matches none here is not judged where a cell that it speaks of is in another shard.
    """
    expired = ledger.expired(today)
    elsewhere = _in_other_shards(record)
    stale = [
        entry
        for entry in ledger.stale(_compared(record))
        if entry not in expired and not any(entry.covers(*cell) for cell in elsewhere)
    ]
    return [*_expired_line(expired), *_stale_line(stale)]


def write_flips(path: Path, ledger: Ledger, record: Record, today: date) -> str:
    """Bring the ledger up to date with the run; what was done in words, empty where nothing was to do.

    New are the flips of cells whose labels did not pass. Raises `DeclarationError` where it cannot be written.
    """
    expired = ledger.expired(today)
    gone = [*expired, *(entry for entry in ledger.stale(_compared(record)) if entry not in expired)]
    new = list(_new_flips(record, today))
    if not update_ledger(path, new, gone):
        return ""
    done = [f"{counted(len(new), 'flip')} written"] if new else []
    done += [f"{counted(len(gone), 'entry', 'entries')} removed"] if gone else []
    advice = f", each with the reason {UNEXPLAINED!r}: say why" if new else ""
    return f"{' and '.join(done)} in {path}{advice}; the next run is held against it"


def _expired_line(entries: Sequence[KnownFlip]) -> Iterator[str]:
    if entries:
        verb = "has expired" if len(entries) == 1 else "have expired"
        said = _named(entries, lambda entry: f" on {entry.expires}")
        yield (
            f"{counted(len(entries), 'known flip')} {verb}: {said} (look at each again and give it a later date; "
            f"{UPDATE} removes them, and writes anew what still flips)"
        )


def _stale_line(entries: Sequence[KnownFlip]) -> Iterator[str]:
    if entries:
        verb, they, them = ("is none", "it is", "it") if len(entries) == 1 else ("are none", "they are", "them")
        yield (
            f"{counted(len(entries), 'known flip')} {verb} any more: {_named(entries)}; the labels agree, or {they} no "
            f"input of the model ({UPDATE} removes {them})"
        )


def _named(entries: Sequence[KnownFlip], ending: Callable[[KnownFlip], str] = lambda _: "") -> str:
    """The inputs, those of one model and environment together."""
    inputs: dict[str, list[str]] = {}
    for entry in entries:
        inputs.setdefault(f"{entry.model} in {entry.environment}{ending(entry)}", []).append(entry.name or entry.input)
    return "; ".join(f"{shortened(names, SHOWN)} of {where}" for where, names in inputs.items())


@dataclass(frozen=True)
class _LabelledCell:
    """A cell with labels. ``digests`` are of all inputs of its model; ``digest_of`` has them by the inputs' names."""

    model: str
    environment: str
    can_flip: bool
    labels: Labels
    digests: Sequence[str]
    digest_of: Mapping[str, str]


def _in_other_shards(record: Record) -> list[CellName]:
    told = record.run.shard
    if told is None:
        return []
    here = covered_by(told)
    return [cell for cell in whole_of(told) if cell not in here]


def _compared(record: Record) -> Iterator[Compared]:
    """The cells whose labels were compared, with the inputs that they were compared on."""
    for cell in _labelled(record):
        if cell.can_flip:
            flipped = (flip.input for flip in cell.labels.flipped or ())
            yield Compared(
                cell.model,
                cell.environment,
                compared=frozenset(cell.digests[: cell.labels.n]),
                flipped=frozenset(cell.digest_of[name] for name in flipped if name in cell.digest_of),
                every=frozenset(cell.digests),
            )


def _new_flips(record: Record, today: date) -> Iterator[KnownFlip]:
    """The flips that nothing excuses; NaN is no label that could be known."""
    seen: set[tuple[str, str, str]] = set()
    for cell in _labelled(record):
        if cell.labels.verdict is not Status.FAILED:
            continue
        for flip in cell.labels.flipped or ():
            digest = cell.digest_of.get(flip.input, "")
            twin = (cell.model, cell.environment, digest)
            if not digest or flip.known is not None or flip.kind == "undefined" or twin in seen:
                continue
            seen.add(twin)
            yield KnownFlip(*twin, reason=UNEXPLAINED, expires=today + timedelta(days=DAYS), name=flip.input)


def _labelled(record: Record) -> Iterator[_LabelledCell]:
    """The cells with labels, of models that tell the digests of their inputs."""
    described = {model.name: model for model in record.models}
    for cell in record.cells:
        if cell.name is None or cell.labels is None or cell.name[0] not in described:
            continue
        model = described[cell.name[0]]
        if model.input_digests:
            yield _LabelledCell(
                *cell.name,
                can_flip=not cell.is_reference or cell.labels.reference is not None,
                labels=cell.labels,
                digests=model.input_digests,
                digest_of=dict(zip(model.inputs or (), model.input_digests)),
            )
