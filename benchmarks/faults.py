"""What notices a broken network: seeded faults in EfficientNet-Lite0, on photographs and on random inputs.

``faults`` counts the broken networks. ``caught`` are those of them that fail on the photographs, for our verdict with
the flipped images named; ``false_alarms`` is 1 where the harmless one, weights rounded to float16, fails there;
``passed_on_random`` counts the broken ones that pass on inputs drawn from 0 to 1, which all look the same to the
network. These four are our own verdict's, under --envrobust-strict: it calls inputs that cannot tell inadequate, and
passes nothing on them. ``tools`` has the same for every tool. The others are measured where they are installed:
pip install --no-deps --target FOLDER polygraphy pytest-torch, and --tools FOLDER.

Everything runs in this process, with the plugin's own seeded faults, comparison and verdict.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _common import arguments, report
from _rivals import Check, Trial, rivals
from _sessions import SIDE, check_packages
from numpy.typing import NDArray

from pytest_envrobust import ImageFolder, Preprocess
from pytest_envrobust.comparison.adequacy import Adequacy, FaultEffect, adequacy, effect_of
from pytest_envrobust.comparison.labels import compare_labels, top1
from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.core.faults import SOURCE
from pytest_envrobust.core.faults import faults as seeded_faults
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.core.status import Status
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.models.faults import faulty_batches
from pytest_envrobust.models.inputs import LoadedInputs
from pytest_envrobust.verdicts.labels import LabelEvidence, judge_labels
from pytest_envrobust.verdicts.limits import MIN_LABEL_AGREEMENT, Limit
from pytest_envrobust.verdicts.verdict import Subject

if TYPE_CHECKING:
    import torch

OURS = "pytest-envrobust"
HARMLESS = "float16 weights"
LITE0 = Preprocess(resize=256, filter="bicubic", crop=SIDE, mean=(127, 127, 127), std=(128, 128, 128))
RAISED = 3.0
"""By how much one class is raised, in the scores' own unit."""


@dataclass(frozen=True)
class Inputs:
    """Inputs of one kind, the reference's scores of them, and what they can tell."""

    loaded: LoadedInputs
    batch: torch.Tensor
    expected: NDArray[np.float32]
    adequacy: Adequacy


@dataclass(frozen=True)
class Outcome:
    """What our verdict or another tool's check says of one network on one kind of inputs."""

    said: str
    named: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.said == "pass"

    @property
    def failed(self) -> bool:
        return self.said == "FAIL"


def main() -> None:
    """Measure and report."""
    options = arguments(
        __doc__ or "",
        rounds=1,
        images={"type": int, "default": 20, "help": "inputs of each kind (%(default)s)"},
        tools={"type": Path, "metavar": "FOLDER", "help": "where the other tools are installed"},
    )
    check_packages()
    import torch

    torch.set_num_threads(1)
    reference, others = network(), rivals(options.tools)
    real = measured(reference, photographs(options.images), LITE0)
    random = [measured(reference, noise(options.images, seed), None) for seed in range(options.rounds)]
    print(f"photographs: {'; '.join(real.adequacy.lines(1.0))}", file=sys.stderr)
    print(f"random: {'; '.join(random[0].adequacy.lines(1.0))}", file=sys.stderr)
    on_photographs: dict[str, dict[str, Outcome]] = {}
    on_random: dict[str, list[dict[str, Outcome]]] = {}
    for fault, broken in networks(reference, real.expected):
        on_photographs[fault] = outcomes(reference, broken, real, others)
        on_random[fault] = [outcomes(reference, broken, each, others) for each in random]
    tools = {tool: figures(tool, on_photographs, on_random) for tool in (OURS, *others)}
    flipped = {fault: list(found[OURS].named) for fault, found in on_photographs.items()}
    report(
        f"Seeded faults in EfficientNet-Lite0 on {len(real.batch)} photographs and as many random inputs",
        {**tools[OURS], "tools": tools, "flipped": flipped},
        columns=("inputs", "fault", *tools),
        rows=[
            *(("photographs", fault, *(found[tool].said for tool in tools)) for fault, found in on_photographs.items()),
            *(("random", fault, *(found[0][tool].said for tool in tools)) for fault, found in on_random.items()),
        ],
        targets={"false_alarms": 0, "passed_on_random": 0},
        json_path=options.json,
    )


def figures(
    tool: str, on_photographs: dict[str, dict[str, Outcome]], on_random: dict[str, list[dict[str, Outcome]]]
) -> dict[str, int]:
    """What the benchmark is about, of one tool."""
    broken = [fault for fault in on_photographs if fault != HARMLESS]
    caught = [on_photographs[fault][tool] for fault in broken]
    return {
        "faults": len(broken),
        "caught": sum(outcome.failed and (bool(outcome.named) or tool != OURS) for outcome in caught),
        "false_alarms": int(not on_photographs[HARMLESS][tool].passed),
        "passed_on_random": sum(any(each[tool].passed for each in on_random[fault]) for fault in broken),
    }


def outcomes(
    reference: torch.nn.Module, broken: torch.nn.Module, inputs: Inputs, others: dict[str, Check]
) -> dict[str, Outcome]:
    """What each tool says of a network, ours first."""
    actual = scores_of(broken, inputs.batch)
    trial = Trial(reference, broken, inputs.batch, inputs.expected, actual)
    theirs = {tool: Outcome("pass" if check(trial) else "FAIL") for tool, check in others.items()}
    return {OURS: our_outcome(inputs, actual), **theirs}


