"""What a channel is worth by a Markov chain over the paths to purchase: how many purchases go when it is taken away.

Belongs here: the chain, the removal of one channel after the other, and how sure that is (a bootstrap over people's
paths). Does not belong here: what a path is, or sharing a purchase's money out (dbt's `attribution`).

A path begins, goes from channel to channel, and ends in a purchase or in nothing. Where a channel is taken away, who
would have come to it goes nowhere. The removal effect is the share of purchases that are lost then. It says how much
of what happened ran through a channel, not that it would not have happened otherwise: its interval lies above zero
for whatever purchases ran through. What a channel brings is the question of `ml.lift`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Path = tuple[Sequence[str], int, int]
Floats = NDArray[np.float64]
_SAMPLES, _SEED, _INTERVAL = 400, 20_240_229, (2.5, 97.5)
# places in the chain's matrix before the channels, and the two ends after them
_START, _BEFORE = 0, 1


@dataclass(frozen=True)
class ChannelEffect:
    """One channel: paths through it, purchases among them, its removal effect and its share of the credit (effects of
    all channels scaled to 1), each with a 95 % interval; rank 1 has the largest effect."""

    channel: str
    count_paths: int
    count_conversions: int
    removal_effect: float
    removal_effect_low: float
    removal_effect_high: float
    credit_share: float
    credit_share_low: float
    credit_share_high: float
    effect_rank: int


def removal_effects(paths: Sequence[Path], *, samples: int = _SAMPLES, seed: int = _SEED) -> list[ChannelEffect]:
    """The effect of each channel, the largest first.

    Args:
        paths: distinct (channels in order, how often with a purchase at the end, how often without).
        samples: how often the paths are drawn anew, with replacement, for the intervals.
        seed: of those draws; the same paths in the same order give the same answer.
    """
    paths = [path for path in paths if path[0] and path[1] + path[2] > 0]
    channels = sorted({channel for steps, _, _ in paths for channel in steps})
    if not channels:
        return []
    steps, counts = _transitions(paths, channels)
    observed = _effects(steps.T @ counts.astype(float), len(channels))[0]
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(counts.sum(), counts / counts.sum(), size=samples)
    resampled = _effects((steps.T @ drawn.T.astype(float)).T, len(channels))
    return _ranked(paths, channels, observed, resampled)


def _transitions(paths: Sequence[Path], channels: list[str]) -> tuple[csr_array, NDArray[np.int64]]:
    """One row a path and outcome, one column a pair of places; and how often each row was seen."""
    size = len(channels) + 3
    place = {channel: index + _BEFORE for index, channel in enumerate(channels)}
    ends = (size - 2, size - 1)
    rows: list[int] = []
    columns: list[int] = []
    counts: list[int] = []
    for steps, *outcomes in paths:
        for end, count in zip(ends, outcomes, strict=True):
            if not count:
                continue
            places = [_START, *(place[step] for step in steps), end]
            columns += [here * size + there for here, there in pairwise(places)]
            rows += [len(counts)] * (len(places) - 1)
            counts.append(count)
    found = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(counts), size * size))
    return found, np.array(counts, dtype=np.int64)


def _effects(flows: Floats, channels: int) -> Floats:
    """For each sample the removal effect of each channel; `flows` holds how often each step was taken, one row each."""
    size = channels + 3
    steps = np.atleast_2d(flows).reshape(-1, size, size)
    leaving = steps.sum(axis=2, keepdims=True)
    chance = np.divide(steps, leaving, out=np.zeros_like(steps), where=leaving > 0)
    everything = _reached(chance, channels)
    effects = np.zeros((len(steps), channels))
    for channel in range(channels):
        without = chance.copy()
        without[:, :, _BEFORE + channel] = 0.0
        left = _reached(without, channels)
        lost = np.divide(left, everything, out=np.ones_like(left), where=everything > 0)
        effects[:, channel] = 1.0 - lost
    return np.clip(effects, 0.0, 1.0)


def _reached(chance: Floats, channels: int) -> Floats:
    """The chance to end in a purchase, from the start, for each sample."""
    inner = channels + _BEFORE
    # never singular: every path ends, so from everywhere that is on one an end is reached
    solved = np.linalg.solve(np.eye(inner) - chance[:, :inner, :inner], chance[:, :inner, inner, None])
    return np.asarray(solved[:, _START, 0], dtype=np.float64)


def _ranked(paths: Sequence[Path], channels: list[str], observed: Floats, resampled: Floats) -> list[ChannelEffect]:
    shares = _shared(observed[None, :])[0]
    low, high = np.percentile(resampled, _INTERVAL, axis=0)
    share_low, share_high = np.percentile(_shared(resampled), _INTERVAL, axis=0)
    order = sorted(range(len(channels)), key=lambda index: (-observed[index], channels[index]))
    return [
        ChannelEffect(
            channel=channels[index],
            count_paths=sum(won + lost for steps, won, lost in paths if channels[index] in steps),
            count_conversions=sum(won for steps, won, _ in paths if channels[index] in steps),
            removal_effect=float(observed[index]),
            removal_effect_low=float(low[index]),
            removal_effect_high=float(high[index]),
            credit_share=float(shares[index]),
            credit_share_low=float(share_low[index]),
            credit_share_high=float(share_high[index]),
            effect_rank=rank,
        )
        for rank, index in enumerate(order, start=1)
    ]


def _shared(effects: Floats) -> Floats:
    total = effects.sum(axis=1, keepdims=True)
    return np.divide(effects, total, out=np.zeros_like(effects), where=total > 0)
