"""Keras 3 models on its TensorFlow backend: factories, ``.keras`` files and whole-model ``.h5`` files."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import marshal
import warnings
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError, chain_of
from pytest_envrobust.core.faults import Fault
from pytest_envrobust.core.requirements import KERAS, TENSORFLOW, Requirement
from pytest_envrobust.core.sources import Inspection, SourceRef
from pytest_envrobust.core.telling import named_cause
from pytest_envrobust.core.tensors import TensorSpec
from pytest_envrobust.frameworks._floors import check_loader
from pytest_envrobust.frameworks._keras_faults import broken_layers
from pytest_envrobust.frameworks.base import BaseFramework, Run
from pytest_envrobust.frameworks.factories import code_digest, produce
from pytest_envrobust.frameworks.outputs import Output, choose, follow, path_to, single_output

_CHOSEN = "_envrobust_output"
"""Attribute under which a model that was cut down to one output says which."""

# Parts of a model's configuration that refer to layers by their names.
_REFERENCES = frozenset({"inbound_nodes", "input_layers", "output_layers"})


class Framework(BaseFramework):
    """Keras: NHWC batches, run layer by layer without a graph."""

    name: ClassVar[str] = "keras"
    requires: ClassVar[tuple[Requirement, ...]] = (KERAS, TENSORFLOW)
    suffixes: ClassVar[tuple[str, ...]] = (".keras", ".h5")
    layout: ClassVar[str] = "NHWC"
    engine: ClassVar[str] = "tensorflow"
    reference_compiler: ClassVar[str] = "eager"
    state_suffix: ClassVar[str] = ".weights.h5"
    digest_covers_code: ClassVar[bool] = True

    def load(self, source: SourceRef) -> Any:
        """The ``keras.Model``, built. Raises `DeclarationError` where there is none to be had."""
        import keras

        if source.kind == "file":
            model = _load_file(Path(source.target))
        else:
            model = produce(source, lambda found: isinstance(found, keras.Model))
            if source.weights and not source.state:
                _load_weights(model, Path(source.weights))
        if not model.built:
            raise DeclarationError(
                f"keras model {model.name!r} is not built",
                cause="its weights do not exist before it has seen an input shape, and every load would draw new ones",
                remedy="call it once on a batch, or model.build(shape), before the factory returns it",
            )
        return _with_one_output(model, source.output)

    def inspect(self, native: Any) -> Inspection:
        """Digest of configuration, code and weights; input and class count of functional and sequential models.

        The digest leaves out layer names: Keras numbers them by what was built earlier in the process.
        """
        chosen = getattr(native, _CHOSEN, "")
        return Inspection(_digest(native), declared_input(native), _class_count(native), output=chosen)

    def run(self, native: Any, batch: NDArray[Any]) -> NDArray[Any]:
        """One eager call in inference mode; scores of shape (N, classes)."""
        return np.array(single_output(native(batch, training=False), rows=len(batch)))

    def save_state(self, native: Any, path: Path) -> None:
        """Write the model's weights."""
        native.save_weights(path)

    def load_state(self, native: Any, path: Path) -> None:
        """Replace the model's weights, in place; those of another structure stay as they are."""
        with contextlib.suppress(ValueError):
            native.load_weights(path)

    @contextlib.contextmanager
    def broken(self, native: Any, source: SourceRef, fault: Fault) -> Iterator[Run]:
        """Weights and layers are changed in place."""
        with broken_layers(native, _all_layers(native), fault):
            yield lambda batch: self.run(native, batch)


def declared_input(model: Any) -> TensorSpec | None:
    """The one input of a functional or sequential model; ``None`` for a subclassed one, which declares none.

    Raises `DeclarationError` where the model takes several inputs.
    """
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return None
    if len(inputs) != 1:
        names = ", ".join(str(each.name) for each in inputs)
        raise DeclarationError(
            f"keras model {model.name!r} takes {len(inputs)} inputs ({names})",
            cause="an image classifier takes one batch of images",
            remedy="wrap the model so that it takes the images alone",
        )
    return TensorSpec(tuple(inputs[0].shape), str(inputs[0].dtype), str(inputs[0].name))


def _with_one_output(model: Any, wanted: str) -> Any:
    """The model with the output alone that holds the class scores, its layers shared; see `choose`."""
    import keras

    declared = _outputs_of(model)
    if len(declared) == 1 and not wanted:
        return model
    if declared:
        outputs = [Output(name, str(tensor.dtype), tuple(tensor.shape)) for name, tensor in declared]
        chosen = choose(outputs, wanted, f"keras model {model.name!r}")
        one = keras.Model(model.inputs, declared[chosen.index][1], name=model.name)
        object.__setattr__(one, _CHOSEN, chosen.text)
        return one
    return _answering(model, wanted) if wanted else model


def _outputs_of(model: Any) -> list[tuple[str, Any]]:
    """The outputs of a functional or sequential model with their names: the dict's keys, or the layers'."""
    outputs = getattr(model, "outputs", None)
    if not outputs:
        return []
    if isinstance(model.output, dict):
        return list(model.output.items())
    names = getattr(model, "output_names", None) or [output.name for output in outputs]
    return list(zip(map(str, names), outputs))


def _answering(model: Any, wanted: str) -> Any:
    """A subclassed model that returns one member of what ``model`` returns."""
    import keras

    class Answering(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name=model.name)
            self.answering = model
            self.built = True

        def call(self, images: Any, training: bool = False) -> Any:
            value = self.answering(images, training=training)
            return follow(value, path_to(value, wanted))

    return Answering()


