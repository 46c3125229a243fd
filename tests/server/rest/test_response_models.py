"""Models of responses, compared with those of the vendor's SDK."""

from __future__ import annotations

import importlib

import pytest
from pydantic import BaseModel

from caesura.server.rest import response_models

PAIRS = (
    (response_models.Models, "ListModelsV1Response"),
    (response_models.SttModel, "ListModelsV1ResponseSttModels"),
    (response_models.Projects, "ListProjectsV1Response"),
    (response_models.ListedProject, "ListProjectsV1ResponseProjectsItem"),
    (response_models.ProjectFacts, "GetProjectV1Response"),
    (response_models.Message, "UpdateProjectV1Response"),
    (response_models.Message, "DeleteProjectV1Response"),
    (response_models.Message, "DeleteProjectKeyV1Response"),
    (response_models.Keys, "ListProjectKeysV1Response"),
    (response_models.KeyOfMember, "ListProjectKeysV1ResponseApiKeysItem"),
    (response_models.ListedMember, "ListProjectKeysV1ResponseApiKeysItemMember"),
    (response_models.ListedKey, "ListProjectKeysV1ResponseApiKeysItemApiKey"),
    (response_models.KeyItem, "GetProjectKeyV1Response"),
    (response_models.ListedKey, "GetProjectKeyV1ResponseItemMemberApiKey"),
    (response_models.NewKeyWithSecret, "CreateKeyV1Response"),
    (response_models.Members, "ListProjectMembersV1Response"),
    (response_models.Scopes, "ListProjectMemberScopesV1Response"),
    (response_models.Invites, "ListProjectInvitesV1Response"),
    (response_models.Granted, "GrantV1Response"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=[f"{ours.__name__}-{theirs}" for ours, theirs in PAIRS])
def test_every_field_that_the_sdk_reads_exists(ours: type[BaseModel], theirs: str) -> None:
    """Importing the SDK takes longer than a second."""
    model = getattr(importlib.import_module("deepgram.types"), theirs)
    expected = {field.alias or name for name, field in model.model_fields.items()}
    assert expected - set(ours.model_fields) - {"first_name", "last_name"} == set()
