"""What single calls' times show: medians, tails, and the ratio of two environments with its interval.

Nothing here measures; see `core.timing.Timing` for what the worker measured. No shape of distribution is assumed:
inference times are skewed, have outliers, and successive calls are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.timing import Timing

CONFIDENCE = 0.95

P90_CALLS = 20
P99_CALLS = 200
"""A tail is told only where at least two calls lie beyond it: the 90th percentile from 20 calls, the 99th from 200."""

KEPT_SAMPLES = 100
"""Single calls that the record keeps of a cell."""

_FEWEST_PAIRS = 6
_RESAMPLES = 2000
_CHUNK_ELEMENTS = 1 << 20


@dataclass(frozen=True)
class Ratio:
    """How many times the reference's time the cell needs: the median and its interval (1.5: half as long again).

    ``low`` 0 and ``high`` infinite: too few pairs, or too coarse a clock, to say anything.
    """

    low: float
    mid: float
    high: float


def paired_ratio(
    cell: Sequence[int], reference: Sequence[int], *, confidence: float = CONFIDENCE, seed: int = 0
) -> Ratio:
    """The median ratio of paired times, with a two-sided block-bootstrap interval.

    ``cell`` and ``reference`` are times of calls (ns) that were made in turns: the i-th of one beside the i-th of the
    other. The ratio is the median of the pairs' log ratios. Its interval comes from 2,000 resamples in blocks that
    may start at any pair and wrap around (moving blocks without an edge; Politis and Romano 1992), because successive
    pairs are not independent; `block_length` says how long the blocks are. As few blocks make percentiles too narrow,
    they are taken further out, by the quantile of Student's t for as many blocks as there are (T. Hesterberg, 'What
    teachers should know about the bootstrap', The American Statistician 69, 2015: expanded percentile interval), and
    the interval is never narrower than `median_interval` of the pairs would be, which is what independent ones need.
    The same numbers and ``seed`` give the same interval.

    Fewer than 6 pairs, or any time of zero (a clock too coarse for the call), give the interval from 0 to infinity.
    Raises `DeclarationError` where there are no pairs, the numbers of calls differ, a time is negative, or
    ``confidence`` is not in (0, 1).
    """
    _check_confidence(confidence)
    above, below = np.asarray(cell, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if len(above) != len(below) or len(above) == 0:
        raise DeclarationError(
            f"{len(above)} times of the cell and {len(below)} of the reference make no pairs",
            cause="each call of the cell needs one of the reference beside it",
        )
    if not (above.min() >= 0 and below.min() >= 0):  # this way round, NaN is refused too
        raise DeclarationError("times of calls cannot be compared", cause="a negative time is among them")
    if above.min() == 0 or below.min() == 0:
        return Ratio(0.0, float(above.sum() / below.sum()) if below.any() else math.nan, math.inf)
    logs = np.log(above / below)
    mid = math.exp(float(np.median(logs)))
    if len(logs) < _FEWEST_PAIRS:
        return Ratio(0.0, mid, math.inf)
    block = block_length(logs)
    tail = _expanded_tail(len(logs) / block, confidence)
    resampled = np.quantile(_resampled_medians(logs, block, seed), [tail, 1.0 - tail])
    independent = median_interval(logs.tolist(), confidence)
    if independent is None:  # so high a confidence needs more pairs
        return Ratio(0.0, mid, math.inf)
    low, high = min(float(resampled[0]), independent[0]), max(float(resampled[1]), independent[1])
    return Ratio(math.exp(low), mid, math.exp(high))


def block_length(values: NDArray[np.float64]) -> int:
    """How long the blocks of a resampled series must be, from how long its autocorrelation lasts; 1 .. n/3.

    The automatic rule for the circular block bootstrap of D. N. Politis and H. White, 'Automatic block-length
    selection for the dependent bootstrap', Econometric Reviews 23, 2004, as corrected by A. Patton, D. N. Politis
    and H. White, Econometric Reviews 28, 2009. It is applied to the values and to the side of the median on which
    each lies, and the longer of the two is taken: the values show a correlation sooner, the sides show it where
    an outlier hides it.
    """
    return max(_automatic_block_length(values), _automatic_block_length(np.sign(values - np.median(values))))


def median_interval(samples: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """An interval of the median between two of the samples, in their unit; no distribution is assumed.

    The k-th smallest and k-th largest sample, k as large as the binomial distribution of samples below the median
    allows. ``None`` where even smallest and largest do not reach ``confidence``: fewer than 6 samples at 95 %.
    Samples are taken as independent; where a machine drifts the true interval is wider. Raises `DeclarationError`
    where ``confidence`` is not in (0, 1).
    """
    _check_confidence(confidence)
    n = len(samples)
    rank = _median_rank(n, confidence)
    if rank == 0:
        return None
    ordered = sorted(samples)
    return float(ordered[rank - 1]), float(ordered[n - rank])


def summary(timing: Timing) -> dict[str, dict[str, Any]]:
    """Medians and tails for the record: ``wall_ms`` and ``cpu_ms``, each ``{"median", "n"}``, in milliseconds.

    ``interval`` is that of the median, from 6 calls on; ``p90`` is there from 20 calls and ``p99`` from 200, so that
    two calls at least lie beyond it. A clock that was not read is left out.
    """
    clocks = {"wall_ms": timing.wall_ns, "cpu_ms": timing.cpu_ns}
    return {name: _summary(times) for name, times in clocks.items() if times}


def samples(timing: Timing) -> dict[str, list[float]]:
    """Times of single calls for the record, ``wall`` and ``cpu``, in milliseconds, in the order of the calls.

    Of more than 100 calls every so many is taken, from the first to the last. A clock that was not read is left out.
    """
    clocks = {"wall": timing.wall_ns, "cpu": timing.cpu_ns}
    return {name: _thinned(times) for name, times in clocks.items() if times}


def smallest_visible(ratio: Ratio) -> float:
    """The smallest slowdown, as a ratio, that this run could have told from none: 1.03 is 3 % slower.

    Half the interval's width on the logarithmic scale, that is the square root of ``high / low``: a median ratio
    above it would have had its whole interval above 1. A true slowdown of just this size is seen about every second
    time. Infinite where the interval says nothing.
    """
    if not (ratio.low > 0 and math.isfinite(ratio.high)):
        return math.inf
    return math.sqrt(ratio.high / ratio.low)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise DeclarationError(f"confidence {confidence!r} cannot be used", cause="it lies between 0 and 1")


def _automatic_block_length(values: NDArray[np.float64]) -> int:
    n = len(values)
    centered = values - values.mean()
    quiet_lags = max(5, math.ceil(math.sqrt(math.log10(n)))) if n > 1 else 5
    longest_lag = min(math.ceil(math.sqrt(n)) + quiet_lags, n - 1)
    covariance = np.array([centered[lag:] @ centered[: n - lag] / n for lag in range(longest_lag + 1)])
    if covariance[0] <= 1e-24 * max(1.0, float(values @ values)):  # constant but for rounding
        return 1
    correlated = _last_correlated_lag(covariance / covariance[0], n, quiet_lags)
    bandwidth = min(2 * max(correlated, 1), longest_lag)
    lags = np.arange(1, bandwidth + 1)
    taper = np.minimum(1.0, 2.0 * (1.0 - lags / bandwidth))  # flat to the middle, then a straight line to zero
    weighted = taper * covariance[1 : bandwidth + 1]
    spread = covariance[0] + 2.0 * float(weighted.sum())
    slope = 2.0 * float((lags * weighted).sum())
    longest = max(1, math.ceil(min(3.0 * math.sqrt(n), n / 3.0)))
    if spread <= 0:
        return longest
    ideal = (2.0 * slope**2 / (4.0 / 3.0 * spread**2)) ** (1.0 / 3.0) * n ** (1.0 / 3.0)
    return int(min(longest, max(1, math.ceil(ideal))))


def _last_correlated_lag(correlation: NDArray[np.float64], n: int, quiet_lags: int) -> int:
    """The lag after which ``quiet_lags`` in a row show no correlation; else the last one that shows any."""
    loud = np.abs(correlation[1:]) >= 2.0 * math.sqrt(math.log10(n) / n)
    for lag in range(len(loud) - quiet_lags + 1):
        if not loud[lag : lag + quiet_lags].any():
            return lag
    return int(np.flatnonzero(loud)[-1]) + 1 if loud.any() else 0


def _expanded_tail(blocks: float, confidence: float) -> float:
    """The share to cut from each end of the resampled medians, where the series holds so many blocks."""
    from scipy.special import ndtr, stdtrit  # late: not every run has times to judge

    student = float(stdtrit(blocks - 1.0, 0.5 + confidence / 2.0))
    return float(ndtr(-student * math.sqrt(blocks / (blocks - 1.0))))


def _resampled_medians(values: NDArray[np.float64], block: int, seed: int) -> NDArray[np.float64]:
    n = len(values)
    random = np.random.default_rng(seed)
    blocks, within = -(-n // block), np.arange(block)
    chunk = max(1, _CHUNK_ELEMENTS // n)
    medians = np.empty(_RESAMPLES)
    for start in range(0, _RESAMPLES, chunk):
        stop = min(start + chunk, _RESAMPLES)
        starts = random.integers(0, n, size=(stop - start, blocks, 1))
        chosen = ((starts + within) % n).reshape(stop - start, -1)[:, :n]
        medians[start:stop] = np.median(values[chosen], axis=1)
    return medians


def _median_rank(n: int, confidence: float) -> int:
    """The largest k for which the k-th smallest and k-th largest of n enclose the median; 0 where there is none."""
    allowed = (1.0 - confidence) / 2.0
    whole = 1 << n
    below, ways, rank = 0, 1, 0  # whole numbers: exact for any n
    while rank < n:
        below += ways
        if below / whole > allowed:
            break
        ways = ways * (n - rank) // (rank + 1)
        rank += 1
    return rank


def _thinned(times: Sequence[int]) -> list[float]:
    count = min(len(times), KEPT_SAMPLES)
    places = np.linspace(0, len(times) - 1, count).round().astype(int)
    return [times[place] / 1e6 for place in places.tolist()]


def _summary(times: Sequence[int]) -> dict[str, Any]:
    milliseconds = np.asarray(times, dtype=np.float64) / 1e6
    found: dict[str, Any] = {"median": float(np.median(milliseconds)), "n": len(times)}
    if interval := median_interval(milliseconds.tolist()):
        found["interval"] = list(interval)
    if len(times) >= P90_CALLS:
        found["p90"] = float(np.quantile(milliseconds, 0.9))
    if len(times) >= P99_CALLS:
        found["p99"] = float(np.quantile(milliseconds, 0.99))
    return found
