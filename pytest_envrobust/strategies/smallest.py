"""The smallest change of a picture that two environments label differently, found by their scores alone.

Both environments give the picture one label. Along a change that grows the first of them leaves it, and then the
other: between these two points they disagree. Where that is, a straight line through the margins tells from afar, and
bisection exactly. So every prediction, crossed or not, says how large its change would have to be, and the search
follows those for which that is least.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from pytest_envrobust.strategies.changes import SEEDS, Shares
from pytest_envrobust.strategies.perturbation import Perturbation
from pytest_envrobust.strategies.trials import BATCH, Candidate, Trial, Trials

WEAK, STRONG = 0.1, 0.5
"""The shares at which each kind is tried by itself."""
NOISES = 4
"""From so many seeds noise is tried by itself."""
GLANCES = 4
"""So many batches of changes of all kinds at once are tried, at most, where those alone do not reach the boundary."""
FURTHEST = 16.0
"""No change is drawn out to more than so many times itself on the word of its margins."""
TIE = 1e-6
"""A label is taken to be ahead by no less than this: two scores that are equal have a boundary between them too."""
STEPS = 9
"""At most so many predictions are made on one line to the boundary."""
GAIN = 0.98
"""A line is followed where it promises at most this share of the smallest size so far."""
STALE = 5
"""After so many generations that gain nothing the search is over."""


class SmallestChange:
    """One search for it."""

    def __init__(self, trials: Trials, seed: int = 0) -> None:
        self._trials, self._changes = trials, trials.changes
        self._random = np.random.default_rng(seed)
        self._followed: set[Perturbation] = set()

    def find(self, known: Sequence[Perturbation] = ()) -> Trial | None:
        """The smallest change that was found when the budget was spent, or nothing was gained any more.

        A picture that is labeled differently as it is ends the search at once. ``known`` are tried next.
        """
        start = self._trials.of([(self._changes.least, 0)])
        if not start or start[0].differs:
            return self._trials.best
        self._start = start[0]
        earlier = ((self._changes.shares(each), each.noise_seed) for each in known)
        self._trials.of([(shares, seed) for shares, seed in earlier if shares is not None])
        self._scout()
        self._evolve()
        self._leave_out()
        return self._trials.best

    # What a trial promises.

    def _reach(self, trial: Trial) -> float:
        """By what factor its change must grow to reach the boundary, by a straight line through the margins."""
        ahead = max(self._start.first, TIE)
        lost = ahead - trial.first
        return ahead / lost if lost > 0 else math.inf

    def _promise(self, trial: Trial) -> float:
        """The size of its change at the boundary; infinite where that is too far. Far ones are doubted."""
        factor = self._reach(trial)
        if factor > FURTHEST or trial.size <= self._start.size:
            return math.inf
        beyond = max(float((abs(trial.shares) * factor).max(initial=0.0)), 1.0)
        return trial.size * factor * beyond * (1 + 0.03 * max(math.log2(factor), 0.0) if factor > 0 else 1.0)

    def _worth(self, trial: Trial) -> float:
        return min(self._promise(trial), trial.size) if trial.differs else self._promise(trial)

    @property
    def _leader(self) -> Trial:
        return min(self._trials, key=lambda trial: (self._worth(trial), -(self._start.first - trial.first)))

    # The first look.

    def _scout(self) -> None:
        """Each kind alone, weak and strong, in both directions; then the best of them together."""
        least, lines = self._changes.least, list(self._lines())
        alone = [
            trial
            for share in (WEAK, STRONG)
            for trial in self._trials.of([(least + share * direction, seed) for direction, seed in lines])
        ]
        self._trials.of(list(self._together(alone)))
        for _ in range(GLANCES):
            if sum(trial.has_crossed for trial in self._trials) < 2:
                self._trials.of([self._anywhere() for _ in range(BATCH)])
        self._close_in(3)

    def _lines(self) -> Iterator[Candidate]:
        """From the least to the largest strength of each kind, on both sides; noise from several seeds."""
        changes = self._changes
        for place, kind in enumerate(changes.kinds):
            for end in (changes.low, changes.high):
                direction = np.zeros(len(changes.kinds))
                direction[place] = end[place] / changes.limits[place] - changes.least[place]
                if direction[place]:
                    for seed in self._random.integers(SEEDS, size=NOISES if kind == "noise" else 1).tolist():
                        yield direction, seed

    def _together(self, alone: Sequence[Trial]) -> Iterator[Candidate]:
        """The best kinds at once, each as strong as what it costs the margin, for its size, makes it worth."""
        best: dict[int, Trial] = {}
        for trial in sorted(alone, key=self._promise):
            places = np.flatnonzero(trial.shares - self._changes.least)
            if len(places) and math.isfinite(self._promise(trial)):
                best.setdefault(int(places[0]), trial)
        seed = next((trial.seed for trial in best.values() if trial.perturbation.noise), 0)
        useful = list(best.values())
        for count in range(2, len(useful) + 1):
            slopes = np.array([1 / self._promise(trial) for trial in useful[:count]])
            sizes = slopes / (slopes @ slopes)
            steps = [size * (each.shares - self._changes.least) / each.size for size, each in zip(sizes, useful)]
            yield self._changes.least + np.sum(steps, axis=0), seed

    def _anywhere(self) -> Candidate:
        """Any change of some kinds, of which none is left out more often than not."""
        changes = self._changes
        shares = self._random.uniform(changes.low, changes.high) / changes.limits
        is_in = self._random.random(len(shares)) < self._random.uniform(0.4, 1.0)
        return np.where(is_in, shares, changes.least), int(self._random.integers(SEEDS))

    def _elsewhere(self) -> Candidate:
        """The same, about as large as the best so far."""
        shares, seed = self._anywhere()
        change = shares - self._changes.least
        size = float(np.sqrt(np.sum((change / self._scales) ** 2)))
        factor = min(self._trials.best_size / size, 1.0) if size else 1.0
        return self._changes.least + factor * change, seed

    # Better and better ones.

    def _evolve(self) -> None:
        """Generations around the one that promises most, of which the best is followed to the boundary."""
        spread, stale, reserved = 0.5, 0, len(self._changes.kinds)
        while self._trials.left > reserved and (self._trials.best is None or stale < STALE):
            leader, size = self._leader, self._trials.best_size
            others = (self._mutated(leader, spread) for _ in range(BATCH))
            wanted = [*self._modeled(leader), self._elsewhere(), *others]
            self._trials.of(wanted[:BATCH])
            self._close_in(1)
            has_gained = self._worth(self._leader) < GAIN * self._worth(leader) or self._trials.best_size < GAIN * size
            spread, stale = (min(spread * 1.3, 1.0), 0) if has_gained else (max(spread * 0.6, 0.05), stale + 1)

    def _modeled(self, leader: Trial) -> Iterator[Candidate]:
        """Where the boundary is nearest, were the margin even about the leader: half the way there, and all of it."""
        worth, scales = self._worth(leader), self._scales
        if not math.isfinite(worth):
            return
        near = [t for t in self._trials if t.seed == leader.seed or not t.perturbation.noise]
        steps = np.array([(t.shares - leader.shares) / scales for t in near])
        weights = np.exp(-0.5 * np.sum((steps / worth) ** 2, axis=1))
        slopes = _ridge(steps / worth, np.array([t.first - leader.first for t in near]), weights) / worth
        if not slopes.any():
            return
        place = (leader.shares - self._changes.least) / scales
        nearest = slopes * (slopes @ place - leader.first) / (slopes @ slopes)
        for share in (0.5, 1.0):
            yield self._changes.least + (place + share * (nearest - place)) * scales, leader.seed

    def _mutated(self, leader: Trial, spread: float) -> Candidate:
        change = (leader.shares - self._changes.least) * min(self._reach(leader), 2.0)
        worth = self._worth(leader)
        about = worth if math.isfinite(worth) else max(trial.size for trial in self._trials)
        moved = change + spread * about * self._scales * self._random.standard_normal(len(change))
        moved *= self._random.random(len(change)) > 0.15
        if self._random.random() < 0.5:  # a few kinds alone
            moved = np.where(self._random.random(len(change)) < 0.4, moved, change)
        is_other = self._random.random() < 0.2
        return self._changes.least + moved, int(self._random.integers(SEEDS)) if is_other else leader.seed

    @property
    def _scales(self) -> Shares:
        """The share of each kind that makes a change of size 1, by the weakest trial of that kind alone."""
        found: Shares = np.full(len(self._changes.kinds), 1.0)
        least, smallest = self._changes.least, np.full(len(found), math.inf)
        for trial in self._trials:
            change = abs(trial.shares - least)
            places = np.flatnonzero(change)
            if len(places) == 1 and 0 < trial.size < smallest[places[0]]:
                found[places], smallest[places] = change[places] / trial.size, trial.size
        return found

    def _leave_out(self) -> None:
        """Leave out, one after the other, each kind that is not needed."""
        before = None
        while before is not (best := self._trials.best) and best is not None:
            before, candidates = best, []
            for place in np.flatnonzero(best.shares - self._changes.least):
                shares = best.shares.copy()
                shares[place] = self._changes.least[place]
                candidates.append((shares, best.seed))
            self._trials.of(candidates)

    # To the boundary.

    def _close_in(self, most: int) -> None:
        """Follow the changes that promise to be smaller than the best, the most promising first."""
        for _ in range(most):
            waiting = [trial for trial in self._trials if trial.perturbation not in self._followed]
            if not waiting or not self._trials.left:
                return
            trial = min(waiting, key=self._promise)
            if not self._promise(trial) < GAIN * self._trials.best_size:
                return
            self._followed.add(trial.perturbation)
            self._follow(trial)

    def _follow(self, trial: Trial) -> None:
        """Go along that change, weaker or stronger, to where the first environment leaves the label and not both."""
        least, change = self._changes.least, trial.shares - self._changes.least
        low, high = (0.0, self._start), (1.0, trial)
        is_bracketed = trial.has_crossed
        if not is_bracketed:
            low = high
        for step in range(STEPS):
            place = (
                _between(low, high, step) if is_bracketed else low[0] * min(max(self._reach(low[1]) * 1.02, 1.05), 4)
            )
            found = self._trials.of([(least + place * change, trial.seed)])
            if not found or found[0].perturbation in (low[1].perturbation, high[1].perturbation):
                return
            if found[0].has_crossed:
                high, is_bracketed = (place, found[0]), True
            else:
                low = (place, found[0])
                if not is_bracketed and not self._promise(found[0]) < GAIN * self._trials.best_size:
                    return
            if low[1].size > 0.99 * self._trials.best_size:
                return


def _between(low: tuple[float, Trial], high: tuple[float, Trial], step: int) -> float:
    """Where to look next between a trial that has not crossed and one that has."""
    below, above = low[1], high[1]
    # A little beyond the first boundary will do where labels differ; where both have crossed it lies between the two.
    leads = (below.first, above.first) if above.differs else (below.first + below.last, above.first + above.last)
    share = leads[0] / (leads[0] - leads[1]) if leads[0] > leads[1] else 0.5
    share = share * 1.01 + 0.002 if above.differs else share
    if step > 4 or not 0.02 < share < 0.98:  # margins that are not even
        share = 0.5
    return low[0] + share * (high[0] - low[0])


def _ridge(steps: Shares, values: Shares, weights: Shares) -> Shares:
    """The slopes that explain the values best, weighted, and held near 0 where little speaks for them."""
    weighted = steps * weights[:, None]
    found = np.linalg.solve(weighted.T @ steps + 0.03 * np.eye(steps.shape[1]), weighted.T @ values)
    return found.astype(np.float64)
