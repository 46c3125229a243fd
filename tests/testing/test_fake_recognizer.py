"""The fake recognizer: finals tile the stream, every word comes once, and messages do not matter."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.events import AudioFound, Drained, SpeechBegan, StreamEvent, TranscriptSegment, UtteranceEnded
from caesura.testing.fake_recognizer import FakeRecognizer, RecognizerTiming
from caesura.testing.voice import Voice

VOICE = Voice(["one", "two", "three"])
RATE = 1000


def say(*words: str, word_s: float = 0.3, gap_s: float = 0.1) -> bytes:
    return VOICE.say(*words, sample_rate=RATE, word_s=word_s, gap_s=gap_s)


def silence(seconds: float) -> bytes:
    return VOICE.silence(seconds, sample_rate=RATE)


def recognizer(channels: int = 1, split: bool = False, **timing: Any) -> FakeRecognizer:
    return FakeRecognizer(
        VOICE, RecognizerTiming(**{"longest_s": 5.0, "endpoint_s": 0.3, **timing}), RATE, channels, split=split
    )


def words_in(events: list[StreamEvent], final: bool = True) -> list[tuple[float, float, str, bool]]:
    """Start, end, text and endpoint of each final, or of each interim."""
    heard = [event for event in events if isinstance(event, TranscriptSegment) and event.final is final]
    return [(h.start, h.end, " ".join(word.text for word in h.words), h.endpoint) for h in heard]


def test_silence_behind_a_word_ends_its_segment() -> None:
    events = recognizer().feed(say("one", "two") + silence(1))
    assert words_in(events) == [(0.0, 1.0, "one two", True)]


def test_the_first_audio_reports_the_number_of_channels() -> None:
    assert recognizer().feed(silence(0.1))[0] == AudioFound(1)
    assert recognizer(channels=2).feed(silence(0.1))[0] == AudioFound(1)
    assert recognizer(channels=2, split=True).feed(silence(0.1))[0] == AudioFound(2)
    assert recognizer().feed(b"\0") == []


def test_a_long_segment_is_cut_before_the_word_that_is_being_spoken() -> None:
    events = recognizer(longest_s=1.0).feed(say("one", "two", "three") + silence(1))
    assert words_in(events) == [(0.0, 0.8, "one two", False), (0.8, 1.4, "three", True)]


def test_a_long_segment_that_ends_in_a_gap_is_cut_there() -> None:
    events = recognizer(longest_s=0.75).feed(say("one", "two", "three") + silence(1))
    assert words_in(events)[0] == (0.0, 0.75, "one two", False)


def test_a_word_that_is_longer_than_a_segment_belongs_to_the_segment_in_which_it_began() -> None:
    events = recognizer(longest_s=1.0).feed(say("one", word_s=2.5) + silence(1))
    assert words_in(events) == [(0.0, 1.0, "one", False), (1.0, 2.0, "", False), (2.0, 2.8, "", True)]


def test_an_endpoint_comes_for_speech_that_a_cut_finalized_already() -> None:
    events = recognizer(longest_s=0.35).feed(say("one") + silence(1))
    assert words_in(events)[:2] == [(0.0, 0.35, "one", False), (0.35, 0.6, "", True)]


def test_long_silence_yields_empty_endpoints() -> None:
    assert words_in(recognizer(longest_s=1.0).feed(silence(2.5))) == [(0.0, 1.0, "", True), (1.0, 2.0, "", True)]


def test_without_endpointing_only_length_ends_a_segment() -> None:
    events = recognizer(endpoint_s=None, longest_s=1.0).feed(say("one") + silence(1.6))
    assert words_in(events) == [(0.0, 1.0, "one", False), (1.0, 2.0, "", False)]


def test_interims_restate_their_segment_and_cut_the_word_that_is_being_spoken() -> None:
    events = recognizer(interim_s=0.5).feed(say("one", "two", "three") + silence(1))
    assert words_in(events, final=False) == [
        (0.0, 0.5, "one two", False),
        (0.0, 1.0, "one two three", False),
        (1.4, 1.9, "", False),
    ]
    interim = next(event for event in events if isinstance(event, TranscriptSegment))
    assert interim.words[-1].end == 0.5


def test_finalize_makes_everything_final_even_when_that_is_nothing() -> None:
    hearing = recognizer()
    hearing.feed(say("one", "two")[: 2 * 500])
    assert hearing.pending
    (flushed,) = hearing.flush(None)
    assert isinstance(flushed, TranscriptSegment)
    assert (flushed.flushed, flushed.endpoint, flushed.words[-1].end) == (True, True, 0.5)
    assert not hearing.pending
    assert words_in(hearing.flush(0)) == [(0.5, 0.5, "", True)]


def test_the_rest_of_a_finalized_word_is_no_word() -> None:
    hearing = recognizer()
    hearing.feed(say("one")[: 2 * 100])
    hearing.flush(None)
    assert words_in(hearing.feed(say("one")[2 * 100 :] + silence(1))) == [(0.1, 0.6, "", True)]


def test_a_stream_that_begins_in_a_word_has_it() -> None:
    assert words_in(recognizer().feed(say("two")[2 * 200 :] + silence(1))) == [(0.0, 0.4, "two", True)]


def test_the_end_makes_the_rest_final_and_has_the_length() -> None:
    hearing = recognizer()
    hearing.feed(say("one") + b"\0")
    assert words_in(hearing.end()) == [(0.0, 0.4, "one", True)]
    assert hearing.end() == [Drained(0.4)]


def test_speech_begins_once_for_each_utterance() -> None:
    events = recognizer().feed(silence(0.1) + say("one", "two") + silence(1) + say("three"))
    assert [event.at for event in events if isinstance(event, SpeechBegan)] == [0.1, 1.9]


@pytest.mark.parametrize(("endpoint_s", "last"), [(None, 0.3), (0.3, None)])
def test_a_gap_is_emitted_once_and_without_a_time_when_an_endpoint_was_first(
    endpoint_s: float | None, last: float | None
) -> None:
    events = recognizer(endpoint_s=endpoint_s, gap_s=1.0).feed(say("one") + silence(3))
    assert [event for event in events if isinstance(event, UtteranceEnded)] == [UtteranceEnded(0, last)]


def interleaved(left: bytes, right: bytes) -> bytes:
    return b"".join(left[at : at + 2] + right[at : at + 2] for at in range(0, len(left), 2))


def test_channels_are_recognized_apart() -> None:
    hearing = recognizer(channels=2, split=True)
    hearing.feed(interleaved(say("one", "two"), say("three", "one")))
    heard = [event for event in hearing.flush(None) if isinstance(event, TranscriptSegment)]
    assert [(h.channel, [word.text for word in h.words]) for h in heard] == [(0, ["one", "two"]), (1, ["three", "one"])]
    assert hearing.feed(bytes(3)) == []
    assert [event.channel for event in hearing.flush(1) if isinstance(event, TranscriptSegment)] == [1]


def test_of_channels_that_are_not_apart_the_first_is_recognized() -> None:
    hearing = recognizer(channels=2)
    hearing.feed(interleaved(say("one"), say("three")))
    assert words_in(hearing.end()) == [(0.0, 0.4, "one", True)]


SPEECH = st.lists(
    st.tuples(st.sampled_from(VOICE.words), st.integers(1, 900), st.sampled_from([1, 50, 250, 301, 1200])), max_size=8
)


@given(SPEECH, st.lists(st.integers(1, 3000), max_size=12), st.sampled_from([0.2, 0.7, 5.0]), st.integers(0, 500))
def test_finals_tile_the_stream_and_have_every_word_once_however_it_is_cut_up(
    spoken: list[tuple[str, int, int]], cuts: list[int], longest_s: float, begin: int
) -> None:
    audio = b"".join(say(word, word_s=length / RATE, gap_s=gap / RATE) for word, length, gap in spoken)[2 * begin :]
    timing: dict[str, Any] = {"longest_s": longest_s, "interim_s": 0.33, "gap_s": 1.0}
    whole = recognizer(**timing)
    events = whole.feed(audio) + whole.end()
    parts = recognizer(**timing)
    in_parts: list[StreamEvent] = []
    rest = audio
    for cut in cuts:
        in_parts += parts.feed(rest[:cut])
        rest = rest[cut:]
    assert in_parts + parts.feed(rest) + parts.end() == events

    finals = [event for event in events if isinstance(event, TranscriptSegment) and event.final]
    borders = [final.start for final in finals] + [len(audio) / 2 / RATE]
    assert [final.end for final in finals] == borders[1:]
    assert borders[0] == 0.0
    words = VOICE.hear(audio, sample_rate=RATE)
    heard = [word for final in finals for word in final.words]
    assert [(word.text, word.start) for word in heard] == [(word.text, word.start) for word in words]
    for final in finals:
        assert all(final.start <= word.start < word.end <= final.end for word in final.words)
