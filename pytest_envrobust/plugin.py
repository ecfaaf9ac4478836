"""The pytest plugin's front door: options, ini keys, markers. All else is imported only when a run asks for it."""

from __future__ import annotations

from typing import Any

import pytest

_MARKERS = (
    "envrobust(models=, environments=, reference=, batch_sizes=, threads=, and any limit=): "
    "run this test in the chosen environments; needs --envrobust",
    "envrobust_limitation(environment, *, reason, raises=): a known limitation of environments that match the glob; "
    "the test must fail there",
)
_FIXTURES = frozenset(
    {
        "envrobust",
        "envrobust_model",
        "envrobust_environment",
        "envrobust_reference",
        "envrobust_inputs",
        "envrobust_benchmark",
    }
)
"""Fixtures that need a run with --envrobust; `envrobust_thresholds` alone does not."""
_NEEDED = "needs --envrobust (or `envrobust = true` in the ini file)"


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the options and ini keys."""
    group = parser.getgroup("envrobust", "cross-environment consistency of models")
    add = group.addoption
    add("--envrobust", action="store_true", default=None, help="run the tests marked or written for envrobust")
    add(
        "--envrobust-env",
        action="append",
        metavar="GLOB",
        help="environments framework/compiler/device, by glob or name (repeatable); default: each engine's own "
        "default level on the CPU; '*' takes all. One named without a wildcard must be there, or its tests fail",
    )
    add(
        "--envrobust-model",
        action="append",
        metavar="MODEL",
        help="check this model without any test code: a .onnx, .tflite, .keras, .pt2 file, a SavedModel directory, "
        "[FRAMEWORK=]package.module:factory, or a built-in one, zoo:mobilenet_v2, zoo:all (repeatable)",
    )
    add(
        "--envrobust-weights",
        action="append",
        metavar="WEIGHTS",
        help="weights of zoo: models: seeded (default), imagenet, or FRAMEWORK=FILE (repeatable)",
    )
    add("--envrobust-inputs", metavar="PATH", help="inputs for --envrobust-model: an image folder, .npy or .npz")
    add(
        "--envrobust-preprocess",
        metavar="NAME",
        help="how images are prepared for --envrobust-model: imagenet, inception, caffe, raw; guessed if not given",
    )
    add("--envrobust-size", metavar="PIXELS", help="side of the prepared images, HEIGHTxWIDTH or one number")
    add(
        "--envrobust-truth",
        metavar="HOW",
        help="where the true classes of --envrobust-inputs are: folders, a .csv file of input,class, or a regular "
        "expression whose group finds the class number in an input's name",
    )
    add(
        "--envrobust-preprocess-from",
        choices=("native", "reference"),
        help="native (default): each source's own preprocessing; reference: the reference's for all of them",
    )
    add("--envrobust-reference", metavar="ENV", help="the environment that all others are compared with")
    add(
        "--envrobust-reference-run",
        metavar="RECORD",
        help="compare labels with the reference's predictions of that earlier run, which --envrobust-json wrote",
    )
    add("--envrobust-strict", action="store_true", default=None, help="an inconclusive verdict fails the test")
    add(
        "--envrobust-stop",
        choices=("early", "end"),
        help="early: run no more inputs of a cell once its labels have failed for sure; end (default): run all",
    )
    add(
        "--envrobust-check",
        action="append",
        metavar="CHECK",
        help="what is checked of --envrobust-model: labels, latency (both by default), scores (where a limit is set on "
        "them), repetition, batch, position, finite, probabilities, untouched, or all (repeatable)",
    )
    add(
        "--envrobust-flips",
        metavar="PATH",
        help="the ledger of known flips (default: envrobust-flips.toml beside the ini file, where there is one)",
    )
    add(
        "--envrobust-update-flips",
        action="store_true",
        help="bring that ledger up to date with this run, which fails where there was anything to write",
    )
    add("--envrobust-json", metavar="PATH", help="write the record of this run there, and the predictions beside it")
    add("--envrobust-html", metavar="PATH", help="write a report of this run there, one self-contained page")
    add("--envrobust-markdown", metavar="PATH", help="write a short report of this run there, for a CI job's summary")
    add(
        "--envrobust-shard",
        metavar="K/N",
        help="run the K-th of N shards of the cells, for a CI matrix; `envrobust merge` puts the records together",
    )
    add("--envrobust-cache-dir", metavar="DIR", help="where converted and compiled files are kept")
    add("--envrobust-cache-clear", action="store_true", help="remove all converted and compiled files first")
    add(
        "--envrobust-timeout",
        action="append",
        metavar="[STAGE=]SECONDS",
        help="time limit of a stage (import, convert, compile, load, run), or of each (repeatable)",
    )
    add(
        "--envrobust-isolation",
        choices=("process", "none"),
        default="process",
        help="none: everything in this process, for a debugger",
    )
    add(
        "--envrobust-threads",
        metavar="N",
        help="threads of every engine (default: 1), or auto, this process's share of the cores; N,M,...: times are "
        "measured with each, all else is done with the first",
    )
    add("--envrobust-batch-sizes", metavar="N,M,...", help="numbers of inputs a call that times are measured with too")
    add("--envrobust-time-budget", metavar="SECONDS", help="longest time to measure one cell's latency (default: 3)")
    add(
        "--envrobust-precision",
        metavar="SHARE",
        help="stop measuring sooner, once a slowdown of this share could be seen (default: 0.02)",
    )
    add(
        "--envrobust-baseline",
        metavar="RECORD",
        help="the saved run, which --envrobust-json wrote, that max_latency_regression is a limit to",
    )
    add(
        "--envrobust-set",
        action="append",
        metavar="COMPILER.OPTION=VALUE",
        help="an option of a compiler, such as tvm-tuned.trials=200 (repeatable)",
    )
    add(
        "--envrobust-interpreter",
        action="append",
        metavar="NAME=PYTHON",
        help="another Python that conversion steps run in whose packages cannot be installed beside the others: "
        "litert-torch, onnx2tf (repeatable)",
    )
    add(
        "--envrobust-device",
        action="append",
        metavar="NAME=KEY=VALUE",
        help="a device of your own: another interpreter, old=python=PATH; an emulated processor, "
        "atom=emulate=Denverton//inputs=4; another machine, pi=ssh=user@pi//python=PATH (repeatable)",
    )
    for name, text in _LIMITS.items():
        values = _TERMS.get(name, {"metavar": "LIMIT"})
        add(f"--envrobust-{name.replace('_', '-')}", help=text, **values)
        parser.addini(f"envrobust_{name}", text)
    parser.addini("envrobust", "run envrobust's tests without --envrobust", type="bool", default=False)
    parser.addini("envrobust_environments", "like --envrobust-env, one a line", type="linelist")
    for name in ("reference", "preprocess_from", "cache_dir", "stop", *_TIMING):
        parser.addini(f"envrobust_{name}", f"like --envrobust-{name.replace('_', '-')}")
    parser.addini("envrobust_strict", "like --envrobust-strict", type="bool", default=False)
    parser.addini("envrobust_timeout", "like --envrobust-timeout, one a line", type="linelist")
    parser.addini("envrobust_set", "like --envrobust-set, one a line", type="linelist")
    parser.addini("envrobust_interpreters", "like --envrobust-interpreter, one a line", type="linelist")


_LIMITS = {
    "min_label_agreement": "share of top-1 labels that must agree with the reference's (default: 1.0)",
    "ties": "count (default): a tie is a flip; ignore: ties are left out of the share of labels that agree",
    "bound": "what the inputs show at 95 %% confidence must reach the limit on labels, not the share of these alone",
    "max_abs_error": "largest difference of a score from the reference's",
    "max_relative_error": "largest difference of a score, as a share of its input's largest score",
    "max_fidelity_ratio": "error against double precision, as a multiple of the reference's own",
    "max_latency_ms": "longest median wall time of a call, in milliseconds",
    "max_latency_p90_ms": "wall time that nine in ten calls must not exceed, in milliseconds",
    "max_latency_p99_ms": "wall time that 99 in 100 calls must not exceed, in milliseconds",
    "max_latency_ratio": "longest time of a call, as a multiple of the reference's",
    "max_latency_regression": "longest time of a call, as a multiple of its own in the run of --envrobust-baseline",
}
_TERMS: dict[str, dict[str, Any]] = {
    "ties": {"choices": ("count", "ignore")},
    "bound": {"action": "store_const", "const": "true"},
}
"""Options that are no numbers."""
_TIMING = ("threads", "batch_sizes", "time_budget", "precision", "baseline")


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare envrobust's own hooks."""
    from pytest_envrobust import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and, where the run asks for it, the rest of the plugin."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    if is_enabled(config):
        from pytest_envrobust.integration import register

        register(config)
    else:
        config.pluginmanager.register(_Disabled(), "envrobust-disabled")


def is_enabled(config: pytest.Config) -> bool:
    """Whether this run asks for envrobust: the flag, a model on the command line, or the ini key."""
    asked = config.getoption("envrobust")
    if asked is None:
        return bool(config.getini("envrobust"))
    return bool(asked)


class _Disabled:
    """What is left of the plugin in a run that does not ask for it: marked tests are skipped, with the reason."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Skip what is marked or uses one of the fixtures."""
        skip = pytest.mark.skip(reason=_NEEDED)
        for item in items:
            used = _FIXTURES.intersection(getattr(item, "fixturenames", ()))
            if used or item.get_closest_marker("envrobust"):
                item.add_marker(skip)
