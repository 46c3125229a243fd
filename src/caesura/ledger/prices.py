"""List prices: computes what a request would have cost at Deepgram, and what its pauses saved."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from caesura.errors import UsageError
from caesura.ledger.requests import Method, RequestRecord

FIELDS = ("streaming", "recorded", "multilingual_streaming", "multilingual_recorded")


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of one family of models, in US dollars per minute of one channel."""

    streaming: float
    recorded: float
    multilingual_streaming: float | None = None
    """Price with `language=multi`; None if it is the same."""
    multilingual_recorded: float | None = None

    def per_minute(self, *, streaming: bool, multilingual: bool) -> float:
        """The price for these conditions."""
        special = self.multilingual_streaming if streaming else self.multilingual_recorded
        plain = self.streaming if streaming else self.recorded
        return plain if special is None or not multilingual else special


@dataclass(frozen=True, slots=True)
class PriceTable:
    """A list of prices as of a date."""

    date: str
    source: str
    default: str
    """Family used for models that match no other."""
    models: Mapping[str, Price]
    """Prices by family; `nova-2` also applies to `nova-2-meeting`."""
    features: Mapping[str, float]
    """Surcharges by feature, in US dollars per minute of one channel."""

    def per_minute(self, request: RequestRecord) -> float:
        """Price of a request, in US dollars per minute of one channel."""
        model = str(request.config.get("model") or self.default)
        price = self.models[self._family(model)].per_minute(
            streaming=request.method is Method.STREAMING, multilingual=request.config.get("language") == "multi"
        )
        return price + sum(self.features.get(feature, 0.0) for feature in request.features)

    def usd(self, request: RequestRecord) -> float:
        """What the audio would have cost; 0 for a request that ended with an HTTP error."""
        return 0.0 if request.code >= 400 else request.billed_seconds / 60 * self.per_minute(request)

    def saved_usd(self, request: RequestRecord) -> float:
        """What the pauses would have cost if silence had been sent instead."""
        channels = max(request.channels, 1) if "multichannel" in request.features else 1
        return request.paused_seconds * channels / 60 * self.per_minute(request)

    def priced(self, request: RequestRecord) -> RequestRecord:
        """The request with `usd` and `saved_usd` filled in."""
        return replace(request, usd=self.usd(request), saved_usd=self.saved_usd(request))

    def _family(self, model: str) -> str:
        fitting = [family for family in self.models if model == family or model.startswith(f"{family}-")]
        return max(fitting, key=len, default=self.default)


def list_prices() -> PriceTable:
    """The built-in price list."""
    return _table(files("caesura.ledger").joinpath("prices.toml").read_text("utf-8"), "prices.toml", None)


def read_prices(path: Path) -> PriceTable:
    """The built-in price list, overridden by a TOML file of the same form. Raises UsageError for a bad file."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the prices in {path} cannot be read: {error}") from error
    return _table(text, str(path), list_prices())


def _table(text: str, name: str, under: PriceTable | None) -> PriceTable:
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the prices in {name} are not TOML: {error}") from error
    unknown = read.keys() - {"date", "source", "default", "models", "features"}
    if unknown:
        raise UsageError(f"{name}: {min(unknown)!r} is none of date, source, default, models, features")
    models = {family: _price(value, f"{name}: models.{family}") for family, value in _names(read, "models", name)}
    extra = {
        feature: _dollars(value, f"{name}: features.{feature}") for feature, value in _names(read, "features", name)
    }
    table = PriceTable(
        date=str(read.get("date", "" if under is None else f"{under.date} and {name}")),
        source=str(read.get("source", name)),
        default=str(read.get("default", "" if under is None else under.default)),
        models={**({} if under is None else under.models), **models},
        features={**({} if under is None else under.features), **extra},
    )
    if table.default not in table.models:
        raise UsageError(f"{name}: default is {table.default!r}, which is none of {', '.join(sorted(table.models))}")
    return table


def _names(read: Mapping[str, object], section: str, name: str) -> list[tuple[str, object]]:
    found = read.get(section, {})
    if not isinstance(found, dict):
        raise UsageError(f"{name}: {section} is {found!r}: make it a table, [{section}...]")
    return list(found.items())


def _price(value: object, where: str) -> Price:
    if not isinstance(value, dict) or not {"streaming", "recorded"} <= value.keys() <= set(FIELDS):
        raise UsageError(f"{where} needs streaming and recorded, and may have {FIELDS[2]} and {FIELDS[3]}")
    return Price(**{field: _dollars(price, f"{where}.{field}") for field, price in value.items()})


def _dollars(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise UsageError(f"{where} is {value!r}: give US dollars a minute, 0 or more")
    return float(value)
