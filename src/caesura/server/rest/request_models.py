"""Models of JSON bodies and query strings that management routes accept."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from caesura.ledger.keys import MAX_COMMENT, MAX_TAG, MAX_TAGS
from caesura.ledger.projects import MAX_NAME
from caesura.ledger.requests import LAST_PAGE, MAX_PER_PAGE, Method, RequestStatus
from caesura.ledger.tokens import DEFAULT_TTL_S, MAX_TTL_S, MIN_TTL_S
from caesura.server.rest.response_models import Deployment, Endpoint
from caesura.server.rest.timestamps import PATTERN, parse_range_end, parse_timestamp

MAX_KEY_LIFETIME_S = 100 * 365 * 24 * 3600
ACCESSOR = "^[0-9a-fA-F-]{12,36}$"
"""Ids of keys: UUIDs, or twelve hexadecimal digits for a flag key."""
LINE_ITEM = "^(streaming|sync|async)::.{1,200}$"


def _whole(given: object) -> object:
    # Clients whose language has no integers send 30.0.
    return int(given) if isinstance(given, float) and given.is_integer() else given


def _not_blank(name: str) -> str:
    if not name.strip():
        raise ValueError("a name needs characters that are not blank")
    return name


Whole = Annotated[int, BeforeValidator(_whole)]
_SCHEMA = {"type": "string", "pattern": PATTERN}
Timestamp = Annotated[datetime, PlainValidator(parse_timestamp), WithJsonSchema(_SCHEMA)]
RangeEnd = Annotated[datetime, PlainValidator(parse_range_end), WithJsonSchema(_SCHEMA)]
Tag = Annotated[str, Field(min_length=1, max_length=MAX_TAG)]
Accessor = Annotated[str, Field(pattern=ACCESSOR), AfterValidator(str.lower)]
UuidText = Annotated[
    str,
    Field(pattern="^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", json_schema_extra={"format": "uuid"}),
    AfterValidator(str.lower),
]


class Body(BaseModel):
    """A JSON body: types are not converted, and unknown fields are refused."""

    model_config = ConfigDict(strict=True, extra="forbid")


class CreateTokenRequest(Body):
    """Lifetime of a temporary token."""

    ttl_seconds: Annotated[Whole, Field(ge=MIN_TTL_S, le=MAX_TTL_S)] | None = None

    @property
    def ttl_s(self) -> int:
        """The lifetime in seconds."""
        return DEFAULT_TTL_S if self.ttl_seconds is None else self.ttl_seconds


class RenameProjectRequest(Body):
    """New name of a project."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_not_blank)]


class CreateKeyRequest(Body):
    """A new key, which expires at `expiration_date`, after `time_to_live_in_seconds`, or never."""

    comment: Annotated[str, Field(max_length=MAX_COMMENT)]
    scopes: Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=64)]
    tags: Annotated[list[Tag], Field(max_length=MAX_TAGS)] | None = None
    expiration_date: Timestamp | None = None
    time_to_live_in_seconds: Annotated[Whole, Field(ge=1, le=MAX_KEY_LIFETIME_S)] | None = None

    @model_validator(mode="after")
    def _one_end(self) -> CreateKeyRequest:
        if self.expiration_date is not None and self.time_to_live_in_seconds is not None:
            raise ValueError("give expiration_date or time_to_live_in_seconds, not both")
        return self


class Query(BaseModel):
    """A query string: unknown parameters are refused, since a misspelt filter would match everything."""

    model_config = ConfigDict(extra="forbid")


class NoQuery(Query):
    """No parameters."""


class ModelsQuery(Query):
    """Filter of models."""

    include_outdated: bool = Field(False, description="Older versions too; there are none, so this changes nothing.")


