"""How speech sounds in, window by window; the groups of windows that sound alike out: the speakers.

Agglomerative clustering by the mean likeness of all pairs (UPGMA; Sokal and Michener, 1958). The vectors have length 1
and their likeness is their cosine, so the mean over all pairs of two groups follows from the sums of the groups alone:
a long recording is grouped block by block, and then the groups of all blocks, in bounded memory. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from caesura.speech.voice import Floats

Places = NDArray[np.int64]

BLOCK: Final = 512
"""Groups that are compared each with each, in 1 MiB; in time and memory by their square."""
SAME: Final = 0.175
"""Mean cosine of two groups from which they are one speaker. On made-up conversations of six readers 0.16 is best where
they are recorded well, 0.2 where they are on the telephone, which makes all voices more alike."""
TIGHT: Final = 0.3
"""The same for what is made one to save memory: tighter, as more will be known of each in the end."""
LEAST: Final = 4
"""Windows that a speaker has at least, where there are many: chance makes small groups."""
SHARE: Final = 0.04
"""Of all windows, what a speaker has at least where there are few."""
LONG_S: Final = 0.8
"""A shorter window is not grouped: it scatters too much."""
MOST_SPEAKERS: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Vectors in groups. `sums`: float32, shape (k, d), the sum of each group; `counts`: float32, shape (k,)."""

    sums: Floats
    counts: Floats

    @classmethod
    def single(cls, vectors: Floats) -> Groups:
        """Each of the vectors, shape (n, d), as a group of its own."""
        return cls(vectors, np.ones(len(vectors), np.float32))

    def joined(self, others: Groups) -> Groups:
        """These groups and those."""
        return Groups(np.concatenate((self.sums, others.sums)), np.concatenate((self.counts, others.counts)))

    def at(self, places: Places) -> Groups:
        """Only those at these places, in their order."""
        return Groups(self.sums[places], self.counts[places])

    def means(self) -> Floats:
        """The direction of each group: shape (k, d), each of length 1."""
        lengths = np.linalg.norm(self.sums, axis=1, keepdims=True)
        found: Floats = self.sums / np.maximum(lengths, 1e-9)
        return found


def grouped(vectors: Iterable[Floats]) -> Groups:
    """All vectors, in arrays of shape (n, d), in groups that are not the `SAME`.

    Exact up to `BLOCK` vectors. Beyond that what is alike within a block is taken as one first, and should more groups
    than half a block be left even so, the smallest are given up.
    """
    found: Groups | None = None
    for array in vectors:
        for at in range(0, len(array), BLOCK // 2):
            fresh = Groups.single(array[at : at + BLOCK // 2])
            if found is not None and len(found.counts) + len(fresh.counts) > BLOCK:
                dense, _ = merged(found, TIGHT)
                found = dense.at(largest(dense, BLOCK // 2))
            found = fresh if found is None else found.joined(fresh)
    return Groups.single(np.empty((0, 0), np.float32)) if found is None else merged(found, SAME)[0]


def merged(groups: Groups, alike: float) -> tuple[Groups, Places]:
    """The groups, those that are most alike made one, again and again, until no two are as alike as that.

    Also the place of each group among them: int64, shape (k,).
    """
    sums, counts = groups.sums.astype(np.float64), groups.counts.astype(np.float64)
    likeness = (sums @ sums.T / np.outer(counts, counts)).astype(np.float32)
    np.fill_diagonal(likeness, -np.inf)
    owners = np.arange(len(counts))
    while len(counts):
        one, other = divmod(int(likeness.argmax()), len(counts))
        if likeness[one, other] < alike:
            break
        share = counts[one] / (counts[one] + counts[other])
        row = share * likeness[one] + (1 - share) * likeness[other]
        row[one] = -np.inf
        likeness[one], likeness[:, one] = row, row
        likeness[other], likeness[:, other] = -np.inf, -np.inf
        sums[one] += sums[other]
        counts[one] += counts[other]
        owners[owners == other] = one
    left, places = np.unique(owners, return_inverse=True)
    return Groups(sums[left].astype(np.float32), counts[left].astype(np.float32)), places


def largest(groups: Groups, most: int) -> Places:
    """The places of the `most` largest ones, largest first."""
    return np.argsort(-groups.counts, kind="stable")[:most]


def believed(groups: Groups) -> Places:
    """The places of those that are speakers, largest first: all of some size, and one in any case."""
    least = min(LEAST, SHARE * float(groups.counts.sum()))
    return largest(groups, min(MOST_SPEAKERS, max(1, int((groups.counts >= least).sum()))))
