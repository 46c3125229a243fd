"""What the ledger and the engines know in; bodies of answers out, as models that describe them too."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Date = Annotated[str, Field(json_schema_extra={"format": "date"})]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Deployment = Literal["hosted", "beta", "self-hosted", "dedicated"]
Endpoint = Literal["listen", "read", "speak", "agent"]
MethodName = Literal["sync", "async", "streaming"]


class LegacyError(BaseModel):
    """An error of the data plane, or of who is let in."""

    err_code: str
    err_msg: str
    request_id: Uuid | None = None
    details: str | None = None


class ManagedError(BaseModel):
    """An error of the management plane."""

    category: str
    message: str
    request_id: Uuid
    details: str | None = None


class Message(BaseModel):
    """What was done."""

    message: str


# ---- auth ----


class Granted(BaseModel):
    """A temporary token, which is shown this once."""

    access_token: str
    expires_in: int = Field(description="Seconds.")


class KeyFacts(BaseModel):
    """What is known of the credential that was presented."""

    api_key_id: str | None = Field(description="null where no key is asked for.")
    project_id: Uuid
    scopes: list[str]
    tags: list[str]
    temporary: bool = Field(description="Whether it is a temporary token.")
    comment: str | None = None
    created: Time | None = None
    expiration_date: Time | None = None


# ---- models ----


class SttModel(BaseModel):
    """A model that hears speech."""

    name: str
    canonical_name: str
    architecture: str
    languages: list[str]
    version: str
    uuid: Uuid
    batch: bool = Field(description="Whether it hears recordings.")
    streaming: bool = Field(description="Whether it hears live streams.")
    formatted_output: bool = Field(description="Whether `smart_format` does more than punctuate.")


class TtsModel(BaseModel):
    """A model that speaks; this server has none."""

    name: str
    canonical_name: str
    architecture: str
    languages: list[str]
    version: str
    uuid: Uuid


class Models(BaseModel):
    """Every model that runs."""

    stt: list[SttModel]
    tts: list[TtsModel]


# ---- projects, keys, members ----


class ListedProject(BaseModel):
    """A project in a list."""

    project_id: Uuid
    name: str


class Projects(BaseModel):
    """The projects that the key belongs to: one."""

    projects: list[ListedProject]


class ProjectFacts(ListedProject):
    """A project."""

    mip_opt_out: bool = Field(description="Always true: audio is neither kept nor used for training.")


class ListedMember(BaseModel):
    """Whose a key is: whoever runs the server, as it has no accounts."""

    member_id: Uuid
    email: str = Field(description="Empty: the server knows no addresses.")


class ListedKey(BaseModel):
    """A key without its secret."""

    api_key_id: Uuid
    comment: str
    scopes: list[str]
    tags: list[str]
    created: Time
    expiration_date: Time | None = None


class KeyOfMember(BaseModel):
    """A key, and whose it is."""

    member: ListedMember
    api_key: ListedKey


class Keys(BaseModel):
    """The keys of a project that were not revoked."""

    api_keys: list[KeyOfMember]


class MemberWithKey(ListedMember):
    """Whose a key is, with the key."""

    api_key: ListedKey


class KeyInMember(BaseModel):
    """The key inside its member."""

    member: MemberWithKey


class KeyItem(BaseModel):
    """One key."""

    item: KeyInMember


class NewKeyWithSecret(BaseModel):
    """A key just made; its secret is shown this once."""

    api_key_id: Uuid
    key: str
    comment: str
    scopes: list[str]
    tags: list[str]
    expiration_date: Time | None = None


class MemberFacts(ListedMember):
    """A member with what it may do."""

    scopes: list[str]


class Members(BaseModel):
    """The members of a project: one."""

    members: list[MemberFacts]


class Scopes(BaseModel):
    """What a member may do."""

    scopes: list[str]


class Invite(BaseModel):
    """Somebody who was asked to join; this server asks nobody."""

    email: str
    scope: str


class Invites(BaseModel):
    """Nobody."""

    invites: list[Invite]


# ---- requests ----


class RequestDetails(BaseModel):
    """What a request used."""

    usd: float = Field(description="What it would have cost at list price.")
    duration: float = Field(description="Seconds of audio.")
    total_audio: float = Field(description="Seconds of audio that count: every channel where they are heard apart.")
    channels: int
    streams: int
    tier: None = None
    metadata: None = None
    models: list[str] = Field(description="UUIDs of the models that heard it.")
    method: MethodName
    tags: list[str]
    features: list[str]
    config: dict[str, object] = Field(description="What was asked for; of terms and searches only how many.")
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
    """A request; never what was said."""

    request_id: Uuid
    project_uuid: Uuid
    created: Time
    path: str
    api_key_id: str | None
    response: RequestResponse | None = Field(description="null while it runs.")
    code: int = Field(description="101 for every stream, whatever happened after the upgrade.")
    deployment: Deployment
    callback: str | None = Field(description="Scheme, host and port of where the answer went.")


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
    """How long a row of results is."""

    units: str
    amount: int


class UsageOfDay(BaseModel):
    """What was used in a day, in UTC."""

    start: Date
    end: Date
    hours: float = Field(description="Of audio.")
    total_hours: float = Field(description="Of audio that counts: every channel where they are heard apart.")
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


class UsageRow(BaseModel):
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
    results: list[UsageRow]


class UsedModel(BaseModel):
    """A model that heard requests."""

    name: str
    language: str | None = Field(description="What it hears, `multi` where that is more than one; null: it is gone.")
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
    purchase_order_id: str = Field(description="The note of whoever gave it.")


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
