"""Checks of this machine: packages, codecs, devices, engines and memory, each with advice where it fails."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.request import urlopen

from caesura.bundled_recording import TEXT, BundledRecording
from caesura.cli.child import running_server
from caesura.cli.footprint import (
    FRONT_LIMIT,
    INSTALLED_LIMIT,
    MEGABYTE,
    WORKER_LIMIT,
    added_bytes,
    extra_closure,
    family,
    installed_bytes,
)
from caesura.client.line import connect
from caesura.distribution import install_command, requirement
from caesura.engines.models.catalogue import WHISPER
from caesura.engines.models.runtime import LIBRARY, library_version
from caesura.errors import CaesuraError, EngineError

CHUNK_BYTES = 16_000
TIMEOUT_S = 10.0
"""Time in which a server must answer a request for its metrics."""
WRONG_WORDS_ALLOWED = 2

CODECS = {
    "linear16": "pcm_s16le",
    "linear32": "pcm_f32le",
    "mulaw": "pcm_mulaw",
    "alaw": "pcm_alaw",
    "flac": "flac",
    "opus": "libopus",
    "ogg-opus": "libopus",
    "mp3": "mp3float",
    "aac (in MP4)": "aac",
    "vorbis (in Ogg, WebM)": "vorbis",
    "amr-nb": "libopencore_amrnb",
    "amr-wb": "libopencore_amrwb",
    "speex": "speex",
    "g729": "g729",
}
"""Encodings of the wire, with their decoders in FFmpeg."""

ENCODERS = {"mp3float": "libmp3lame"}
"""Encoders whose name differs from the decoder's; only tests and benches encode."""

CONTAINERS = {
    "WAV": "wav",
    "FLAC": "flac",
    "MP3": "mp3",
    "Ogg": "ogg",
    "WebM": "webm",
    "MP4": "mp4",
    "AMR": "amr",
    "AIFF": "aiff",
    "AU": "au",
    "CAF": "caf",
    "Wave64": "w64",
    "WMA": "asf",
    "AVI": "avi",
    "FLV": "flv",
    "MPEG-TS": "mpegts",
}
"""Containers of the wire, with their names in FFmpeg."""


class CheckState(Enum):
    """Result of a check."""

    WORKS = "works"
    LIMITED = "limited"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: what was checked, the result, and advice if it does not work."""

    section: str
    name: str
    state: CheckState
    detail: str
    advice: str = ""


def check_packages() -> Iterator[Finding]:
    """Check that all packages of the server are installed, and measure their size."""
    closure = extra_closure("server")
    missing = sorted(name for name, package in closure.items() if package is None)
    for name in missing:
        yield Finding("packages", name, CheckState.BROKEN, "not installed", install_command("server"))
    size = installed_bytes([package for package in closure.values() if package])
    yield _size_finding("server extra, installed", size, INSTALLED_LIMIT, partial=bool(missing))


def _size_finding(name: str, size: int, limit: int, *, partial: bool = False) -> Finding:
    detail = f"{size / MEGABYTE:.0f} MB of at most {limit / MEGABYTE:.0f} MB"
    if partial:
        return Finding("footprint", name, CheckState.LIMITED, f"{detail}, incomplete", "see packages")
    state = CheckState.WORKS if size <= limit else CheckState.LIMITED
    return Finding(
        "footprint", name, state, detail, "" if size <= limit else "larger than documented: please report it"
    )


def check_codecs() -> Iterator[Finding]:
    """Check that every encoding and container of the wire can be decoded."""
    try:
        import av
    except ImportError as error:
        yield Finding("codecs", "PyAV", CheckState.BROKEN, str(error), install_command("server"))
        return
    for name, decoder in CODECS.items():
        yield _codec(name, _has_codec(av, decoder, "r"), _has_codec(av, ENCODERS.get(decoder, decoder), "w"))
    for name, demuxer in CONTAINERS.items():
        reads = any(demuxer in known.split(",") for known in av.formats_available)
        yield _codec(f"{name} container", reads, reads and av.ContainerFormat(demuxer).is_output)


def _has_codec(av: Any, name: str, mode: str) -> bool:
    try:
        av.codec.Codec(name, mode)
    except ValueError:
        return False
    return True


def _codec(name: str, decodes: bool, encodes: bool) -> Finding:
    if not decodes:
        return Finding("codecs", name, CheckState.BROKEN, "cannot be decoded", "pip install --force-reinstall av")
    return Finding("codecs", name, CheckState.WORKS, "decodes, encodes" if encodes else "decodes")


def check_devices() -> Iterator[Finding]:
    """Check which processors inference can use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    state = CheckState.WORKS if cores > 1 else CheckState.LIMITED
    advice = "" if cores > 1 else "one core serves a few streams; give it two for more"
    yield Finding("devices", "CPU", state, f"{cores} usable cores", advice)
    try:
        import onnxruntime
    except ImportError as error:
        yield Finding("devices", "onnxruntime", CheckState.BROKEN, str(error), install_command("server"))
        return
    for provider in onnxruntime.get_available_providers():
        used = provider == "CPUExecutionProvider"
        detail = "used by the engine and the VAD" if used else "available, not used: both run on the CPU"
        name = f"onnxruntime {provider.removesuffix('ExecutionProvider')}"
        yield Finding("devices", name, CheckState.WORKS, detail)


