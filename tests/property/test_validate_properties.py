"""Whatever a person writes: validate answers, points at real places, and keeps secrets to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.compose.overlays import local_paths
from reconciler.domain import Document, LocalPath, Position, Severity
from reconciler.manifest import Context
from reconciler.rules import RULE_IDS
from reconciler.validate import validate
from schemas.kinds import MODELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Finding, Pointer

WORDS = st.sampled_from(
    [
        "churn", "Churn", "blue", "BLUE", "my_name", "placeholder-name", "disabled", "Enabled", "key", "latest", "",
        "azureml:churn", "azureml:churn:1", "azureml:churn@latest", "azureml://registries/azureml/models/m/labels/latest",
        "models:/churn/None", "mcr.microsoft.com/x:1", "acme.azurecr.io/x@sha256:0", "python", "model", "../up", "/abs",
        "file:///x", "conda.yml", "{{X}}", "${{ var.x }}", "${{keyvault:https://v/secrets/s}}", "<name>", "score.py",
        "mlflow_model", "custom_model", "a\nb", "x" * 300, "\x00", "\u00e9\u202e", "{", "@", ":", "//", "azureml:",
    ]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers(-5, 200) | st.floats(allow_nan=False) | WORDS | st.text(max_size=12)
FIELDS = ["path", "type", "image", "conda_file", "code", "scoring_script", "build", "dockerfile_path", "name"]
KEYS = st.sampled_from([*FIELDS, "blue", "churn", "PASSWORD"]) | st.text(max_size=6)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)
TEXTS = st.sampled_from(
    [
        "flavors:\n  python_function:\n    env: conda.yaml\n    python_version: 3.9.1\n",
        "dependencies:\n  - python=3.11\n  - pip:\n      - mlflow==2.1\n",
        "dependencies: [python=3.9, pip]\n",
        '{"inputs": []}',
        "- - -\n:::\n\t",
        "",
    ]
)
SECRETS = st.sampled_from(
    [
        "ghp_" + "Zz9" * 12,
        "dapi" + "0f" * 16,
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln",
        "abc8Q~" + "Tt1" * 11 + "x",
        "AKIA" + "ABCDEFGH12345678",
        "Qq7/" * 21 + "Qq==",
    ]
)


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(MODELS)))
    fields = [info.alias or name for name, info in MODELS[kind].model_fields.items()]
    names = st.sampled_from([field for field in fields if field not in ("kind", "$schema")]) | st.text(max_size=6)
    written = draw(st.dictionaries(names, VALUES, max_size=9))
    return {**written, "kind": kind}


def pointers(value: Any, at: Pointer = ()) -> Iterator[Pointer]:
    yield at
    if isinstance(value, dict):
        for key, item in value.items():
            yield from pointers(item, (*at, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from pointers(item, (*at, index))


def document_of(data: dict[str, Any], file: str) -> Document:
    places = {pointer: Position(file, line, 1) for line, pointer in enumerate(pointers(data), start=1)}
    return Document(data, places)


DOCUMENTS = st.lists(manifests(), min_size=1, max_size=4).map(
    lambda many: [document_of(data, f"{number}.yml") for number, data in enumerate(many)]
)
CONTEXTS = st.builds(
    Context,
    environment=st.just("test"),
    network=st.sampled_from([None, "managed_vnet", "legacy_egress"]),
    container_registry=st.sampled_from([None, "acme.azurecr.io"]),
    loose=st.booleans(),
)


@st.composite
def surveys(draw: st.DrawFn, documents: list[Document]) -> dict[str, LocalPath]:
    held: dict[str, LocalPath] = {}
    for path in sorted({path for document in documents for _, path in local_paths(document)}):
        kind = draw(st.sampled_from(["file", "folder", "missing", "outside", None]))
        if kind in ("file", "folder"):
            texts = {name: draw(TEXTS) for name in (["f"] if kind == "file" else ["MLmodel", "conda.yaml"])}
            held[path] = LocalPath(path, kind, (*texts, "score.py") if kind == "folder" else ("f",), 1, texts)
        elif kind is not None:
            held[path] = LocalPath(path, kind)
    return held


def texts_of(finding: Finding) -> str:
    parts = (finding.message, finding.resource, finding.path, finding.found, finding.required, finding.hint)
    return "\n".join(part for part in parts if part).lower()


@settings(max_examples=150, deadline=None)
@given(data=st.data(), documents=DOCUMENTS, context=CONTEXTS)
def test_it_always_answers_with_known_rules_at_real_places(
    data: st.DataObject, documents: list[Document], context: Context
) -> None:
    survey = data.draw(surveys(documents))
    result = validate(documents, context, survey)
    real = {position for document in documents for position in document.origin.values()}
    for finding in result.findings:
        assert finding.rule in RULE_IDS
        assert finding.message
        assert finding.position in real or finding.position.file in survey
    assert len(set(result.findings)) == len(result.findings)
    assert len(result.manifests) <= len(documents)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), documents=DOCUMENTS, context=CONTEXTS)
def test_the_order_of_what_it_is_given_never_matters(
    data: st.DataObject, documents: list[Document], context: Context
) -> None:
    survey = data.draw(surveys(documents))
    shuffled = data.draw(st.permutations(documents))
    backwards = dict(reversed(survey.items()))
    assert validate(documents, context, survey) == validate(shuffled, context, backwards)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), documents=DOCUMENTS, context=CONTEXTS, secret=SECRETS)
def test_a_planted_secret_is_found_and_never_repeated(
    data: st.DataObject, documents: list[Document], context: Context, secret: str
) -> None:
    victim = data.draw(st.sampled_from(documents))
    fields = sorted(
        {str(key) for key in victim.data if key not in ("kind", "$schema", "gitops")} | {"name", "description"}
    )
    place = data.draw(st.sampled_from(fields))
    around = data.draw(st.sampled_from(["{}", "value={}", "https://acme/{}/x", "azureml:{}:1", "{} "]))
    planted = around.format(secret)
    value: Any = data.draw(st.sampled_from([planted, {"a": planted}, [planted], {"b": [{"c": planted}]}]))
    changed = document_of({**victim.data, place: value}, "planted.yml")
    result = validate([*documents, changed], context, {})
    assert any(f.rule == "literal-secret" and f.position.file == "planted.yml" for f in result.findings)
    for finding in result.findings:
        assert secret.lower() not in texts_of(finding)


@settings(max_examples=80, deadline=None)
@given(manifest=manifests(), password=st.text("abcXYZ123!-_", min_size=8, max_size=30), network=CONTEXTS)
def test_a_password_by_name_is_never_repeated(manifest: dict[str, Any], password: str, network: Context) -> None:
    data = {**manifest, "kind": "deployment", "environment_variables": {"DB_PASSWORD": f"Pw1!{password}"}}
    findings = validate([document_of(data, "a.yml")], network, {}).findings
    assert [f.path for f in findings if f.rule == "literal-secret" and "DB_PASSWORD" in f.path]
    assert not any(password.lower() in texts_of(finding) for finding in findings)


@settings(max_examples=100, deadline=None)
@given(manifest=manifests(), value=VALUES, context=CONTEXTS)
def test_an_endpoint_is_refused_unless_it_says_disabled(manifest: dict[str, Any], value: Any, context: Context) -> None:
    data = {**manifest, "kind": "endpoint", "public_network_access": value}
    data.pop("compute", None)
    rules = {
        f.rule for f in validate([document_of(data, "a.yml")], context, {}).findings if f.severity is Severity.ERROR
    }
    private = isinstance(value, str) and value.lower() == "disabled"
    assert ("private-inbound" in rules) is not private


@settings(max_examples=100, deadline=None)
@given(manifest=manifests(), value=VALUES, context=CONTEXTS)
def test_egress_is_refused_unless_it_fits_the_network(manifest: dict[str, Any], value: Any, context: Context) -> None:
    data = {**manifest, "kind": "deployment", "type": "managed", "egress_public_network_access": value}
    errors = {
        f.rule for f in validate([document_of(data, "a.yml")], context, {}).findings if f.severity is Severity.ERROR
    }
    says_disabled = isinstance(value, str) and value.lower() == "disabled"
    allowed = {
        "managed_vnet": value is None,
        "legacy_egress": says_disabled,
        None: says_disabled or value is None,
    }[context.network]
    assert ("private-outbound" in errors) is not allowed
