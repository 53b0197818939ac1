"""The generated JSON Schemas: fresh, valid, and true to the models."""

from __future__ import annotations

import json

import jsonschema
import pytest

from schemas.json_schema import DIALECT, FOLDER, json_schemas
from schemas.kinds import MODELS

TEXTS = json_schemas()
FULL = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json",
    "name": "blue",
    "endpoint_name": "churn",
    "instance_type": "Standard_DS3_v2",
    "instance_count": 2,
    "model": {"path": "../model", "version": 3},
    "environment": {"image": "acme.azurecr.io/serving:1", "conda_file": {"dependencies": []}},
    "code_configuration": {"code": "src", "scoring_script": "score.py"},
    "liveness_probe": {"period": 5},
    "data_collector": {"collections": {"request": {"enabled": "True", "data": "azureml:d:1"}}},
    "gitops": {"protect": True, "sample": {"request": "r.json", "expect": [0, 1]}},
}


def errors(name, data):
    validator = jsonschema.Draft202012Validator(json.loads(TEXTS[name]))
    return sorted(".".join(map(str, error.absolute_path)) for error in validator.iter_errors(data))


def test_the_committed_files_are_fresh():
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert committed == TEXTS, "run: python -m schemas.json_schema"


def test_generating_is_deterministic():
    assert json_schemas() == TEXTS


@pytest.mark.parametrize("name", TEXTS)
def test_each_is_a_valid_schema_that_explains_every_field(name):
    schema = json.loads(TEXTS[name])
    assert schema["$schema"] == DIALECT
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"]
    for part in (schema, *schema["$defs"].values()):
        for field, described in part.get("properties", {}).items():
            assert described.get("description", "").endswith("."), f"{part['title']}.{field}"


def test_a_full_manifest_is_fine_to_both():
    MODELS["deployment"].model_validate(FULL)
    assert errors("deployment.schema.json", FULL) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"instance_count": 51}, "instance_count"),
        ({"instance_cont": 1}, ""),
        ({"egress_public_network_access": "off"}, "egress_public_network_access"),
        ({"name": "1x"}, "name"),
        ({"description": None}, "description"),
    ],
)
def test_an_editor_marks_the_mistake(change, place):
    assert errors("deployment.schema.json", {**FULL, **change}) == [place]


def test_a_variable_may_stand_for_any_scalar():
    assert errors("deployment.schema.json", {**FULL, "instance_count": "${{ var.instances }}"}) == []
    assert errors("deployment.schema.json", {**FULL, "instance_count": "two"}) == ["instance_count"]


def test_a_manifest_may_leave_fields_to_defaults_and_overlays_but_not_its_name():
    assert errors("deployment.schema.json", {"name": "blue", "endpoint_name": "churn"}) == []
    assert errors("deployment.schema.json", {"name": "blue"}) == [""]


def test_a_patch_may_take_fields_away():
    patch = {"kind": "environment", "name": "serving", "conda_file": None, "tags": {"a": None}}
    assert errors("environment.patch.schema.json", patch) == []
    assert errors("environment.schema.json", patch) == ["conda_file", "tags.a"]
    assert errors("environment.patch.schema.json", {**patch, "imag": "x"}) == [""]


def test_enums_list_the_canonical_spelling():
    schema = json.loads(TEXTS["endpoint.schema.json"])
    assert schema["properties"]["auth_mode"]["anyOf"][0]["enum"] == ["key", "aml_token", "aad_token"]
