"""What the models accept, and what each mistake is called."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from schemas.errors import pointer_of, rule_of
from schemas.kinds import MODELS

ENDPOINT = {"name": "churn"}
DEPLOYMENT = {"name": "blue", "endpoint_name": "churn", "instance_type": "Standard_DS3_v2"}
MODEL = {"name": "churn", "path": "model"}
ENVIRONMENT = {"name": "serving", "image": "acme.azurecr.io/serving:1"}
LEAST = {"endpoint": ENDPOINT, "deployment": DEPLOYMENT, "model": MODEL, "environment": ENVIRONMENT}


def read(kind, **fields):
    return MODELS[kind].model_validate({**LEAST[kind], **fields})


def mistakes(kind, **fields):
    """Every mistake as (rule, dotted place)."""
    with pytest.raises(ValidationError) as caught:
        read(kind, **fields)
    return {(rule_of(e["type"]), ".".join(map(str, pointer_of(e["loc"])))) for e in caught.value.errors()}


@pytest.mark.parametrize("kind", MODELS)
def test_the_least_that_must_be_written(kind):
    assert read(kind).model_fields_set == set(LEAST[kind])
    for field in LEAST[kind]:
        if field != "image":
            rest = {key: value for key, value in LEAST[kind].items() if key != field}
            with pytest.raises(ValidationError, match="Field required"):
                MODELS[kind].model_validate(rest)


def test_documented_defaults():
    deployment = read(
        "deployment",
        request_settings={},
        liveness_probe={},
        data_collector={"collections": {"request": {"enabled": True}}},
    )
    assert (deployment.instance_count, deployment.app_insights_enabled) == (1, False)
    assert deployment.request_settings.request_timeout_ms == 5000
    assert deployment.request_settings.max_concurrent_requests_per_instance == 1
    assert deployment.request_settings.max_queue_wait_ms == 500
    probe = deployment.liveness_probe
    assert (probe.initial_delay, probe.period, probe.timeout) == (10, 10, 2)
    assert (probe.success_threshold, probe.failure_threshold) == (1, 30)
    assert (deployment.data_collector.sampling_rate, deployment.data_collector.rolling_rate) == (1.0, "hour")
    assert read("endpoint").public_network_access == "enabled"
    assert read("endpoint").auth_mode == "key"
    assert read("model").type == "custom_model"
    assert read("environment").os_type == "linux"
    build = MODELS["environment"].model_validate({"name": "serving", "build": {"path": "."}}).build
    assert build.dockerfile_path == "Dockerfile"


@pytest.mark.parametrize(
    ("kind", "field", "written", "meant"),
    [
        ("endpoint", "auth_mode", "Key", "key"),
        ("endpoint", "auth_mode", "AMLToken", "aml_token"),
        ("endpoint", "auth_mode", "AADToken", "aad_token"),
        ("endpoint", "public_network_access", "Disabled", "disabled"),
        ("deployment", "egress_public_network_access", "DISABLED", "disabled"),
        ("model", "type", "MLFLOW_MODEL", "mlflow_model"),
        ("environment", "os_type", "Linux", "linux"),
        ("deployment", "instance_type", "STANDARD_NC4AS_T4_V3", "STANDARD_NC4AS_T4_V3"),
        ("model", "version", 3, "3"),
        ("model", "version", "1.10", "1.10"),
    ],
)
def test_spellings_that_az_ml_accepts(kind, field, written, meant):
    assert getattr(read(kind, **{field: written}), field) == meant


@pytest.mark.parametrize("enabled", [True, "True", "true", "TRUE"])
def test_a_collection_is_switched_on_by_text_or_boolean(enabled):
    assert (
        read("deployment", data_collector={"collections": {"a": {"enabled": enabled}}})
        .data_collector.collections["a"]
        .enabled
        is True
    )


@pytest.mark.parametrize("name", ["ab", "a" * 33, "1abc", "abc-", "regular_deployment", "a.bc", "abc\n", "ähm"])
def test_names_that_azure_refuses(name):
    assert mistakes("endpoint", name=name) == {("name", "name")}
    assert mistakes("deployment", endpoint_name=name) == {("name", "endpoint_name")}


@pytest.mark.parametrize("name", ["abc", "a" * 32, "A-1", "a--b"])
def test_names_at_the_edge(name):
    assert read("endpoint", name=name).name == name


@pytest.mark.parametrize("weights", [{}, {"blue": 100}, {"blue": 90, "green": 10}, {"blue": 0, "green": 0}])
def test_traffic_that_adds_up(weights):
    assert read("endpoint", traffic=weights).traffic == weights


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"traffic": {"blue": 99}}, "traffic"),
        ({"traffic": {"blue": 60, "green": 60}}, "traffic"),
        ({"mirror_traffic": {"green": 51}}, "mirror_traffic"),
        ({"mirror_traffic": {"green": 10, "red": 10}}, "mirror_traffic"),
    ],
)
def test_traffic_that_does_not(fields, place):
    assert mistakes("endpoint", **fields) == {("traffic", place)}


@pytest.mark.parametrize("weight", [-1, 101, "100", 50.5, True])
def test_a_weight_is_a_whole_percentage(weight):
    assert mistakes("endpoint", traffic={"blue": weight}) == {("wrong-type", "traffic.blue")}


@pytest.mark.parametrize(
    ("kind", "fields", "mistake"),
    [
        ("deployment", {"instance_count": 0}, "instance_count"),
        ("deployment", {"instance_count": 51}, "instance_count"),
        ("deployment", {"instance_count": True}, "instance_count"),
        ("deployment", {"instance_count": "1"}, "instance_count"),
        ("deployment", {"app_insights_enabled": "yes"}, "app_insights_enabled"),
        ("deployment", {"request_settings": {"request_timeout_ms": 180_001}}, "request_settings.request_timeout_ms"),
        ("deployment", {"liveness_probe": {"period": 0}}, "liveness_probe.period"),
        ("deployment", {"readiness_probe": {"success_threshold": 0}}, "readiness_probe.success_threshold"),
        ("deployment", {"scale_settings": {"type": "target_utilization", "min_instances": 1}}, "scale_settings"),
        ("deployment", {"scale_settings": {"type": "TargetUtilization"}}, "scale_settings"),
        ("deployment", {"type": "Kubernetes"}, "type"),
        ("deployment", {"environment_variables": {"A": 1}}, "environment_variables.A"),
        ("deployment", {"model": 3}, "model"),
        ("deployment", {"model": {"path": "m", "version": 1.1}}, "model.version"),
        (
            "deployment",
            {"data_collector": {"collections": {"a": {"enabled": "maybe"}}}},
            "data_collector.collections.a.enabled",
        ),
        ("deployment", {"data_collector": {"collections": {}}}, "data_collector.collections"),
        (
            "deployment",
            {"data_collector": {"collections": {"a": {"enabled": True}}, "sampling_rate": 1.1}},
            "data_collector.sampling_rate",
        ),
        ("deployment", {"instance_type": ""}, "instance_type"),
        ("endpoint", {"tags": {"a": 1}}, "tags.a"),
        ("endpoint", {"tags": ["a"]}, "tags"),
        ("endpoint", {"description": None}, "description"),
        ("endpoint", {"auth_mode": "none"}, "auth_mode"),
        ("endpoint", {"identity": {"type": "user_assigned"}}, "identity"),
        (
            "endpoint",
            {"identity": {"type": "SystemAssigned", "user_assigned_identities": [{"resource_id": "x"}]}},
            "identity",
        ),
        (
            "endpoint",
            {"identity": {"type": "user_assigned", "user_assigned_identities": [{"resource_id": "x"}] * 2}},
            "identity.user_assigned_identities",
        ),
        ("endpoint", {"gitops": {"drift": "ignore"}}, "gitops.drift"),
        ("endpoint", {"gitops": {"ignore": ["a..b"]}}, "gitops.ignore.0"),
        ("endpoint", {"gitops": {"sample": {"request": None}}}, "gitops.sample.request"),
        ("environment", {"build": {"path": "."}}, ""),
        (
            "environment",
            {
                "inference_config": {
                    "liveness_route": {"path": "/", "port": 80},
                    "scoring_route": {"path": "/", "port": 80},
                }
            },
            "inference_config.readiness_route",
        ),
        ("model", {"version": "a:b"}, "version"),
        ("model", {"version": True}, "version"),
    ],
)
def test_wrong_values(kind, fields, mistake):
    assert mistakes(kind, **fields) == {("wrong-type", mistake)}


@pytest.mark.parametrize(
    "fields", [{}, {"conda_file": "conda.yml"}, {"conda_file": {"name": "x"}, "build": {"path": "."}}]
)
def test_an_environment_needs_an_image_or_a_build(fields):
    with pytest.raises(ValidationError, match="image"):
        MODELS["environment"].model_validate({"name": "serving", **fields})


@pytest.mark.parametrize("field", ["id", "provisioning_state", "scoring_uri", "openapi_uri", "public_network"])
def test_what_is_not_described_is_refused(field):
    assert mistakes("endpoint", **{field: "x"}) == {("unknown-field", field)}
    assert mistakes("deployment", environment={"image": "x:1", field: "x"}) == {
        ("unknown-field", f"environment.{field}")
    }


def test_all_mistakes_of_a_document_at_once():
    found = mistakes(
        "deployment", name="x", instance_count=0, model={"path": "m", "typ": "x"}, tags={"a": 1}, colour="blue"
    )
    assert found == {
        ("name", "name"),
        ("wrong-type", "instance_count"),
        ("unknown-field", "model.typ"),
        ("wrong-type", "tags.a"),
        ("unknown-field", "colour"),
    }


def test_expected_null_is_an_answer_and_not_an_empty_field():
    sample = read("endpoint", gitops={"sample": {"request": "r.json", "expect": None}}).gitops.sample
    assert sample.model_fields_set == {"request", "expect"}
    assert sample.tolerance == 1e-6


def test_a_model_cannot_change_after_it_was_read():
    with pytest.raises(ValidationError, match="frozen"):
        read("endpoint").name = "other"
