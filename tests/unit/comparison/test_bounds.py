"""The one-sided Clopper-Pearson bound against scipy's and published values."""

from __future__ import annotations

import pytest

from pytest_envrobust.comparison.bounds import clopper_pearson_lower, clopper_pearson_upper, inputs_to_show
from pytest_envrobust.core.errors import DeclarationError


@pytest.mark.parametrize(
    ("agreeing", "n", "bound"),
    [(20, 20, 0.861), (59, 59, 0.9505), (299, 299, 0.990), (9, 10, 0.606), (5, 10, 0.222), (0, 7, 0.0)],
)
def test_published_values(agreeing: int, n: int, bound: float) -> None:
    assert clopper_pearson_lower(agreeing, n) == pytest.approx(bound, abs=5e-4)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("n", [1, 2, 7, 64, 1000])
def test_equals_scipy(n: int, confidence: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    for agreeing in {0, 1, n // 2, n - 1, n}:
        exact = stats.binomtest(agreeing, n, alternative="greater").proportion_ci(confidence, method="exact").low
        assert clopper_pearson_lower(agreeing, n, confidence) == pytest.approx(exact, rel=1e-9, abs=1e-12)


def test_grows_with_agreement_and_with_inputs() -> None:
    bounds = [clopper_pearson_lower(agreeing, 50) for agreeing in range(51)]
    assert bounds == sorted(bounds)
    assert clopper_pearson_lower(100, 100) > clopper_pearson_lower(50, 50)


@pytest.mark.parametrize(("agreeing", "n", "confidence"), [(1, 0, 0.95), (-1, 3, 0.95), (4, 3, 0.95), (1, 3, 1.0)])
def test_refuses_what_is_no_share(agreeing: int, n: int, confidence: float) -> None:
    with pytest.raises(DeclarationError):
        clopper_pearson_lower(agreeing, n, confidence)


@pytest.mark.parametrize("n", [1, 2, 7, 64, 1000])
def test_the_upper_bound_equals_scipy(n: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    for agreeing in {0, 1, n // 2, n - 1, n}:
        exact = stats.binomtest(agreeing, n, alternative="less").proportion_ci(0.95, method="exact").high
        assert clopper_pearson_upper(agreeing, n) == pytest.approx(exact, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("share", "inputs"), [(0.99, 299), (0.95, 59), (0.9, 29), (0.999, 2995), (0.861, 21), (0.0, 1)]
)
def test_how_many_agreeing_inputs_show_a_share(share: float, inputs: int) -> None:
    assert inputs_to_show(share) == inputs


@pytest.mark.parametrize("differing", [0, 1, 3, 40])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.99])
def test_that_many_inputs_show_it_and_one_fewer_does_not(share: float, differing: int) -> None:
    enough = inputs_to_show(share, differing)
    assert clopper_pearson_lower(enough - differing, enough) >= share
    if enough - 1 > differing:
        assert clopper_pearson_lower(enough - 1 - differing, enough - 1) < share


def test_no_number_of_inputs_shows_all() -> None:
    with pytest.raises(DeclarationError, match="no number of inputs shows an agreement of 1"):
        inputs_to_show(1.0)