class PageQuery(Query):
    """One page of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_PER_PAGE)] = 10
    page: Annotated[int, Field(ge=0, le=LAST_PAGE)] = 0


class KeysQuery(Query):
    """Filter of keys."""

    status: Literal["active", "expired"] | None = None


class PurchasesQuery(Query):
    """Length of a list of purchases."""

    limit: Annotated[int, Field(ge=1, le=MAX_PER_PAGE)] = 10


class RangeQuery(Query):
    """A range of time, in UTC unless a time zone is given."""

    start: Timestamp | None = Field(None, description="Start of the range; without it, the first request.")
    end: RangeEnd | None = Field(None, description="Exclusive end of the range; a date alone includes all of that day.")


class RequestsQuery(RangeQuery, PageQuery):
    """Filter of requests."""

    accessor: Accessor | None = Field(None, description="The id of a key.")
    request_id: UuidText | None = None
    deployment: Deployment | None = None
    endpoint: Endpoint | None = None
    method: Method | None = None
    status: RequestStatus | None = None


class UsageQuery(RangeQuery):
    """Filter of requests whose usage is summed.

    Requests match if they have any of the features that are true, and none of those that are false.
    """

    accessor: Accessor | None = Field(None, description="The id of a key.")
    deployment: Deployment | None = None
    endpoint: Endpoint | None = None
    method: Method | None = None
    model: Annotated[str, Field(max_length=200)] | None = Field(None, description="UUID or name of a model.")
    tag: Tag | None = None
    alternatives: bool | None = None
    callback: bool | None = None
    callback_method: bool | None = None
    channels: bool | None = None
    custom_intent: bool | None = None
    custom_intent_mode: bool | None = None
    custom_topic: bool | None = None
    custom_topic_mode: bool | None = None
    detect_entities: bool | None = None
    detect_language: bool | None = None
    diarize: bool | None = None
    dictation: bool | None = None
    encoding: bool | None = None
    extra: bool | None = None
    filler_words: bool | None = None
    intents: bool | None = None
    keyterm: bool | None = None
    keywords: bool | None = None
    language: bool | None = None
    measurements: bool | None = None
    multichannel: bool | None = None
    numerals: bool | None = None
    paragraphs: bool | None = None
    profanity_filter: bool | None = None
    punctuate: bool | None = None
    redact: bool | None = None
    replace: bool | None = None
    sample_rate: bool | None = None
    search: bool | None = None
    sentiment: bool | None = None
    smart_format: bool | None = None
    summarize: bool | None = None
    topics: bool | None = None
    utt_split: bool | None = None
    utterances: bool | None = None
    version: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_unsupported(cls, given: Any) -> Any:
        for name in UNSUPPORTED_FILTERS:
            if isinstance(given, dict) and given.get(name) is not None:
                raise ValueError(f"requests cannot be filtered by {name} here: leave it out")
        return given

    @property
    def features(self) -> dict[str, bool]:
        """The features to filter by."""
        values = {name: getattr(self, name) for name in FEATURES}
        return {name: value for name, value in values.items() if value is not None}


UNSUPPORTED_FILTERS = (
    "callback_method",
    "channels",
    "encoding",
    "extra",
    "language",
    "sample_rate",
    "utt_split",
    "version",
)
"""Filters of the hosted service for features that requests here do not have."""
FEATURES = tuple(
    name
    for name, field in UsageQuery.model_fields.items()
    if field.annotation == bool | None and name not in UNSUPPORTED_FILTERS
)


class UsageBreakdownQuery(UsageQuery):
    """Filter of requests whose usage is summed, and its grouping."""

    grouping: list[Literal["accessor", "endpoint", "feature_set", "models", "method", "tags", "deployment"]] = Field([])


class BillingQuery(RangeQuery):
    """Filter of requests whose cost is summed, and its grouping."""

    accessor: Accessor | None = Field(None, description="The id of a key.")
    deployment: Deployment | None = None
    tag: Tag | None = None
    line_item: Annotated[str, Field(pattern=LINE_ITEM)] | None = Field(
        None, description="Method and model, for example streaming::moonshine-tiny-en."
    )
    grouping: list[Literal["accessor", "deployment", "line_item", "tags"]] = Field([])
