"""Four classifiers that are built in, each defined natively in keras and in torch.

They are those of Louloudakis, Gibson, Cano, Rajan: 'Assessing Robustness of Image Recognition Models to Changes in the
Computational Environment' (2022). Their definitions are the frameworks' own: `keras.applications`, torchvision, and
timm for ResNet101V2 in torch.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.suggestions import did_you_mean
from pytest_envrobust.frameworks import _keras_zoo, _torch_zoo, frameworks
from pytest_envrobust.frameworks._zoo import IMAGENET, SEED, SEEDED, SUFFIXES, UNSET
from pytest_envrobust.models.inputs import Arrays, ImageFolder, Inputs, given_inputs
from pytest_envrobust.models.model import Model, Source
from pytest_envrobust.models.pictures import read_picture
from pytest_envrobust.models.preprocess import Preprocess

NAMES = ("mobilenet_v2", "resnet101_v2", "densenet121", "inception_v3")
"""The built-in models."""
FRAMEWORKS = ("keras", "torch")
"""The frameworks that define them; the first one's is the reference."""
PREFIX = "zoo:"
"""What stands before a built-in model's name on the command line."""
EVERY = "all"

Weights = str | Mapping[str, str | Path]
"""`seeded`, `imagenet`, or a file for each framework."""

_CALIBRATED_ON = 20
_BUILD: Mapping[str, Callable[[str, str, NDArray[Any] | None], Any]] = {
    "keras": _keras_zoo.build,
    "torch": _torch_zoo.build,
}


def mobilenet_v2(
    inputs: Inputs | NDArray[Any] | str | Path,
    weights: Weights = SEEDED,
    frameworks: Sequence[str] | None = None,
    name: str | None = None,
) -> Model:
    """MobileNetV2, 224 × 224, 1000 classes.

    ``inputs`` are images: a folder or `Inputs`, whose own preprocessing is not used, as each source has its native
    one. ``weights`` are ``"seeded"`` (drawn, then calibrated on at most 20 of the inputs; no download, and no
    accuracy), ``"imagenet"`` (downloaded by the frameworks' own loaders) or a file for each framework:
    ``{"keras": "m.weights.h5", "torch": "m.safetensors"}``. ``frameworks`` are keras and torch or, of files, those
    that have one. Raises `DeclarationError` for weights or frameworks that there are not.
    """
    return _model("mobilenet_v2", inputs, weights, frameworks, name)


def resnet101_v2(
    inputs: Inputs | NDArray[Any] | str | Path,
    weights: Weights = SEEDED,
    frameworks: Sequence[str] | None = None,
    name: str | None = None,
) -> Model:
    """ResNet101V2, 224 × 224, 1000 classes; arguments as for `mobilenet_v2`."""
    return _model("resnet101_v2", inputs, weights, frameworks, name)


def densenet121(
    inputs: Inputs | NDArray[Any] | str | Path,
    weights: Weights = SEEDED,
    frameworks: Sequence[str] | None = None,
    name: str | None = None,
) -> Model:
    """DenseNet121, 224 × 224, 1000 classes; arguments as for `mobilenet_v2`."""
    return _model("densenet121", inputs, weights, frameworks, name)


def inception_v3(
    inputs: Inputs | NDArray[Any] | str | Path,
    weights: Weights = SEEDED,
    frameworks: Sequence[str] | None = None,
    name: str | None = None,
) -> Model:
    """InceptionV3 without its auxiliary classifier, 299 × 299, 1000 classes; arguments as for `mobilenet_v2`."""
    return _model("inception_v3", inputs, weights, frameworks, name)


def all(
    inputs: Inputs | NDArray[Any] | str | Path, weights: Weights = SEEDED, frameworks: Sequence[str] | None = None
) -> list[Model]:
    """All four, each under its own name. Raises `DeclarationError` for files as weights: they fit one model."""
    if not isinstance(weights, str):
        raise DeclarationError("weights of all built-in models", cause="a file fits one model", remedy="declare one")
    return [_model(each, inputs, weights, frameworks, None) for each in NAMES]


def preprocess(name: str, framework: str) -> Preprocess:
    """What that framework's own documentation says to do with an image for that model.

    keras: `keras.utils.load_img(path, target_size=...)` and the model's own `preprocess_input`, as in the usage
    examples of `keras.applications`. They leave `load_img` at its defaults, which take the nearest pixels and crop
    nothing: that is what who follows them feeds the network, not what its weights were trained with. torchvision: the
    transforms of its weights; timm: the default configuration of its weights.
    """
    size = 299 if name == "inception_v3" else 224
    if framework == "keras":
        scaled: Callable[..., Preprocess] = Preprocess.imagenet if name == "densenet121" else Preprocess.inception
        return scaled(size, resize=(size, size), crop=None, filter="nearest")
    if name == "resnet101_v2":
        half = (0.5, 0.5, 0.5)
        return Preprocess(resize=235, crop=224, filter="bicubic", scale=1 / 255, mean=half, std=half)
    return Preprocess.imagenet(size)