def check_vad(recording: BundledRecording) -> Iterator[Finding]:
    """Check that the voice activity model loads, and distinguishes speech from silence."""
    try:
        import numpy as np

        from caesura.speech.vad import SileroVad, load_silero

        vad = SileroVad(load_silero())
        speech = np.frombuffer(recording.pcm, "<i2").astype(np.float32) / np.float32(32768)
        speaking = float(vad.feed(speech).max())
        silent = float(SileroVad(load_silero()).feed(np.zeros(16_000, np.float32)).max())
    except (ImportError, OSError, CaesuraError) as error:
        yield Finding("engines", "VAD (Silero)", CheckState.BROKEN, str(error), install_command("server"))
        return
    if speaking > 0.5 > silent:
        yield Finding("engines", "VAD (Silero)", CheckState.WORKS, f"speech {speaking:.2f}, silence {silent:.2f}")
    else:
        detail = f"speech {speaking:.2f}, silence {silent:.2f}: cannot distinguish them"
        yield Finding("engines", "VAD (Silero)", CheckState.BROKEN, detail, "pip install --force-reinstall onnxruntime")


def check_whisper() -> Iterator[Finding]:
    """Check that the library of the optional Whisper engine is installed and loads, and measure its size."""
    try:
        version = library_version(WHISPER, LIBRARY)
    except EngineError:
        detail = "not installed: English is the only language"
        yield Finding("engines", "whisper", CheckState.LIMITED, detail, install_command("whisper"))
        return
    try:
        import ctranslate2  # type: ignore[import-untyped]  # noqa: F401
        import faster_whisper  # noqa: F401
    except (ImportError, OSError) as error:
        advice = f"pip install --force-reinstall {requirement('whisper')}"
        yield Finding("engines", "whisper", CheckState.BROKEN, str(error), advice)
        return
    yield Finding(
        "engines", "whisper", CheckState.WORKS, f"{LIBRARY} {version} loads; `caesura models list` has its models"
    )
    added = f"{added_bytes('whisper', to='server') / MEGABYTE:.0f} MB"
    yield Finding("footprint", "whisper extra, on top of that", CheckState.WORKS, added)


@dataclass(frozen=True, slots=True)
class Trial:
    """Transcript of one engine, how many words it withheld, and the memory of its server afterwards."""

    words: tuple[str, ...]
    withheld: int
    front: int
    workers: tuple[int, ...]


