"""The search for an input that two environments give different labels."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.strategies.changes import Changes, changes_of
from pytest_envrobust.strategies.disagreement import FOLDER, Disagreement, disagreement, saved_perturbations
from pytest_envrobust.strategies.installed import check_hypothesis
from pytest_envrobust.strategies.perturbation import PerturbedImage
from pytest_envrobust.strategies.probe import Pair, Predictor, Probe
from pytest_envrobust.strategies.smallest import SmallestChange
from pytest_envrobust.strategies.trials import SIZES, Measure, Trials

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Inputs = PerturbedImage | LoadedInputs | NDArray[Any]
"""What can be searched: pictures, or arrays that are fed as they are, shape (N, ...)."""


def find_disagreement(
    cell: Predictor,
    reference: Predictor,
    strategy: SearchStrategy[Any],
    *,
    minimize: Measure = "rms",
    max_examples: int = 200,
    max_seconds: float | None = None,
    seed: int = 0,
    directory: str | Path | None = None,
) -> Disagreement | None:
    """Search for inputs that a cell and its reference label differently.

    Of the changes of a picture that `perturbed` gives, the smallest that is found: ``minimize`` says by what,
    ``"rms"`` (the root mean square by which pixels change, 0 to 255) or ``"strengths"`` (the root of the sum of the
    squared strengths, each as a share of the largest allowed). Margins lead it: each prediction tells how far away the
    boundary is at which the first of both environments changes its label, and candidates are predicted several at a
    time. A picture that is labeled differently as it is has size 0 and is told at once. Any other ``strategy`` gives
    pictures, `LoadedInputs`, or arrays that are fed as they are, shape (N, ...): Hypothesis goes where the margins of
    both are small, as in targeted property-based testing (A. Löscher and K. Sagonas, 2017), and shrinks what it finds.

    It ends when nothing is gained any more, when ``max_examples`` inputs were predicted in both environments, or after
    ``max_seconds``. ``None`` means that nothing was found, not that there is nothing. What is found is saved in
    ``directory`` (``envrobust-disagreements``) for `Disagreement.load`, and is tried first the next time; ``seed`` is
    that of all chance. Raises what `predict` raises, `DeclarationError` for another ``minimize``, and `Unavailable`
    where Hypothesis is absent.
    """
    if minimize not in SIZES:
        raise DeclarationError(f"minimize={minimize!r}", cause=f"it is {' or '.join(map(repr, SIZES))}")
    folder = Path(FOLDER if directory is None else directory)
    probe = Probe(cell, reference, max_examples, max_seconds)
    changes = changes_of(strategy)
    if changes is None:
        key = f"{cell.model_name} {cell.environment.id} {reference.environment.id} {strategy!r}"
        found = _shrunk(probe, strategy, key.encode(), seed)
    else:
        found = _smallest(probe, changes, minimize, seed, folder)
    return None if found is None else replace(found, predictions=probe.predictions).save(folder)


def _smallest(probe: Probe, changes: Changes, minimize: Measure, seed: int, folder: Path) -> Disagreement | None:
    """The smallest change of a picture."""
    original = digest(changes.image[None])
    known = saved_perturbations(folder, probe.cell, probe.reference, original)
    trials = Trials(changes, probe, minimize)
    best = SmallestChange(trials, seed).find(known)
    if best is None:
        return None
    picture = PerturbedImage(best.perturbation.apply(changes.image), best.perturbation)
    found = disagreement(probe.cell, probe.reference, picture.inputs, best.pair)
    assert found is not None
    return replace(found, perturbation=best.perturbation, size=best.size, minimized=minimize, original=original)


def _shrunk(probe: Probe, strategy: SearchStrategy[Any], key: bytes, seed: int) -> Disagreement | None:
    """What Hypothesis finds of any strategy, as small as it gets it. No input is predicted twice."""
    check_hypothesis()
    from hypothesis import HealthCheck, find, settings, target
    from hypothesis.errors import NoSuchExample

    known: dict[str, Pair] = {}

    def pair_of(inputs: LoadedInputs | NDArray[Any]) -> Pair | None:
        key = digest(inputs)
        if key not in known and probe.left:
            known[key] = probe.predict(inputs)
        return known.get(key)

    def differs(example: Inputs) -> bool:
        pair = pair_of(_inputs(example))
        if pair is None or any(pair.differs()):
            return pair is not None
        for name, lead in pair.closest.items():
            target(-lead, label=name)
        return False

    budget = settings(max_examples=max(probe.left, 1), deadline=None, suppress_health_check=list(HealthCheck))
    try:
        example = find(strategy, differs, settings=budget, database_key=key, random=Random(seed))
    except NoSuchExample:
        return None
    inputs = _inputs(example)
    found = disagreement(probe.cell, probe.reference, inputs, known[digest(inputs)])
    assert found is not None
    return replace(found, perturbation=example.perturbation if isinstance(example, PerturbedImage) else None)


def _inputs(example: Inputs) -> LoadedInputs | NDArray[Any]:
    return example.inputs if isinstance(example, PerturbedImage) else example


def digest(inputs: LoadedInputs | NDArray[Any]) -> str:
    """16 hexadecimal digits over the inputs' shapes, dtypes and values."""
    each = inputs.digests if isinstance(inputs, LoadedInputs) else LoadedInputs((), array=inputs).digests
    return hashlib.sha256(" ".join(each).encode()).hexdigest()[:16]
