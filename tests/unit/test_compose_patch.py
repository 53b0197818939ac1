"""Merge patches, defaults and variables on single documents."""

from __future__ import annotations

import pytest

from reconciler.compose.patch import fill, merge_patch
from reconciler.compose.variables import substitute
from reconciler.load.yaml_reader import parse


def document(text, file="base.yml"):
    (read,), findings = parse(text.encode(), file)
    assert not findings
    return read


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        # RFC 7386, appendix A, as far as both sides are mappings.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": "text"}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
    ],
)
def test_rfc_7386(target, patch, result):
    merged = merge_patch(
        document(f"{target!r}".replace("None", "null")), document(f"{patch!r}".replace("None", "null"))
    )
    assert merged.data == result


def test_a_patched_value_has_the_place_of_the_patch():
    base = document("name: x\ntags: {a: 1, b: {c: [1, 2]}}\nkeep: 1\n")
    patch = document("\n\ntags:\n  a: 2\n  b: [9]\n  new: {p: 1, gone: null}\n", "patch.yml")
    merged = merge_patch(base, patch)
    assert str(merged.at("name")) == "base.yml:1:1"
    assert str(merged.at("tags")) == "base.yml:2:1"
    assert str(merged.at("tags", "a")) == "patch.yml:4:3"
    assert str(merged.at("tags", "b", 0)) == "patch.yml:5:7"
    assert str(merged.at("tags", "new")) == "patch.yml:6:3"
    assert str(merged.at("tags", "new", "p")) == "patch.yml:6:9"
    assert ("tags", "b", "c", 1) not in merged.origin
    assert ("tags", "new", "gone") not in merged.origin
    assert base.data["tags"] == {"a": 1, "b": {"c": [1, 2]}}


def test_defaults_fill_in_and_the_manifest_wins_even_with_nothing():
    base = document("name: x\ntags: {a: 1}\nlocation:\n")
    merged = fill(base, document("tags: {a: 9, b: 2}\nlocation: north\nauth: {m: k}\n", "gitops.yaml"))
    assert merged.data == {"name": "x", "tags": {"a": 1, "b": 2}, "location": None, "auth": {"m": "k"}}
    assert str(merged.at("tags", "a")) == "base.yml:2:8"
    assert str(merged.at("tags", "b")) == "gitops.yaml:1:14"
    assert str(merged.at("auth", "m")) == "gitops.yaml:3:8"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${{ var.n }}", 3),
        ("${{var.n}}", 3),
        ("  ${{ var.n }} ", 3),
        ("${{ var.b }}", True),
        ("${{ var.f }}", 0.5),
        ("a-${{ var.n }}-${{ var.s }}", "a-3-x"),
        ("${{ var.n }}${{ var.n }}", "33"),
        ("is ${{ var.b }}", "is true"),
        ("${{azureml://connections/a/credentials/b}}", "${{azureml://connections/a/credentials/b}}"),
        ("${{keyvault:https://v/s}}", "${{keyvault:https://v/s}}"),
        ("${{ variable.n }}", "${{ variable.n }}"),
        ("${ var.n }", "${ var.n }"),
    ],
)
def test_variables(text, value):
    written = document(f"kind: model\nname: m\npath: '{text}'\ndeep: [{{a: '{text}'}}]\n")
    replaced, findings = substitute(written, {"n": 3, "b": True, "f": 0.5, "s": "x"})
    assert findings == ()
    assert replaced.data["path"] == replaced.data["deep"][0]["a"] == value
    assert type(replaced.data["path"]) is type(value)
    assert replaced.origin == written.origin


@pytest.mark.parametrize(
    "use", ["${{ var.regoin }}", "x-${{ var.regoin }}", "${{ var }}", "${{ var. }}", "${{ var.a | up }}"]
)
def test_an_unknown_variable_is_found_where_it_is_used(use):
    replaced, (finding,) = substitute(document(f"kind: model\nname: m\ntags: {{a: '{use}'}}\n"), {"region": "x"})
    assert finding.rule == "unresolved-reference"
    assert (str(finding.position), finding.path, finding.resource) == ("base.yml:3:8", "tags.a", "model/m")
    assert replaced.data["tags"]["a"] == use
    assert "regoin" not in use or "region" in finding.hint


def test_every_unknown_variable_is_found():
    _, findings = substitute(document("a: '${{ var.x }} ${{ var.y }}'\nb: '${{ var.z }}'\n"), {})
    assert [finding.message.split("'")[1] for finding in findings] == ["x", "y", "z"]
