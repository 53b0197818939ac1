"""What validate makes of schema errors and policy together: one fault told once, in order, without secrets."""

from __future__ import annotations

import time

import pytest

from reconciler.domain import Document, LocalPath, Position, Severity
from reconciler.load.yaml_reader import parse
from reconciler.manifest import Context
from reconciler.validate import Validated, validate
from schemas.endpoint import ManagedOnlineEndpoint

MANAGED = Context(environment="test", network="managed_vnet")


def validated(text: str, context: Context = MANAGED, survey: dict[str, LocalPath] | None = None) -> Validated:
    documents, unreadable = parse(text.encode(), "a.yml")
    assert unreadable == ()
    return validate(documents, context, survey or {})


def rules_at(result: Validated) -> list[tuple[str, str]]:
    return [(finding.rule, finding.path) for finding in result.findings]


def test_a_valid_manifest_becomes_its_typed_model() -> None:
    result = validated("kind: endpoint\nname: churn\npublic_network_access: disabled\n")
    assert result.findings == ()
    (manifest,) = result.manifests
    assert manifest.kind == "endpoint"
    assert isinstance(manifest.spec, ManagedOnlineEndpoint)
    assert manifest.document.data["name"] == "churn"


def test_a_manifest_with_a_wrong_shape_is_left_out_and_the_policy_still_speaks() -> None:
    result = validated("kind: endpoint\nname: churn\nauth_mod: key\n")
    assert result.manifests == ()
    assert rules_at(result) == [("private-inbound", "public_network_access"), ("unknown-field", "auth_mod")]


def test_a_manifest_that_only_breaks_policy_is_still_handed_on() -> None:
    result = validated("kind: endpoint\nname: churn\n")
    assert [manifest.kind for manifest in result.manifests] == ["endpoint"]
    assert rules_at(result) == [("private-inbound", "public_network_access")]


@pytest.mark.parametrize("value", ["maybe", "5", "[enabled]", "{a: b}", "~"])
def test_policy_and_schema_do_not_tell_the_same_fault_twice(value: str) -> None:
    result = validated(f"kind: endpoint\nname: churn\npublic_network_access: {value}\n")
    assert rules_at(result) == [("private-inbound", "public_network_access")]


def test_a_warning_does_not_silence_an_error_at_the_same_place() -> None:
    result = validated("kind: endpoint\nname: my_svc-3fa2b\npublic_network_access: disabled\n")
    assert [(finding.rule, finding.severity) for finding in result.findings] == [
        ("name", Severity.ERROR),
        ("name", Severity.WARNING),
    ]


def test_all_faults_of_all_documents_come_at_once_and_in_the_order_of_the_file() -> None:
    result = validated(
        "kind: deployment\nname: blue\nendpoint_name: churn\nmodel: azureml:m@latest\ninstance_count: 0\n"
        "---\nkind: endpoint\nname: churn\npublic_network_access: enabled\nscore: 1\n"
    )
    assert [(finding.position.line, finding.rule) for finding in result.findings] == [
        (1, "wrong-type"),
        (4, "mutable-reference"),
        (5, "wrong-type"),
        (7, "traffic"),
        (9, "private-inbound"),
        (10, "unknown-field"),
    ]


def test_the_order_of_the_documents_does_not_matter() -> None:
    model = "kind: model\nname: {}\npath: runs:/1/m\n"
    text = "---\n".join([model.format("b"), model.format("a"), "kind: endpoint\nname: churn\n", "kind: x\n"])
    documents, _ = parse(text.encode(), "a.yml")
    forwards, backwards = (validate(order, MANAGED, {}) for order in (documents, documents[::-1]))
    assert forwards == backwards
    assert [manifest.document.data["name"] for manifest in forwards.manifests] == ["churn", "a", "b"]