def our_outcome(inputs: Inputs, actual: NDArray[np.float32]) -> Outcome:
    """Our verdict with the default limit, strict; the flipped inputs that its message names."""
    comparison = compare_labels(actual, inputs.expected, inputs=inputs.loaded.names)
    evidence = LabelEvidence(comparison, adequacy=inputs.adequacy, is_strict=True)
    limit = Limit(MIN_LABEL_AGREEMENT, 1.0, "default")
    verdict = judge_labels(evidence, limit, Subject("lite0", "candidate", "reference"))
    if verdict.status is Status.INCONCLUSIVE:
        return Outcome("inadequate" if "inadequate" in verdict.message else "inconclusive")
    named = tuple(flip.input for flip in comparison.flips if f"{flip.input}:" in verdict.message)
    return Outcome("pass" if verdict.status is Status.PASSED else "FAIL", named)


def measured(reference: torch.nn.Module, loaded: LoadedInputs, preprocess: Preprocess | None) -> Inputs:
    """The reference's scores of inputs, and what these can tell."""
    import torch

    batch = torch.from_numpy(loaded.batch(preprocess, "NCHW"))
    expected = scores_of(reference, batch)
    labels = top1(expected)
    effects = [
        effect_of(fault, labels, top1(scores_of(reference, torch.from_numpy(faulty))))
        for fault, faulty in faulty_batches(loaded, preprocess, "NCHW")
    ]
    effects += in_the_source(reference, batch, labels)
    return Inputs(loaded, batch, expected, adequacy(expected, effects))


def in_the_source(reference: torch.nn.Module, batch: torch.Tensor, labels: NDArray[np.int64]) -> Iterator[FaultEffect]:
    """What the plugin's own faults in the network change, those that can be made of it."""
    framework = frameworks()["torch"]
    for fault in seeded_faults(SOURCE):
        with suppress(Unavailable), framework.broken(reference, SourceRef("torch", "factory"), fault) as run:
            scores = [run(batch[place : place + 1].numpy()) for place in range(len(batch))]
            yield effect_of(fault, labels, top1(np.concatenate(scores)))


def networks(reference: torch.nn.Module, expected: NDArray[np.float32]) -> Iterator[tuple[str, torch.nn.Module]]:
    """The harmless network and the broken ones."""
    import torch

    constant = torch.from_numpy(scores_of(reference, torch.zeros(1, 3, SIDE, SIDE)))
    raised = torch.zeros(expected.shape[1])
    raised[runner_up(expected)] = RAISED
    yield HARMLESS, rounded(reference, lambda weights: weights.half().float())
    yield "int8 per tensor", rounded(reference, to_int8, matrices_only=False)
    yield "BGR", around(reference, before=lambda batch: batch.flip(1))
    yield "height/width swapped", around(reference, before=lambda batch: batch.transpose(2, 3))
    yield "labels shifted by one", around(reference, after=lambda scores: scores.roll(1, 1))
    yield "one class +3", around(reference, after=lambda scores: scores + raised)
    yield "constant output", around(reference, after=lambda scores: constant.expand(len(scores), -1))


Change = Callable[["torch.Tensor"], "torch.Tensor"]


def around(
    reference: torch.nn.Module, *, before: Change = lambda batch: batch, after: Change = lambda scores: scores
) -> torch.nn.Module:
    """The network with something done to what goes into it, or comes out."""
    import torch

    class Around(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = reference

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return after(self.network(before(batch)))

    return Around().eval()


def runner_up(expected: NDArray[np.float32]) -> int:
    """The second best class of the input with the least margin: raised elsewhere a class may win nowhere."""
    best = np.sort(expected, axis=1)
    return int(np.argsort(expected[(best[:, -1] - best[:, -2]).argmin()])[-2])


def rounded(reference: torch.nn.Module, change: Change, *, matrices_only: bool = True) -> torch.nn.Module:
    """The network with every weight matrix and kernel rounded, or every parameter, those of normalization too."""
    import torch

    changed = copy.deepcopy(reference)
    with torch.no_grad():
        for parameter in changed.parameters():
            if parameter.ndim > 1 or not matrices_only:
                parameter.copy_(change(parameter))
    return changed


def to_int8(weights: torch.Tensor) -> torch.Tensor:
    """The weights as 255 evenly spaced values with one scale for all of the tensor."""
    scale = weights.abs().max() / 127
    return (weights / scale).round() * scale


def scores_of(network: torch.nn.Module, batch: torch.Tensor) -> NDArray[np.float32]:
    """The network's scores, one input after the other, (N, classes)."""
    import torch

    with torch.inference_mode():
        return torch.cat([network(batch[place : place + 1]) for place in range(len(batch))]).numpy()


def network() -> Any:
    """EfficientNet-Lite0 with its real weights."""
    from lite0 import network as build

    return build()


def photographs(count: int) -> LoadedInputs:
    """The first ImageNet photographs that foolbox carries."""
    spec = find_spec("foolbox")
    if spec is None or spec.origin is None:
        sys.exit("foolbox, which carries the photographs, is not installed: pip install 'pytest-envrobust[demo]'")
    return ImageFolder(Path(spec.origin).parent / "data", pattern="imagenet_*.jpg", limit=count).load()


def noise(count: int, seed: int) -> LoadedInputs:
    """Inputs from 0 to 1, evenly distributed: what a tool draws that is given none."""
    array = np.random.default_rng(seed).random((count, 3, SIDE, SIDE), dtype=np.float32)
    return LoadedInputs(tuple(f"random-{place}" for place in range(count)), array=array, layout="NCHW")


if __name__ == "__main__":
    main()
