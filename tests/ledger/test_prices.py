"""Deepgram's list prices, and price lists that override them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from caesura.errors import UsageError
from caesura.ledger.prices import list_prices, read_prices
from caesura.ledger.requests import Method
from tests.ledger.rows import ended

PRICES = list_prices()


def asked(model: str, language: str = "en", **changed: Any) -> float:
    """US dollars for an hour of it."""
    values: dict[str, Any] = {"features": (), "billed_seconds": 3600.0, "paused_seconds": 0.0}
    return PRICES.usd(ended(config={"model": model, "language": language}, **values | changed))


def test_the_price_list_has_its_date_and_source() -> None:
    assert PRICES.date == "2026-08-01"
    assert "deepgram.com/pricing" in PRICES.source


@pytest.mark.parametrize(
    ("model", "cents_a_minute"),
    [
        ("nova-3", 0.48),
        ("nova-3-medical", 0.48),
        ("nova-2-meeting", 0.58),
        ("nova", 0.58),
        ("enhanced-phonecall", 1.65),
        ("base", 1.45),
        ("whisper-large", 0.48),
        ("flux-general-en", 0.65),
        ("moonshine", 0.48),
        ("novafoo", 0.48),
    ],
)
def test_a_stream_is_priced_by_the_requested_model_and_other_models_as_the_default(
    model: str, cents_a_minute: float
) -> None:
    assert asked(model) == pytest.approx(cents_a_minute / 100 * 60)


def test_a_recording_and_many_languages_have_prices_of_their_own() -> None:
    assert asked("nova-3", method=Method.SYNC, code=200) == pytest.approx(0.0043 * 60)
    assert asked("nova-3", method=Method.ASYNC, code=200) == pytest.approx(0.0043 * 60)
    assert asked("nova-3", "multi") == pytest.approx(0.0058 * 60)
    assert asked("nova-3", "multi", method=Method.SYNC) == pytest.approx(0.0052 * 60)
    assert asked("nova-2", "multi") == pytest.approx(0.0058 * 60)


def test_some_features_cost_on_top() -> None:
    assert asked("nova-3", features=("diarize", "keyterm", "punctuate")) == pytest.approx(
        (0.0048 + 0.002 + 0.0013) * 60
    )


def test_a_refused_request_costs_nothing() -> None:
    assert asked("nova-3", method=Method.SYNC, code=400) == 0


def test_a_pause_saves_what_silence_on_every_channel_would_have_cost() -> None:
    record = ended(features=(), paused_seconds=600.0, channels=2)
    assert PRICES.saved_usd(record) == pytest.approx(10 * 0.0048)
    assert PRICES.saved_usd(ended(features=("multichannel",), paused_seconds=600.0, channels=2)) == pytest.approx(
        2 * 10 * 0.0048
    )
    assert PRICES.saved_usd(ended(features=("multichannel",), paused_seconds=600.0, channels=0)) == pytest.approx(
        10 * 0.0048
    )


def test_a_priced_request_has_both_and_nothing_else_changed() -> None:
    record = ended(features=(), usd=0.0, saved_usd=0.0)
    assert PRICES.priced(record) == ended(features=(), usd=30 / 60 * 0.0048, saved_usd=20 / 60 * 0.0048)


def test_a_request_that_names_no_model_is_priced_as_the_default() -> None:
    assert PRICES.per_minute(ended(config={}, features=())) == 0.0048


def test_a_custom_price_list_overrides_the_built_in_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('date = "2027-01-01"\n[models.nova-3]\nstreaming = 1\nrecorded = 0.5\n[features]\ndiarize = 0\n')
    mine = read_prices(path)
    assert mine.date == "2027-01-01"
    assert mine.models["nova-3"].streaming == 1
    assert mine.models["nova-2"] == PRICES.models["nova-2"]
    assert mine.features == {"diarize": 0.0, "redact": 0.002, "keyterm": 0.0013}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("=", "not TOML"),
        ("prices = 1", "'prices' is none of"),
        ("models = 1", "models is 1"),
        ("[models.x]\nstreaming = 1", "models.x needs streaming and recorded"),
        ("[models.x]\nstreaming = 1\nrecorded = 1\nspeed = 1", "models.x needs streaming and recorded"),
        ("[models.x]\nstreaming = -1\nrecorded = 1", "models.x.streaming is -1"),
        ("[models.x]\nstreaming = true\nrecorded = 1", "models.x.streaming is True"),
        ("[models.x]\nstreaming = inf\nrecorded = 1", "models.x.streaming is inf"),
        ('[features]\ndiarize = "a lot"', "features.diarize is 'a lot'"),
        ('default = "nova-9"', "default is 'nova-9', which is none of base, enhanced"),
    ],
)
def test_a_list_with_a_mistake_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=named):
        read_prices(path)


def test_a_missing_price_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.toml cannot be read"):
        read_prices(tmp_path / "gone.toml")
