"""Base, overlays, defaults and variables become the manifests of one environment."""

from __future__ import annotations

import itertools

import pytest

from reconciler.compose.overlays import compose, local_path, local_paths
from reconciler.load.yaml_reader import parse

ENDPOINT = "kind: endpoint\nname: churn\nauth_mode: key\n"
BLUE = "kind: deployment\nname: blue\nendpoint_name: churn\ninstance_count: 1\n"
OTHER_BLUE = "kind: deployment\nname: blue\nendpoint_name: wine\n"


def documents(**files):
    return [d for name, text in files.items() for d in parse(text.encode(), f"{name.replace('__', '/')}.yml")[0]]


def composed(base, overlays=(), defaults=None, variables=None):
    offers = {kind: documents(gitops=text)[0] for kind, text in (defaults or {}).items()}
    return compose(base, list(overlays), defaults=offers, variables=variables or {})


def labels(result):
    return [(d.data.get("kind"), d.data.get("endpoint_name"), d.data.get("name")) for d in result]


def test_a_patch_finds_its_manifest_by_kind_and_name():
    patch = documents(o="kind: endpoint\nname: churn\nauth_mode: aad_token\n")
    result, findings = composed(documents(a=ENDPOINT, b=BLUE), patch)
    assert findings == ()
    assert [d.data.get("auth_mode") for d in result] == ["aad_token", None]


def test_schema_and_kind_say_the_same():
    patch = documents(o="$schema: https://x/managedOnlineEndpoint.schema.json\nname: CHURN\ntags: {a: b}\n")
    result, findings = composed(documents(a=ENDPOINT), patch)
    assert findings == ()
    assert result[0].data["tags"] == {"a": "b"}


def test_a_deployment_is_told_apart_by_its_endpoint():
    base = documents(a=BLUE, b=OTHER_BLUE)
    result, findings = composed(
        base, documents(o="kind: deployment\nname: blue\nendpoint_name: wine\ninstance_count: 5\n")
    )
    assert findings == ()
    assert [d.data.get("instance_count") for d in result] == [1, 5]


def test_a_patch_may_leave_the_endpoint_out_when_only_one_can_be_meant():
    result, findings = composed(documents(a=BLUE), documents(o="kind: deployment\nname: blue\ninstance_count: 5\n"))
    assert (findings, result[0].data["instance_count"]) == ((), 5)


def test_a_version_in_a_patch_is_a_change_unless_it_tells_versions_apart():
    one = documents(a="kind: model\nname: m\npath: p\n")
    result, findings = composed(one, documents(o="kind: model\nname: m\nversion: 3\n"))
    assert (findings, result[0].data["version"]) == ((), 3)
    two = documents(a="kind: model\nname: m\nversion: 1\n---\nkind: model\nname: m\nversion: '2'\n")
    result, findings = composed(two, documents(o="kind: model\nname: m\nversion: 2\nstage: x\n"))
    assert findings == ()
    assert [d.data.get("stage") for d in result] == [None, "x"]


@pytest.mark.parametrize(
    ("patch", "rule", "place", "hint"),
    [
        ("kind: endpoint\nname: chrun\n", "unresolved-reference", "o.yml:2:1", "did you mean name: churn?"),
        ("kind: model\nname: churn\n", "unresolved-reference", "o.yml:2:1", "declare it in a base manifest first"),
        ("kind: deployment\nname: blue\nx: 1\n", "unresolved-reference", "o.yml:2:1", "add the endpoint_name"),
        ("kind: deployment\nname: blue\nendpoint_name: x\n", "unresolved-reference", "o.yml:2:1", "endpoint_name"),
        ("kind: endpoint\nauth_mode: key\n", "wrong-type", "o.yml:1:1", None),
        ("name: churn\n", "wrong-type", "o.yml:1:1", None),
    ],
)
def test_a_patch_without_exactly_one_manifest(patch, rule, place, hint):
    base = documents(a=ENDPOINT, b=BLUE, c=OTHER_BLUE)
    result, (finding,) = composed(base, documents(o=patch))
    assert (finding.rule, str(finding.position)) == (rule, place)
    assert hint is None or hint in finding.hint
    assert [d.data for d in result] == [d.data for d in composed(base)[0]]


def test_layers_lie_on_each_other_in_order():
    base = documents(a=BLUE)
    overlays = documents(
        o1="kind: deployment\nname: blue\ntags: {a: one, b: one}\n",
        o2="kind: deployment\nname: blue\ntags: {b: two, d: null}\n",
    )
    result, findings = composed(
        base, overlays, {"deployment": "tags: {a: none, c: none, d: none}\ninstance_count: 9\n"}
    )
    assert findings == ()
    assert result[0].data["tags"] == {"a": "one", "b": "two", "c": "none"}
    assert result[0].data["instance_count"] == 1
    assert [result[0].at("tags", key).file for key in "abc"] == ["o1.yml", "o2.yml", "gitops.yml"]


def test_defaults_are_for_their_kind():
    result, _ = composed(documents(a=ENDPOINT, b=BLUE), (), {"deployment": "location: x\n", "endpoint": "tags: {}\n"})
    assert [("location" in d.data, "tags" in d.data) for d in result] == [(False, True), (True, False)]