@cache
def class_names() -> tuple[str, ...]:
    """ImageNet's 1000 classes in the usual order, tench first, as timm or torchvision lists them.

    Neither is imported; where neither is installed there are no names. A name is the first of a class's synonyms,
    with the class's index where another class has the same one.
    """
    names = [text.partition(",")[0] for text in _listed_by_timm() or _listed_by_torchvision()]
    return tuple(name if names.count(name) == 1 else f"{name} ({index})" for index, name in enumerate(names))


@dataclass(frozen=True, eq=False)
class ZooFactory:
    """Builds one framework's model, in a worker. ``inputs`` are what seeded weights are calibrated on."""

    name: str
    framework: str
    weights: str
    inputs: Inputs | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.name}"

    def __call__(self) -> Any:
        """The framework's own model. Raises `DeclarationError` or `Unavailable` where it cannot be had."""
        self.check_files()
        images = None
        if self.inputs is not None:
            layout: Any = frameworks()[self.framework].layout
            images = preprocess(self.name, self.framework).apply(_spread(self.inputs), layout=layout)
        return _BUILD[self.framework](self.name, self.weights, images)

    def structure(self) -> Any:
        """The same model with whatever weights it has at first: drawing and calibrating them takes long."""
        return _BUILD[self.framework](self.name, UNSET, None)

    @property
    def file(self) -> Path | None:
        """The weights file, where they are one."""
        return None if self.weights in (SEEDED, IMAGENET) else Path(self.weights)

    def resolved(self, base: Path) -> ZooFactory:
        """The same with relative paths taken from ``base``."""
        weights = self.weights if self.file is None else str(base / self.file)
        return replace(self, weights=weights, inputs=None if self.inputs is None else self.inputs.resolved(base))

    def check_files(self) -> None:
        """Raise `DeclarationError` where the weights file is not there."""
        if self.file is not None and not self.file.is_file():
            raise DeclarationError(f"{self.framework} weights {self.weights!r}", cause="there is no such file")


def named(text: str, inputs: Inputs | NDArray[Any] | str | Path, weights: Weights) -> Model:
    """The model that ``zoo:NAME`` means on the command line, under that name. Raises `DeclarationError`."""
    name = text.removeprefix(PREFIX)
    if name not in NAMES:
        raise DeclarationError(
            f"there is no built-in model {name!r}",
            cause=f"they are {', '.join(NAMES)}, and {EVERY}",
            remedy=did_you_mean(name, (*NAMES, EVERY), written=f"{PREFIX}{{}}".format),
        )
    return _model(name, inputs, weights, None, text)


def expanded(texts: Sequence[str]) -> tuple[str, ...]:
    """Models of the command line, each once, the four in place of ``zoo:all``."""
    found: list[str] = []
    for text in texts:
        found += [PREFIX + name for name in NAMES] if text == PREFIX + EVERY else [text]
    return tuple(dict.fromkeys(found))


def parsed_weights(texts: Sequence[str]) -> Weights:
    """Weights as they are written on the command line. Raises `DeclarationError`."""
    if len(texts) == 1 and texts[0] in (SEEDED, IMAGENET):
        return texts[0]
    files: dict[str, str] = {}
    for text in texts:
        framework, separator, file = text.partition("=")
        if not separator or not file or framework in files:
            raise DeclarationError(
                f"weights {', '.join(texts)!r}",
                cause=f"weights are {SEEDED}, or {IMAGENET}, or FRAMEWORK=FILE once for each framework",
            )
        files[framework] = file
    return files or SEEDED


def _model(
    name: str,
    inputs: Inputs | NDArray[Any] | str | Path,
    weights: Weights,
    chosen: Sequence[str] | None,
    model_name: str | None,
) -> Model:
    given = given_inputs(inputs)
    if isinstance(given, Arrays):  # images, not an array that is fed as it is
        given = replace(given, preprocess=preprocess(name, FRAMEWORKS[0]))
    by_framework = _weights_by_framework(name, weights, chosen)
    sources = {framework: _source(name, framework, each, given) for framework, each in by_framework.items()}
    return Model(model_name or name, sources, given, class_names() or None)


