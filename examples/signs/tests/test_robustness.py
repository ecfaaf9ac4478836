"""One item for each environment that the command line, the ini file or a marker chooses."""

from __future__ import annotations

import numpy as np
import pytest

import pytest_envrobust as er


@pytest.mark.envrobust(models=["signs"])
def test_same_labels(envrobust):
    envrobust.assert_labels_agree()


@pytest.mark.envrobust(environments=["keras-to-*/*/cpu"])
def test_converted_from_keras(envrobust):
    envrobust.assert_labels_agree()


def test_fast_enough(envrobust):
    envrobust.assert_latency(max_ms=250)


def test_my_own_claim(envrobust, envrobust_inputs):
    scores = envrobust.predict(envrobust_inputs)
    expected = envrobust.reference.predict(envrobust_inputs)
    er.assert_labels_agree(scores, expected, min_agreement=0.95)
    assert np.abs(scores - expected).max() < 0.5


def test_recorded_by_pytest_benchmark(envrobust, envrobust_benchmark):
    envrobust_benchmark(envrobust)