def test_a_position_is_the_overlay_s_when_the_overlay_wrote_the_value() -> None:
    (document,), _ = parse(b"kind: endpoint\nname: churn\npublic_network_access: enabled\n", "base.yml")
    overlaid = Position("overlays/prod/churn.yml", 7, 3)
    origin = {**document.origin, ("public_network_access",): overlaid}
    (finding,) = validate([type(document)(document.data, origin)], MANAGED, {}).findings
    assert finding.position == overlaid


def test_a_secret_is_never_repeated_wherever_else_its_text_turns_up() -> None:
    secret = "ghp_" + "aB3" * 12
    result = validated(
        f"kind: endpoint\nname: {secret}\npublic_network_access: disabled\n---\n"
        f"kind: deployment\nname: blue\nendpoint_name: {secret}x\ninstance_type: Standard_DS3_v2\n"
        "model: azureml:m:1\nenvironment: azureml:e:1\n"
    )
    assert "literal-secret" in {finding.rule for finding in result.findings}
    assert secret.lower() not in repr(result.findings).lower()


def test_a_secret_that_is_a_name_is_not_suggested_as_one() -> None:
    secret = "ghp_" + "aB3" * 12
    result = validated(
        f"kind: endpoint\nname: {secret}\n---\n"
        f"kind: deployment\nname: blue\nendpoint_name: {secret.replace('p_', 'q_')}\n"
    )
    (unresolved,) = [finding for finding in result.findings if finding.rule == "unresolved-reference"]
    assert unresolved.hint == "did you mean (secret)?"


@pytest.mark.parametrize("length", [9, 64, 65, 300, 1990, 5000])
def test_a_secret_of_any_length_is_not_shown_in_part_either(length: int) -> None:
    secret = "".join(chr(ord("a") + number * 7 % 26) + str(number % 10) for number in range(length))[:length]
    result = validated(
        "kind: deployment\nname: blue\ninstance_type: Standard_DS3_v2\nmodel: azureml:m:1\nenvironment: azureml:e:1\n"
        f"environment_variables: {{DB_PASSWORD: {secret}}}\nendpoint_name: {'-' * 20}{secret}\n"
    )
    (unresolved,) = [finding for finding in result.findings if finding.path == "endpoint_name"]
    assert unresolved.found == "-" * 20 + "(secret)"
    assert secret[:9] not in repr(result.findings)


def test_a_secret_in_a_conda_file_is_found_at_its_line_in_that_file() -> None:
    conda = "dependencies:\n  - pip:\n      - --index-url=https://me:pa55word@feeds.example.com/simple\n"
    survey = {
        "conda.yml": LocalPath(
            "conda.yml", "file", ("conda.yml",), len(conda), {"conda.yml": conda}, {"dependencies": []}
        )
    }
    result = validated("kind: environment\nname: e\nimage: acme.azurecr.io/e:1\nconda_file: conda.yml\n", survey=survey)
    (finding,) = result.findings
    assert (finding.rule, finding.position) == ("literal-secret", Position("conda.yml", 3, 29))
    assert finding.found == "address with credentials, 11 characters"


def test_a_path_that_the_survey_lacks_is_not_judged_unless_it_plainly_leaves_the_project() -> None:
    model = "kind: model\nname: m\npath: {}\n"
    assert rules_at(validated(model.format("models/m"))) == []
    assert rules_at(validated(model.format("../m"))) == [("path-escape", "path")]
    assert rules_at(validated(model.format("/m"))) == [("path-escape", "path")]


def test_a_very_long_value_is_cut() -> None:
    result = validated(f"kind: endpoint\nname: {'n' * 5000}\npublic_network_access: disabled\n")
    assert all(len(finding.found or "") <= 240 for finding in result.findings)


def test_the_worked_example_of_a_kind_that_is_not_managed_names_the_kind() -> None:
    (finding,) = validated("$schema: https://x/batchDeployment.schema.json\nname: b\n").findings
    assert finding.rule == "unsupported-kind"
    assert "batch deployment" in finding.message
    assert finding.path == "$schema"


