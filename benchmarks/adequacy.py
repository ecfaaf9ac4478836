"""Whether the predicted share of faults that inputs see is right: held against faults that are not seeded.

``rmse`` is the root of the mean square of the difference between the predicted share and the share really seen, over
``n`` sets of inputs: 20, 50 and 200 photographs and crops of them, for each network. ``within`` is the share of these
whose predicted interval has the real share in it. Seen is what changes a label.

The networks run by ONNX Runtime, with all of its optimizations. The faults that are seeded are the plugin's; those
that they are held against are of other kinds (`_other_faults`), each of which counts the same, as do its strengths.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _adequacy_networks import NETWORKS, Network
from _common import arguments, report
from _other_faults import broken_graphs, broken_inputs, broken_scores
from numpy.typing import NDArray

from pytest_envrobust.comparison.adequacy import Adequacy, FaultEffect, adequacy
from pytest_envrobust.core.errors import EnvrobustError
from pytest_envrobust.core.faults import INPUTS, SOURCE, Fault, faults
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.models.faults import faulty_batches
from pytest_envrobust.runs.fault_seeding import Trials

AT_ONCE = 8
FIRST = 40
"""A fault that changes the labels of half of so many inputs is seen by any set of 20: it is not run on the others."""
SETS = {20: 6, 50: 6, 200: 1}
"""How many sets of each size are drawn."""
GOOD = 0.09

Run = Callable[[NDArray[Any]], NDArray[Any]]
Changed = NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """A network's scores of all inputs, and by fault which labels it changes: of those seeded, and of other kinds."""

    scores: NDArray[Any]
    seeded: Mapping[Fault, Changed]
    others: Mapping[str, list[Changed]]


def main() -> None:
    """Measure and report."""
    options = arguments(
        __doc__ or "",
        rounds=1,
        kept={
            "type": Path,
            "metavar": "FOLDER",
            "help": "where what was measured of a network is kept, and read again",
        },
        networks={"nargs": "*", "default": list(NETWORKS), "choices": list(NETWORKS), "help": "which networks"},
    )
    rows, differences, within = [], [], []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        for name in options.networks:
            found = measured_or_kept(name, Path(folder), options.kept)
            for places in sets(len(found.scores)):
                share = told(found, places).predicted(1.0)
                assert share is not None
                real = really_seen(found, places)
                differences.append(share.share - real)
                within.append(share.low <= real <= share.high)
                rows.append((name, len(places), str(share), f"{real:.0%}"))
    report(
        "The share of faults that inputs are predicted to see, and the share of other faults that they see",
        {"rmse": float(np.sqrt(np.mean(np.square(differences)))), "n": len(rows), "within": float(np.mean(within))},
        columns=("network", "inputs", "predicted", "seen"),
        rows=rows,
        targets={"rmse": GOOD},
        json_path=options.json,
    )


def measured_or_kept(name: str, folder: Path, kept: Path | None) -> Measured:
    """What was measured of a network, from the file that it is kept in where there is one."""
    file = None if kept is None else kept / f"{name}.npz"
    if file is not None and file.is_file():
        return read(file)
    print(f"{name}: break it", file=sys.stderr)
    found = measured(NETWORKS[name](folder), folder)
    if file is not None:
        write(file, found)
    return found


def write(file: Path, found: Measured) -> None:
    """Keep what was measured."""
    seeded = {f"seeded|{fault.kind}|{fault.strength}|{fault.draw}": each for fault, each in found.seeded.items()}
    others = {f"other|{kind}|{place}": each for kind, all_ in found.others.items() for place, each in enumerate(all_)}
    np.savez_compressed(file, scores=found.scores, **seeded, **others)


def read(file: Path) -> Measured:
    """What was kept."""
    with np.load(file, allow_pickle=False) as arrays:
        seeded: dict[Fault, Changed] = {}
        others: dict[str, list[Changed]] = {}
        for name in arrays.files:
            what, *parts = name.split("|")
            if what == "seeded":
                seeded[Fault(parts[0], float(parts[1]), int(parts[2]))] = arrays[name]
            elif what == "other":
                others.setdefault(parts[0], []).append(arrays[name])
        return Measured(arrays["scores"], seeded, others)


def sets(count: int) -> Iterator[NDArray[np.int64]]:
    """Places of the inputs of each set, in order."""
    random = np.random.default_rng(0)
    for size, number in SETS.items():
        for _ in range(number):
            yield np.sort(random.choice(count, min(size, count), replace=False))


def told(found: Measured, places: NDArray[np.int64]) -> Adequacy:
    """What the plugin would tell of these inputs, from faults that it tries as it does in a run."""

    def attempt(fault: Fault, some: list[int]) -> FaultEffect | None:
        changed = found.seeded.get(fault)
        if changed is None:
            return None
        return FaultEffect(fault.kind, int(changed[places[some]].sum()), len(some), fault.strength)

    effects = Trials(len(places), {INPUTS: attempt, SOURCE: attempt}).effects()
    return adequacy(found.scores[places], effects)


def really_seen(found: Measured, places: NDArray[np.int64]) -> float:
    """The share of the other faults that change a label of these inputs, every kind counting the same."""
    return float(np.mean([np.mean([each[places].any() for each in kind]) for kind in found.others.values()]))


def measured(network: Network, folder: Path) -> Measured:
    """Break a network in all ways."""
    import onnx

    framework = frameworks()["onnx"]
    source = SourceRef("onnx", "file", target=str(network.file))
    native = framework.load(source)
    batch = network.inputs.batch(network.preprocess, "NCHW")
    run = opened(network.file)
    scores = in_parts(run, batch)
    labels = scores.argmax(axis=1)

    def changed(broken: Run, given: NDArray[Any] = batch) -> Changed:
        first = in_parts(broken, given[:FIRST]).argmax(axis=1) != labels[:FIRST]
        if first.mean() >= 0.5:
            return np.concatenate([first, np.ones(len(given) - len(first), dtype=bool)])
        return np.concatenate([first, in_parts(broken, given[FIRST:]).argmax(axis=1) != labels[FIRST:]])

    seeded = {
        fault: changed(run, faulty) for fault, faulty in faulty_batches(network.inputs, network.preprocess, "NCHW")
    }
    for fault in faults(SOURCE):
        try:
            with framework.broken(native, source, fault) as broken:
                seeded[fault] = changed(broken)
        except EnvrobustError as error:
            print(f"left out: {error.headline}", file=sys.stderr)
    others: dict[str, list[Changed]] = {}
    for kind, faulty in broken_inputs(network.inputs, network.preprocess):
        others.setdefault(kind, []).append(changed(run, faulty))
    for kind, model in broken_graphs(onnx.load(str(network.file))):
        path = folder / "broken.onnx"
        onnx.save(model, str(path))
        others.setdefault(kind, []).append(changed(opened(path)))
    for kind, given in broken_scores(scores):
        others.setdefault(kind, []).append(given.argmax(axis=1) != labels)
    return Measured(scores, seeded, others)


def opened(file: Path) -> Run:
    """The network in ONNX Runtime, with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batch: np.asarray(session.run(None, {name: batch})[0])


def in_parts(run: Run, batch: NDArray[Any]) -> NDArray[Any]:
    """Scores of a batch, a few inputs a call."""
    return np.concatenate([run(batch[place : place + AT_ONCE]) for place in range(0, len(batch), AT_ONCE)])


if __name__ == "__main__":
    main()
