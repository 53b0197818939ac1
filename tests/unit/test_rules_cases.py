"""Each rule on manifests written for it: ``cases/rules/<rule>/<case>/`` holds manifest.yml and expected.yml.

``expected.yml`` names every finding of the manifest, not only those of the rule: a rule that speaks up where it
should be silent fails a case too. ``found``, ``required`` and ``hint`` are compared where the case gives them.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from reconciler.compose.overlays import local_paths
from reconciler.domain import LocalPath
from reconciler.load.yaml_reader import parse
from reconciler.manifest import Context
from reconciler.rules import RULE_IDS
from reconciler.validate import validate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.domain import Document, Finding

CASES = Path(__file__).parent / "cases" / "rules"
FOLDERS = sorted(path.parent for path in CASES.glob("*/*/expected.yml"))
# Faults that are found before there is a document to judge; their cases live with the YAML reader.
FOUND_WHILE_READING = {"duplicate-key", "yaml"}


def parsed(text: str) -> Any:
    """What a file holds as data; None when it is no YAML."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def local_path_of(path: str, files: Mapping[str, str], outside: Iterable[str]) -> LocalPath:
    """What a checkout that holds just ``files`` has at ``path``."""
    name = PurePosixPath(path).name
    if path in outside or path.startswith(("/", "..")):
        return LocalPath(path, "outside")
    if path in files:
        return LocalPath(path, "file", (name,), len(files[path]), {name: files[path]}, parsed(files[path]))
    inside = {file.removeprefix(f"{path}/"): text for file, text in files.items() if file.startswith(f"{path}/")}
    if inside:
        return LocalPath(path, "folder", tuple(sorted(inside)), sum(map(len, inside.values())), inside)
    return LocalPath(path, "missing")


def survey_of(documents: Iterable[Document], expected: Mapping[str, Any]) -> dict[str, LocalPath]:
    """What the case's checkout holds at every path that its documents name."""
    files, outside = expected.get("files", {}), expected.get("outside", ())
    return {path: local_path_of(path, files, outside) for document in documents for _, path in local_paths(document)}


def brief(finding: Finding, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A finding in the words of an expected.yml, as far as ``wanted`` speaks about it."""
    position = finding.position
    told: dict[str, Any] = {
        "rule": finding.rule,
        "line": position.line,
        "column": position.column,
        "path": finding.path,
        "severity": str(finding.severity),
    }
    if position.file != "manifest.yml":
        told["file"] = position.file
    if "found" in wanted:
        told["found"] = finding.found
    if "required" in wanted:
        told["required"] = finding.required
    if "hint" in wanted:
        told["hint"] = finding.hint
    return told


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_a_manifest_gets_exactly_the_findings_that_are_expected(folder: Path) -> None:
    expected = yaml.safe_load((folder / "expected.yml").read_text(encoding="utf-8"))
    documents, unreadable = parse((folder / "manifest.yml").read_bytes(), "manifest.yml")
    assert unreadable == ()
    context = Context(environment="test", **expected.get("context", {}))
    findings = validate(documents, context, survey_of(documents, expected)).findings
    wanted = expected["findings"]
    told = [brief(finding, wanted[index] if index < len(wanted) else {}) for index, finding in enumerate(findings)]
    assert told == wanted


def test_every_rule_has_a_case_that_it_refuses_and_one_that_it_leaves_alone() -> None:
    refused: set[str] = set()
    silent: set[str] = set()
    for folder in FOLDERS:
        rules = {finding["rule"] for finding in yaml.safe_load((folder / "expected.yml").read_text())["findings"]}
        refused |= rules
        if folder.parent.name not in rules:
            silent.add(folder.parent.name)
    assert refused == set(RULE_IDS) - FOUND_WHILE_READING
    assert silent == set(RULE_IDS) - FOUND_WHILE_READING


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_every_finding_says_what_was_found_and_what_is_required(folder: Path) -> None:
    expected = yaml.safe_load((folder / "expected.yml").read_text(encoding="utf-8"))
    documents, _ = parse((folder / "manifest.yml").read_bytes(), "manifest.yml")
    context = Context(environment="test", **expected.get("context", {}))
    for finding in validate(documents, context, survey_of(documents, expected)).findings:
        assert finding.message
        assert finding.found
        assert finding.required or finding.hint
