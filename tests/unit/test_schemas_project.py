"""The project file's own shape."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from schemas.errors import pointer_of, rule_of
from schemas.project import Limits, Project

AZURE = {
    "subscription_id": "00000000-0000-0000-0000-000000000001",
    "resource_group": "rg",
    "workspace": "mlw",
    "location": "westeurope",
}
LOCAL = {"target": {"emulator": "../.emulator"}, "network": "managed_vnet"}


def project(environment=None, **fields):
    return Project.model_validate(
        {"project": "churn", "environments": {"local": {**LOCAL, **(environment or {})}}, **fields}
    )


def mistakes(environment=None, **fields):
    with pytest.raises(ValidationError) as caught:
        project(environment, **fields)
    return {(rule_of(e["type"]), ".".join(map(str, pointer_of(e["loc"])))) for e in caught.value.errors()}


def test_defaults():
    read = project()
    assert (read.manifests, read.overlays, read.prune) == (("base",), "overlays", False)
    assert read.limits_of("local") == Limits(max_delete_percent=30, workers=8)
    assert project({"target": AZURE}).environments["local"].target.cloud == "AzureCloud"


def test_an_environment_overrides_only_what_it_writes():
    read = project({"limits": {"workers": 2}, "prune": True}, limits={"max_delete_percent": 10})
    assert read.limits_of("local") == Limits(max_delete_percent=10, workers=2)
    assert read.prune_of("local") is True
    assert project(prune=True).prune_of("local") is True
    assert project({"prune": False}, prune=True).prune_of("local") is False


@pytest.mark.parametrize(
    ("environment", "fields", "mistake"),
    [
        ({}, {"project": "X"}, ("wrong-type", "project")),
        ({}, {"manifests": ["../elsewhere"]}, ("path-escape", "manifests.0")),
        ({}, {"manifests": ["a/../../b"]}, ("path-escape", "manifests.0")),
        ({}, {"manifests": ["/etc"]}, ("path-escape", "manifests.0")),
        ({}, {"manifests": []}, ("wrong-type", "manifests")),
        ({}, {"environments": {}}, ("wrong-type", "environments")),
        ({}, {"environments": {"../x": LOCAL}}, ("wrong-type", "environments.../x.[key]")),
        ({}, {"limits": {"workers": 0}}, ("wrong-type", "limits.workers")),
        ({}, {"defaults": {"job": {}}}, ("wrong-type", "defaults.job.[key]")),
        ({}, {"variables": {"a": {"type": "text"}}}, ("wrong-type", "variables.a.type")),
        ({}, {"variables": {"a": {"default": [1]}}}, ("wrong-type", "variables.a.default")),
        ({"network": "public"}, {}, ("wrong-type", "environments.local.network")),
        (
            {"target": {**AZURE, "subscription_id": "x"}},
            {},
            ("wrong-type", "environments.local.target.subscription_id"),
        ),
        (
            {"target": {"workspace": "x", **{k: AZURE[k] for k in ("subscription_id", "resource_group")}}},
            {},
            ("wrong-type", "environments.local.target.location"),
        ),
        ({"target": {"emulator": "x", "workspace": "y"}}, {}, ("unknown-field", "environments.local.target.workspace")),
        (
            {"container_registry": "https://acme.azurecr.io"},
            {},
            ("wrong-type", "environments.local.container_registry"),
        ),
        ({"variables": {"a": {"b": 1}}}, {}, ("wrong-type", "environments.local.variables.a")),
        ({"prun": True}, {}, ("unknown-field", "environments.local.prun")),
    ],
)
def test_mistakes(environment, fields, mistake):
    assert mistakes(environment, **fields) == {mistake}
