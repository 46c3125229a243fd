"""Keyterm biasing over a decoder that is a table: which path wins, and that one that loses leaves no trace."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.base import Term
from caesura.engines.bias import (
    MAX_ROWS,
    MAX_WEIGHT,
    PENALTY,
    REWARD,
    REWARD_PER_TOKEN,
    Bias,
    BiasedSearch,
    DecodedPath,
    Logits,
    trust,
)
from caesura.engines.tokens import Vocabulary

END = 2
WORDS = (
    "_the", "_D", "ash", "wood", "_Ash", "_would", "_go", "_house", "_man", "age", "_Nor", "land", "_Go", ".", "'", "s",
)  # fmt: skip
# A piece is learnt out of two earlier ones, so every beginning of a piece is one.
PIECES = [
    "<unk>", "<s>", "</s>", *dict.fromkeys(letter for word in WORDS for letter in word.replace("_", "\u2581")),
    *dict.fromkeys(word[:n].replace("_", "\u2581") for word in WORDS for n in range(2, len(word) + 1)),
]  # fmt: skip
VOCABULARY = Vocabulary([piece.encode() for piece in PIECES])


def ids(*pieces: str) -> tuple[int, ...]:
    return tuple(PIECES.index(piece.replace("_", "\u2581")) if piece else END for piece in pieces)


@dataclass
class Table:
    """A decoder: for each beginning, the probabilities of tokens that may follow; all others share what is left."""

    likely: Mapping[tuple[int, ...], Mapping[int, float]]
    most_rows: int = field(default=0)
    reads: int = field(default=0)

    def logits(self, beginning: tuple[int, ...]) -> Logits:
        likely = self.likely.get(beginning, {END: 0.05})
        left = max(1.0 - sum(likely.values()), 1e-9) / (len(PIECES) - len(likely))
        row = np.full(len(PIECES), math.log(left), dtype=np.float32)
        for token, probability in likely.items():
            row[token] = math.log(probability)
        return row

    def reading(self) -> DecodedPath:
        """What the decoder writes by itself."""
        tokens: list[int] = []
        logits: list[Logits] = []
        while not tokens or tokens[-1] != END:
            logits.append(self.logits(tuple(tokens)))
            tokens.append(int(logits[-1].argmax()))
        logs = [float(row[token] - np.log(np.exp(row).sum())) for row, token in zip(logits, tokens, strict=True)]
        return DecodedPath(tuple(tokens), tuple(logs), tuple(logits), Beginnings(self, (tuple(tokens[:-1]),)))


@dataclass(frozen=True)
class Beginnings:
    table: Table
    rows: tuple[tuple[int, ...], ...]

    def truncate(self, tokens: int) -> Beginnings:
        assert len(self.rows) == 1
        return Beginnings(self.table, (self.rows[0][:tokens],))

    def select(self, rows: Sequence[int]) -> Beginnings:
        return Beginnings(self.table, tuple(self.rows[row] for row in rows))

    def decode(self, tokens: Sequence[Sequence[int]]) -> tuple[Logits, Beginnings]:
        assert len(tokens) == len(self.rows)
        self.table.reads += 1
        self.table.most_rows = max(self.table.most_rows, len(tokens))
        logits = [
            [self.table.logits((*row, *new[: n + 1])) for n in range(len(new))]
            for row, new in zip(self.rows, tokens, strict=True)
        ]
        rows = tuple((*row, *new) for row, new in zip(self.rows, tokens, strict=True))
        return np.array(logits, dtype=np.float32), Beginnings(self.table, rows)


def chain(*ways: tuple[tuple[int, ...], Sequence[float]]) -> dict[tuple[int, ...], dict[int, float]]:
    """A table in which each of the readings `ways` is written with its probabilities, one for each token."""
    table: dict[tuple[int, ...], dict[int, float]] = {}
    for tokens, probabilities in ways:
        for at, probability in enumerate(probabilities):
            table.setdefault(tokens[:at], {})[tokens[at]] = probability
    return table


def best(table: Table, *terms: Term, limit: int = 20) -> DecodedPath:
    return BiasedSearch(Bias(terms, VOCABULARY), end=END, limit=limit).best(table.reading())


def text(path: DecodedPath) -> str:
    return VOCABULARY.text(path.tokens)


ASH_WOULD = ids("_the", "_Ash", "_would", "_go", ".", "")
DASHWOOD = ids("_the", "_D", "ash", "wood", "_go", ".", "")
MISHEARD = chain((ASH_WOULD, [0.9, 0.6, 0.6, 0.9, 0.9, 0.9]), (DASHWOOD, [0.9, 0.05, 0.3, 0.3, 0.9, 0.9, 0.9]))


def test_a_term_that_is_nearly_as_likely_replaces_the_decoded_tokens() -> None:
    assert text(best(Table(MISHEARD), Term("Dashwood"))) == "the Dashwood go."


def test_without_terms_the_path_is_the_same_object_and_nothing_is_decoded() -> None:
    table = Table(MISHEARD)
    path = table.reading()
    assert BiasedSearch(Bias([], VOCABULARY), end=END, limit=20).best(path) is path
    assert table.reads == 0


def test_a_term_that_was_not_spoken_leaves_the_path_unchanged() -> None:
    table = Table(MISHEARD)
    path = table.reading()
    assert BiasedSearch(Bias([Term("Norland")], VOCABULARY), end=END, limit=20).best(path) is path


def test_a_term_that_only_begins_well_leaves_the_path_unchanged() -> None:
    """The reward is for the whole of a term: the part that fits earns nothing."""
    begun = chain((ASH_WOULD, [0.9, 0.5, 0.6, 0.9, 0.9, 0.9]), (DASHWOOD, [0.9, 0.45, 0.4, 1e-8, 0.9, 0.9, 0.9]))
    assert text(best(Table(begun), Term("Dashwood"))) == "the Ash would go."


def test_the_tokens_after_a_term_count_against_it_too() -> None:
    table = chain((ASH_WOULD, [0.9, 0.6, 0.6, 0.9, 0.9, 0.9]), (DASHWOOD, [0.9, 0.3, 0.9, 0.9, 0.02, 0.02, 0.02]))
    assert text(best(Table(table), Term("Dashwood"))) == "the Ash would go."


def test_the_probabilities_are_those_of_the_decoder() -> None:
    """A reward chooses a word and does not make it surer."""
    table = Table(MISHEARD)
    chosen = best(table, Term("Dashwood"))
    assert chosen.tokens == DASHWOOD
    for at, (token, log) in enumerate(zip(chosen.tokens, chosen.logs, strict=True)):
        row = table.logits(chosen.tokens[:at])
        assert log == pytest.approx(float(row[token] - np.log(np.exp(row).sum())), abs=1e-4)


@pytest.mark.parametrize(
    ("weight", "heard"), [(0.0, "the Ash would go."), (0.1, "the Ash would go."), (1.0, "the Dashwood go.")]
)
def test_weight_scales_the_reward(weight: float, heard: str) -> None:
    assert text(best(Table(MISHEARD), Term("Dashwood", weight))) == heard


def test_no_weight_forces_an_unlikely_term() -> None:
    most = MAX_WEIGHT * (REWARD + 3 * REWARD_PER_TOKEN)
    far = chain((ASH_WOULD, [0.9] * 6), (DASHWOOD, [0.9, 0.05, math.exp(-most), 0.3, 0.9, 0.9, 0.9]))
    assert text(best(Table(far), Term("Dashwood", 1000.0))) == "the Ash would go."


def test_where_the_decoder_guesses_terms_weigh_less() -> None:
    sure = chain((ids("_go", "."), [0.6, 0.9]), (ids("_Nor", "land", "."), [0.02, 0.9, 0.9]))
    after = ids("_the", "_go", "_would", "_the", "_house", "")
    for alternative in (ids("_go", "."), ids("_Nor", "land", ".")):
        sure |= {(*alternative, *after[:n]): {after[n]: 0.9} for n in range(len(after))}
    guessed = sure | {(*ids("_go", "."), *after[:n]): {after[n]: 0.2} for n in range(len(after))}
    guessed |= {(*ids("_Nor", "land", "."), *after[:n]): {after[n]: 0.2} for n in range(len(after))}
    assert text(best(Table(sure), Term("Norland", 0.65))).startswith("Norland")
    assert text(best(Table(guessed), Term("Norland", 0.65))).startswith("go")
    assert trust(Table(guessed).reading()) < 0.6 < trust(Table(sure).reading()) == 1.0


def test_a_term_ends_where_its_word_ends() -> None:
    """`man` is not found in `manage`, although its token is in it."""
    managed = chain((ids("_the", "_go", ""), [0.9, 0.6, 0.9]), (ids("_the", "_man", "age", ""), [0.9, 0.3, 0.999, 0.9]))
    assert text(best(Table(managed), Term("man"))) == "the go"


@pytest.mark.parametrize("after", [("'", "s"), (".",)])
def test_a_possessive_or_a_mark_may_follow_a_term(after: tuple[str, ...]) -> None:
    said = ids("_the", "_D", "ash", "wood", *after, "")
    table = chain((ids("_the", "_go", ""), [0.9, 0.6, 0.9]), (said, [0.9, 0.05, 0.3, *[0.9] * (len(after) + 2)]))
    assert text(best(Table(table), Term("Dashwood"))) == "the Dashwood" + "".join(after)


def test_a_term_may_begin_and_end_a_reading() -> None:
    table = chain((ids("_go", ""), [0.6, 0.9]), (ids("_Nor", "land", ""), [0.05, 0.9, 0.9]))
    assert text(best(Table(table), Term("Norland"))) == "Norland"


def test_a_term_in_lower_case_is_found_as_the_decoder_writes_it() -> None:
    table = chain((ids("_go", ""), [0.6, 0.9]), (ids("_Nor", "land", ""), [0.05, 0.9, 0.9]))
    assert text(best(Table(table), Term("norland"))) == "Norland"


def test_a_term_with_capitals_is_preferred_with_them() -> None:
    table = chain((ids("_go", ""), [0.6, 0.9]), (ids("_Go", ""), [0.3, 0.9]))
    assert text(best(Table(table), Term("Go"))) == "Go"
    assert text(best(Table(table), Term("go"))) == "go"


def test_two_terms_in_one_path_are_both_found() -> None:
    plain = ids("_the", "_Ash", "_would", "_go", "")
    one = ids("_the", "_D", "ash", "wood", "_go", "")
    both = ids("_the", "_D", "ash", "wood", "_Nor", "land", "")
    table = chain(
        (plain, [0.9, 0.6, 0.6, 0.6, 0.9]),
        (one, [0.9, 0.05, 0.9, 0.9, 0.6, 0.9]),
        (both, [0.9, 0.05, 0.9, 0.9, 0.05, 0.9, 0.9]),
    )
    assert text(best(Table(table), Term("Norland"), Term("Dashwood"))) == "the Dashwood Norland"


def test_of_two_terms_the_likelier_is_found() -> None:
    table = chain(
        (ids("_the", "_go", ""), [0.9, 0.6, 0.9]),
        (ids("_the", "_Ash", ""), [0.9, 0.01, 0.9]),
        (ids("_the", "_Nor", "land", ""), [0.9, 0.1, 0.9, 0.9]),
    )
    for terms in (("Ash", "Norland"), ("Norland", "Ash")):
        assert text(best(Table(table), *map(Term, terms))) == "the Norland"


def test_a_term_of_several_words_is_found_as_a_whole() -> None:
    table = chain((ids("_go", ""), [0.6, 0.9]), (ids("_Nor", "land", "_house", ""), [0.05, 0.9, 0.5, 0.9]))
    assert text(best(Table(table), Term("  Norland   house "))) == "Norland house"


def test_a_term_to_avoid_gives_way_to_tokens_that_are_nearly_as_likely() -> None:
    assert text(best(Table(MISHEARD), Term("ash would", -1.0))) == "the Dashwood go."


def test_a_term_to_avoid_stays_where_nothing_else_fits() -> None:
    alone = chain((ASH_WOULD, [0.999] * 6))
    assert text(best(Table(alone), Term("ash would", -1.0))) == "the Ash would go."
    assert math.log(1 / 1e-9) > MAX_WEIGHT * PENALTY


def test_a_term_to_avoid_is_not_only_written_in_other_tokens() -> None:
    other = ids("_the", "_A", "s", "h", "_would", "_go", ".", "")
    table = chain((ASH_WOULD, [0.9, 0.6, 0.6, 0.9, 0.9, 0.9]), (other, [0.9, 0.3, *[0.9] * 6]))
    chosen = best(Table(table), Term("ash", -1.0))
    assert chosen.tokens == ASH_WOULD


def test_an_avoided_word_inside_another_is_left_alone() -> None:
    managed = chain((ids("_the", "_man", "age", ""), [0.9, 0.6, 0.9, 0.9]), (ids("_the", "_go", ""), [0.9, 0.3, 0.9]))
    assert text(best(Table(managed), Term("man", -1.0))) == "the manage"


def test_no_reading_is_longer_than_allowed() -> None:
    endless = {DASHWOOD[:1]: {ASH_WOULD[1]: 0.6, DASHWOOD[1]: 0.3}} | chain(
        (ASH_WOULD, [0.9, 0.6, 0.6, 0.9, 0.9, 0.9]), (DASHWOOD, [0.9, 0.3, 0.9, 0.9, 0.9, 0.9, 0.9])
    )
    assert text(best(Table(endless), Term("Dashwood"), limit=7)) == "the Dashwood go."
    assert text(best(Table(endless), Term("Dashwood"), limit=6)) == "the Ash would go."


def test_no_more_rows_are_read_at_once_than_a_decoder_is_ready_for() -> None:
    letters = "DwahogemnrldNu"
    table = Table({(): {PIECES.index("\u2581"): 0.5, ids("_go")[0]: 0.5}})
    best(table, *(Term(a + b) for a in letters for b in letters))
    assert 1 < table.most_rows <= MAX_ROWS


def test_terms_of_blanks_and_punctuation_have_no_effect() -> None:
    assert not Bias([Term(" "), Term(""), Term("Norland", 0.0)], VOCABULARY)


PATHS = st.dictionaries(
    st.lists(st.integers(2, len(PIECES) - 1), max_size=4).map(tuple),
    st.dictionaries(st.integers(2, len(PIECES) - 1), st.floats(0.01, 1.0), min_size=1, max_size=4),
    max_size=12,
)
TERMS = st.lists(
    st.builds(Term, st.sampled_from(["Dashwood", "norland", "man", "the house", "go", "Ash"]), st.floats(-2.0, 2.0)),
    max_size=4,
)


@given(likely=PATHS, terms=TERMS)
def test_the_chosen_path_scores_at_least_as_much_as_the_decoded_one(
    likely: dict[tuple[int, ...], dict[int, float]], terms: list[Term]
) -> None:
    """Log-probability and rewards together; and the end, the limit and the cache are as they should be."""
    table, bias = Table(likely), Bias(terms, VOCABULARY)
    path = table.reading()
    chosen = BiasedSearch(bias, end=END, limit=20).best(path)
    more = trust(path) * (bias.value(chosen.tokens) - bias.value(path.tokens))
    assert sum(chosen.logs) + more >= sum(path.logs) - 1e-3
    assert chosen.tokens.index(END) == len(chosen.tokens) - 1 < 20
    assert len(chosen.logs) == len(chosen.logits) == len(chosen.tokens)
    assert chosen.cache == Beginnings(table, (chosen.tokens[:-1],))
