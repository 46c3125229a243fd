"""A whole live stream in one process, without sockets: the client's messages go in, and the server's are collected."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import parse_qsl

from caesura.engines.base import Engine, EngineInfo, SegmentJob
from caesura.engines.registry import engine_info, load_engine
from caesura.engines.streaming import FeedJob
from caesura.pipeline.segmented import SegmentedRecognizer
from caesura.pipeline.stream import Stream
from caesura.protocol.actions import (
    Action,
    CloseSocket,
    EndAudio,
    FeedAudio,
    FlushAudio,
    Reconfigure,
    ReleaseHeldFinals,
    Send,
)
from caesura.protocol.catalogue import Catalogue, Offer
from caesura.protocol.messages import Metadata, ModelInfo, Results, ServerMessage, WireWord
from caesura.protocol.options import ListenOptions, parse_options
from caesura.protocol.session import Identity, Session, Timers
from caesura.server.stream_config import audio_format, preferred_terms, recognition_config, style
from caesura.speech.vad import SileroModel, load_silero
from caesura.workers.base import Deliver
from tests.server_messages import read_server_message
from tests.watched_audio_thread import WatchedAudioThread

REQUEST_ID = "01a00000-0000-7000-8000-000000000001"


silero = cache(load_silero)


class InlinePool:
    """Does each job on the loop, right after it is submitted."""

    workers = 1

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.interim_stretch = 1.0
        self.jobs: list[SegmentJob] = []

    def submit(self, owner: Hashable, job: SegmentJob, answer: Deliver) -> None:
        """Answer soon."""
        self.jobs.append(job)
        asyncio.get_running_loop().call_soon(lambda: answer(self.engine.transcribe([job])[0]))

    def feed(self, owner: Hashable, job: FeedJob, answer: Deliver) -> None:
        """Segment engines keep no states."""
        raise AssertionError("a segment engine is given a job for a state")

    def cancel(self, owner: Hashable) -> None:
        """Nothing waits here."""


@dataclass
class Outcome:
    """The messages that a client would have received."""

    messages: list[ServerMessage] = field(default_factory=list)
    close: CloseSocket | None = None
    jobs: list[SegmentJob] = field(default_factory=list)

    @property
    def results(self) -> list[Results]:
        """All Results."""
        return [message for message in self.messages if isinstance(message, Results)]

    @property
    def finals(self) -> list[Results]:
        """The final ones."""
        return [message for message in self.results if message.is_final]

    def words(self, channel: int = 0) -> list[WireWord]:
        """Words of all finals of a channel."""
        return [word for message in self.finals if message.channel == channel for word in message.words]

    def text(self, channel: int = 0) -> str:
        """The finals' words in a row."""
        return " ".join(word.word for word in self.words(channel))

    @property
    def metadata(self) -> Metadata:
        """The one Metadata."""
        (metadata,) = (message for message in self.messages if isinstance(message, Metadata))
        return metadata


def flow(
    items: Iterable[bytes | str],
    query: str,
    *,
    engine: str = "scripted",
    loaded: Engine | None = None,
    info: EngineInfo | None = None,
    vad: SileroModel | None = None,
) -> Outcome:
    """Send `items` (bytes: audio, str: control messages), then CloseStream, and collect what comes back.

    `loaded` stands in for the engine, `info` for what is known of it and `vad` for the voice activity network.
    Raises BadParameter for a query that would be refused.
    """
    return asyncio.run(
        _flow(
            [*items, '{"type":"CloseStream"}'],
            query,
            info or engine_info(engine),
            loaded or load_engine(engine),
            vad or silero(),
        )
    )


async def _wait_until_decoded(thread: WatchedAudioThread) -> None:
    """Wait until what was sent before has been decoded, and answered: as if it came in real time."""
    await thread.until_idle()
    for _ in range(3):
        await asyncio.sleep(0)


def _opened(query: str, info: EngineInfo) -> tuple[ListenOptions, Session]:
    model = ModelInfo("00000000-0000-4000-8000-0000000000aa", info.name, info.version, info.arch)
    offer = Offer(model, info.languages, info.biases, info.detects_language)
    options = parse_options(parse_qsl(query, keep_blank_values=True), catalogue=Catalogue((offer,)))
    identity = Identity(REQUEST_ID, "2026-01-01T00:00:00.000Z", model, biases=info.biases)
    return options, Session(options, identity, Timers(), now=0.0)


def _carry_out(action: Action, stream: Stream, options: ListenOptions) -> None:
    match action:
        case FeedAudio(data):
            stream.feed(data)
        case FlushAudio(channel):
            stream.flush(channel)
        case Reconfigure(features, keyterms):
            stream.reconfigure(features, None if keyterms is None else preferred_terms(keyterms, options.keywords))
        case ReleaseHeldFinals():
            stream.release_held()
        case EndAudio():
            stream.end()


async def _flow(items: list[bytes | str], query: str, info: EngineInfo, engine: Engine, vad: SileroModel) -> Outcome:
    options, session = _opened(query, info)
    outcome = Outcome()
    closed = asyncio.Event()
    thread, pool = WatchedAudioThread(clock=lambda: 0.0), InlinePool(engine)
    outcome.jobs = pool.jobs
    stream: Stream

    def carry_on() -> None:
        while True:
            for action in session.actions():
                match action:
                    case Send(text):
                        outcome.messages.append(read_server_message(text))
                    case CloseSocket():
                        outcome.close = action
                        closed.set()
                    case _:
                        _carry_out(action, stream, options)
            events = stream.events()
            if not events:
                return
            for event in events:
                session.engine_event(event, now=0.0)

    thread.start()
    stream = Stream(
        audio_format(options),
        split=options.multichannel,
        config=recognition_config(options, info, 1.0),
        style=style(options),
        new_recognizer=SegmentedRecognizer,
        vad=vad,
        audio_thread=thread,
        pool=pool,
        wake=carry_on,
    )
    try:
        for item in items:
            await _wait_until_decoded(thread)
            if isinstance(item, str):
                session.receive_text(item, now=0.0)
            else:
                session.receive_audio(item, now=0.0)
            carry_on()
        await asyncio.wait_for(closed.wait(), 60)
    finally:
        stream.close()
        thread.stop()
    return outcome
