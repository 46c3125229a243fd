"""Voices of a whole recording in, in blocks of any length; the sums of the groups that sound alike out.

Agglomerative clustering by the mean likeness of all pairs (UPGMA; Sokal and Michener, 1958). The vectors have length 1
and their likeness is their cosine, so the mean over all pairs of two groups follows from the sums of the groups alone:
a long recording is grouped block by block, and then the groups of all blocks, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from caesura.speech.voice import Floats

BLOCK: Final = 512
"""Groups that are compared each with each, in 1 MiB; in time and memory by their square."""
TIGHT: Final = 0.3
"""Mean cosine from which groups within one block are one: tighter than in the end, when more is known of each."""


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

    def largest(self, most: int) -> Groups:
        """The `most` largest ones, largest first."""
        order = np.argsort(-self.counts, kind="stable")[:most]
        return Groups(self.sums[order], self.counts[order])

    def means(self) -> Floats:
        """The direction of each group: shape (k, d), each of length 1."""
        lengths = np.linalg.norm(self.sums, axis=1, keepdims=True)
        found: Floats = self.sums / np.maximum(lengths, 1e-9)
        return found


def grouped(vectors: Iterable[Floats], alike: float) -> Groups:
    """All vectors, in arrays of shape (n, d), as groups whose mean likeness to each other is less than `alike`.

    Exact up to `BLOCK` vectors. Beyond that what is alike within a block is taken as one first, and should more groups
    than half a block be left even so, the smallest are given up.
    """
    found: Groups | None = None
    for array in vectors:
        for at in range(0, len(array), BLOCK // 2):
            fresh = Groups.single(array[at : at + BLOCK // 2])
            if found is not None and len(found.counts) + len(fresh.counts) > BLOCK:
                found = merged(found, max(alike, TIGHT)).largest(BLOCK // 2)
            found = fresh if found is None else found.joined(fresh)
    return Groups.single(np.empty((0, 0), np.float32)) if found is None else merged(found, alike)


def merged(groups: Groups, alike: float) -> Groups:
    """The groups, those that are most alike made one, again and again, until no two are as alike as that."""
    sums, counts = groups.sums.astype(np.float64), groups.counts.astype(np.float64)
    likeness = (sums @ sums.T / np.outer(counts, counts)).astype(np.float32)
    np.fill_diagonal(likeness, -np.inf)
    left = np.ones(len(counts), bool)
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
        left[other] = False
    return Groups(sums[left].astype(np.float32), counts[left].astype(np.float32))
