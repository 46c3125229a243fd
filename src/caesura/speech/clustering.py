"""Clustering of speaker embeddings: which windows of speech come from the same speaker.

Agglomerative clustering by the mean similarity of all pairs (UPGMA; Sokal and Michener, 1958). The vectors have length
1 and their similarity is their cosine, so the mean over all pairs of two clusters follows from the sums of the clusters
alone. So a long recording is clustered in bounded memory: first block by block, then the clusters of all blocks. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from caesura.speech.embedding import Floats

Indices = NDArray[np.int64]

BLOCK: Final = 512
"""Most clusters of which all pairs are compared, in 1 MiB; time and memory grow with the square."""
SAME_SPEAKER: Final = 0.175
"""Mean cosine of two clusters above which they are one speaker.

On synthetic conversations of six readers 0.16 is best for good recordings, and 0.2 for telephone audio, which makes all
speakers more alike.
"""
COMPACTION: Final = 0.3
"""Merge threshold for early compaction; stricter, since later audio adds evidence."""
MIN_WINDOWS: Final = 10
"""Fewest windows of a speaker if there are many in all, some 6 s of speech: small clusters arise by chance."""
MIN_SHARE: Final = 0.04
"""Smallest share of all windows that a speaker has if there are few in all."""
MIN_WINDOW_S: Final = 0.8
"""Shortest window that is clustered: embeddings of shorter ones scatter too much."""
MAX_SPEAKERS: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Clusters of vectors. `sums`: float32, shape (k, d), the sum of each cluster; `counts`: float32, shape (k,)."""

    sums: Floats
    counts: Floats

    @classmethod
    def single(cls, vectors: Floats) -> Clusters:
        """Clusters of one vector each, from vectors of shape (n, d)."""
        return cls(vectors, np.ones(len(vectors), np.float32))

    def joined(self, others: Clusters) -> Clusters:
        """These clusters followed by `others`, none merged."""
        return Clusters(np.concatenate((self.sums, others.sums)), np.concatenate((self.counts, others.counts)))

    def at(self, indices: Indices) -> Clusters:
        """The clusters at these indices, in that order."""
        return Clusters(self.sums[indices], self.counts[indices])

    def means(self) -> Floats:
        """The direction of each cluster: shape (k, d), each of length 1."""
        lengths = np.linalg.norm(self.sums, axis=1, keepdims=True)
        found: Floats = self.sums / np.maximum(lengths, 1e-9)
        return found


def cluster(vectors: Iterable[Floats]) -> Clusters:
    """Cluster all vectors, given in arrays of shape (n, d), with the threshold `SAME_SPEAKER`.

    The result is exact up to `BLOCK` vectors. With more, each block is compacted first, and if more clusters than half
    a block are left, the smallest are dropped.
    """
    found: Clusters | None = None
    for array in vectors:
        for at in range(0, len(array), BLOCK // 2):
            fresh = Clusters.single(array[at : at + BLOCK // 2])
            if found is not None and len(found.counts) + len(fresh.counts) > BLOCK:
                dense, _ = merge(found, COMPACTION)
                found = dense.at(largest(dense, BLOCK // 2))
            found = fresh if found is None else found.joined(fresh)
    return Clusters.single(np.empty((0, 0), np.float32)) if found is None else merge(found, SAME_SPEAKER)[0]


def merge(clusters: Clusters, threshold: float) -> tuple[Clusters, Indices]:
    """Merge the two most similar clusters repeatedly, until no two are as similar as `threshold`.

    Returns the remaining clusters, and for each given cluster its index among them: int64, shape (k,).
    """
    sums, counts = clusters.sums.astype(np.float64), clusters.counts.astype(np.float64)
    similarity = (sums @ sums.T / np.outer(counts, counts)).astype(np.float32)
    np.fill_diagonal(similarity, -np.inf)
    owners = np.arange(len(counts))
    while len(counts):
        one, other = divmod(int(similarity.argmax()), len(counts))
        if similarity[one, other] < threshold:
            break
        share = counts[one] / (counts[one] + counts[other])
        row = share * similarity[one] + (1 - share) * similarity[other]
        row[one] = -np.inf
        similarity[one], similarity[:, one] = row, row
        similarity[other], similarity[:, other] = -np.inf, -np.inf
        sums[one] += sums[other]
        counts[one] += counts[other]
        owners[owners == other] = one
    left, indices = np.unique(owners, return_inverse=True)
    return Clusters(sums[left].astype(np.float32), counts[left].astype(np.float32)), indices


def largest(clusters: Clusters, most: int) -> Indices:
    """Indices of the `most` largest clusters, largest first."""
    return np.argsort(-clusters.counts, kind="stable")[:most]


def plausible(clusters: Clusters) -> Indices:
    """Indices of the clusters that are large enough to be speakers, largest first; always at least one."""
    least = min(MIN_WINDOWS, MIN_SHARE * float(clusters.counts.sum()))
    return largest(clusters, min(MAX_SPEAKERS, max(1, int((clusters.counts >= least).sum()))))
