"""Generated networks are valid, repeatable, and written down by their own repr."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings

from pytest_envrobust.frameworks import onnx_networks
from pytest_envrobust.strategies import Network, models

onnx = pytest.importorskip("onnx")


@settings(max_examples=40)
@given(models())
def test_every_network_is_valid_and_its_shapes_are_known(network: Network) -> None:
    model = onnx.load_from_string(network.build())
    (result,) = model.graph.output
    batch, classes = result.type.tensor_type.shape.dim
    assert (batch.dim_param, classes.dim_value) == ("batch", network.classes)
    assert network.inputs(3).shape == (3, *network.input_shape)


@settings(max_examples=40)
@given(models())
def test_the_repr_builds_the_same_network(network: Network) -> None:
    again = eval(repr(network), vars(onnx_networks))
    assert again == network
    assert again.build() == network.build()


def test_the_simplest_network_has_no_layers(tmp_path: Path) -> None:
    network = find(models(), lambda _: True)
    assert network.layers == ()
    assert network.save(str(tmp_path / "any.onnx")).read_bytes() == network.build()


@pytest.mark.parametrize("operator", ["Conv", "MaxPool", "AveragePool", "BatchNormalization", "Add", "Clip", "Softmax"])
def test_every_operator_is_among_them(operator: str) -> None:
    def has(network: Network) -> bool:
        return operator in {node.op_type for node in onnx.load_from_string(network.build()).graph.node}

    generated = settings(max_examples=500, derandomize=True, phases=[Phase.generate])
    assert has(find(models(), has, settings=generated))


def test_seeds_give_other_weights_and_inputs() -> None:
    one, other = Network(seed=0), Network(seed=1)
    assert one.build() != other.build()
    assert not np.array_equal(one.inputs(2), other.inputs(2))


def test_what_is_no_activation_is_refused() -> None:
    with pytest.raises(ValueError, match="activation 'Gelu': it is one of Relu"):
        Network((onnx_networks.Activation("Gelu"),)).build()
