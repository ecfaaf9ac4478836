"""Faults that are seeded into a source: the same ones in torch, keras and ONNX, and none of it stays."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from numpy.typing import NDArray
from support import nets
from support.lab import Lab

from pytest_envrobust.core.errors import Unavailable
from pytest_envrobust.core.faults import LAYER, ONE, SOURCE, Fault, faults

FRAMEWORKS = ("torch", "keras", "onnx")
COUNT = 8


def scores(lab: Lab, framework: str, *asked: Fault | None) -> list[NDArray[np.float32]]:
    """Scores of the net's images with each of the faults in its source; the whole batch in two calls."""
    if find_spec({"onnx": "onnxruntime", "tflite": "ai_edge_litert"}.get(framework, framework)) is None:
        pytest.skip(f"{framework} is not installed")
    with lab.builder.breaking(lab.source(framework)) as run:
        handle = lab.put(lab.images(framework, COUNT))
        return [run(handle, 1 if framework == "onnx" else COUNT // 2, fault) for fault in asked]


def convolved(images: NDArray[np.float32], kernels: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
    windows = np.lib.stride_tricks.sliding_window_view(images, kernels.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,ocij->nohw", windows, kernels)


def by_hand(weights: nets.Weights, ceiling: float = np.inf) -> NDArray[np.float32]:
    """The net's scores in numpy, its activations cut off at ``ceiling``."""
    images = nets.images(COUNT)
    hidden = images
    for name, stride in (("first", 2), ("second", 1)):
        biases = weights[f"{name}_bias"][:, None, None]
        hidden = np.clip(convolved(hidden, weights[name], stride) + biases, 0, ceiling)
    features = hidden.mean((2, 3))
    return features @ weights["last"].T + weights["last_bias"] + images.mean((2, 3)) @ weights["beside"].T


def flipped(weights: nets.Weights) -> nets.Weights:
    return {name: array[:, :, ::-1, ::-1] if array.ndim == 4 else array for name, array in weights.items()}


def coarse(weights: nets.Weights) -> nets.Weights:
    """Matrices and kernels in sevenths of their greatest magnitude: of 4 bits."""
    scales = {name: np.abs(array).max() / 7 for name, array in weights.items()}
    return {
        name: np.rint(array / scales[name]) * scales[name] if array.ndim > 1 else array
        for name, array in weights.items()
    }


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_faults_of_the_whole_network_by_hand(lab: Lab, framework: str) -> None:
    kinds = {"flipped-kernels": 1.0, "coarse-weights": 4.0, "activation": 1.0}
    made = [Fault(kind, strength) for kind, strength in kinds.items()]
    sound, kernels, weights, activation, again = scores(lab, framework, None, *made, None)
    np.testing.assert_allclose(sound, by_hand(nets.weights()), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(kernels, by_hand(flipped(nets.weights())), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(weights, by_hand(coarse(nets.weights())), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(activation, by_hand(nets.weights(), ceiling=6.0), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(again, sound, "nothing of it stays")


def test_what_is_drawn_is_drawn_alike_in_every_framework(lab: Lab) -> None:
    drawn = [
        Fault(kind, strength, draw)
        for kind in ("flipped-kernels", "zeroed-channels")
        for strength in (ONE, LAYER)
        for draw in range(2)
    ]
    found = [scores(lab, framework, None, *drawn) for framework in FRAMEWORKS]
    for one, others in zip(drawn, list(zip(*found))[1:]):
        assert np.abs(others[0] - found[0][0]).max() > 1e-4, str(one)
        for other in others[1:]:
            np.testing.assert_allclose(other, others[0], rtol=1e-4, atol=1e-4)


def test_what_a_network_has_not_cannot_be_broken_in_it(lab: Lab) -> None:
    for framework in FRAMEWORKS:
        fault = next(fault for fault in faults(SOURCE) if fault.kind == "epsilon")
        with pytest.raises(Unavailable, match="cannot be made of this source"):
            scores(lab, framework, fault)


@pytest.mark.parametrize("framework", ["tflite", "tensorflow"])
def test_a_source_that_is_not_taken_apart_has_no_fault(lab: Lab, framework: str) -> None:
    with pytest.raises(Unavailable, match=f"a {framework} source is not taken apart"):
        scores(lab, framework, Fault("flipped-kernels", 1.0))
