"""Models of the responses of operational and management routes."""

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
    """An error of the data plane, or of authentication."""

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
    """Confirmation of a change."""

    message: str


# ---- operation ----


class ServerStatus(BaseModel):
    """State of the server."""

    system_health: str
    active_batch_requests: int
    active_stream_requests: int
    active_listen_v2_stream_requests: int
    stream_capacity: int = Field(description="Live streams that there is room for; more are refused with 429.")


class Alive(BaseModel):
    """The process is alive."""

    status: str


class Readiness(BaseModel):
    """Whether the server can serve streams."""

    ready: bool
    engines: list[str]
    reason: str | None = Field(
        description="Why not: `starting`, `draining`, `no workers`, `ledger` (the keys have not been read), or, if "
        "`room` was asked for, `full`.",
    )


# ---- auth ----


class Granted(BaseModel):
    """A new temporary token, shown only here."""

    access_token: str
    expires_in: int = Field(description="Seconds.")


class KeyFacts(BaseModel):
    """Information on the credential that was presented."""

    api_key_id: str | None = Field(description="null where no key is required.")
    project_id: Uuid
    scopes: list[str]
    tags: list[str]
    temporary: bool = Field(description="Whether it is a temporary token.")
    comment: str | None = None
    created: Time | None = None
    expiration_date: Time | None = None


# ---- models ----


class SttModel(BaseModel):
    """A speech-to-text model."""

    name: str
    canonical_name: str
    architecture: str
    languages: list[str]
    version: str
    uuid: Uuid
    batch: bool = Field(description="Whether it transcribes recordings.")
    streaming: bool = Field(description="Whether it transcribes live streams.")
    formatted_output: bool = Field(description="Whether `smart_format` does more than punctuate.")


class TtsModel(BaseModel):
    """A text-to-speech model; this server has none."""

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
    """The owner of a key: the operator of the server, which has no accounts."""

    member_id: Uuid
    email: str = Field(description="Empty: the server has no addresses.")


class ListedKey(BaseModel):
    """A key without its secret."""

    api_key_id: Uuid
    comment: str
    scopes: list[str]
    tags: list[str]
    created: Time
    expiration_date: Time | None = None


class KeyOfMember(BaseModel):
    """A key with its owner."""

    member: ListedMember
    api_key: ListedKey


class Keys(BaseModel):
    """The keys of a project that were not revoked."""

    api_keys: list[KeyOfMember]


class MemberWithKey(ListedMember):
    """The owner of a key, with the key."""

    api_key: ListedKey


class KeyInMember(BaseModel):
    """The key inside its member."""

    member: MemberWithKey


class KeyItem(BaseModel):
    """One key."""

    item: KeyInMember


class NewKeyWithSecret(BaseModel):
    """A new key; its secret is shown only here."""

    api_key_id: Uuid
    key: str
    comment: str
    scopes: list[str]
    tags: list[str]
    expiration_date: Time | None = None


class MemberFacts(ListedMember):
    """A member with its scopes."""

    scopes: list[str]


class Members(BaseModel):
    """The members of a project: one."""

    members: list[MemberFacts]


class Scopes(BaseModel):
    """The scopes of a member."""

    scopes: list[str]


class Invite(BaseModel):
    """An invitation; this server has none."""

    email: str
    scope: str


class Invites(BaseModel):
    """Invitations: an empty list."""

    invites: list[Invite]
