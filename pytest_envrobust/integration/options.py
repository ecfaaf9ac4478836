"""The options and ini keys: one table, from which the command line and a rerun line are made.

Every pytest run in an environment with this plugin reads it, whether it asks for envrobust or not: it imports nothing,
and a named tuple costs a fraction of what a dataclass takes to be made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typing import Literal, Protocol

    import pytest

    Kind = Literal["switch", "value", "repeatable"]
    IniKind = Literal["string", "bool", "linelist"]
    Group = Literal["choose", "inputs", "limits", "time", "reports", "store", "devices"]

    class OfCheck(Protocol):
        """What a check says of itself: its name, its limits, whether it is made unless others are asked for."""

        @property
        def name(self) -> str: ...

        @property
        def limits(self) -> Iterable[OfLimit]: ...

        @property
        def asked_for_by_default(self) -> bool: ...

    class OfLimit(Protocol):
        """What a limit says of itself: its name, one line of help, the words it may be, whether it is yes or no."""

        @property
        def name(self) -> str: ...

        @property
        def meaning(self) -> str: ...

        @property
        def choices(self) -> tuple[str, ...]: ...

        @property
        def is_switch(self) -> bool: ...


PREFIX = "--envrobust"
GROUPS: dict[Group, str] = {
    "choose": "envrobust: models, environments and checks",
    "inputs": "envrobust: inputs and how they are prepared",
    "limits": "envrobust: limits and verdicts",
    "time": "envrobust: how times are measured",
    "reports": "envrobust: record and reports",
    "store": "envrobust: converted files and worker processes",
    "devices": "envrobust: engines' options, devices and interpreters",
}
"""The headings of ``pytest --help``, in their order."""


class CommandOption(NamedTuple):
    """An option of the command line, and the ini key that says the same where there is one.

    ``kind``: a switch takes no value, and counts as ``const`` where it is given; a repeatable option adds up.
    ``ini`` is the key's name, without it there is none.
    ``of_whole_run``: it means nothing to a rerun of one cell, which leaves it out. ``group`` is the heading that
    ``pytest --help`` has it under.
    """

    name: str
    help: str
    kind: Kind = "value"
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    const: object = True
    ini: str = ""
    ini_kind: IniKind = "string"
    of_whole_run: bool = False
    group: Group = "choose"

    @property
    def flag(self) -> str:
        """As it is written on the command line."""
        return f"{PREFIX}-{self.name.replace('_', '-')}" if self.name else PREFIX

    @property
    def takes_value(self) -> bool:
        """Whether the argument behind it belongs to it."""
        return self.kind != "switch"

    @property
    def argparse(self) -> dict[str, Any]:
        """How argparse declares it; ``None`` where it was not given."""
        declared: dict[str, Any] = {"help": self.help.replace("%", "%%")}
        if self.kind == "switch":
            return declared | {"action": "store_const", "const": self.const}
        if self.kind == "repeatable":
            declared["action"] = "append"
        return declared | ({"choices": self.choices} if self.choices else {"metavar": self.metavar})

    @property
    def documented_ini(self) -> str:
        """What ``pytest --help`` says of the ini key."""
        each = ", one a line" if self.ini_kind == "linelist" else ""
        return f"{self.help.replace(' (repeatable)', '')}; like {self.flag}{each}"


OPTIONS = (
    CommandOption(
        "",
        "run the tests marked or written for envrobust",
        "switch",
        ini="envrobust",
        ini_kind="bool",
    ),
    CommandOption(
        "env",
        "environments framework/compiler/device, by glob or name (repeatable); default: each engine's own default "
        "level on the CPU; '*' takes all. One named without a wildcard must be there, or its tests fail",
        "repeatable",
        "GLOB",
        ini="envrobust_environments",
        ini_kind="linelist",
    ),
    CommandOption(
        "model",
        "check this model without any test code: a .onnx, .tflite, .keras, .pt2, .pt (TorchScript), .xml (OpenVINO) "
        "file, a SavedModel directory, "
        "[FRAMEWORK=]package.module:factory, or a built-in one, zoo:mobilenet_v2, zoo:all (repeatable)",
        "repeatable",
        "MODEL",
    ),
    CommandOption(
        "variant",
        "compare this with --envrobust-model: the same network quantized, converted or exported anew, of its format or "
        "of another (repeatable). Its environments are onnx:NAME/...; the name is its file's where none is given",
        "repeatable",
        "[NAME=]MODEL",
    ),
    CommandOption(
        "weights",
        "weights of zoo: models: seeded (default), imagenet, or FRAMEWORK=FILE; of package.module:factory: a FILE to "
        "load into what it returns (repeatable)",
        "repeatable",
        "WEIGHTS",
    ),
    CommandOption(
        "output",
        "which output of --envrobust-model holds the class scores, by name or place, or SOURCE=OUTPUT (repeatable)",
        "repeatable",
        "OUTPUT",
    ),
    CommandOption(
        "signature",
        "which function of a SavedModel or .tflite file runs, or SOURCE=SIGNATURE (repeatable)",
        "repeatable",
        "SIGNATURE",
    ),
    CommandOption(
        "decision",
        "above which value one score for each input means class 1: 0.5 for a probability, 0 for a logit; guessed if "
        "not given (repeatable)",
        "repeatable",
        "[SOURCE=]NUMBER",
    ),
    CommandOption(
        "inputs",
        "inputs for --envrobust-model: an image folder, .npy or .npz",
        metavar="PATH",
        group="inputs",
    ),
    CommandOption(
        "preprocess",
        "how images are prepared for --envrobust-model: imagenet, inception, caffe, raw, unit; without it, a "
        "preprocessor_config.json or config.json beside the model says it, or it is guessed",
        metavar="NAME",
        group="inputs",
    ),
    CommandOption(
        "size",
        "side of the prepared images, HEIGHTxWIDTH or one number",
        metavar="PIXELS",
        group="inputs",
    ),
    CommandOption(
        "crop",
        "share of the shorter side that the center crop keeps (0.875), the crop's pixels, or none: both sides resized",
        metavar="CROP",
        group="inputs",
    ),
    CommandOption(
        "scale",
        "what pixels (0 to 255) are multiplied by: a number, or 1/255",
        metavar="NUMBER",
        group="inputs",
    ),
    CommandOption(
        "mean",
        "what is taken off the scaled pixels: one number, or three (0.485,0.456,0.406), which without a scale are "
        "of values from 0 to 1 where they are below 1",
        metavar="NUMBERS",
        group="inputs",
    ),
    CommandOption(
        "std",
        "what they are divided by then: one number, or three",
        metavar="NUMBERS",
        group="inputs",
    ),
    CommandOption(
        "filter",
        "how images are resized: nearest, box, bilinear, hamming, bicubic, lanczos",
        metavar="FILTER",
        group="inputs",
    ),
    CommandOption(
        "channels",
        "order of the color channels: RGB, BGR; or gray",
        metavar="ORDER",
        group="inputs",
    ),
    CommandOption(
        "truth",
        "where the true classes of --envrobust-inputs are: folders, a .csv file of input,class, or a regular "
        "expression whose group finds the class number in an input's name",
        metavar="HOW",
        group="inputs",
    ),
    CommandOption(
        "labels",
        "names of the classes of --envrobust-model, in its order: a text file with one a line, or .json",
        metavar="FILE",
        group="inputs",
    ),
    CommandOption(
        "preprocess_from",
        "native (default): each source's own preprocessing; reference: the reference's for all of them",
        choices=("native", "reference"),
        ini="envrobust_preprocess_from",
        group="inputs",
    ),
    CommandOption(
        "reference",
        "the environment that all others are compared with",
        metavar="ENV",
        ini="envrobust_reference",
    ),
    CommandOption(
        "reference_run",
        "compare labels with the reference's predictions of that earlier run, which --envrobust-json wrote",
        metavar="RECORD",
    ),
    CommandOption(
        "strict",
        "an inconclusive verdict fails the test",
        "switch",
        ini="envrobust_strict",
        ini_kind="bool",
        group="limits",
    ),
    CommandOption(
        "stop",
        "early: run no more inputs of a cell once its labels have failed for sure; end (default): run all",
        choices=("early", "end"),
        ini="envrobust_stop",
        group="limits",
    ),
    CommandOption(
        "flips",
        "the ledger of known flips (default: envrobust-flips.toml beside the ini file, where there is one)",
        metavar="PATH",
        group="limits",
    ),
    CommandOption(
        "update_flips",
        "bring that ledger up to date with this run, which fails where there was anything to write",
        "switch",
        group="limits",
    ),
    CommandOption(
        "json",
        "write the record of this run there, and the predictions beside it",
        metavar="PATH",
        of_whole_run=True,
        group="reports",
    ),
    CommandOption(
        "html",
        "write a report of this run there, one self-contained page",
        metavar="PATH",
        of_whole_run=True,
        group="reports",
    ),
    CommandOption(
        "markdown",
        "write a short report of this run there, for a CI job's summary",
        metavar="PATH",
        of_whole_run=True,
        group="reports",
    ),
    CommandOption(
        "shard",
        "run the K-th of N shards of the cells, for a CI matrix; `envrobust merge` puts the records together",
        metavar="K/N",
        of_whole_run=True,  # dealt out by itself, the cell might be in another shard
    ),
    CommandOption(
        "cache_dir",
        "where converted and compiled files are kept",
        metavar="DIR",
        ini="envrobust_cache_dir",
        group="store",
    ),
    CommandOption(
        "cache_clear",
        "remove all converted and compiled files first",
        "switch",
        of_whole_run=True,
        group="store",
    ),
    CommandOption(
        "timeout",
        "time limit of a stage (import, convert, compile, load, run), or of each (repeatable)",
        "repeatable",
        "[STAGE=]SECONDS",
        ini="envrobust_timeout",
        ini_kind="linelist",
        group="store",
    ),
    CommandOption(
        "isolation",
        "none: everything in this process, for a debugger",
        choices=("process", "none"),
        group="store",
    ),
    CommandOption(
        "threads",
        "threads of every engine (default: 1), or auto, this process's share of the cores; N,M,...: times are measured "
        "with each, all else is done with the first",
        metavar="N",
        ini="envrobust_threads",
        group="time",
    ),
    CommandOption(
        "batch_sizes",
        "numbers of inputs a call that times are measured with too",
        metavar="N,M,...",
        ini="envrobust_batch_sizes",
        group="time",
    ),
    CommandOption(
        "time_budget",
        "longest time to measure one cell's latency (default: 3)",
        metavar="SECONDS",
        ini="envrobust_time_budget",
        group="time",
    ),
    CommandOption(
        "precision",
        "stop measuring sooner, once a slowdown of this share could be seen (default: 0.02)",
        metavar="SHARE",
        ini="envrobust_precision",
        group="time",
    ),
    CommandOption(
        "baseline",
        "the saved run, which --envrobust-json wrote, that max_latency_regression is a limit to",
        metavar="RECORD",
        ini="envrobust_baseline",
        group="time",
    ),
    CommandOption(
        "set",
        "an option of a compiler, such as tvm-tuned.trials=200 (repeatable)",
        "repeatable",
        "COMPILER.OPTION=VALUE",
        ini="envrobust_set",
        ini_kind="linelist",
        group="devices",
    ),
    CommandOption(
        "interpreter",
        "another Python that conversion steps run in whose packages cannot be installed beside the others: "
        "litert-torch, onnx2tf (repeatable)",
        "repeatable",
        "NAME=PYTHON",
        ini="envrobust_interpreters",
        ini_kind="linelist",
        group="devices",
    ),
    CommandOption(
        "device",
        "a device of your own: another interpreter, old=python=PATH; an emulated processor, "
        "atom=emulate=Denverton//inputs=4; another machine, pi=ssh=user@pi//python=PATH (repeatable)",
        "repeatable",
        "NAME=KEY=VALUE",
        group="devices",
    ),
)


def options_of_checks(checks: Iterable[OfCheck]) -> tuple[CommandOption, ...]:
    """Which checks are made of a model without test code, and the limits of all of them."""
    every = list(checks)
    usual = ", ".join(check.name for check in every if check.asked_for_by_default)
    others = ", ".join(check.name for check in every if not check.asked_for_by_default)
    meaning = (
        f"what is checked of --envrobust-model: {usual} (by default, and whatever a limit is set on), {others}, or all "
        "(repeatable)"
    )
    chosen = CommandOption("check", meaning, "repeatable", "CHECK")
    return (chosen, *limit_options(limit for check in every for limit in check.limits))


def limit_options(limits: Iterable[OfLimit]) -> tuple[CommandOption, ...]:
    """An option and an ini key for each limit."""
    return tuple(
        CommandOption(
            limit.name,
            limit.meaning,
            "switch" if limit.is_switch else "value",
            "LIMIT",
            choices=() if limit.is_switch else limit.choices,
            const="true",
            ini=f"envrobust_{limit.name}",
            group="limits",
        )
        for limit in limits
    )


def add_options(parser: pytest.Parser, options: Iterable[CommandOption]) -> None:
    """Declare options and ini keys, each once: a check may be registered before this plugin declares its own."""
    groups = {name: parser.getgroup(f"envrobust-{name}", title) for name, title in GROUPS.items()}
    declared: set[str] = vars(parser).setdefault("_envrobust_options", set())
    for option in options:
        if option.flag in declared:
            continue
        declared.add(option.flag)
        groups[option.group].addoption(option.flag, **option.argparse)
        if option.ini:
            default = _INI_DEFAULTS[option.ini_kind]
            parser.addini(option.ini, option.documented_ini, type=option.ini_kind, default=default)


_INI_DEFAULTS: dict[IniKind, Any] = {"string": "", "bool": False, "linelist": []}


def rerun_arguments(arguments: Sequence[str], options: Iterable[CommandOption]) -> list[str]:
    """Those of a run's arguments that a run of one of its cells needs, ``--envrobust`` among them.

    Options of other plugins are left out. Of one that is in no table the argument behind it counts as its value.
    """
    known = {option.flag: option for option in options}
    kept: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        flag, separator, _ = argument.partition("=")
        if not flag.startswith(PREFIX):
            continue
        option = known.get(flag)
        has_value_behind = not separator and (option is None or option.takes_value)
        value = [next(remaining, "")] if has_value_behind else []
        if option is None or not option.of_whole_run:
            kept += [argument, *value]
    return kept if PREFIX in kept else [PREFIX, *kept]
