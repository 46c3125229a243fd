"""Live streams on the scripted engine: the laws of Results as a client sees them."""

from __future__ import annotations

import numpy as np
import pytest

from caesura.protocol.messages import Results, SpeechStartedMessage, UtteranceEndMessage
from tests.encodings import encode
from tests.flow.inline import Outcome, flow
from tests.recordings import recording

LINEAR = "encoding=linear16&sample_rate=16000"
FINALIZE = '{"type":"Finalize"}'


def speech(name: str = "lv-0890") -> bytes:
    """A recording as linear16."""
    data, _ = encode(recording(name).samples[np.newaxis, :], 16_000, "linear16")
    assert isinstance(data, bytes)
    return data


def silence(seconds: float) -> bytes:
    """Digital zeros."""
    return bytes(int(seconds * 16_000) * 2)


def pieces(data: bytes, size: int = 1600) -> list[bytes]:
    """The data cut into messages."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def assert_tiled(outcome: Outcome, duration: float) -> None:
    """Finals follow each other without gap or overlap from 0 to the end."""
    at = 0.0
    for final in outcome.finals:
        assert final.start == pytest.approx(at, abs=1e-6)
        at = final.start + final.duration
        for word in final.words:
            assert final.start - 1e-6 <= word.start <= word.end <= at + 1e-6
    assert at == pytest.approx(duration, abs=1e-6)
    assert outcome.metadata.duration == pytest.approx(duration, abs=1e-6)


def test_finals_tile_the_stream_and_flags_are_honest() -> None:
    """Two utterances with a pause between them."""
    data = speech() + silence(1.5) + speech() + silence(1.0)
    outcome = flow(pieces(data), f"{LINEAR}&interim_results=true&endpointing=300&vad_events=true&utterance_end_ms=1000")
    assert_tiled(outcome, len(data) / 32_000)
    assert sum(message.speech_final for message in outcome.finals if message.words) >= 2
    for result in outcome.results:
        assert result.is_final or not result.speech_final
        assert result.channel == 0
        assert result.channels == 1
        assert not result.from_finalize
    assert [message for message in outcome.messages if isinstance(message, SpeechStartedMessage)]
    ends = [message for message in outcome.messages if isinstance(message, UtteranceEndMessage)]
    assert [end.last_word_end for end in ends] == [-1.0, -1.0][: len(ends)]
    assert ends


def test_interims_restate_the_open_segment() -> None:
    """Each begins where the last final ended, and there is at most one per second of audio."""
    outcome = flow(pieces(speech()), f"{LINEAR}&interim_results=true&endpointing=1000")
    start = at = 0.0
    interims = 0
    for result in outcome.results:
        assert result.start == pytest.approx(start, abs=1e-6)
        if result.is_final:
            start = at = result.start + result.duration
        else:
            interims += 1
            assert result.start + result.duration >= at + 0.99
            at = result.start + result.duration
    assert interims >= 3


def test_without_interims_only_finals_come() -> None:
    """Nothing is sent that may be revised."""
    outcome = flow(pieces(speech()), LINEAR)
    assert outcome.results
    assert outcome.results == outcome.finals


def test_finalize_is_answered_in_speech_in_silence_and_with_nothing() -> None:
    """Each time exactly one Results with from_finalize; the next segment begins where it ended."""
    data = speech()
    items: list[bytes | str] = [FINALIZE, *pieces(data[:64_000]), FINALIZE, FINALIZE, *pieces(silence(0.3)), FINALIZE]
    outcome = flow(items, LINEAR)
    answers = [message for message in outcome.finals if message.from_finalize]
    assert [round(answer.start + answer.duration, 3) for answer in answers] == [0.0, 2.0, 2.0, 2.3]
    assert [round(answer.start, 3) for answer in answers[2:]] == [2.0, 2.0]
    assert all(answer.speech_final for answer in answers)
    assert answers[1].words
    assert not answers[0].words
    assert_tiled(outcome, 2.3)


def test_the_form_of_words_follows_the_options() -> None:
    """`punctuated_word` only when it was requested; smart_format requests it too."""
    plain = flow(pieces(speech()), LINEAR)
    for option in ("punctuate", "smart_format"):
        printed = flow(pieces(speech()), f"{LINEAR}&{option}=true")
        assert plain.text() == printed.text()
        assert all(word.punctuated_word is None for word in plain.words())
        assert any(word.punctuated_word != word.word for word in printed.words())
        assert printed.finals[0].transcript == " ".join(word.punctuated_word or "" for word in printed.finals[0].words)


def test_channels_are_transcribed_separately_or_mixed() -> None:
    """Speech in one channel only: apart, the other stays empty; mixed, there is one."""
    samples = recording("lv-0890").samples
    both = np.stack([np.zeros_like(samples), samples])
    data, _ = encode(both, 16_000, "linear16")
    assert isinstance(data, bytes)
    apart = flow(pieces(data), f"{LINEAR}&channels=2&multichannel=true")
    assert apart.text(1)
    assert not apart.text(0)
    assert {message.channels for message in apart.results} == {2}
    assert apart.metadata.channels == 2
    mixed = flow(pieces(data), f"{LINEAR}&channels=2")
    assert {(message.channel, message.channels) for message in mixed.results} == {(0, 1)}
    assert mixed.text()
    assert mixed.metadata.duration == apart.metadata.duration == pytest.approx(len(samples) / 16_000)


@pytest.mark.slow
def test_a_file_of_one_byte_messages_is_transcribed_as_one_of_large_ones() -> None:
    """Odd bytes are carried over."""
    data = speech()[16_000:40_000]
    single = [*pieces(data[:6001], 1), *pieces(data[6001:], 999)]
    assert flow(single, LINEAR).words() == flow([data], LINEAR).words()


def test_silence_and_noise_are_not_put_into_words() -> None:
    """The engine gets no job."""
    noise = np.random.default_rng(1).normal(0, 0.02, 16_000 * 6).astype(np.float32)[np.newaxis, :]
    data, _ = encode(noise, 16_000, "linear16")
    assert isinstance(data, bytes)
    for audio in (silence(12.0), data):
        outcome = flow(pieces(audio), f"{LINEAR}&interim_results=true")
        assert not outcome.jobs
        assert not outcome.text()
        assert_tiled(outcome, len(audio) / 32_000)


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("encoding=flac", np.random.default_rng(2).bytes(200_000)),
        ("", np.random.default_rng(3).bytes(200_000)),
        ("", b"this is no audio at all, it is a text about something else " * 4000),
    ],
)
def test_bytes_that_are_not_audio_are_refused_with_their_code(query: str, sent: bytes) -> None:
    """DATA-0000, after Metadata; nothing was transcribed."""
    outcome = flow(pieces(sent, 8000), query)
    assert outcome.close is not None
    assert (outcome.close.code, outcome.close.reason) == (1008, "DATA-0000")
    assert not outcome.text()
    assert outcome.metadata.model is None


@pytest.mark.parametrize("kind", ["wav", "webm", "mp4", "ogg-opus-file", "mp3", "flac-file"])
def test_a_truncated_container_counts_as_far_as_it_goes(kind: str) -> None:
    """Half of the bytes: about half of the audio, and an ordinary end."""
    samples = recording("lv-0890").samples[np.newaxis, :]
    data, _ = encode(samples, 16_000, kind)
    assert isinstance(data, bytes)
    outcome = flow(pieces(data[: len(data) // 2], 3000), "")
    assert outcome.close is not None
    assert outcome.close.code == 1000
    assert 0.2 * samples.shape[1] < outcome.metadata.duration * 16_000 < 0.8 * samples.shape[1]
    assert outcome.text()


@pytest.mark.parametrize("kind", ["webm", "ogg-opus-file", "mp3", "flac-file"])
def test_decoding_continues_after_a_corrupt_middle_of_a_container(kind: str) -> None:
    """Bytes that cannot be decoded are skipped; the rest is transcribed."""
    samples = recording("lv-0890").samples[np.newaxis, :]
    data, _ = encode(samples, 16_000, kind)
    assert isinstance(data, bytes)
    middle = len(data) // 2
    spoilt = data[:middle] + bytes(200) + data[middle + 200 :]
    outcome = flow(pieces(spoilt, 3000), "")
    assert outcome.close is not None
    assert outcome.close.code == 1000
    assert outcome.metadata.duration * 16_000 > 0.6 * samples.shape[1]


def test_messages_are_values_of_the_wire() -> None:
    """Each Results names its request and its model."""
    outcome = flow(pieces(speech()), f"{LINEAR}&extra=call:17&tag=a&tag=b")
    first = outcome.messages[0]
    assert isinstance(first, Results)
    assert first.model.name == "scripted"
    assert dict(first.extra) == {"call": "17"}
    assert outcome.metadata.tags == ("a", "b")
