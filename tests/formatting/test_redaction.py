"""Redacted words contain no part of a secret, however it was spoken or written."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.errors import UsageError
from caesura.formatting.cards import luhn
from caesura.formatting.digit_runs import digit_runs
from caesura.formatting.redaction import CONTEXT_S, PII_KINDS, PiiSpan, find_pii, redact
from caesura.words import Word, raw
from tests.formatting.spoken import sentence, words

DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def written(said: str, *kinds: str) -> str:
    spoken = words(said)
    return sentence(redact(spoken, find_pii(spoken, kinds)))


# ---- the tags ----


def test_a_secret_becomes_one_word_with_the_times_of_all() -> None:
    spoken = words("it is 123 45 6789, okay?", at=2.0)
    spoken = (*spoken[:3], Word("45", 3.5, 4.0, 0.25), *spoken[4:])
    hidden = redact(spoken, find_pii(spoken, ["ssn"]))
    assert hidden == (*spoken[:2], Word("[SSN_1],", 3.0, 4.5, 0.25), spoken[5])
    assert raw(hidden[2].text) == "[SSN_1]"


def test_the_same_value_has_the_same_number_and_another_has_the_next() -> None:
    said = "555-22-1111 or 666 22 1333 or five five five 22 1111 or 4111 1111 1111 1111"
    assert written(said, "ssn", "pci") == "[SSN_1] or [SSN_2] or [SSN_1] or [CREDIT_CARD_1]"


def test_the_tag_of_a_plain_number_has_no_index() -> None:
    assert written("take 100, then 200.", "numbers") == "take [REDACTED], then [REDACTED]."
    assert raw("[REDACTED].") == "[REDACTED]"


def test_the_example_of_the_documentation() -> None:
    said = (
        "my credit card number is four four four four nine nine nine nine three three three three two two two two with "
        "an expiration date of one twenty three and the cvv code is one one one i live here my phone number is five "
        "five five two one two nine three three three"
    )
    assert written(said, "numbers") == (
        "my credit card number is [CREDIT_CARD_1] with an expiration date of [CREDIT_CARD_EXPIRATION_1] and the cvv "
        "code is [CVV_1] i live here my phone number is [PHONE_NUMBER_1]"
    )


# ---- the kinds ----


@pytest.mark.parametrize(
    ("kind", "hidden"),
    [
        ("pci", "On January 5, 2024 pay $25 or 125 for one, SSN 123-45-6789, with [CREDIT_CARD_1]."),
        ("ssn", "On January 5, 2024 pay $25 or 125 for one, SSN [SSN_1], with 4111111111111111."),
        ("numbers", "On [DATE_1] pay $25 or [REDACTED] for one, SSN [SSN_1], with [CREDIT_CARD_1]."),
        (
            "aggressive_numbers",
            "On [DATE_1] pay [REDACTED] or [REDACTED] for [REDACTED], SSN [SSN_1], with [CREDIT_CARD_1].",
        ),
    ],
)
def test_each_kind_hides_its_own(kind: str, hidden: str) -> None:
    said = "On January 5, 2024 pay $25 or 125 for one, SSN 123-45-6789, with 4111111111111111."
    assert written(said, kind) == hidden


def test_kinds_that_overlap_hide_what_any_of_them_would() -> None:
    said = "my social 123-45-6789 in 2019 or 25 times and card 4111 1111 1111 1111"
    assert written(said, *PII_KINDS) == "my social [SSN_1] in [REDACTED] or [REDACTED] times and card [CREDIT_CARD_1]"
    assert written(said, *reversed(PII_KINDS)) == written(said, *PII_KINDS)


def test_nothing_in_is_nothing_out() -> None:
    assert find_pii((), PII_KINDS) == ()
    assert redact((), ()) == ()
    assert find_pii(words("4111111111111111"), ()) == ()


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"'pii'.*aggressive_numbers"):
        find_pii(words("hello"), ["pii"])


# ---- more than one message ----


def test_a_number_with_pauses_is_recognised_after_a_trigger_phrase() -> None:
    before = words("my card number is 4111")
    now = words("1111, 1111 thanks", at=3.0)
    assert find_pii(before, ["pci"]) == (PiiSpan(4, 5, "CREDIT_CARD"),)
    assert find_pii(now, ["pci"], before=before) == (PiiSpan(0, 2, "CREDIT_CARD"),)
    assert find_pii(now, ["pci"]) == ()


def test_an_unannounced_number_is_recognised_from_its_seventh_digit() -> None:
    before = words("it is 4111")
    assert find_pii(words("1111 thanks", at=2.0), ["pci"], before=before) == (PiiSpan(0, 1, "REDACTED"),)
    assert find_pii(words("11 thanks", at=2.0), ["pci"], before=before) == ()
    assert find_pii(words("45 thanks", at=2.0), ["ssn"], before=words("it is 123")) == (PiiSpan(0, 1, "REDACTED"),)


def test_words_long_before_announce_nothing() -> None:
    before = words("my card number is")
    assert find_pii(words("4111 thanks", at=1.0 + CONTEXT_S), ["pci"], before=before) != ()
    assert find_pii(words("4111 thanks", at=1.5 + CONTEXT_S), ["pci"], before=before) == ()


def test_digits_at_the_end_are_a_secret_while_more_may_follow() -> None:
    spoken = words("I have 3 and it is 41")
    assert find_pii(spoken, ["pci"]) == ()
    assert find_pii(spoken, ["pci"], more=True) == (PiiSpan(6, 7, "REDACTED"),)
    assert find_pii(spoken, [], more=True) == ()


# ---- laws ----


def _said(draw: st.DrawFn, digits: str) -> list[str]:
    """One of the ways to speak these digits: in any groups, written or spoken, with dictation between them."""
    said: list[str] = []
    while digits:
        size = draw(st.sampled_from((1, 2, 3, 4, 4, 9, 16)))
        group, digits = digits[:size], digits[size:]
        match draw(st.sampled_from(("plain", "plain", "spelled", "hyphens", "arabic", "split"))):
            case "plain":
                said.append(group)
            case "spelled":
                said += [DIGIT_WORDS[int(digit)] for digit in group]
            case "hyphens":
                said.append("-".join(DIGIT_WORDS[int(digit)] for digit in group))
            case "arabic":
                said.append("".join(chr(0x660 + int(digit)) for digit in group))
            case _:
                said.append("-".join(group))
        said[-1] += draw(st.sampled_from(("", "", ",", ".", "-", "?", "...")))
        if digits:
            said += draw(st.sampled_from(([], [], ["okay,"], ["uh"], ["and", "then"], ["dash"], ["-"])))
    return said


@st.composite
def messages(draw: st.DrawFn, digits: st.SearchStrategy[str]) -> tuple[str, tuple[Word, ...]]:
    """A value, and a message with it among words without numbers."""
    value = draw(digits)
    chatter = st.lists(
        st.sampled_from(
            ("hello", "please", "the", "yes,", "thanks.", "it's", "is", "and", "so", "house", "'Ünïcode'", "me")
        ),
        max_size=6,
    )
    return value, words(" ".join([*draw(chatter), *_said(draw, value), *draw(chatter)]))


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    digits = draw(st.text("0123456789", min_size=12, max_size=18))
    return next(digits + last for last in "0123456789" if luhn(digits + last))


def assert_hidden(spoken: tuple[Word, ...], kinds: list[str]) -> None:
    hidden = redact(spoken, find_pii(spoken, kinds))
    assert digit_runs(hidden, loosely=True) == ()
    assert not any(char.isdigit() for word in hidden for char in raw(word.text) if not raw(word.text).startswith("["))
    assert (hidden[0].start, hidden[-1].end) == (spoken[0].start, spoken[-1].end)
    assert list(hidden) == sorted(hidden, key=lambda word: word.start)


@given(messages(card_numbers()), st.sampled_from(PII_KINDS))
def test_no_digit_of_a_card_number_is_left(message: tuple[str, tuple[Word, ...]], kind: str) -> None:
    _, spoken = message
    assert_hidden(spoken, ["pci" if kind == "ssn" else kind])


@given(messages(st.text("0123456789", min_size=13, max_size=19)))
def test_no_digit_of_a_misrecognised_card_number_is_left(message: tuple[str, tuple[Word, ...]]) -> None:
    assert_hidden(message[1], ["pci"])


@given(messages(st.text("0123456789", min_size=9, max_size=9)), st.sampled_from(PII_KINDS))
def test_no_digit_of_a_social_security_number_is_left(message: tuple[str, tuple[Word, ...]], kind: str) -> None:
    assert_hidden(message[1], ["ssn" if kind == "pci" else kind])


@given(messages(st.text("0123456789", min_size=1, max_size=30)))
def test_aggressively_no_digit_at_all_is_left(message: tuple[str, tuple[Word, ...]]) -> None:
    spoken = message[1]
    hidden = redact(spoken, find_pii(spoken, ["aggressive_numbers"]))
    assert not any(char.isdigit() for word in hidden for char in word.text if not word.text.startswith("["))


@given(messages(card_numbers()), st.data())
def test_of_a_card_number_that_is_cut_anywhere_nothing_is_left_after_the_cut(
    message: tuple[str, tuple[Word, ...]], data: st.DataObject
) -> None:
    _, spoken = message
    at = data.draw(st.integers(0, len(spoken)))
    interim, rest = spoken[:at], spoken[at:]
    assert digit_runs(redact(interim, find_pii(interim, ["pci"], more=True)), loosely=True) == ()
    assert digit_runs(redact(rest, find_pii(rest, ["pci"], before=interim)), loosely=True) == ()


@given(st.lists(st.text(max_size=8), max_size=20), st.sets(st.sampled_from(PII_KINDS)))
def test_secrets_do_not_overlap_and_are_within_the_words(texts: list[str], kinds: set[str]) -> None:
    spoken = words(" ".join(texts))
    found = find_pii(spoken, sorted(kinds))
    assert all(secret.first < secret.last <= len(spoken) for secret in found)
    assert all(one.last <= other.first for one, other in itertools.pairwise(found))
    assert len(redact(spoken, found)) == len(spoken) - sum(secret.last - secret.first - 1 for secret in found)
