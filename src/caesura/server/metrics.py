"""Prometheus metrics of one server.

Labels are closed sets and never contain a key, an address or a transcript. Counts are read from the streams when
metrics are read, and once more when a stream ends, so that messages cost nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from caesura.protocol import closing
from caesura.protocol.session import Tally

Cause = Literal["engine", "drain", "fault"]
"""Causes of audio without a final: the engine failed, the last words took too long, or an internal error."""

FAULT: Final = "internal error"
"""Close reason, in the usage record, of a session that ended by an internal error."""
LATENCY_BUCKETS_S: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """What the workers of one engine do."""

    name: str
    pace_s: float | None
    """Busy seconds of a worker for a second of live speech, measured at start; None if it was not measured."""
    busy_ratio: float
    """Share of their time, over the last minute, in which workers had jobs of live streams."""


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """Load of a server at one moment."""

    live: int
    """Connections that are open."""
    capacity: int
    """How many streams there is room for."""
    workers: int
    """Configured number of engine workers."""
    workers_ready: int
    worker_restarts: int
    """Workers that replaced another one since the server started."""
    waiting_s: float
    """Seconds of audio in jobs that no worker has taken yet."""
    oldest_wait_s: float
    """How long the oldest of those jobs has waited; 0 where none waits."""
    withheld_words: int = 0
    """Words of finals and recordings that engines wrote and withheld, because they were probably not spoken."""
    overloaded: bool = False
    """Whether new streams are refused because live jobs wait too long."""
    interim_stretch: float = 1.0
    """Factor by which the interval between interims is longer than configured; infinity: there are none."""
    engines: tuple[EngineFigures, ...] = ()
    ledger_reachable: bool = True
    """Whether the last access to the ledger's database succeeded."""
    ledger_waiting: int = 0
    """Rows of the ledger that are not written yet."""
    ledger_lost: int = 0
    """Records of ended requests that were given up."""
    judged_alone: int = 0
    """Requests whose project's limit was judged without the database."""