def _load_weights(model: Any, path: Path) -> None:
    """Read a ``.weights.h5`` file (or the weights of a whole ``.h5`` or ``.keras`` file) into the model, in place."""
    try:
        model.load_weights(str(path))
    except Exception as error:
        raise DeclarationError(
            f"weights {str(path)!r} do not fit the keras model {model.name!r}",
            cause=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
            remedy="give a file that model.save_weights wrote for the model that the factory gives",
        ) from error


def doubled(model: Any) -> Any:
    """The same model with all layers, and their weights, in double precision.

    Raises `DeclarationError` for one that Keras cannot build again from its layers' configurations.
    """
    import keras

    def in_double(layer: Any) -> Any:
        return type(layer).from_config({**layer.get_config(), "dtype": "float64"})

    try:
        clone = keras.models.clone_model(model, clone_function=in_double)
        clone.set_weights(model.get_weights())
    except Exception as error:
        raise DeclarationError(
            f"keras model {model.name!r} cannot be rebuilt in double precision",
            cause=named_cause(error),
            remedy="a functional or sequential model of layers that take a dtype can be",
        ) from error
    return clone


def write_saved_model(model: Any, directory: Path, spec: TensorSpec) -> None:
    """Export ``model`` as a SavedModel whose serving signature takes ``spec``; quiet on standard output."""
    import keras

    signature = [keras.InputSpec(shape=spec.shape, dtype=spec.dtype, name=spec.name)]
    with quiet():
        model.export(str(directory), format="tf_saved_model", input_signature=signature, verbose=False)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what exporters print on standard output, where they have no switch for it, and their warnings."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _load_file(path: Path) -> Any:
    import keras

    if not path.is_file():
        raise DeclarationError(f"keras model file {str(path)!r} does not exist", remedy="check the path")
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):  # Keras would say that it cannot find the file
        raise DeclarationError(
            f"keras model file {str(path)!r} cannot be read",
            cause="it is cut short or no .keras archive",
            remedy="save the whole model again with model.save()",
        )
    check_loader(KERAS, path)
    try:
        return keras.models.load_model(str(path), compile=False, safe_mode=True)
    except Exception as error:
        if any("Lambda" in str(each) for each in chain_of(error)):
            raise DeclarationError(
                f"keras model file {str(path)!r} is refused",
                cause="a Lambda layer in it holds Python code, which would be run",
                remedy="if you trust it, declare a factory that builds the model, or save it with layers in place of "
                "the Lambda",
            ) from None
        raise DeclarationError(
            f"keras model file {str(path)!r} cannot be read",
            cause=named_cause(error),
            remedy="save the whole model again with model.save(); for custom objects declare a factory instead",
        ) from error


def _class_count(model: Any) -> int | None:
    outputs = getattr(model, "outputs", None)
    if not outputs or len(outputs) != 1 or len(outputs[0].shape) != 2:
        return None
    size = outputs[0].shape[1]
    return None if size is None else int(size)


def _digest(model: Any) -> str:
    digest = hashlib.sha256()
    digest.update(json.dumps(_configuration(model), sort_keys=True, default=_plain).encode())
    digest.update(code_digest({type(layer) for layer in (model, *_all_layers(model))}).encode())
    for weight in model.weights:
        array = np.ascontiguousarray(weight.numpy())
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _all_layers(model: Any) -> list[Any]:
    flatten = getattr(model, "_flatten_layers", None)
    return list(flatten() if flatten else model.layers)


def _configuration(model: Any) -> Any:
    try:
        config = model.get_config()
    except NotImplementedError:  # a subclassed model that cannot describe itself: its code and weights must do
        return {}
    names: dict[str, str] = {}
    _collect_names(config, names)
    return _renamed(config, names, refers=False)


def _is_layer(config: dict[str, Any]) -> bool:
    """Whether this is a layer's configuration: data types and initializers have names that mean something."""
    return isinstance(config.get("name"), str) and not {"trainable", "batch_shape", "inbound_nodes"}.isdisjoint(config)


def _collect_names(config: Any, names: dict[str, str]) -> None:
    if isinstance(config, dict):
        if _is_layer(config):
            names.setdefault(config["name"], f"#{len(names)}")
        for value in config.values():
            _collect_names(value, names)
    elif isinstance(config, (list, tuple)):
        for value in config:
            _collect_names(value, names)


def _renamed(config: Any, names: dict[str, str], *, refers: bool) -> Any:
    """``config`` with layer names replaced by their order of appearance."""
    if isinstance(config, dict):
        if config.get("class_name") == "__lambda__":
            return _lambda_code(config)
        layer = _is_layer(config)
        return {
            key: _renamed(value, names, refers=refers or key in _REFERENCES or (layer and key == "name"))
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return [_renamed(value, names, refers=refers) for value in config]
    return names.get(config, config) if refers and isinstance(config, str) else config


def _lambda_code(config: dict[str, Any]) -> Any:
    """A lambda's byte code in the one marshal format whose bytes do not depend on reference counts."""
    inner = dict(config.get("config", {}))
    try:
        inner["code"] = marshal.dumps(marshal.loads(b64decode(inner["code"])), 0).hex()
    except (KeyError, TypeError, ValueError, EOFError):
        return config
    return {"class_name": "__lambda__", "config": inner}


def _plain(value: Any) -> Any:
    """What JSON cannot hold, as something that is the same in every process."""
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.tolist()]
    return getattr(value, "__qualname__", None) or type(value).__qualname__
