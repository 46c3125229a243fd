"""Configuration of a line from the arguments of `connect`."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from caesura.client import config
from caesura.client.config import (
    MAX_KEEP_S,
    Credentials,
    DeclaredAudio,
    LineConfig,
    Tuning,
    configure_line,
)
from caesura.client.faults import Faults
from caesura.client.line_settings import LineSettings
from caesura.client.pcm import PcmFormat
from caesura.client.send_buffer import LEAST_RECORDING_KEEP_S
from caesura.client.transport import Transport
from caesura.errors import TooManyStreams, UsageError
from caesura.protocol.client_session import ClientTimers

MONO = DeclaredAudio("linear16", 16_000, 1)


async def nobody() -> Transport:
    """An opener."""
    raise NotImplementedError


def planned(
    *,
    declared: DeclaredAudio = MONO,
    live: bool = True,
    faults: Faults | None = None,
    tuning: Tuning | None = None,
    key: str | None = None,
    **wire: Any,
) -> LineConfig:
    return configure_line(
        "ws://host",
        Credentials(key),
        declared,
        live=live,
        tuning=tuning or Tuning(opener=nobody),
        faults=faults,
        parameters=wire,
    )


def test_a_key_is_in_no_representation_of_a_configuration() -> None:
    tuning = Tuning(headers={"X-Key": "nobody-may-see-this"}, opener=nobody)
    assert "nobody-may-see-this" not in repr(planned(tuning=tuning, key="nobody-may-see-this"))


# ---- patience ----


def test_a_live_voice_has_the_documented_bounds() -> None:
    settings = planned(interim_results=True).settings
    assert settings == LineSettings(
        PcmFormat("linear16", 16_000, 2), keep_s=60.0, watch=ClientTimers(4.0, 2.0, 5.0, 10.0)
    )
    assert settings.live
    assert settings.replay_speed == 1.25


def test_a_recording_is_kept_longer_and_waited_for_longer() -> None:
    settings = planned(live=False, interim_results=True).settings
    assert not settings.live
    assert settings.keep_s == 600.0
    assert (settings.watch.ping_s, settings.watch.stall_s, settings.watch.mute_s) == (12.0, 30.0, 30.0)


@pytest.mark.parametrize(
    ("interims", "mute_s"), [(True, 10.0), ("true", 10.0), (False, 30.0), ("false", 30.0), (None, 30.0)]
)
def test_a_server_without_interims_may_be_silent_longer(interims: bool | str | None, mute_s: float) -> None:
    assert planned(interim_results=interims).settings.watch.mute_s == mute_s
    assert planned(interim_results=interims, tuning=Tuning(mute_s=7.0, opener=nobody)).settings.watch.mute_s == 7.0


def test_interims_in_the_address_count_as_well() -> None:
    url = "ws://host/v1/listen?interim_results=true"
    config = configure_line(
        url, Credentials(), MONO, live=True, tuning=Tuning(opener=nobody), faults=None, parameters={}
    )
    assert config.settings.watch.mute_s == 10.0


@pytest.mark.parametrize(("stall_s", "ping_s"), [(None, 2.0), (60.0, 2.0), (1.0, 0.4)])
def test_the_ping_has_time_to_be_answered_before_the_alarm(stall_s: float | None, ping_s: float) -> None:
    watch = planned(tuning=Tuning(stall_s=stall_s, opener=nobody)).settings.watch
    assert watch.ping_s == ping_s
    assert watch.stall_s == (stall_s or 5.0)


def test_what_is_tuned_arrives() -> None:
    tuning = Tuning(
        keep_s=20.0,
        open_within_s=0.0,
        retry_for_s=30.0,
        keepalive_s=3.0,
        replay_speed=1.1,
        keep_transcript=False,
        opener=nobody,
    )
    settings = planned(tuning=tuning).settings
    assert settings.keep_s == 20.0
    assert settings.open_within_s == 0.0
    assert settings.backoff.budget_s == 30.0
    assert settings.watch.keepalive_s == 3.0
    assert settings.replay_speed == 1.1
    assert not settings.keep_transcript


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, value)
            for name in ("keepalive_s", "stall_s", "mute_s", "replay_speed", "keep_s")
            for value in (0, -1, nan)
        ),
        *((name, value) for name in ("open_within_s", "retry_for_s") for value in (-1, nan)),
        ("keep_s", MAX_KEEP_S + 1),
        ("keep_s", inf),
    ],
)
def test_what_cannot_be_is_named(name: str, value: float) -> None:
    wrong: dict[str, Any] = {name: value}
    with pytest.raises(UsageError, match=f"^{name} must be a number from .*, not {value!r}"):
        planned(tuning=Tuning(opener=nobody, **wrong))


def test_a_recording_keeps_enough_for_a_long_sentence() -> None:
    with pytest.raises(UsageError, match="keep_s must be a number from 30"):
        planned(live=False, tuning=Tuning(keep_s=LEAST_RECORDING_KEEP_S - 1, opener=nobody))


# ---- audio ----


@pytest.mark.parametrize(
    ("encoding", "channels", "frame_bytes"),
    [("linear16", 1, 2), ("linear16", 2, 4), ("linear32", 2, 8), ("mulaw", 1, 1), ("alaw", 3, 3)],
)
def test_samples_of_raw_audio_are_counted(encoding: str, channels: int, frame_bytes: int) -> None:
    declared = DeclaredAudio(encoding, 8000, channels)
    assert declared.pcm() == PcmFormat(encoding, 8000, frame_bytes)
    assert declared.parameters() == {"encoding": encoding, "sample_rate": 8000, "channels": channels}
    assert not declared.packets
    assert not planned(declared=declared).settings.packets


def test_a_container_declares_nothing() -> None:
    declared = DeclaredAudio(None, 16_000, 1)
    assert declared.pcm() is None
    assert declared.parameters() == {}
    assert not declared.packets


def test_bare_opus_comes_in_packets_that_stay_apart() -> None:
    declared = DeclaredAudio("opus", 48_000, 1)
    assert declared.pcm() is None
    assert planned(declared=declared).settings.packets
    assert planned(declared=declared).settings.pcm is None


@pytest.mark.parametrize(
    ("declared", "named"),
    [
        (DeclaredAudio("linear16", 0, 1), "sample_rate"),
        (DeclaredAudio("linear16", 1_000_000, 1), "sample_rate"),
        (DeclaredAudio("linear16", 16_000, 0), "channels"),
        (DeclaredAudio(None, 16_000, 65), "channels"),
    ],
)
def test_audio_that_cannot_be_is_named(declared: DeclaredAudio, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        planned(declared=declared)


def test_a_source_must_yield_what_was_declared() -> None:
    MONO.check_source({"encoding": "linear16", "sample_rate": 16_000, "channels": 1})
    with pytest.raises(UsageError, match=r"connect\(encoding='linear16', sample_rate=44100, channels=2\)"):
        MONO.check_source({"encoding": "linear16", "sample_rate": 44_100, "channels": 2})
    with pytest.raises(UsageError, match=r"connect\(encoding=None\)"):
        MONO.check_source({})


# ---- keys ----


@pytest.mark.parametrize(
    ("credentials", "headers"),
    [
        (Credentials(), {}),
        (Credentials(key=""), {}),
        (Credentials(key="k"), {"Authorization": "Token k"}),
        (Credentials(token="t"), {"Authorization": "Bearer t"}),
    ],
)
def test_a_key_and_a_token_have_their_headers(credentials: Credentials, headers: dict[str, str]) -> None:
    assert credentials.headers() == headers


@pytest.mark.parametrize("secret", ["two words", "line\n", "Zoë", "\x00"])
def test_a_key_with_something_around_it_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(UsageError, match="copied") as raised:
        Credentials(key=secret).headers()
    assert secret not in str(raised.value)


def test_a_key_or_a_token_not_both() -> None:
    with pytest.raises(UsageError, match="not both"):
        Credentials("k", "t").headers()


def test_secrets_are_not_shown() -> None:
    shown = repr(Credentials("secret", "secret")) + repr(Tuning(headers={"Authorization": "secret"}))
    assert "secret" not in shown


# ---- the way to connect ----


def test_without_an_opener_the_address_is_opened_with_all_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def opener(address: str, headers: dict[str, str], *, stall_s: float) -> Any:
        asked.update(address=address, headers=headers, stall_s=stall_s)
        return nobody

    monkeypatch.setattr(config, "websocket_opener", opener)
    made = configure_line(
        "ws://host",
        Credentials(key="k"),
        MONO,
        live=True,
        tuning=Tuning(headers={"X-Call": "7"}, stall_s=3.0),
        faults=None,
        parameters={"model": "nova-3", "channels": 2},
    )
    assert made.opener is nobody
    assert made.declared is MONO
    assert asked == {
        "address": "ws://host/v1/listen?encoding=linear16&sample_rate=16000&channels=2&model=nova-3",
        "headers": {"Authorization": "Token k", "X-Call": "7"},
        "stall_s": 3.0,
    }


def test_an_address_that_is_none_is_found_before_anything_is_opened() -> None:
    with pytest.raises(UsageError, match="no address"):
        configure_line("ftp://host", Credentials(), MONO, live=True, tuning=Tuning(), faults=None, parameters={})


async def opened(made: LineConfig) -> Transport:
    return await made.opener()


def test_faults_stand_between_the_line_and_its_opener() -> None:
    made = planned(faults=Faults(refuse=(429,)))
    with pytest.raises(TooManyStreams):
        opened(made).send(None)
    with pytest.raises(NotImplementedError):
        opened(made).send(None)
