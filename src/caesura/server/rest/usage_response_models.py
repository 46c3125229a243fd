"""Models of the responses about requests, usage and cost."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from caesura.server.rest.response_models import Date, Deployment, MethodName, Time, Uuid

# ---- requests ----


class RequestDetails(BaseModel):
    """What a request used."""

    usd: float = Field(description="What it would have cost at list price.")
    duration: float = Field(description="Seconds of audio.")
    total_audio: float = Field(
        description="Seconds of audio; each channel counts where channels are transcribed separately."
    )
    channels: int
    streams: int
    tier: None = None
    metadata: None = None
    models: list[str] = Field(description="UUIDs of the models that transcribed it.")
    method: MethodName
    tags: list[str]
    features: list[str]
    config: dict[str, object] = Field(description="Parameters of the request; of terms and searches only their number.")
    outcome: Literal["succeeded", "failed", "interrupted"]
    connection_seconds: float
    paused_seconds: float = Field(description="Seconds without audio, held by KeepAlive.")
    saved_usd: float = Field(description="What the pauses would have cost as silence.")
    keepalive_count: int
    bytes_in: int
    close_code: int | None
    close_reason: str


class RequestResponse(BaseModel):
    """How a request ended."""

    details: RequestDetails
    token_details: list[object]
    code: int
    completed: Time | None
    deployment: Deployment


class RequestFacts(BaseModel):
    """A request, without its transcript."""

    request_id: Uuid
    project_uuid: Uuid
    created: Time
    path: str
    api_key_id: str | None
    response: RequestResponse | None = Field(description="null while it runs.")
    code: int = Field(description="101 for every stream, whatever happened after the upgrade.")
    deployment: Deployment
    callback: str | None = Field(description="Scheme, host and port of the callback; null without one.")


class Requests(BaseModel):
    """A page of requests, the newest first."""

    page: int
    limit: int
    requests: list[RequestFacts]


class OneRequest(BaseModel):
    """One request."""

    request: RequestFacts


# ---- usage and billing ----


class Resolution(BaseModel):
    """Length of time that a row of results covers."""

    units: str
    amount: int


class UsageOfDay(BaseModel):
    """What was used in a day, in UTC."""

    start: Date
    end: Date
    hours: float = Field(description="Of audio.")
    total_hours: float = Field(
        description="Hours of audio; each channel counts where channels are transcribed separately."
    )
    requests: int


class Usage(BaseModel):
    """What was used; a day without requests has no row."""

    start: Date
    end: Date
    resolution: Resolution
    results: list[UsageOfDay]


class UsageGroup(BaseModel):
    """What the requests of a row have in common; null: not grouped by, or none."""

    start: Date
    end: Date
    accessor: str | None = None
    endpoint: str | None = None
    feature_set: str | None = Field(None, description="Features with commas between them.")
    models: list[str] | None = None
    method: str | None = None
    tags: list[str] | None = None
    deployment: str | None = None


class UsageRowModel(BaseModel):
    """What one group of requests used in a day."""

    hours: float
    total_hours: float
    agent_hours: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    tts_characters: int = 0
    requests: int
    grouping: UsageGroup


class UsageBreakdown(BaseModel):
    """What was used, by day and group."""

    start: Date
    end: Date
    resolution: Resolution
    results: list[UsageRowModel]


class UsedModel(BaseModel):
    """A model that transcribed requests."""

    name: str
    language: str | None = Field(description="Its language, `multi` for several; null if it no longer runs.")
    version: str | None
    model_id: Uuid


class UsageFieldsFound(BaseModel):
    """What occurs in requests, to filter by."""

    tags: list[str]
    models: list[UsedModel]
    processing_methods: list[str]
    features: list[str]


class BalanceFacts(BaseModel):
    """A credit, and what is left of it."""

    balance_id: Uuid
    amount: float = Field(description="What is left.")
    units: Literal["usd"] = "usd"
    purchase_order_id: str = Field(description="The note of the credit.")


class Balances(BaseModel):
    """The credits of a project, the oldest first, which is used up first."""

    balances: list[BalanceFacts]


class Order(BaseModel):
    """A credit as it was given."""

    order_id: Uuid
    expiration: None = None
    created: Time
    amount: float
    units: Literal["usd"] = "usd"
    order_type: Literal["credit"] = "credit"


class Purchases(BaseModel):
    """Credits as they were given, the newest first."""

    orders: list[Order]


class BillingFields(BaseModel):
    """What occurs in requests, to filter a bill by."""

    accessors: list[str]
    deployments: list[Deployment]
    tags: list[str]
    line_items: dict[str, str]


class BillingGroup(BaseModel):
    """What the requests of a row have in common; null: not grouped by, or none."""

    start: Date
    end: Date
    accessor: str | None = None
    deployment: str | None = None
    line_item: str | None = None
    tags: list[str] | None = None


class BillingRow(BaseModel):
    """What one group of requests would have cost in a day."""

    dollars: float
    grouping: BillingGroup


class BillingBreakdown(BaseModel):
    """What requests would have cost at list price, by day and group."""

    start: Date
    end: Date
    resolution: Resolution
    results: list[BillingRow]
