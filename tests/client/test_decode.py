"""Recordings of all kinds through libav, from a file and from a pipe."""

from __future__ import annotations

import io
import sys
from fractions import Fraction
from typing import cast

import av
import numpy as np
import pytest

from caesura.client.audio_spec import AudioSpec
from caesura.client.decode import LibavDecoder, libav
from caesura.client.input import Input, Source, open_input
from caesura.errors import UsageError
from tests.encodings import as_int16, encode, mux, wav
from tests.recordings import path
from tests.signals import correlation, sound

SAID = sound(48_000, 0.5, 2)
PIPES = ["mp3", "aac", "ogg-opus-file", "ogg-vorbis", "ogg-flac", "webm", "mp4", "mp4-faststart", "flac-file"]


class Pipe:
    """Bytes that come a few at a time, and may fail in the end."""

    name = "the pipe"

    def __init__(self, data: bytes, *, fails: bool = False) -> None:
        self._data = io.BytesIO(data)
        self._fails = fails
        self.gave = 0

    def read(self, size: int) -> bytes:
        data = self._data.read(min(size, 777))
        if not data and self._fails:
            raise OSError(5, "Input/output error")
        self.gave += len(data)
        return data


def piped(data: bytes, *, fails: bool = False) -> Input:
    return open_input(cast(Source, Pipe(data, fails=fails)))


def filed(data: bytes) -> Input:
    return open_input(io.BytesIO(data))


def decoder(source: Input) -> LibavDecoder:
    return LibavDecoder(av, source)


def everything(source: Input) -> tuple[AudioSpec, bytes]:
    """The spec, and all samples."""
    made = decoder(source)
    data = b"".join(iter(lambda: made.read(1), b""))
    made.close()
    return made.spec, data


def refusal(source: Input) -> str:
    with pytest.raises(UsageError) as caught:
        everything(source)
    return str(caught.value)


def channels(data: bytes, count: int = 2) -> np.ndarray:
    return np.frombuffer(data, "<i2").reshape(-1, count).T.astype(np.float32) / 32768


def coded(kind: str) -> bytes:
    data, _ = encode(SAID, 48_000, kind)
    assert isinstance(data, bytes)
    return data


@pytest.mark.parametrize("kind", [*PIPES, "mp4-index-last"])
def test_a_file_of_any_kind_becomes_samples(kind: str) -> None:
    spec, data = everything(filed(coded(kind)))
    assert (spec.encoding, spec.sample_rate, spec.channels, spec.note) == ("linear16", 48_000, 2, "")
    assert spec.seconds is None or spec.seconds == pytest.approx(0.5, abs=0.1)
    heard = channels(data)
    # Coders have a delay that some containers do not declare; the tones still last as long.
    assert heard.shape[1] == pytest.approx(24_000, abs=3_000)
    assert heard.std() == pytest.approx(SAID.std(), rel=0.2)


@pytest.mark.parametrize("kind", PIPES)
def test_a_pipe_of_any_kind_gives_the_same_samples(kind: str) -> None:
    spec, data = everything(piped(coded(kind)))
    assert spec == AudioSpec("linear16", 48_000, 2)
    # Where the file says at which sample it ends, a pipe says it too late.
    assert data.startswith(everything(filed(coded(kind)))[1])


def test_without_loss_the_samples_are_exact() -> None:
    _, data = everything(filed(coded("flac-file")))
    assert correlation(channels(data)[0], SAID[0]) > 0.9999


def test_a_recording_keeps_its_rate_and_length() -> None:
    source = open_input(path("jfk"))
    spec, data = everything(source)
    source.close()
    assert spec == AudioSpec("linear16", 16_000, 1, cast(float, pytest.approx(11.0, abs=0.01)))
    assert spec.seconds is not None
    assert len(data) == round(spec.seconds * 32_000)


@pytest.mark.parametrize(("rate", "becomes"), [(4_000, 8_000), (96_000, 48_000)])
def test_rates_that_do_speech_no_good_are_changed(rate: int, becomes: int) -> None:
    said = sound(rate, 0.5)
    spec, data = everything(filed(mux(said, rate, "flac", "flac")))
    assert spec.sample_rate == becomes
    assert len(data) == pytest.approx(becomes, abs=200)


