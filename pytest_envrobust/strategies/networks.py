"""Small random networks: what a framework's users build, at a size at which every engine is quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_envrobust.frameworks.onnx_networks import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Conv,
    Network,
    Pool,
    Residual,
)
from pytest_envrobust.strategies.installed import check_hypothesis

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

MOST_LAYERS = 6


def models(max_layers: int = MOST_LAYERS) -> SearchStrategy[Network]:
    """Small random convolutional classifiers; ``network.build()`` gives the ONNX file's content, checked to be valid.

    Convolutions (strided, dilated, depthwise), batch normalization, activations, pools, residual connections, in any
    order. Shrinks to a network without layers; the repr of one is all that it takes to build it again. Needs onnx.
    """
    check_hypothesis()
    from hypothesis import strategies as st

    conv = st.builds(
        Conv,
        channels=st.integers(1, 8),
        kernel=st.sampled_from([1, 3, 2, 5]),
        stride=st.integers(1, 2),
        dilation=st.integers(1, 2),
        depthwise=st.booleans(),
        bias=st.booleans(),
    )
    pool = st.builds(
        Pool,
        kind=st.sampled_from(["MaxPool", "AveragePool"]),
        kernel=st.integers(2, 3),
        stride=st.integers(1, 2),
        padded=st.booleans(),
        counts_padding=st.booleans(),
        rounds_up=st.booleans(),
    )
    activation = st.builds(Activation, kind=st.sampled_from(ACTIVATIONS))
    residual = st.builds(Residual, kernel=st.sampled_from([1, 3]), activation=st.sampled_from(ACTIVATIONS))
    layer = st.one_of(conv, activation, st.builds(BatchNorm), pool, residual)
    return st.builds(
        Network,
        layers=st.lists(layer, max_size=max_layers).map(tuple),
        channels=st.sampled_from([3, 1]),
        side=st.integers(4, 12),
        classes=st.integers(2, 6),
        seed=st.integers(0, 999),
        softmax=st.booleans(),
        mean=st.sampled_from(["GlobalAveragePool", "ReduceMean"]),
    )
