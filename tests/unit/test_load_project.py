"""Files of a project: which are read, which are left out, and what gitops.yaml says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from reconciler.domain import Severity
from reconciler.errors import SourceError, UsageError
from reconciler.load.manifests import load_environment, load_files
from reconciler.load.once import Once
from reconciler.load.project_file import find_project, load_project

if TYPE_CHECKING:
    from pathlib import Path

GITOPS = """\
project: demo
defaults:
  deployment: {instance_count: 2, tags: {from: project, gone: soon}}
variables:
  region: {default: westeurope}
  count: {type: integer}
environments:
  dev:
    target: {emulator: .emulator}
    network: managed_vnet
    defaults:
      deployment: {tags: {from: dev, gone: null}}
    variables: {count: 3}
"""
ENDPOINT = "kind: endpoint\nname: churn\n"


@pytest.fixture
def tree(tmp_path):
    def write(**files):
        for name, text in {"gitops__yaml": GITOPS, **files}.items():
            path = tmp_path / name.replace("__", ".").replace("_", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return write


def loaded(root, environment="dev"):
    project, findings = load_project(root)
    assert findings == ()
    return load_environment(root, project, environment)


def files(documents):
    return [document.at().file for document in documents]


def test_the_project_is_found_upward(tree):
    root = tree(base_churn_e__yml=ENDPOINT)
    assert find_project(root / "base" / "churn") == root.resolve()
    with pytest.raises(SourceError, match=r"gitops\.yaml"):
        find_project(root.parent)


def test_yaml_of_every_folder_and_spelling_is_read(tree):
    root = tree(base_b__yml=ENDPOINT, base_a_deep_x__YAML=ENDPOINT, base_c__Yml=ENDPOINT, base_d__txt=ENDPOINT)
    (root / "base" / ".git").mkdir()
    (root / "base" / ".git" / "x.yml").write_text(ENDPOINT)
    assert sorted(files(loaded(root).base)) == ["base/a/deep/x.YAML", "base/b.yml", "base/c.Yml"]


def test_the_whole_folder_may_be_the_manifests(tree):
    root = tree(
        gitops__yaml=f"{GITOPS}manifests: ['.']\n",
        e__yml=ENDPOINT,
        overlays_dev_e__yml=ENDPOINT,
        overlays_e__yml=ENDPOINT,
    )
    found = loaded(root)
    assert (files(found.base), files(found.overlays)) == (["e.yml"], ["overlays/dev/e.yml"])
    assert [(f.severity, f.position.file) for f in found.findings] == [(Severity.WARNING, "overlays/e.yml")]


def test_a_file_named_twice_is_read_once(tree):
    root = tree(gitops__yaml=f"{GITOPS}manifests: [base, base/churn, base/churn/e.yml]\n", base_churn_e__yml=ENDPOINT)
    assert files(loaded(root).base) == ["base/churn/e.yml"]


def test_a_manifest_folder_that_is_not_there(tree):
    root = tree(gitops__yaml=f"{GITOPS}manifests:\n  - base\n  - bsae\n", base_e__yml=ENDPOINT)
    (finding,) = loaded(root).findings
    assert (finding.rule, str(finding.position), finding.found) == ("unresolved-reference", "gitops.yaml:16:5", "bsae")


def test_no_overlays_are_no_patches_and_a_misspelt_one_is_shown(tree):
    root = tree(base_e__yml=ENDPOINT)
    assert (loaded(root).overlays, loaded(root).findings) == ((), ())
    tree(base_e__yml=ENDPOINT, overlays_dve_e__yml=ENDPOINT)
    (finding,) = loaded(root).findings
    assert (finding.severity, finding.hint) == (Severity.WARNING, "did you mean dev?")


def test_yaml_that_belongs_to_a_manifest_is_no_manifest(tree):
    deployment = "kind: deployment\nname: blue\ncode_configuration: {code: src}\nenvironment: {conda_file: conda.yml}\n"
    root = tree(
        base_d__yml=deployment,
        base_conda__yml="dependencies: [pip]\n",
        base_src_config__yml="- 1\n",
        base_src_template__yml="{{ not yaml\n",
        base_stray__yml="name: who knows\n",
    )
    found = loaded(root)
    assert files(found.base) == ["base/d.yml", "base/stray.yml"]
    assert found.findings == ()


@pytest.mark.parametrize("text", ["kind: endpoint\nname: 'churn\n", '{"$schema": "x", "name": [\n', "kind: [\n"])
def test_a_broken_manifest_never_hides_in_a_folder_that_is_named(tree, text):
    deployment = "kind: deployment\nname: blue\ncode_configuration: {code: .}\n"
    found = loaded(tree(base_d__yml=deployment, base_e__yml=text))
    assert [(f.rule, f.position.file) for f in found.findings] == [("yaml", "base/e.yml")]


def test_a_manifest_in_a_folder_that_is_named_is_still_a_manifest(tree):
    deployment = "kind: deployment\nname: blue\ncode_configuration: {code: .}\n"
    assert files(loaded(tree(base_d__yml=deployment, base_e__yml=ENDPOINT)).base) == ["base/d.yml", "base/e.yml"]


def test_what_an_overlay_names_belongs_to_it(tree):
    patch = "kind: environment\nname: e\nconda_file: conda.yml\n"
    found = loaded(tree(overlays_dev_e__yml=patch, overlays_dev_conda__yml="dependencies: []\n", base_e__yml=ENDPOINT))
    assert files(found.overlays) == ["overlays/dev/e.yml"]


def test_a_link_out_of_the_project_is_not_followed(tree, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.yml"
    outside.write_text(ENDPOINT)
    root = tree(base_e__yml=ENDPOINT)
    (root / "base" / "link.yml").symlink_to(outside)
    (root / "base" / "inside.yml").symlink_to(root / "base" / "e.yml")
    found = loaded(root)
    assert files(found.base) == ["base/e.yml", "base/inside.yml"]
    assert [(f.rule, f.position.file) for f in found.findings] == [("path-escape", "base/link.yml")]


def test_a_pipe_with_the_name_of_a_manifest_is_not_waited_for(tree):
    root = tree(base_e__yml=ENDPOINT)
    os.mkfifo(root / "base" / "pipe.yml")
    assert files(loaded(root).base) == ["base/e.yml"]


def test_defaults_and_variables_of_an_environment(tree):
    found = loaded(tree(base_e__yml=ENDPOINT))
    assert found.variables == {"region": "westeurope", "count": 3}
    ((kind, document),) = found.defaults.items()
    assert (kind, document.data) == ("deployment", {"instance_count": 2, "tags": {"from": "dev"}})
    assert str(document.at("instance_count")) == "gitops.yaml:3:16"
    assert str(document.at("tags", "from")) == "gitops.yaml:12:27"


def test_an_environment_that_is_not_declared(tree):
    project, _ = load_project(tree())
    with pytest.raises(UsageError, match="there are: dev"):
        load_environment(tree(), project, "prod")


@pytest.mark.parametrize(
    ("text", "rule", "place", "hint"),
    [
        (f"{GITOPS}    varables: {{}}\n", "unknown-field", "14:5", "did you mean variables?"),
        (GITOPS.replace("count: 3", "count: three"), "wrong-type", "13:17", None),
        (GITOPS.replace("count: 3", "count: true"), "wrong-type", "13:17", None),
        (GITOPS.replace("count: 3", "cuont: 3, count: 3"), "unknown-field", "13:17", "did you mean count?"),
        (GITOPS.replace("count: 3", "region: x"), "unresolved-reference", "13:5", "variables: {count: ...}"),
        (GITOPS.replace("    variables: {count: 3}\n", ""), "unresolved-reference", "8:3", "variables: {count: ...}"),
        (GITOPS.replace("default: westeurope", "default: 3"), "wrong-type", "5:12", "put it in quotes"),
        (GITOPS.replace("  dev:", "  Dev:"), "wrong-type", "8:3", None),
        (GITOPS.replace("project: demo\n", ""), "wrong-type", "1:1", "add `project: ...`"),
        (f"{GITOPS}project: again\n", "duplicate-key", "14:1", "keep one of the two"),
        (f"{GITOPS}---\nproject: more\n", "wrong-type", "15:1", "remove the `---` line"),
        ("", "wrong-type", "1:1", "project: my-project"),
        ("- a\n", "wrong-type", "1:1", None),
        ("project: [\n", "yaml", "2:1", None),
    ],
)
def test_mistakes_in_the_project_file_have_a_place(tree, text, rule, place, hint):
    _, (finding,) = load_project(tree(gitops__yaml=text))
    assert (finding.rule, str(finding.position)) == (rule, f"gitops.yaml:{place}")
    assert hint is None or finding.hint == hint


def test_a_missing_project_file(tmp_path):
    with pytest.raises(SourceError, match=r"gitops\.yaml: No such file"):
        load_project(tmp_path)


def test_loose_files_and_folders(tree):
    root = tree(
        a_e__yml=ENDPOINT,
        b__txt=ENDPOINT,
        a_conda__yml="x: 1\n",
        a_d__yml="kind: environment\nname: e\nconda_file: conda.yml\n",
    )
    found = load_files([root / "a", root / "b.txt", root / "a" / "e.yml"], root)
    assert files(found.base) == ["a/d.yml", "a/e.yml", "b.txt"]
    assert (found.overlays, found.findings, found.defaults, found.variables) == ((), (), {}, {})
    with pytest.raises(UsageError, match="no such file"):
        load_files([root / "nowhere"], root)


def test_a_file_that_is_too_large_is_a_finding(tree):
    root = tree(base_e__yml=b"kind: endpoint\n" + b"#" * 1024 * 1024)
    assert [(f.rule, f.position.file) for f in loaded(root).findings] == [("yaml", "base/e.yml")]


def test_a_linked_folder_of_the_project_is_read_and_one_outside_is_a_finding(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / "shared").mkdir(parents=True)
    (root / "base").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (root / "gitops.yaml").write_text(
        "project: shop\nenvironments:\n  test: {target: {emulator: .e}, network: managed_vnet}\n"
    )
    (root / "shared" / "endpoint.yml").write_text("kind: endpoint\nname: shared\n")
    (root / "base" / "inside").symlink_to("../shared")
    (root / "base" / "outside").symlink_to(tmp_path / "elsewhere")
    (root / "base" / "nothing.yml").symlink_to("gone.yml")
    project, _ = load_project(root)
    assert project is not None
    loaded = load_environment(root, project, "test")
    assert [document.data["name"] for document in loaded.base] == ["shared"]
    told = sorted((finding.rule, finding.position.file) for finding in loaded.findings)
    assert told == [("path-escape", "base/outside"), ("unresolved-reference", "base/nothing.yml")]


def test_a_link_loop_ends(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "again").symlink_to(".")
    (tmp_path / "base" / "e.yml").write_text("kind: endpoint\nname: once\n")
    assert len(load_files([tmp_path / "base"], tmp_path).base) == 1


def test_a_window_that_never_opens_is_a_finding_at_its_line(tree):
    windows = """\
    sync_windows:
    - {kind: allow, schedule: 0 22 * * 1-5, duration_minutes: 60, time_zone: Mars/Olympus}
    - kind: deny
      schedule: every night
      duration_minutes: 60
"""
    root = tree(gitops__yaml=GITOPS + windows)
    _, findings = load_project(root)
    said = [(f.position.line, f.path, f.found, f.hint) for f in findings]
    first = GITOPS.count("\n") + 2
    assert said == [
        (first, "environments.dev.sync_windows[0].time_zone", "Mars/Olympus", "Europe/Amsterdam"),
        (first + 2, "environments.dev.sync_windows[1].schedule", "every night", "0 22 * * 1-5"),
    ]


def test_a_file_is_parsed_once_for_all_environments_of_a_revision(tree):
    root = tree(base_e__yml=ENDPOINT)
    once = Once()
    project, _ = load_project(root)
    first = load_environment(root, project, "dev", once)
    (root / "base" / "e.yml").write_text("kind: endpoint\nname: other\n")
    again = load_environment(root, project, "dev", once)
    assert again.base[0] is first.base[0]
    assert load_environment(root, project, "dev").base[0].data["name"] == "other"
