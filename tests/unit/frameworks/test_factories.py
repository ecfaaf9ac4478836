"""What a worker makes of a source that is a factory."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace

from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.frameworks.factories import produce


@dataclass(frozen=True)
class Costly:
    """A factory whose weights take long; its structure does not."""

    name: str

    def __call__(self) -> dict[str, str]:
        return {"model": self.name, "weights": "made"}

    def structure(self) -> dict[str, str]:
        return {"model": self.name}


def is_model(found: object) -> bool:
    return isinstance(found, dict)


def source_of(factory: object) -> SourceRef:
    return SourceRef("torch", "pickle", payload=pickle.dumps(factory))


def test_the_first_process_makes_the_weights() -> None:
    assert produce(source_of(Costly("first")), is_model) == {"model": "first", "weights": "made"}


def test_where_the_weights_are_in_a_file_only_the_structure_is_made() -> None:
    source = replace(source_of(Costly("second")), digest="d", state="weights.h5")
    assert produce(source, is_model) == {"model": "second"}


def test_a_process_calls_a_factory_once() -> None:
    source = source_of(Costly("third"))
    assert produce(source, is_model) is produce(source, is_model)
