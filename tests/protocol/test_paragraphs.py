"""Sentences and paragraphs, by example, and that no word is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from caesura.protocol.paragraphs import MAX_SENTENCES, PAUSE_S, SENTENCE_PAUSE_S, paragraphs, paragraphs_text, sentences
from caesura.words import Word


def timed(text: str, *, at: float = 0.0, speaker: int | None = None) -> list[Word]:
    """Words of 0.3 s with 0.1 s between them."""
    return [
        Word(each, round(at + 0.4 * number, 3), round(at + 0.4 * number + 0.3, 3), 0.9, speaker)
        for number, each in enumerate(text.split())
    ]


def test_sentences_end_with_their_marks() -> None:
    words = timed('Well, it is. "Is it?" Dr. Who said so! And so on')
    assert [each.text for each in sentences(words)] == ["Well, it is.", '"Is it?"', "Dr. Who said so!", "And so on"]
    first = next(sentences(words))
    assert (first.start, first.end) == (0.0, 1.1)


def test_a_long_pause_ends_a_sentence_without_a_mark() -> None:
    words = timed("one two") + timed("three", at=1.0 + SENTENCE_PAUSE_S)
    assert [each.text for each in sentences(words)] == ["one two", "three"]


def test_a_pause_after_a_sentence_begins_a_paragraph() -> None:
    words = timed("One. Two.") + timed("Three.", at=0.7 + PAUSE_S)
    assert [each.text for each in paragraphs(words)] == ["One. Two.", "Three."]
    nearer = timed("One. Two.") + timed("Three.", at=0.69 + PAUSE_S)
    assert [each.num_words for each in paragraphs(nearer)] == [3]


def test_a_paragraph_grows_full() -> None:
    found = paragraphs(timed("Yes. " * (2 * MAX_SENTENCES + 1)))
    assert [len(each.sentences) for each in found] == [MAX_SENTENCES, MAX_SENTENCES, 1]


def test_another_speaker_begins_a_paragraph_even_inside_a_sentence() -> None:
    words = timed("I think that", speaker=0) + timed("No.", at=1.2, speaker=1) + timed("It is.", at=1.6, speaker=0)
    found = paragraphs(words)
    assert [(each.speaker, each.text) for each in found] == [(0, "I think that"), (1, "No."), (0, "It is.")]
    assert paragraphs_text(found) == "\nSpeaker 0: I think that\n\nSpeaker 1: No.\n\nSpeaker 0: It is."


def test_a_speaker_is_named_once_for_paragraphs_in_a_row() -> None:
    words = timed("One.", speaker=2) + timed("Two.", at=5.0, speaker=2)
    assert paragraphs_text(paragraphs(words)) == "\nSpeaker 2: One.\n\nTwo."


def test_without_speakers_none_is_named() -> None:
    assert paragraphs_text(paragraphs(timed("One.") + timed("Two.", at=5.0))) == "\nOne.\n\nTwo."
    assert paragraphs_text(paragraphs([])) == ""


@given(st.lists(st.sampled_from(["a", "b.", "c?", '"d!"', "e,", "mr."]), max_size=60), st.integers(1, 7))
def test_no_word_is_lost(texts: list[str], turn: int) -> None:
    words = [Word(text, number * 0.5, number * 0.5 + 0.3, 0.9, number // turn % 2) for number, text in enumerate(texts)]
    found = paragraphs(words)
    assert [each for one in found for sentence in one.sentences for each in sentence.words] == words
    assert sum(one.num_words for one in found) == len(words)
    assert all(one.speaker == each.words[-1].speaker for one in found for each in one.sentences)
