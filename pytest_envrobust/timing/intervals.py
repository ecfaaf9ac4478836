"""Intervals that assume no shape of distribution: of a median, of a tail, and of a series that is not independent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pytest_envrobust.core.errors import DeclarationError

CONFIDENCE = 0.95

Interval = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A measured middle and its interval: milliseconds, or how many times another's time (1.5: half as long again).

    ``low`` 0 and ``high`` infinite: there was too little, or the clock too coarse, to say anything.
    """

    low: float
    mid: float
    high: float

    @property
    def is_bounded(self) -> bool:
        """Whether its interval says anything."""
        return self.low > 0 and math.isfinite(self.high)


_RESAMPLES = 2000
_TOLD_TAIL = 0.01
"""The tail that so many resamples tell: what lies further out is taken from there, as of a normal distribution."""
_CHUNK_ELEMENTS = 1 << 20


def median_interval(samples: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """An interval of the median between two of the samples, in their unit; no distribution is assumed.

    The k-th smallest and k-th largest sample, k as large as the binomial distribution of samples below the median
    allows. ``None`` where even smallest and largest do not reach ``confidence``: fewer than 6 samples at 95 %.
    Samples are taken as independent; where a machine drifts the true interval is wider. Raises `DeclarationError`
    where ``confidence`` is not in (0, 1).
    """
    check_confidence(confidence)
    return _between(samples, _median_rank(len(samples), confidence))


def quantile_interval(samples: Sequence[float], share: float, confidence: float = CONFIDENCE) -> Interval:
    """An interval of the ``share`` quantile (0.99: the 99th percentile) between two of the samples, in their unit.

    As `median_interval`, by the binomial distribution of samples below the quantile, each end by itself: an end that
    the samples do not reach is 0 or infinite. `calls_for_quantile` says how many samples the upper end needs.
    """
    from scipy.special import bdtr  # late: not every run has times to judge

    check_confidence(confidence)
    n, ordered = len(samples), sorted(samples)
    below = bdtr(np.arange(n), n, share)  # chance that at most so many samples lie below the quantile
    tail = (1.0 - confidence) / 2.0
    low = int(np.searchsorted(below, tail, side="right"))  # the largest rank with P(fewer below) <= tail
    high = int(np.searchsorted(below, 1.0 - tail, side="left")) + 1
    return (
        float(ordered[low - 1]) if low >= 1 else 0.0,
        float(ordered[high - 1]) if high <= n and n and below[high - 1] >= 1.0 - tail else math.inf,
    )


def calls_for_quantile(share: float, confidence: float = CONFIDENCE) -> int:
    """How many samples the interval of a quantile needs to have an upper end."""
    return math.ceil(math.log((1.0 - confidence) / 2.0) / math.log(share))


def series_median_interval(values: NDArray[np.float64], confidence: float, seed: int) -> Interval | None:
    """An interval of the median of a series whose successive values may depend on each other.

    From 2,000 resamples in blocks that may start anywhere and wrap around (moving blocks without an edge; Politis and
    Romano 1992); `block_length` says how long the blocks are. As few blocks make percentiles too narrow,
    they are taken further out, by the quantile of Student's t for as many blocks as there are (T. Hesterberg, 'What
    teachers should know about the bootstrap', The American Statistician 69, 2015: expanded percentile interval). Above
    95 % the resamples do not reach so far: their 1st and 99th percentile is moved out as that of a normal distribution
    is. The interval is never narrower than `median_interval` would be for as many independent values as the series is
    worth (`effective_size`). ``None`` where that is too few. The same numbers and ``seed`` give the same interval.
    """
    n = len(values)
    worth = effective_size(values)
    rank = _median_rank(math.floor(worth), confidence)
    independent = _between(values.tolist(), math.floor(rank * n / worth)) if rank else None
    if independent is None:
        return None
    block = block_length(values)
    reach = _expanded_reach(n / block, confidence)
    tail = NormalDist().cdf(-reach)
    medians = _resampled_medians(values, block, seed)
    low, high = np.quantile(medians, [tail, 1.0 - tail])
    if confidence > CONFIDENCE and tail < _TOLD_TAIL:
        told = np.quantile(medians, [_TOLD_TAIL, 0.5, 1.0 - _TOLD_TAIL])
        further = reach / _normal(1.0 - _TOLD_TAIL)
        low, high = (
            min(low, told[1] - further * (told[1] - told[0])),
            max(high, told[1] + further * (told[2] - told[1])),
        )
    return min(float(low), independent[0]), max(float(high), independent[1])


def widened_range(values: NDArray[np.float64], confidence: float) -> Interval | None:
    """An interval of the median of a series that depends on itself too much for any other one.

    From the smallest value less the whole range to the largest plus the range: three times as wide as what was seen.
    A single stretch of a slow drift need not contain the median, but as far as it moved it tells how far it may have
    come. That holds at 95 % for series of a normal distribution whose neighbors correlate by up to .9 (20 values) or
    .85 (8 values), as simulated in the tests, where Student's t of a few batch means, the usual way (B. Schmeiser,
    'Batch size effects in the analysis of simulation output', Operations Research 30, 1982), is as wide with two
    batches and holds too seldom with three. For a higher ``confidence`` more than one range is added to each side, by
    the cube of what a normal distribution's quantile grows by: as simulated for the same series. ``None`` for fewer
    values than `fewest_values`.
    """
    if len(values) < fewest_values(confidence):
        return None
    low, high = float(values.min()), float(values.max())
    more = max(1.0, wider_by(confidence)) ** 3 * (high - low)
    return low - more, high + more


def fewest_values(confidence: float = CONFIDENCE) -> int:
    """How many independent values an interval of their median needs: 6 at 95 % or less, 11 at 99.83 %."""
    return max(6, math.ceil(math.log2(2.0 / (1.0 - confidence)) - 1e-9))


def wider_by(confidence: float) -> float:
    """How many times as far from its middle a normal distribution's interval reaches as at 95 %."""
    return _normal(0.5 + confidence / 2.0) / _normal(0.5 + CONFIDENCE / 2.0)


def widened(estimate: Estimate, confidence: float, known: float = CONFIDENCE) -> Estimate:
    """An estimate whose interval holds at ``known``, at a higher ``confidence``: as of a lognormal distribution.

    Where its ends were found without assuming one, and what they were found from is no longer there.
    """
    if confidence <= known or not estimate.is_bounded or not estimate.mid > 0:
        return estimate
    more = wider_by(confidence) / wider_by(known)
    down, up = (estimate.mid / estimate.low) ** more, (estimate.high / estimate.mid) ** more
    return Estimate(estimate.mid / down, estimate.mid, estimate.mid * up)


def effective_size(values: NDArray[np.float64]) -> float:
    """How many independent values a series is worth: n (1 - r) / (1 + r) for an autocorrelation r at lag 1.

    The larger r of the values and of the side of the median on which each lies, since an outlier hides it in the
    values. Short series show too small an r, by (1 + 3 r) / n (F. Marriott and J. Pope, Biometrika 41, 1954), which is
    put back. An r that chance alone may give (below 1 / sqrt(n)) counts as none, a negative one too.
    """
    n = len(values)
    sides = np.sign(values - np.median(values))
    found = max(_lag_one(values), _lag_one(sides))
    corrected = found + (1.0 + 3.0 * found) / n
    if found < 1.0 / math.sqrt(n):
        return float(n)
    return n * (1.0 - min(corrected, 0.99)) / (1.0 + min(corrected, 0.99))


def block_length(values: NDArray[np.float64]) -> int:
    """How long the blocks of a resampled series must be, from how long its autocorrelation lasts; 1 .. n/3.

    The automatic rule for the circular block bootstrap of D. N. Politis and H. White, 'Automatic block-length
    selection for the dependent bootstrap', Econometric Reviews 23, 2004, as corrected by A. Patton, D. N. Politis
    and H. White, Econometric Reviews 28, 2009. It is applied to the values and to the side of the median on which
    each lies, and the longer of the two is taken: the values show a correlation sooner, the sides show it where
    an outlier hides it.
    """
    return max(_automatic_block_length(values), _automatic_block_length(np.sign(values - np.median(values))))


def check_confidence(confidence: float) -> None:
    """Raise `DeclarationError` for a confidence that is none."""
    if not 0 < confidence < 1:
        raise DeclarationError(f"confidence {confidence!r} cannot be used", cause="it lies between 0 and 1")


def _normal(share: float) -> float:
    """The quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(share)


def _between(samples: Sequence[float], rank: int) -> Interval | None:
    """The sample of that rank from below and from above; ``None`` for rank 0."""
    if rank == 0:
        return None
    ordered = sorted(samples)
    return float(ordered[rank - 1]), float(ordered[len(ordered) - rank])


def _lag_one(values: NDArray[np.float64]) -> float:
    """The autocorrelation of neighbors; 0 for a constant series."""
    centered = values - values.mean()
    spread = float(centered @ centered)
    return float(centered[1:] @ centered[:-1]) / spread if spread > 1e-24 * max(1.0, float(values @ values)) else 0.0


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


def _expanded_reach(blocks: float, confidence: float) -> float:
    """How many deviations of the resampled medians the interval reaches, where the series holds so many blocks."""
    from scipy.special import stdtrit  # late: not every run has times to judge

    student = float(stdtrit(blocks - 1.0, 0.5 + confidence / 2.0))
    return student * math.sqrt(blocks / (blocks - 1.0))


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


@lru_cache(maxsize=64)  # of tens of thousands of calls it takes a while, and each clock asks for the same one
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
