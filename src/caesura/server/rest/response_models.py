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


# ---- operation ----


class ServerStatus(BaseModel):
    """How the server is."""

    system_health: str
    active_batch_requests: int
    active_stream_requests: int
    active_listen_v2_stream_requests: int


class Alive(BaseModel):
    """That the process is alive."""

    status: str


class Readiness(BaseModel):
    """Whether the server can serve streams."""

    ready: bool
    engines: list[str]


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
