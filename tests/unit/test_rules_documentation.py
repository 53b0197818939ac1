"""docs/rules.md: one entry for each rule, and its examples meet the rule as the text says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.domain import Finding, LocalPath, Severity
from reconciler.load.yaml_reader import parse
from reconciler.manifest import Context
from reconciler.rules import RULE_IDS
from reconciler.validate import validate

TEXT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
ENTRIES = {entry.partition("\n")[0].strip(): entry for entry in TEXT.split("\n## ")[1:]}
EXAMPLE = re.compile(r"^(Refused|Accepted)([^\n]*):\n```yaml\n(.*?)```", re.MULTILINE | re.DOTALL)
MLMODEL = "flavors:\n  python_function:\n    python_version: 3.9.5\n"
MODEL = LocalPath("model", "folder", ("MLmodel",), len(MLMODEL), {"MLmodel": MLMODEL})


def met_by(text: str, condition: str) -> list[Finding]:
    documents, unreadable = parse(text.encode(), "example.yml")
    network = "legacy_egress" if "legacy_egress" in condition else "managed_vnet"
    findings = validate(documents, Context(network=network, loose=True), {"model": MODEL}).findings
    return [*unreadable, *findings]


def test_every_rule_has_one_entry_and_there_are_no_others() -> None:
    assert list(ENTRIES) == list(RULE_IDS)


@pytest.mark.parametrize("rule", RULE_IDS)
def test_an_entry_says_why_and_how_to_mend(rule: str) -> None:
    assert "\nSource: " in ENTRIES[rule]
    assert "\nTo mend it: " in ENTRIES[rule]


@pytest.mark.parametrize("rule", RULE_IDS)
def test_the_examples_meet_the_rule_as_the_text_says(rule: str) -> None:
    examples = EXAMPLE.findall(ENTRIES[rule])
    assert [word for word, _, _ in examples] == ["Refused", "Accepted"]
    (_, condition, bad), (_, other, good) = examples
    assert rule in {finding.rule for finding in met_by(bad, condition)}
    accepted = met_by(good, other)
    assert not [finding for finding in accepted if finding.rule == rule or finding.severity is Severity.ERROR]
