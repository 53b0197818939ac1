"""deploy/roles: custom roles that Azure can read, that grant what the product asks for, and nothing that harms."""

from __future__ import annotations

import json
import re

import pytest
from deployed import DEPLOY

ROLES = {path.stem: json.loads(path.read_text()) for path in sorted((DEPLOY / "roles").glob("*.json"))}
PREFIX = "Microsoft.MachineLearningServices/workspaces"
ACTION = re.compile(r"Microsoft\.[A-Za-z]+(/[A-Za-z]+)+(/\*)?/(read|write|delete|action)")

PUBLISHED = {
    # learn.microsoft.com/azure/role-based-access-control/permissions/ai-machine-learning, in its own letters; below
    # Microsoft.MachineLearningServices/workspaces. Azure does not mind case.
    "/read",
    *(
        f"/{kind}/versions/{verb}"
        for kind in ("models", "environments", "codes")
        for verb in ("read", "write", "delete")
    ),
    *(f"/{kind}/{verb}" for kind in ("models", "environments", "codes") for verb in ("read", "write")),
    "/environments/build/action",
    *(f"/onlineEndpoints{part}/{verb}" for part in ("", "/deployments") for verb in ("read", "write", "delete")),
    *(
        f"/onlineendpoints{part}/{kind}/read"
        for part in ("", "/deployments")
        for kind in ("operationresults", "operationsstatus")
    ),
    "/onlineendpoints/deployments/getlogs/action",
    "/onlineendpoints/listkeys/action",
    "/onlineendpoints/token/action",
    "/onlineEndpoints/score/action",
    "/datastores/read",
    "/datastores/listsecrets/action",
}
WILDCARDS = {f"{PREFIX}/codes/versions/*/action"}
"""`startPendingUpload` of a code version: the operation exists, its action is in no published list."""


def granted(name):
    return set(ROLES[name]["Actions"])


def below(name):
    return {action.removeprefix(PREFIX).lower() for action in granted(name) if action.startswith(PREFIX)}


def test_there_is_a_role_for_each_identity():
    assert set(ROLES) == {"plan", "apply", "prune", "invoke"}


@pytest.mark.parametrize("name", ROLES)
def test_a_role_has_the_form_that_az_role_definition_create_takes(name):
    role = ROLES[name]
    assert set(role) == {
        "Name", "IsCustom", "Description", "Actions", "NotActions", "DataActions", "NotDataActions", "AssignableScopes",
    }  # fmt: skip
    assert role["IsCustom"] is True
    assert role["NotActions"] == role["DataActions"] == role["NotDataActions"] == []
    assert len(role["Actions"]) == len(granted(name))
    assert all(re.fullmatch(r"/subscriptions/[0-9-]{36}/resourceGroups/[\w-]+", at) for at in role["AssignableScopes"])


@pytest.mark.parametrize("action", sorted({action for role in ROLES.values() for action in role["Actions"]}))
def test_an_action_is_a_published_one(action):
    assert ACTION.fullmatch(action)
    if "*" in action:
        assert action in WILDCARDS
    elif action.startswith(PREFIX):
        assert action.removeprefix(PREFIX).lower() in {published.lower() for published in PUBLISHED}
    else:
        assert action == "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"


def test_plan_only_reads():
    assert {action.rpartition("/")[2] for action in granted("plan")} == {"read"}


def test_apply_can_plan_and_neither_deletes_nor_gets_at_keys():
    assert granted("plan") < granted("apply")
    assert not any(action.endswith("/delete") for action in granted("apply"))
    assert not below("apply") & below("invoke") - below("plan")


def test_prune_deletes_and_nothing_else_and_never_the_workspace():
    assert {action.rpartition("/")[2] for action in granted("prune")} == {"delete"}
    assert "/delete" not in below("prune")


@pytest.mark.parametrize("name", ROLES)
def test_no_role_changes_the_workspace_regenerates_keys_or_hands_out_rights(name):
    assert not below(name) & {"/write", "/delete", "/listkeys/action", "/onlineendpoints/regeneratekeys/action"}
    assert not any(action.startswith("Microsoft.Authorization/") for action in granted(name))
