"""Metrics, read back from the exposition with Prometheus's own parser."""

from __future__ import annotations

import math

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families

from caesura.protocol import closing
from caesura.protocol.session import Tally
from caesura.server.metrics import (
    FAULT,
    LATENCY_BUCKETS_S,
    EngineFigures,
    Metrics,
    ServerLoad,
    StreamUsage,
    close_labels,
)

LOAD = ServerLoad(
    live=3, capacity=100, workers=2, workers_ready=1, worker_restarts=4, waiting_s=1.5, oldest_wait_s=0.25,
    overloaded=True, interim_stretch=math.inf, withheld_words=7, judged_alone=6,
    engines=(EngineFigures("tiny", 0.1, 0.5), EngineFigures("broken", None, 0.0)),
)  # fmt: skip


def read(metrics: Metrics) -> dict[str, float]:
    """Each sample by its name, with its labels as Prometheus writes them."""
    body, _ = metrics.render()
    samples: dict[str, float] = {}
    for family in text_string_to_metric_families(body.decode()):
        assert family.name.startswith("caesura_")
        assert family.documentation or family.name.endswith("_created")
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples


def test_a_new_server_has_counted_nothing() -> None:
    samples = read(Metrics())
    assert samples["caesura_audio_seconds_total"] == 0
    assert samples["caesura_streams_paused"] == 0
    assert samples["caesura_final_latency_seconds_count"] == 0
    assert "caesura_streams_live" not in samples


def test_two_servers_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.callback_failed()
    assert read(one)["caesura_callback_failures_total"] == 1
    assert read(other)["caesura_callback_failures_total"] == 0


def test_the_load_is_read_at_each_scrape() -> None:
    metrics = Metrics()
    loads = iter((LOAD, ServerLoad(0, 100, 2, 2, 5, 0.0, 0.0)))
    metrics.watch(lambda: next(loads))
    samples = read(metrics)
    assert samples["caesura_streams_live"] == 3
    assert samples["caesura_streams_capacity"] == 100
    assert samples["caesura_workers"] == 2
    assert samples["caesura_workers_ready"] == 1
    assert samples["caesura_worker_restarts_total"] == 4
    assert samples["caesura_withheld_words_total"] == 7
    assert samples["caesura_limits_judged_alone_total"] == 6
    assert samples["caesura_queue_audio_seconds"] == 1.5
    assert samples["caesura_queue_age_seconds"] == 0.25
    assert samples["caesura_overloaded"] == 1
    assert samples["caesura_interim_stretch"] == math.inf
    assert samples["caesura_worker_busy_ratio{engine=tiny}"] == 0.5
    assert samples["caesura_worker_busy_ratio{engine=broken}"] == 0.0
    assert samples["caesura_pace_seconds{engine=tiny}"] == 0.1
    assert "caesura_pace_seconds{engine=broken}" not in samples
    assert read(metrics)["caesura_streams_live"] == 0


# ---- a stream ----


def test_only_new_usage_is_counted() -> None:
    metrics = Metrics()
    tally = Tally(bytes_in=100, keepalive_count=2, binary_control_suspects=1)
    usages = [StreamUsage(tally, 1.5, 3.0), StreamUsage(Tally(keepalive_count=1), 0.0, 0.0)]
    metrics.opened(lambda: usages[0])
    metrics.opened(lambda: usages[1])
    read(metrics)
    tally.keepalive_count = 3
    usages[0] = StreamUsage(tally, 2.0, 4.0)
    read(metrics)
    samples = read(metrics)
    assert samples["caesura_audio_seconds_total"] == 2.0
    assert samples["caesura_billed_seconds_total"] == 4.0
    assert samples["caesura_keepalives_total"] == 4
    assert samples["caesura_binary_control_suspect_total"] == 1


def test_a_stream_is_paused_while_a_keepalive_holds_it() -> None:
    metrics = Metrics()
    tally = Tally()
    metrics.opened(lambda: StreamUsage(tally, 0.0, 0.0))
    for held in (False, True, True, False):
        tally.paused = held
        assert read(metrics)["caesura_streams_paused"] == held