def test_variables_are_replaced_everywhere_before_names_are_compared():
    base = documents(a="kind: endpoint\nname: '${{ var.n }}'\n")
    patch = documents(o="kind: endpoint\nname: churn\ntags: {x: '${{ var.n }}'}\n")
    result, findings = composed(base, patch, {"endpoint": "location: '${{ var.n }}'\n"}, {"n": "churn"})
    assert findings == ()
    assert result[0].data == {"kind": "endpoint", "name": "churn", "location": "churn", "tags": {"x": "churn"}}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ENDPOINT, "kind: managed_online_endpoint\nname: Churn\n"),
        (BLUE, BLUE),
        ("kind: model\nname: m\n", "kind: model\nname: m\n"),
        ("kind: model\nname: m\nversion: 1\n", "kind: model\nname: m\nversion: '1'\n"),
    ],
)
def test_declared_twice(first, second):
    _, (finding,) = composed(documents(a=first, b=second))
    assert (finding.rule, str(finding.position)) == ("duplicate-key", "b.yml:2:1")
    assert "a.yml:2:1" in finding.message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (BLUE, OTHER_BLUE),
        (ENDPOINT, "kind: model\nname: churn\n"),
        ("kind: model\nname: m\nversion: 1\n", "kind: model\nname: m\nversion: 2\n"),
        ("kind: model\nname: m\n", "kind: model\nname: M\n"),
        ("name: a\n", "name: a\n"),
    ],
)
def test_not_the_same_thing(first, second):
    assert composed(documents(a=first, b=second))[1] == ()


def test_order_of_arguments_does_not_matter():
    base = documents(a=ENDPOINT, b=BLUE, c=OTHER_BLUE, d="kind: model\nname: m\n", e="name: lost\n")
    patches = documents(o=f"{BLUE}tags: {{a: 1}}\n", p=f"{BLUE}tags: {{a: 2}}\n", q="kind: model\nname: x\n")
    expected = composed(base, patches)
    for order in itertools.permutations(base):
        assert composed(list(order), patches[::-1]) == expected
    assert labels(expected[0])[:4] == [
        ("model", None, "m"),
        ("endpoint", None, "churn"),
        ("deployment", "churn", "blue"),
        ("deployment", "wine", "blue"),
    ]


def test_manifests_come_by_kind_and_name_and_findings_by_place():
    base = documents(a="kind: endpoint\nname: zebra\n", b="kind: endpoint\nname: ant\n---\nkind: model\nname: m\n")
    result, findings = composed([*base, *documents(c="kind: model\nname: m\n")], documents(o="kind: model\nname: x\n"))
    assert [d.data["name"] for d in result] == ["m", "m", "ant", "zebra"]
    assert [finding.position.file for finding in findings] == ["c.yml", "o.yml"]


@pytest.mark.parametrize(
    ("file", "written", "path"),
    [
        ("base__churn__d", "../model", "base/model"),
        ("base__churn__d", "./src/", "base/churn/src"),
        ("base__churn__d", ".", "base/churn"),
        ("d", "src", "src"),
        ("d", "../src", "../src"),
        ("base__d", "../../x", "../x"),
        ("base__d", "/etc/passwd", "/etc/passwd"),
        ("base__d", "a/../../..", ".."),
        ("base__d", "C:\\model", "base/C:\\model"),
    ],
)
def test_a_path_is_relative_to_its_file(file, written, path):
    (document,) = documents(**{file: f"kind: model\nname: m\npath: '{written}'\n"})
    assert local_path(document, ("path",)) == path


@pytest.mark.parametrize(
    "written",
    [
        "azureml:m:1",
        "azureml://datastores/d/paths/p",
        "runs:/1/m",
        "https://x/y",
        "wasbs://x",
        "",
        " ",
        3,
        None,
        [1],
        {"a": 1},
    ],
)
def test_what_is_no_path(written):
    (document,) = documents(d="kind: model\nname: m\npath: x\n")
    document.data["path"] = written
    assert local_path(document, ("path",)) is None
    assert local_path(document, ("nothing", "here")) is None
    assert local_path(document, ("name", "x")) is None


def test_a_path_from_an_overlay_is_relative_to_the_overlay():
    base = documents(
        base__churn__d=f"{BLUE}code_configuration: {{code: src, scoring_script: s.py}}\nmodel: {{path: m}}\n"
    )
    patch = documents(overlays__prod__d="kind: deployment\nname: blue\nmodel: {path: ../m}\n")
    (document,), _ = composed(base, patch)
    assert dict(local_paths(document)) == {
        ("code_configuration", "code"): "base/churn/src",
        ("model", "path"): "overlays/m",
    }


def test_every_place_that_may_name_a_file():
    (deployment, environment, endpoint) = documents(
        d=f"{BLUE}environment: {{conda_file: c.yml, build: {{path: b}}}}\nmodel: azureml:m:1\n",
        e="kind: environment\nname: e\nconda_file: {dependencies: []}\nbuild: {path: ctx}\n",
        f=f"{ENDPOINT}gitops: {{sample: {{request: r.json}}}}\n",
    )
    assert [path for _, path in local_paths(deployment)] == ["c.yml", "b"]
    assert [path for _, path in local_paths(environment)] == ["ctx"]
    assert [path for _, path in local_paths(endpoint)] == ["r.json"]
