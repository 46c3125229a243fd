"""The shapes of answers, held against the vendor's own."""

from __future__ import annotations

import importlib

import pytest
from pydantic import BaseModel

from caesura.server.rest import shapes

PAIRS = (
    (shapes.Models, "ListModelsV1Response"),
    (shapes.SttModel, "ListModelsV1ResponseSttModels"),
    (shapes.Projects, "ListProjectsV1Response"),
    (shapes.ListedProject, "ListProjectsV1ResponseProjectsItem"),
    (shapes.ProjectFacts, "GetProjectV1Response"),
    (shapes.Message, "UpdateProjectV1Response"),
    (shapes.Message, "DeleteProjectV1Response"),
    (shapes.Message, "DeleteProjectKeyV1Response"),
    (shapes.Keys, "ListProjectKeysV1Response"),
    (shapes.KeyOfMember, "ListProjectKeysV1ResponseApiKeysItem"),
    (shapes.ListedMember, "ListProjectKeysV1ResponseApiKeysItemMember"),
    (shapes.ListedKey, "ListProjectKeysV1ResponseApiKeysItemApiKey"),
    (shapes.KeyItem, "GetProjectKeyV1Response"),
    (shapes.ListedKey, "GetProjectKeyV1ResponseItemMemberApiKey"),
    (shapes.NewKeyWithSecret, "CreateKeyV1Response"),
    (shapes.Members, "ListProjectMembersV1Response"),
    (shapes.Scopes, "ListProjectMemberScopesV1Response"),
    (shapes.Invites, "ListProjectInvitesV1Response"),
    (shapes.Granted, "GrantV1Response"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=[f"{ours.__name__}-{theirs}" for ours, theirs in PAIRS])
def test_every_field_that_the_sdk_reads_is_there(ours: type[BaseModel], theirs: str) -> None:
    """Importing the SDK takes longer than a second."""
    model = getattr(importlib.import_module("deepgram.types"), theirs)
    expected = {field.alias or name for name, field in model.model_fields.items()}
    assert expected - set(ours.model_fields) - {"first_name", "last_name"} == set()