def test_a_stream_that_ends_in_a_pause_is_paused_no_longer_and_counts_no_more() -> None:
    metrics = Metrics()
    tally = Tally(keepalive_count=1, paused=True, close_code=1000)
    stream = metrics.opened(lambda: StreamUsage(tally, 1.0, 1.0))
    stream.ended()
    stream.ended()
    tally.keepalive_count += 1
    samples = read(metrics)
    assert samples["caesura_streams_paused"] == 0
    assert samples["caesura_keepalives_total"] == 1
    assert samples["caesura_audio_seconds_total"] == 1.0
    assert samples["caesura_closes_total{code=1000,reason=finished}"] == 1


def test_latencies_of_interims_and_finals_are_apart() -> None:
    metrics = Metrics()
    metrics.sent(final=False, latency_s=0.25)
    metrics.sent(final=False, latency_s=60.0)
    metrics.sent(final=True, latency_s=-0.001)
    samples = read(metrics)
    assert samples["caesura_interim_latency_seconds_bucket{le=0.2}"] == 0
    assert samples["caesura_interim_latency_seconds_bucket{le=0.3}"] == 1
    assert samples[f"caesura_interim_latency_seconds_bucket{{le={LATENCY_BUCKETS_S[-1]}}}"] == 1
    assert samples["caesura_interim_latency_seconds_count"] == 2
    assert samples["caesura_final_latency_seconds_sum"] == 0
    assert samples["caesura_final_latency_seconds_count"] == 1


def test_dropped_interims_are_counted() -> None:
    metrics = Metrics()
    metrics.shed.inc()
    metrics.lost("engine", 0.125)
    metrics.lost("engine", 1.0)
    metrics.lost("drain", -1.0)
    samples = read(metrics)
    assert samples["caesura_interims_shed_total"] == 1
    assert samples["caesura_dropped_audio_seconds_total{cause=engine}"] == 1.125
    assert samples["caesura_dropped_audio_seconds_total{cause=drain}"] == 0


def test_refusals_are_counted_by_status_and_cause() -> None:
    metrics = Metrics()
    for status, why in ((401, "credentials"), (429, "queue"), (429, "capacity"), (429, "capacity"), (200, "other")):
        metrics.refused(status, why)
    samples = read(metrics)
    assert samples["caesura_refusals_total{status=401,why=credentials}"] == 1
    assert samples["caesura_refusals_total{status=429,why=queue}"] == 1
    assert samples["caesura_refusals_total{status=429,why=capacity}"] == 2
    assert samples["caesura_refusals_total{status=other,why=other}"] == 1


@pytest.mark.parametrize(
    ("code", "reason", "labels"),
    [
        (None, "", ("none", "none")),
        (closing.FINISHED.code, closing.FINISHED.reason, ("1000", "finished")),
        (closing.NET_0000.code, closing.NET_0000.reason, ("1011", "net-0000")),
        (closing.NET_0001.code, closing.NET_0001.reason, ("1011", "net-0001")),
        (closing.DATA_0000.code, closing.DATA_0000.reason, ("1008", "data-0000")),
        (closing.RESTART.code, closing.RESTART.reason, ("1012", "restart")),
        (1011, FAULT, ("1011", "fault")),
        (1006, "cut: nothing was taken for 30 s", ("1006", "slow-reader")),
        (1006, "the connection was cut before its last words", ("1006", "cut")),
        (1000, "the client closed", ("1000", "client-closed")),
        (1009, "the client sent a message that is too large", ("1009", "too-large")),
        (4321, "whatever a client likes", ("other", "client-closed")),
    ],
)
def test_closes_have_labels_out_of_a_closed_set(code: int | None, reason: str, labels: tuple[str, str]) -> None:
    assert close_labels(code, reason) == labels


def test_no_label_takes_what_a_client_sent() -> None:
    metrics = Metrics()
    for code in range(3000, 5000):
        metrics.closed(code, f"my secret {code}")
    body, _ = metrics.render()
    assert b"secret" not in body
    assert read(metrics)["caesura_closes_total{code=other,reason=client-closed}"] == 2000


def test_openmetrics_is_returned_on_request() -> None:
    metrics = Metrics()
    metrics.watch(lambda: LOAD)
    metrics.refused(429, "queue")
    body, content_type = metrics.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    families = open_families(body.decode())  # type: ignore[no-untyped-call]
    assert {family.name for family in families} >= {"caesura_refusals", "caesura_streams_live"}
    assert metrics.render()[1].startswith("text/plain; version=")
