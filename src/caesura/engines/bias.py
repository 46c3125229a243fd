"""Terms to prefer or avoid and one reading of a decoder in; the reading that is likelier with the terms in mind out.

Shallow fusion adds a reward for each term to what the decoder believes (Zhao et al., "Shallow-Fusion End-to-End
Contextual Biasing", 2019; a tree of token prefixes as in Le et al., "Deep Shallow Fusion for RNN-T Personalization",
2021). A beam must take the reward back where a term that was begun is not finished, and changes words that have
nothing to do with a term. Here whole readings compete instead, as in the rescoring of Hall et al.,
"Composition-based On-the-fly Rescoring for Salient n-gram Biasing", 2015: wherever a term could begin, it is written
to its end and the rest after it, and it takes the place of what was read if that costs less than the reward. A term
that loses leaves no trace. Probabilities stay those of the decoder: a reward chooses, it does not make surer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from caesura.engines.base import Term
from caesura.engines.tokens import Vocabulary

REWARD = 3.0
REWARD_A_TOKEN = 1.5
MOST_REWARD = 12.0
"""What a term of weight 1 may cost in natural logarithms of probability, in addition for each of its tokens, and at
most. Measured on 144 spoken sentences with 63 names in three synthetic voices, with 99 terms given: see TRUST."""

TRUST = 0.65
"""A reading that is less sure than this, by the geometric mean of its probabilities, lets terms weigh as much less.
Where the decoder guesses, everything is nearly as likely: in white noise of 10 dB below the sentences 24 terms took a
place without this, 19 of them said, and 19 with it, 17 of them said; without noise or with little, 125 of 130 and 125
of 129."""

OTHER_CASE = 2.0
"""So much less is a term worth in other capitals than it was given in."""

PENALTY = 5.0
"""What it may cost to avoid a term of weight -1."""

MOST_WEIGHT = 1.5
"""Heavier terms count as much as this: what is not said at all must not be heard, however much it is wished for. With
99 terms of weight 0.5, 1, 1.5 and 2 the engine heard 118, 151, 160 and 168 of 189 names and 1, 5, 8 and 27 that were
not said."""

MARGIN = 7.0
"""A term begins only where its first token is as near to the decoder's own; with 9 no more of them were heard."""

MOST_ROWS = 8
"""So many beginnings are followed at once, the likeliest."""

RIVALS = 6
"""Tokens that are tried in the place of each one of a term to avoid."""

WINDOW = 3
"""A term that could begin here waits whether a better one begins in the next so many tokens."""

_MARKS = ".,;:!?\"'()[]\u201c\u201d\u2018\u2019"
_POSSESSIVES = ("'s", "\u2019s")

Logits = NDArray[np.float32]


class Memory(Protocol):
    """What a decoder remembers of equally long beginnings, one a row; reading makes a new one."""

    def first(self, tokens: int) -> Memory:
        """As it was when it had read the start and so many tokens; of one row."""
        ...

    def take(self, rows: Sequence[int]) -> Memory:
        """These rows in this order, any of them as often as it is named; at most MOST_ROWS."""
        ...

    def read(self, tokens: Sequence[Sequence[int]]) -> tuple[Logits, Memory]:
        """Goes on by the same number of tokens in each row: logits (rows, tokens, vocabulary) for what comes after."""
        ...