async def try_engine(engine: str, recording: BundledRecording) -> Trial:
    """Stream `recording` to a new server with `engine` and one worker. Raises CaesuraError."""
    async with running_server(engine, flags=["--workers", "1"]) as server:
        line = connect(server.url, live=False, sample_rate=recording.sample_rate, model="nova-3")
        async with line:
            async for _ in line.transcribe(_chunks(recording.pcm)):
                pass
            words = (await line.finish()).words
        withheld = await asyncio.to_thread(_metric, server.url, "caesura_withheld_words_total")
        front, *others = family(server.pid)
    residents = tuple(process.resident for process in others)
    return Trial(tuple(word.text for word in words), withheld, front.resident, residents)


def _metric(url: str, name: str) -> int:
    """A metric of the server at `url` that has no labels."""
    with urlopen(f"{url.replace('ws://', 'http://', 1)}/metrics", timeout=TIMEOUT_S) as response:
        body = response.read().decode()
    return next(int(float(line.split()[1])) for line in body.splitlines() if line.startswith(f"{name} "))


def _chunks(pcm: bytes) -> Iterator[bytes]:
    return (pcm[start : start + CHUNK_BYTES] for start in range(0, len(pcm), CHUNK_BYTES))


def check_engine(engine: str, recording: BundledRecording, *, compare: bool) -> Iterator[Finding]:
    """Check that `engine` loads in a server and transcribes the recording.

    With `compare` the words must be right too, and the memory of the server is reported.
    """
    try:
        trial = asyncio.run(try_engine(engine, recording))
    except CaesuraError as error:
        detail = str(error).splitlines()[-1]
        yield Finding("engines", engine, CheckState.BROKEN, detail, f"caesura serve --engine {engine} shows its log")
        return
    if not trial.words:
        yield Finding(
            "engines",
            engine,
            CheckState.BROKEN,
            "transcribed no words",
            f"caesura serve --engine {engine} shows its log",
        )
        return
    if not compare:
        yield Finding("engines", engine, CheckState.WORKS, f"answered with {len(trial.words)} words")
        return
    wrong = wrong_words(TEXT, " ".join(trial.words))
    right = wrong <= WRONG_WORDS_ALLOWED
    detail = f"{wrong} of {len(TEXT.split())} words wrong, {trial.withheld} withheld as probably not spoken"
    advice = "" if right else f"pip install --force-reinstall {requirement('server')}"
    yield Finding("engines", engine, CheckState.WORKS if right else CheckState.BROKEN, detail, advice)
    yield _size_finding("front process, resident", trial.front, FRONT_LIMIT)
    for worker in trial.workers:
        yield _size_finding("worker process, resident", worker, WORKER_LIMIT)


async def measured_room(engine: str) -> int:
    """How many live streams a server with `engine` and all cores says it has room for. Raises CaesuraError."""
    async with running_server(engine) as server:
        return await asyncio.to_thread(_metric, server.url, "caesura_streams_capacity")


def check_capacity(engine: str) -> Iterator[Finding]:
    """How many live streams this machine can hold with `engine`; nothing if that does not run."""
    with contextlib.suppress(CaesuraError):
        room = asyncio.run(measured_room(engine))
        state, advice = (
            (CheckState.WORKS, "")
            if room > 1
            else (CheckState.LIMITED, "it may not keep up with even one stream: use a faster processor or engine")
        )
        yield Finding("devices", f"live streams, {engine}", state, f"room for {room} with all cores", advice)


def wrong_words(expected: str, transcript: str) -> int:
    """Word errors of `transcript` (edit distance in words); case and punctuation do not count."""
    wanted, got = _plain(expected), _plain(transcript)
    row = list(range(len(got) + 1))
    for count, word in enumerate(wanted, 1):
        above, row = row, [count]
        for index, other in enumerate(got):
            row.append(min(above[index] + (word != other), above[index + 1] + 1, row[index] + 1))
    return row[-1]


def _plain(text: str) -> Sequence[str]:
    return re.findall(r"[a-z0-9']+", text.lower())