HOSTILE = ["{{", "${{", "{%", "<a", "eyJ-", "your-", "://", "password =", " ", "bearer ", "a-", "/models/", "\\x", "A/"]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_takes_no_longer_than_other_text(piece: str) -> None:
    text = piece * (100_000 // len(piece)) + "\n!"
    data = {
        "kind": "deployment",
        "name": text,
        "endpoint_name": text,
        "model": text,
        "environment": {"image": text, "conda_file": "conda.yml"},
        "environment_variables": {"PASSWORD": text},
    }
    document = Document(data, {(): Position("a.yml")})
    survey = {
        "conda.yml": LocalPath(
            "conda.yml", "file", ("conda.yml",), len(text), {"conda.yml": text}, {"dependencies": []}
        )
    }
    start = time.perf_counter()
    validate([document], MANAGED, survey)
    assert time.perf_counter() - start < 5


def test_a_secret_silences_whatever_else_is_wrong_with_its_value() -> None:
    result = validated("kind: environment\nname: e\nimage: https://me:pa55word@feeds.example.com/x\n")
    assert rules_at(result) == [("literal-secret", "image")]


@pytest.mark.parametrize("field", ["[key]", "<inline>", "<reference>", "0", ""])
def test_a_field_named_like_a_mark_of_pydantic_is_an_unknown_field(field: str) -> None:
    result = validated(f'kind: model\nname: m\npath: runs:/1/m\n"{field}": 1\n')
    assert [(finding.rule, finding.position.line) for finding in result.findings] == [("unknown-field", 4)]


@pytest.mark.parametrize("field", ["[key]", "<inline>", "<reference>"])
def test_a_name_like_a_mark_of_pydantic_inside_a_mapping_is_met_at_a_real_place(field: str) -> None:
    result = validated(f'kind: model\nname: m\npath: runs:/1/m\ntags: {{"{field}": 1}}\n')
    assert [(finding.rule, finding.position.line) for finding in result.findings] == [("wrong-type", 4)]


def test_a_conda_file_that_is_no_yaml_is_an_error_and_not_an_environment_without_packages() -> None:
    survey = {"conda.yml": LocalPath("conda.yml", "file", ("conda.yml",), 3, {"conda.yml": "a: ["}, None)}
    result = validated("kind: environment\nname: e\nimage: acme.azurecr.io/e:1\nconda_file: conda.yml\n", survey=survey)
    (finding,) = result.findings
    assert (finding.rule, finding.path, finding.severity) == ("yaml", "conda_file", "error")


@pytest.mark.parametrize(
    ("manifest", "rule", "path"),
    [
        ("kind: endpoint\nname: churn\npublic_network_access: disabled\ntags: {aml-gitops-owner: me}\n", "name",
         "tags.aml-gitops-owner"),
        ("kind: endpoint\nname: churn\npublic_network_access: disabled\ngitops: {ignore: [properties.public*]}\n",
         "private-inbound", "gitops.ignore[0]"),
        ("kind: endpoint\nname: churn\npublic_network_access: disabled\ngitops: {ignore: [properties]}\n",
         "private-inbound", "gitops.ignore[0]"),
        ("kind: model\nname: m\npath: azureml://datastores/d/paths/x\ndefault_deployment_template: {id: x}\n",
         "unsupported-kind", "default_deployment_template"),
    ],
)  # fmt: skip
def test_what_would_be_left_out_or_undone_is_refused(manifest: str, rule: str, path: str) -> None:
    findings = {(finding.rule, finding.path) for finding in validated(manifest).findings}
    assert (rule, path) in findings


def test_ignoring_another_field_is_fine() -> None:
    manifest = (
        "kind: endpoint\nname: churn\npublic_network_access: disabled\ngitops: {ignore: [properties.description]}\n"
    )
    assert not [f for f in validated(manifest).findings if f.severity == "error"]