def _weights_by_framework(name: str, weights: Weights, chosen: Sequence[str] | None) -> dict[str, str]:
    """For each framework `seeded`, `imagenet` or a file. Raises `DeclarationError`."""
    subject = f"weights of {name}"
    if isinstance(weights, str):
        if weights not in (SEEDED, IMAGENET):
            cause = f"{weights!r} is neither {SEEDED!r} nor {IMAGENET!r} nor a file for each framework"
            raise DeclarationError(subject, cause=cause, remedy=did_you_mean(weights, (SEEDED, IMAGENET)))
        found = dict.fromkeys(FRAMEWORKS if chosen is None else chosen, weights)
    else:
        found = {framework: str(file) for framework, file in weights.items()}
    unknown = [framework for framework in (*found, *(chosen or ())) if framework not in FRAMEWORKS]
    if unknown or not found:
        cause = f"{unknown[0]!r} does not define it" if unknown else "no framework is named"
        raise DeclarationError(subject, cause=f"{cause}; {' and '.join(FRAMEWORKS)} do")
    if chosen is not None and set(chosen) != set(found):
        raise DeclarationError(subject, cause=f"there are files for {', '.join(found)}, not {', '.join(chosen)}")
    for framework, file in found.items():
        if file not in (SEEDED, IMAGENET) and not file.endswith(SUFFIXES[framework]):
            raise DeclarationError(
                f"{framework} weights {file!r}", cause=f"the name of such a file ends in {SUFFIXES[framework]}"
            )
    return found


def _source(name: str, framework: str, weights: str, inputs: Inputs) -> Source:
    factory = ZooFactory(name, framework, weights, _for_calibration(inputs) if weights == SEEDED else None)
    return Source(factory, preprocess=preprocess(name, framework), weights=_described(name, framework, weights))


def _described(name: str, framework: str, weights: str) -> str:
    if weights == SEEDED:
        return f"seeded, not trained (seed {SEED}, batch norm calibrated on at most {_CALIBRATED_ON} of the inputs)"
    if weights != IMAGENET:
        return f"file {Path(weights).name}"
    if framework == "keras":
        return "imagenet (keras.applications)"
    timms = name == "resnet101_v2"
    return f"imagenet ({f'timm {_torch_zoo.RESNET101_V2}' if timms else f'torchvision {_torch_zoo.IMAGENET_WEIGHTS}'})"


def _for_calibration(inputs: Inputs) -> Inputs:
    """The inputs as they travel to a worker: without truth, and of an array in memory only what is used."""
    if isinstance(inputs, Arrays):
        array = inputs.array
        if isinstance(array, np.ndarray) and array.ndim:
            array = array[_places(len(array))]
        return replace(inputs, array=array, names=(), truth=None)
    return replace(inputs, truth=None) if isinstance(inputs, ImageFolder) else inputs


def _spread(inputs: Inputs) -> list[NDArray[np.uint8]]:
    """At most 20 images, evenly spread over the inputs: a folder that is sorted by class begins with few classes."""
    if isinstance(inputs, ImageFolder):
        files = inputs.files()
        return [read_picture(files[place]).pixels for place in _places(len(files))]
    images = inputs.load().images
    if images is None:
        raise DeclarationError("seeded weights are calibrated on images", cause=f"{type(inputs).__name__} has none")
    return [images[place] for place in _places(len(images))]


def _places(count: int) -> list[int]:
    return sorted({int(place) for place in np.linspace(0, count - 1, min(count, _CALIBRATED_ON)).round()})


def _listed_by_timm() -> list[str]:
    folder = _folder("timm", "data", "_info")
    try:
        wnids = (folder / "imagenet_synsets.txt").read_text(encoding="utf-8").split()
        lines = (folder / "imagenet_synset_to_lemma.txt").read_text(encoding="utf-8").splitlines()
        lemmas = dict(line.split("\t", 1) for line in lines)
        return [lemmas[wnid].strip() for wnid in wnids]
    except (OSError, KeyError, ValueError):
        return []


def _listed_by_torchvision() -> list[str]:
    try:
        tree = ast.parse((_folder("torchvision", "models") / "_meta.py").read_text(encoding="utf-8"))
    except (OSError, SyntaxError):
        return []
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_IMAGENET_CATEGORIES":
            return list(ast.literal_eval(node.value))
    return []


def _folder(package: str, *parts: str) -> Path:
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    return Path(spec.origin).parent.joinpath(*parts) if spec is not None and spec.origin else Path()