@dataclass(frozen=True, slots=True)
class Path:
    """One reading to its end: tokens with the one that ends it, the log-probability of each, and the logits there.

    `memory` has one row and read all tokens but the last.
    """

    tokens: tuple[int, ...]
    logs: tuple[float, ...]
    logits: tuple[Logits, ...]
    memory: Memory

    def log(self, at: int, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """The log-probabilities of `tokens` at position `at`."""
        logits = self.logits[at]
        shifted: NDArray[np.float32] = logits[tokens] - logits[self.tokens[at]] + np.float32(self.logs[at])
        return shifted


@dataclass(slots=True)
class _Node:
    # `reward` of the term that ends here, 0 for none; `hope` the greatest one from here on.
    children: dict[int, _Node] = field(default_factory=dict)
    reward: float = 0.0
    hope: float = 0.0


class Bias:
    """Terms made ready for a vocabulary; immutable afterwards."""

    def __init__(self, terms: Sequence[Term], vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._root = _Node()
        self._values: dict[tuple[str, ...], float] = {}
        self._spelled: dict[tuple[str, ...], tuple[str, ...]] = {}
        for term in terms:
            self._add(term)
        self._longest = max(map(len, self._values), default=0)
        self.firsts = np.array(list(self._root.children), dtype=np.int64)
        self.nodes = tuple(self._root.children.values())
        self.hopes = np.array([node.hope for node in self.nodes], dtype=np.float32)
        self.breaks = np.array(vocabulary.breaks)

    def __bool__(self) -> bool:
        return bool(self._values)

    def value(self, tokens: Sequence[int]) -> float:
        """The rewards less the penalties of all terms in the text of `tokens`."""
        return sum(value for _, _, value in self.found(tokens))

    def found(self, tokens: Sequence[int]) -> Iterator[tuple[int, int, float]]:
        """The terms in the text of `tokens`, the longest at each word: first and last position, and value."""
        printed = self._vocabulary.words(tokens)
        bare = _bare([word.text for word in printed])
        words = _folded(bare)
        at = 0
        while at < len(words):
            long = next((n for n in range(self._longest, 0, -1) if words[at : at + n] in self._values), 0)
            if long:
                span = printed[at : at + long]
                yield span[0].tokens[0], span[-1].tokens[-1], self._worth(bare[at : at + long])
            at += long or 1

    def _add(self, term: Term) -> None:
        spelled = _bare(term.text.split())
        words = _folded(spelled)
        weight = min(max(term.weight, -MOST_WEIGHT), MOST_WEIGHT)
        if not any(words) or weight == 0:
            return
        if weight < 0:
            self._values[words] = weight * PENALTY
            return
        for text in _spellings(term.text):
            tokens = self._vocabulary.encode(text)
            value = weight * min(MOST_REWARD, REWARD + REWARD_A_TOKEN * len(tokens))
            self._values[words] = max(value, self._values.get(words, value))
            self._grow(tokens, value)
        if term.text != term.text.lower():
            self._spelled[words] = spelled

    def _grow(self, tokens: Sequence[int], value: float) -> None:
        node = self._root
        for token in tokens:
            node = node.children.setdefault(token, _Node())
            node.hope = max(node.hope, value)
        node.reward = max(node.reward, value)

    def _worth(self, bare: tuple[str, ...]) -> float:
        words = _folded(bare)
        other_case = self._spelled.get(words, bare) != bare
        return self._values[words] - OTHER_CASE * other_case


def _bare(words: Sequence[str]) -> tuple[str, ...]:
    bare = []
    for word in words:
        stripped = word.strip(_MARKS)
        for possessive in _POSSESSIVES:
            stripped = stripped.removesuffix(possessive)
        bare.append(stripped or word)
    return tuple(bare)


def _folded(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word.casefold() for word in words)


def _spellings(text: str) -> tuple[str, ...]:
    # A decoder writes names with capitals, and whatever begins a sentence, however the term was typed.
    plain = " ".join(text.split())
    titled = " ".join(word[:1].upper() + word[1:] for word in plain.split())
    first = plain[:1].upper() + plain[1:]
    return tuple(dict.fromkeys((plain, first, titled))) if plain == plain.lower() else (plain,)


@dataclass(frozen=True, slots=True)
class _Row:
    # A beginning that departs from the path: `node` is where its term has got to, None behind the term.
    node: _Node | None
    tokens: tuple[int, ...]
    log: float
    hope: float
    term: int = 0


@dataclass(frozen=True, slots=True)
class _Departure:
    # The path from position `at` on could be `tokens` instead, for a gain; the first `term` tokens are the term.
    at: int
    tokens: tuple[int, ...]
    term: int
    gain: float


class Search:
    """Looks for better readings than one that a decoder has. `end` is the token that ends a reading."""

    def __init__(self, bias: Bias, *, end: int, limit: int) -> None:
        self._bias = bias
        self._end = end
        self._limit = limit
        self._trust = 1.0

    def best(self, path: Path) -> Path:
        """`path` itself, or what is likelier by the terms; of no more than `limit` tokens."""
        self._trust = trust(path)
        return self._avoiding(self._preferring(path))

    def _preferring(self, path: Path) -> Path:
        found: _Departure | None = None
        at = 0
        while at < len(path.tokens):
            here = self._preferred_at(path, at)
            if here is not None and (found is None or here.gain > found.gain):
                found = here
            at += 1
            if found is not None and (at >= found.at + WINDOW or at == len(path.tokens)):
                path, at, found = _departed(path, found), found.at + found.term, None
        return path

    def _preferred_at(self, path: Path, at: int) -> _Departure | None:
        bias = self._bias
        if not bias.nodes:
            return None
        logs, left = path.log(at, bias.firsts), sum(path.logs[at:])
        hopes = bias.hopes * self._trust
        likely = np.flatnonzero((logs > path.logs[at] - MARGIN) & (logs + hopes > left))
        rows = [_Row(bias.nodes[i], (int(bias.firsts[i]),), float(logs[i]), float(hopes[i])) for i in likely]
        return self._explore(path, at, rows)

    def _avoiding(self, path: Path) -> Path:
        # Each round leaves a better reading; the bound is against a text that is full of what is to be avoided.
        for _ in self._avoided(path):
            places = [at for first, last in self._avoided(path) for at in range(first, last + 1)]
            better = [way for way in (self._other_at(path, at) for at in places) if way is not None]
            if not better:
                break
            path = _departed(path, max(better, key=lambda way: way.gain))
        return path

    def _avoided(self, path: Path) -> list[tuple[int, int]]:
        return [(first, last) for first, last, value in self._bias.found(path.tokens) if value < 0]

    def _other_at(self, path: Path, at: int) -> _Departure | None:
        hope = self._trust * -sum(value for _, _, value in self._bias.found(path.tokens) if value < 0)
        rivals = np.argpartition(path.logits[at], -RIVALS - 1)[-RIVALS - 1 :].astype(np.int64)
        rows = [
            _Row(None, (int(token),), float(log), hope)
            for token, log in zip(rivals, path.log(at, rivals), strict=True)
            if token != path.tokens[at]
        ]
        return self._explore(path, at, rows)

    def _explore(self, path: Path, at: int, rows: list[_Row]) -> _Departure | None:
        # Follows all rows together to their ends, and drops each when even its reward could not win any more.
        left = sum(path.logs[at:])
        best: _Departure | None = None
        memory, parents = path.memory.first(at), [0] * len(rows)
        while True:
            for row in rows:
                if row.tokens[-1] == self._end:
                    way = self._weighed(path, at, row, left)
                    best = way if best is None or way.gain > best.gain else best
            ranked = sorted(zip(rows, parents, strict=True), key=lambda pair: -pair[0].log - pair[0].hope)
            kept = [pair for pair in ranked if self._goes_on(pair[0], at, left)][:MOST_ROWS]
            if not kept:
                return best if best is not None and best.gain > 0 else None
            memory = memory.take([parent for _, parent in kept])
            logits, memory = memory.read([row.tokens[-1:] for row, _ in kept])
            logs = _log_softmax(logits[:, -1])
            grown = [(new, i) for i, (row, _) in enumerate(kept) for new in self._grown(path, at, row, logs[i])]
            rows, parents = [row for row, _ in grown], [parent for _, parent in grown]

    def _goes_on(self, row: _Row, at: int, left: float) -> bool:
        return row.tokens[-1] != self._end and at + len(row.tokens) < self._limit and row.log + row.hope > left

    def _grown(self, path: Path, at: int, row: _Row, logs: Logits) -> list[_Row]:
        if row.node is None:
            token = int(logs.argmax())
            return [_Row(None, (*row.tokens, token), row.log + float(logs[token]), row.hope, row.term)]
        grown = [
            _Row(child, (*row.tokens, token), row.log + float(logs[token]), child.hope * self._trust)
            for token, child in row.node.children.items()
        ]
        # The path has the term here already where the tokens are its own.
        if row.node.reward and row.tokens != path.tokens[at : at + len(row.tokens)]:
            token = int(np.where(self._bias.breaks, logs, -np.inf).argmax())
            log = row.log + float(logs[token])
            grown.append(_Row(None, (*row.tokens, token), log, row.node.reward * self._trust, len(row.tokens)))
        return grown

    def _weighed(self, path: Path, at: int, row: _Row, left: float) -> _Departure:
        value = self._bias.value
        more = value((*path.tokens[:at], *row.tokens)) - value(path.tokens)
        return _Departure(at, row.tokens, row.term, row.log - left + self._trust * more)


def _departed(path: Path, way: _Departure) -> Path:
    at, tokens = way.at, way.tokens
    logits, memory = [path.logits[at]], path.memory.first(at)
    if len(tokens) > 1:
        read, memory = memory.read([tokens[:-1]])
        logits += list(read[0])
    logs = [float(_log_softmax(row)[token]) for row, token in zip(logits, tokens, strict=True)]
    return Path((*path.tokens[:at], *tokens), (*path.logs[:at], *logs), (*path.logits[:at], *logits), memory)


def trust(path: Path) -> float:
    """In 0..1: how much of their weight terms have against `path`."""
    return min(1.0, math.exp(sum(path.logs) / len(path.logs)) / TRUST)


def _log_softmax(logits: Logits) -> Logits:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    logs: Logits = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs
