"""The vocabulary: pieces as the file stores them, and words decoded from tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.tokens import PrintedWord, Vocabulary

PIECES = [
    b"<unk>",
    b"<s>",
    b"</s>",
    "\u2581Hello".encode(),
    b",",
    "\u2581wor".encode(),
    b"ld",
    b"\xc3",
    b"\xa9",
    b"\n",
    b"<<ST_7>>",
    b"<0x41>",
    "\u2581\u2581".encode(),
    "a\u2581b".encode(),
]


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(PIECES)


def test_a_file_of_short_and_long_pieces_is_read_completely() -> None:
    """A length of 128 or more takes two bytes, low part first."""
    long = b"x" * 300
    data = b"\x02ab" + bytes([300 % 128 + 128, 300 // 128]) + long + b"\x00" + b"\x01c"
    vocabulary = Vocabulary.parse(data)
    assert len(vocabulary) == 4
    assert vocabulary.text([0, 1, 2, 3]) == "ab" + "x" * 300 + "c"


@pytest.mark.parametrize("data", [b"\x05abc", b"\x01a\x90", b"\x81\x02ab"])
def test_the_error_for_a_truncated_file_names_the_byte(data: bytes) -> None:
    with pytest.raises(ValueError, match="tokenizer data end at byte"):
        Vocabulary.parse(data)


def test_words_know_the_tokens_that_made_them(vocabulary: Vocabulary) -> None:
    assert vocabulary.words([3, 4, 5, 6]) == [PrintedWord("Hello,", (0, 1)), PrintedWord("world", (2, 3))]


def test_byte_tokens_are_put_together_as_utf_8(vocabulary: Vocabulary) -> None:
    assert vocabulary.text([5, 7, 8]) == "woré"


def test_half_a_letter_is_left_out(vocabulary: Vocabulary) -> None:
    assert vocabulary.text([5, 7]) == "wor"
    assert vocabulary.words([7]) == []


def test_special_tokens_and_numbers_outside_print_nothing(vocabulary: Vocabulary) -> None:
    assert vocabulary.words([1, 0, 10, 2, 99, -1]) == []


def test_written_out_bytes_line_ends_and_double_blanks(vocabulary: Vocabulary) -> None:
    assert vocabulary.text([11, 9, 3, 12, 5]) == "A Hello wor"


def test_a_token_across_two_words_counts_for_both(vocabulary: Vocabulary) -> None:
    assert vocabulary.words([13]) == [PrintedWord("a", (0,)), PrintedWord("b", (0,))]


LEARNT = Vocabulary(
    [b"<unk>", b"<s>", b"</s>", *(bytes([byte]) for byte in range(256))]
    + [piece.encode() for piece in ("bc", "\u2581a", "ab", "\u2581abc", "\u2581", "a", "b", "c", ".")]
)


def pieces(text: str) -> list[int]:
    return [number - 259 for number in LEARNT.encode(text)]


def test_the_piece_learnt_first_is_joined_first() -> None:
    """`bc` before `_a`, and then both to `_abc`; `ab` comes too late."""
    assert pieces("abc") == [3]
    assert pieces("aab") == [1, 2]
    assert pieces("abcb") == [3, 6]


def test_only_letters_outside_of_the_vocabulary_are_encoded_as_bytes() -> None:
    assert pieces("a.") == [1, 8]
    assert [LEARNT.text([token]) for token in LEARNT.encode("\u00e9")] == ["", "", ""]
    assert LEARNT.text(LEARNT.encode("c\u00e9")) == "c\u00e9"


def test_blanks_around_and_between_words_do_not_count() -> None:
    assert LEARNT.encode("  abc \n a ") == LEARNT.encode("abc a")
    assert LEARNT.encode(" ") == LEARNT.encode("") == ()


@given(st.text("abcx. \u00e9\u4e2d", max_size=20))
def test_encoding_and_decoding_gives_the_same_text(text: str) -> None:
    assert LEARNT.text(LEARNT.encode(text)) == " ".join(text.split())


def test_tokens_that_leave_a_word_as_it_is_are_blanks_marks_and_those_without_text(vocabulary: Vocabulary) -> None:
    leaves = {number for number, breaks in enumerate(vocabulary.breaks) if breaks}
    assert leaves == {0, 1, 2, 3, 4, 5, 9, 10, 12}