@pytest.mark.parametrize("count", [3, 6, 10])
def test_all_channels_are_kept(count: int) -> None:
    said = sound(8_000, 0.1, count)
    spec, data = everything(filed(wav(said.T.astype("<f8").tobytes(), 8_000, count, tag=3, bits=64)))
    assert spec.channels == count
    np.testing.assert_allclose(channels(data, count), said, atol=2 / 32768)


@pytest.mark.parametrize("bits", [8, 24])
def test_a_wav_of_other_widths_becomes_samples(bits: int) -> None:
    wide = as_int16(SAID)
    if bits == 8:
        data = ((wide >> 8) + 128).astype("u1").tobytes()
    else:
        data = b"".join(b"\0" + sample.tobytes() for sample in wide)
    _, heard = everything(piped(wav(data, 48_000, 2, bits=bits)))
    np.testing.assert_allclose(channels(heard), SAID, atol=1 / 120)


@pytest.mark.parametrize(("first", "second"), [((48_000, 2), (16_000, 1)), ((96_000, 1), (48_000, 2))])
def test_a_stream_that_changes_in_the_middle_keeps_its_first_form(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    """Ogg streams joined into one may differ in rate and channels; what follows is fitted to what came first."""
    joined = b"".join(mux(sound(rate, 0.5, count), rate, "ogg", "flac") for rate, count in (first, second))
    spec, data = everything(piped(joined))
    assert (spec.sample_rate, spec.channels) == (48_000, first[1])
    assert len(data) == 48_000 * spec.frame_bytes


def test_what_is_read_is_at_least_what_was_requested() -> None:
    made = decoder(filed(coded("mp3")))
    assert 50_000 <= len(made.read(50_000)) < 70_000
    made.read(1_000_000)
    assert made.read(1) == b""
    made.close()


def test_damage_costs_what_was_damaged() -> None:
    data = mux(sound(48_000, 4, 1), 48_000, "ogg", "libopus", bit_rate=32_000)
    middle = len(data) // 2
    _, heard = everything(piped(data[:middle] + bytes(300) + data[middle + 300 :]))
    assert 2 * 96_000 < len(heard) < 4 * 96_000


@pytest.mark.parametrize("kind", ["mp3", "webm", "flac-file"])
def test_a_recording_that_was_cut_off_is_decoded_to_there(kind: str) -> None:
    data = coded(kind)
    _, heard = everything(filed(data[: len(data) // 2]))
    assert len(heard) > 10_000


def test_a_place_that_fails_does_so_after_its_last_sample() -> None:
    made = decoder(piped(coded("mp3")[:4_000], fails=True))
    assert len(made.read(1_000_000)) > 10_000
    with pytest.raises(UsageError, match=r"^the pipe can no longer be read: Input/output error\.$"):
        made.read(1)
    made.close()


def test_a_place_that_fails_at_once_is_named() -> None:
    assert refusal(piped(b"", fails=True)) == "the pipe can no longer be read: Input/output error."
    assert refusal(piped(coded("webm")[:200], fails=True)) == "the pipe can no longer be read: Input/output error."


def test_a_file_that_fails_does_so_after_its_last_sample() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 5_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    made = decoder(open_input(Failing(mux(sound(48_000, 4), 48_000, "flac", "flac"))))
    assert len(made.read(1_000_000)) > 1_000
    with pytest.raises(UsageError, match=r"^the open file can no longer be read: Input/output error\.$"):
        made.read(1)
    made.close()


def test_ctrl_c_is_not_swallowed() -> None:
    """A reader without an event loop is interrupted inside libav."""

    class Interrupted(Pipe):
        def read(self, size: int) -> bytes:
            data = super().read(size)
            if not data:
                raise KeyboardInterrupt
            return data

    made = decoder(open_input(cast(Source, Interrupted(coded("mp3")[:4_000]))))
    with pytest.raises(KeyboardInterrupt):
        made.read(1_000_000)
    made.close()
    with pytest.raises(KeyboardInterrupt):
        decoder(open_input(cast(Source, Interrupted(coded("mp3")[:20]))))


def test_what_is_damaged_beyond_reading_gives_what_came_before() -> None:
    data = bytearray(coded("mp4"))
    second = data.index(b"moof", data.index(b"moof") + 4)
    data[second + 32 : second + 36] = bytes(4)  # the number of its track
    made = decoder(piped(bytes(data)))
    assert len(made.read(1_000_000)) == pytest.approx(0.2 * 192_000, rel=0.2)
    with pytest.raises(UsageError, match=r"^the pipe is damaged: it cannot be read any further\.$"):
        made.read(1)
    made.close()


def test_what_a_resampler_holds_back_is_not_lost() -> None:
    _, data = everything(filed(mux(sound(96_000, 0.5), 96_000, "flac", "flac")))
    assert len(data) == 48_000


def test_what_comes_slowly_is_understood_early() -> None:
    """A second of it at the most is needed to know what it is."""
    pipe = Pipe(wav(bytes(6 * 48_000 * 10), 48_000, 2, bits=24))
    decoder(open_input(cast(Source, pipe))).close()
    assert pipe.gave < 2 * 6 * 48_000


def test_a_title_in_another_encoding_does_no_harm() -> None:
    data = coded("mp4-faststart").replace(b"Lavf", b"\xff\xfe\xe4\xf6")
    assert everything(filed(data)) == everything(filed(coded("mp4-faststart")))


def test_an_unknown_codec_is_named() -> None:
    data = coded("webm").replace(b"A_OPUS", b"A_NONE")
    assert refusal(filed(data)) == "the open file is in a codec that PyAV does not know."


def test_a_stream_of_which_nothing_can_be_decoded_is_given_up() -> None:
    target = io.BytesIO()
    with (
        av.open(io.BytesIO(mux(SAID, 48_000, "matroska", "flac"))) as source,
        av.open(target, "w", format="matroska") as copy,
    ):
        stream = copy.add_stream_from_template(source.streams.audio[0])
        for at in range(5_000):
            packet = av.Packet(b"no sound at all")
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, at * 20, at * 20, Fraction(1, 1000)
            copy.mux(packet)
    pipe = Pipe(target.getvalue())
    assert refusal(open_input(cast(Source, pipe))) == "the pipe holds no sound that can be decoded."
    assert pipe.gave < len(target.getvalue()) / 2


def test_an_interrupted_file_ends() -> None:
    source = filed(mux(sound(48_000, 4), 48_000, "flac", "flac"))
    made = decoder(source)
    source.interrupt()
    assert len(made.read(1_000_000)) < 4 * 96_000 / 2
    made.close()


def test_what_is_no_recording_is_named() -> None:
    sentence = refusal(filed(bytes(range(1, 250)) * 20))
    assert sentence.startswith("the open file is no recording that can be decoded: it begins with b'\\x01\\x02\\x03")
    assert sentence.endswith("raw samples need encoding and sample_rate.")


@pytest.mark.parametrize(
    "body",
    [
        f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{path('jfk')}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{path('jfk')}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 45678 RTP/AVP 0\n",
    ],
)
def test_a_playlist_opens_nothing(body: str) -> None:
    """Neither a file nor a socket."""
    assert "no recording that can be decoded" in refusal(piped(body.encode()))


def test_an_mp4_with_its_index_last_needs_a_file() -> None:
    assert refusal(piped(coded("mp4-index-last"))) == (
        "the pipe is an MP4 that can only be read from its end; save it as a file and name that."
    )


def test_a_film_without_sound_is_named() -> None:
    target = io.BytesIO()
    with av.open(target, "w", format="matroska") as film:
        stream = film.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 16
        film.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        film.mux(stream.encode(None))
    assert refusal(filed(target.getvalue())) == "the open file holds no sound."


def test_a_recording_without_a_sample_is_named() -> None:
    assert refusal(piped(wav(b"", 8_000, 1, bits=24))) == "the pipe holds no sound that can be decoded."


def test_pyav_is_there_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert libav() is av
    monkeypatch.setitem(sys.modules, "av", None)
    assert libav() is None