class Metrics:
    """The metrics of one server, in a registry of its own. All on one thread."""

    def __init__(self) -> None:
        """Start with all metrics at 0."""
        self._registry = CollectorRegistry()
        self.streams: set[StreamMetrics] = set()
        """Live streams that are open."""
        register = self._registry
        self.paused = Gauge(
            "caesura_streams_paused", "Live streams held by KeepAlive, without audio since.", registry=register
        )
        self.interim_latency = Histogram(
            "caesura_interim_latency_seconds",
            "From the arrival of the last audio byte that an interim covers to when it was sent.",
            buckets=LATENCY_BUCKETS_S,
            registry=register,
        )
        self.final_latency = Histogram(
            "caesura_final_latency_seconds",
            "From the arrival of the last audio byte that a final covers, its ending silence included, to when it was "
            "sent.",
            buckets=LATENCY_BUCKETS_S,
            registry=register,
        )
        self.audio = Counter("caesura_audio_seconds_total", "Seconds of live audio decoded.", registry=register)
        self.billed = Counter(
            "caesura_billed_seconds_total",
            "Seconds of live audio that are billed: each channel transcribed apart counts.",
            registry=register,
        )
        self.keepalives = Counter("caesura_keepalives_total", "KeepAlive messages received.", registry=register)
        self.suspects = Counter(
            "caesura_binary_control_suspect_total",
            "Binary messages that read as control messages and were taken as audio.",
            registry=register,
        )
        self.shed = Counter(
            "caesura_interims_shed_total", "Interims left out because a client read too slowly.", registry=register
        )
        self.dropped = Counter(
            "caesura_dropped_audio_seconds_total",
            "Seconds of audio that were accepted and for which no final was sent, by cause.",
            ("cause",),
            registry=register,
        )
        self._closes = Counter(
            "caesura_closes_total",
            "Live streams that ended, by close code and reason.",
            ("code", "reason"),
            registry=register,
        )
        self._refusals = Counter(
            "caesura_refusals_total",
            "Requests for live streams and for recordings that were refused before any audio was taken, by cause.",
            ("status", "why"),
            registry=register,
        )
        self._callback_failures = Counter(
            "caesura_callback_failures_total", "Messages that a callback did not accept.", registry=register
        )

        self._recordings = Counter(
            "caesura_recordings_total", "Recordings that were answered, by HTTP status.", ("status",), registry=register
        )
        self._recorded = Counter(
            "caesura_recorded_audio_seconds_total", "Seconds of audio decoded from recordings.", registry=register
        )

    def recorded(self, status: int, seconds: float) -> None:
        """A recording was answered with this HTTP status."""
        self._recordings.labels(str(status) if 100 <= status <= 599 else "other").inc()
        self._recorded.inc(max(seconds, 0.0))

    def watch(self, load: Callable[[], ServerLoad]) -> None:
        """Call `load` at every `render`. May be called once."""
        self._registry.register(_LoadCollector(load))

    def opened(self, usage: Callable[[], StreamUsage]) -> StreamMetrics:
        """A live stream was accepted; `usage` is called whenever metrics are read, until the stream has `ended`."""
        stream = StreamMetrics(self, usage)
        self.streams.add(stream)
        return stream

    def sent(self, *, final: bool, latency_s: float) -> None:
        """A Results message was written to the socket.

        Args:
            final: Its `is_final`.
            latency_s: Time since the last byte of the audio that it covers was read from the socket.
        """
        (self.final_latency if final else self.interim_latency).observe(max(latency_s, 0.0))

    def lost(self, cause: Cause, seconds: float) -> None:
        """Count audio that was accepted but that no final covers."""
        self.dropped.labels(cause).inc(max(seconds, 0.0))

    def closed(self, code: int | None, reason: str) -> None:
        """A live stream ended with this close code and reason."""
        self._closes.labels(*close_labels(code, reason)).inc()

    def refused(self, status: int, why: str) -> None:
        """A request for a live stream or a recording was refused with this HTTP status before it began.

        `why` is `Refusal.why`.
        """
        self._refusals.labels(str(status) if 400 <= status <= 599 else "other", why).inc()

    def callback_failed(self) -> None:
        """A message to a callback was not accepted, after all retries."""
        self._callback_failures.inc()

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The exposition and its content type, in the format that an `Accept` header requests."""
        for stream in self.streams:
            stream.update()
        self.paused.set(sum(stream.paused for stream in self.streams))
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


@dataclass(frozen=True, slots=True)
class StreamUsage:
    """Usage of a live stream so far."""

    tally: Tally
    audio_s: float
    """Seconds of audio decoded."""
    billed_s: float


class StreamMetrics:
    """The contribution of one live stream to the metrics."""

    def __init__(self, metrics: Metrics, usage: Callable[[], StreamUsage]) -> None:
        """Made by `Metrics.opened`."""
        self._metrics = metrics
        self._usage = usage
        self._keepalives = 0
        self._suspects = 0
        self._audio_s = 0.0
        self._billed_s = 0.0

    def update(self) -> None:
        """Count what is new since the last update."""
        metrics, usage = self._metrics, self._usage()
        tally = usage.tally
        metrics.keepalives.inc(tally.keepalive_count - self._keepalives)
        self._keepalives = tally.keepalive_count
        metrics.suspects.inc(tally.binary_control_suspects - self._suspects)
        self._suspects = tally.binary_control_suspects
        metrics.audio.inc(max(usage.audio_s - self._audio_s, 0.0))
        self._audio_s = max(usage.audio_s, self._audio_s)
        metrics.billed.inc(max(usage.billed_s - self._billed_s, 0.0))
        self._billed_s = max(usage.billed_s, self._billed_s)

    @property
    def paused(self) -> bool:
        """Whether the stream is held by a KeepAlive and has sent no audio since."""
        return self._usage().tally.paused

    def ended(self) -> None:
        """Count the rest and stop counting: the stream has ended. Idempotent."""
        if self in self._metrics.streams:
            self.update()
            self._metrics.streams.remove(self)
            tally = self._usage().tally
            self._metrics.closed(tally.close_code, tally.close_reason)


class _LoadCollector(Collector):
    def __init__(self, load: Callable[[], ServerLoad]) -> None:
        self._load = load

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        load = self._load()
        for name, help_text, value in (
            ("streams_live", "Live streams that are open.", load.live),
            ("streams_capacity", "Live streams that there is room for; more are refused with 429.", load.capacity),
            ("workers", "Configured number of engine workers.", load.workers),
            ("workers_ready", "Engine workers that take jobs.", load.workers_ready),
            ("queue_audio_seconds", "Seconds of audio in jobs that no worker has taken yet.", load.waiting_s),
            ("queue_age_seconds", "How long the oldest job has waited for a worker.", load.oldest_wait_s),
            ("overloaded", "1 while new streams are refused because live jobs wait too long.", load.overloaded),
            (
                "interim_stretch",
                "Factor by which interims come less often, to keep up; 1: as configured, +Inf: not at all.",
                load.interim_stretch,
            ),
            ("ledger_reachable", "1 when the last access to the ledger's database succeeded.", load.ledger_reachable),
            ("ledger_rows_waiting", "Rows of the ledger that are not written yet.", load.ledger_waiting),
        ):
            yield GaugeMetricFamily(f"caesura_{name}", help_text, value)
        yield from _engine_figures(load.engines)
        yield CounterMetricFamily(
            "caesura_ledger_rows_lost", "Records of ended requests that were given up.", load.ledger_lost
        )
        help_text = "Requests whose project's limit was judged by what was known last: the database did not answer."
        yield CounterMetricFamily("caesura_limits_judged_alone", help_text, load.judged_alone)
        help_text = "Engine workers that replaced another one."
        yield CounterMetricFamily("caesura_worker_restarts", help_text, load.worker_restarts)
        help_text = "Words of finals and recordings that an engine wrote and withheld, as probably not spoken."
        yield CounterMetricFamily("caesura_withheld_words", help_text, load.withheld_words)


def _engine_figures(engines: Sequence[EngineFigures]) -> Iterator[GaugeMetricFamily]:
    help_text = "Busy seconds of a worker for a second of live speech, measured at start."
    pace = GaugeMetricFamily("caesura_pace_seconds", help_text, labels=["engine"])
    help_text = "Share of the last minute in which workers had jobs of live streams."
    busy = GaugeMetricFamily("caesura_worker_busy_ratio", help_text, labels=["engine"])
    for engine in engines:
        busy.add_metric([engine.name], engine.busy_ratio)
        if engine.pace_s is not None:
            pace.add_metric([engine.name], engine.pace_s)
    yield pace
    yield busy


def close_labels(code: int | None, reason: str) -> tuple[str, str]:
    """Labels of a close: its code and a word for its cause, both from closed sets, since clients may send any code."""
    if code is None:
        return "none", "none"
    if (code, reason) in _SERVER_CLOSES:
        return str(code), _SERVER_CLOSES[code, reason]
    if reason == FAULT:
        return str(code), "fault"
    if reason.startswith("cut: "):
        return str(code), "slow-reader"
    return (str(code), _CLIENT_CLOSES[code]) if code in _CLIENT_CLOSES else ("other", "client-closed")


_SERVER_CLOSES: Final = {
    (closing.FINISHED.code, closing.FINISHED.reason): "finished",
    (closing.NET_0000.code, closing.NET_0000.reason): "net-0000",
    (closing.NET_0001.code, closing.NET_0001.reason): "net-0001",
    (closing.DATA_0000.code, closing.DATA_0000.reason): "data-0000",
    (closing.RESTART.code, closing.RESTART.reason): "restart",
    (closing.REVOKED.code, closing.REVOKED.reason): "revoked",
    (closing.TOO_MANY_FRAMES.code, closing.TOO_MANY_FRAMES.reason): "too-many-frames",
    (closing.CALLBACK_FAILED.code, closing.CALLBACK_FAILED.reason): "callback-failed",
}
_CLIENT_CLOSES: Final = {
    1000: "client-closed",
    1001: "client-closed",
    1002: "bad-frames",
    1005: "client-closed",
    1006: "cut",
    1007: "bad-text",
    1009: "too-large",
}
