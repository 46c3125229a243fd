"""Clustering of synthetic vectors: each speaker is a direction, each vector a little off it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from caesura.speech.clustering import (
    BLOCK,
    MAX_SPEAKERS,
    MIN_WINDOWS,
    SAME_SPEAKER,
    Clusters,
    cluster,
    largest,
    merge,
    plausible,
)
from caesura.speech.embedding import Floats

SIZE = 64


def cloud(people: int, each: int, seed: int = 1) -> tuple[Floats, list[int]]:
    """Vectors in random order, with a mean cosine of about 0.6 for the same person, and the person of each."""
    chance = np.random.default_rng(seed)
    directions = np.linalg.qr(chance.normal(size=(SIZE, people)))[0].T
    who = chance.permutation(np.repeat(np.arange(people), each))
    noise = chance.normal(size=(len(who), SIZE))
    vectors = directions[who] + 0.8 * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), [int(each) for each in who]


def members(groups: Clusters, vectors: Floats) -> list[int]:
    """The group that each vector is nearest to."""
    return [int(each) for each in (vectors @ groups.means().T).argmax(axis=1)]


def brute(vectors: Floats, alike: float) -> set[frozenset[int]]:
    """The definition, literally: the pair of groups whose members are most alike in the mean is made one."""
    likeness = vectors @ vectors.T
    groups = [frozenset({index}) for index in range(len(vectors))]
    while len(groups) > 1:
        pairs = [(a, b) for a in groups for b in groups if min(a) < min(b)]
        a, b = max(pairs, key=lambda pair: float(likeness[np.ix_(sorted(pair[0]), sorted(pair[1]))].mean()))
        if likeness[np.ix_(sorted(a), sorted(b))].mean() < alike:
            break
        groups = [group for group in groups if group not in (a, b)] + [a | b]
    return set(groups)


@pytest.mark.parametrize("people", [1, 3, 8])
def test_each_person_is_one_group(people: int) -> None:
    vectors, who = cloud(people, 20)
    groups = cluster([vectors])
    assert groups.counts.tolist() == [20.0] * people
    found = members(groups, vectors)
    assert len(set(zip(found, who, strict=True))) == people


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alike", [-1.0, 0.0, 0.3, 0.5, 0.7, 1.1])
def test_groups_are_those_of_the_definition(alike: float, seed: int) -> None:
    vectors, _ = cloud(3, 4, seed)
    groups, places = merge(Clusters.single(vectors), alike)
    expected = {frozenset(part) for part in brute(vectors, alike)}
    sums = {tuple(np.round(vectors[sorted(part)].sum(axis=0), 3)) for part in expected}
    assert {tuple(np.round(each, 3)) for each in groups.sums} == sums
    assert sorted(groups.counts.tolist()) == sorted(float(len(part)) for part in expected)
    found = {frozenset(np.flatnonzero(places == place).tolist()) for place in range(len(groups.counts))}
    assert found == expected
    assert all(
        np.allclose(groups.sums[place], vectors[places == place].sum(axis=0), atol=1e-5) for place in set(places)
    )


def test_groups_of_groups_are_the_groups_of_all() -> None:
    vectors, _ = cloud(4, 30)
    parts = [merge(Clusters.single(vectors[at : at + 40]), 0.3)[0] for at in range(0, len(vectors), 40)]
    joined = parts[0].joined(parts[1]).joined(parts[2])
    assert len(joined.counts) >= 12
    assert merge(joined, SAME_SPEAKER)[0].counts.tolist() == [30.0] * 4


def test_arrays_of_any_size_are_accepted() -> None:
    vectors, _ = cloud(2, 5)
    for size in (1, 3, 10):
        pieces = [vectors[at : at + size] for at in range(0, 10, size)]
        assert cluster([vectors[:0], *pieces]).counts.tolist() == [5.0, 5.0]


def test_without_vectors_there_are_no_clusters() -> None:
    for nothing in ([], [np.empty((0, SIZE), np.float32)]):
        assert len(cluster(nothing).counts) == 0
        assert len(cluster(nothing).means()) == 0


def sized(*counts: float) -> Clusters:
    return Clusters(np.eye(len(counts), dtype=np.float32), np.array(counts, np.float32))


def test_the_largest_come_first() -> None:
    groups = sized(2, 7, 5)
    assert largest(groups, 2).tolist() == [1, 2]
    assert groups.at(largest(groups, 9)).counts.tolist() == [7, 5, 2]
    assert groups.at(largest(groups, 9)).sums.tolist() == groups.sums[[1, 2, 0]].tolist()


@pytest.mark.parametrize(
    ("counts", "places"),
    [
        # Of few windows a small share is enough, of many it takes some.
        ([2, 1], [0, 1]),
        ([20, 1], [0, 1]),
        ([60, 1], [0]),
        ([60, 3], [0, 1]),
        ([500, MIN_WINDOWS, MIN_WINDOWS - 1], [0, 1]),
        ([1, 3, 90], [2]),
        ([MIN_WINDOWS] * (MAX_SPEAKERS + 9), [*range(MAX_SPEAKERS)]),
        ([1] * 99, [0]),
        ([0.5], [0]),
        ([], []),
    ],
)
def test_groups_of_some_size_are_speakers_and_one_in_any_case(counts: list[float], places: list[int]) -> None:
    assert plausible(sized(*counts)).tolist() == places


@pytest.mark.slow
def test_more_than_a_block_of_people_is_bounded_and_more_than_a_block_of_one_is_one() -> None:
    sizes = []

    def noise() -> Iterator[Floats]:
        chance = np.random.default_rng(2)
        for _ in range(8):
            vectors = chance.normal(size=(BLOCK // 2, 512))
            yield (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
            sizes.append(len(vectors))

    assert len(cluster(noise()).counts) <= BLOCK
    assert sum(sizes) == 4 * BLOCK
    vectors, _ = cloud(2, 2 * BLOCK)
    assert cluster([vectors]).counts.tolist() == [2 * BLOCK] * 2
