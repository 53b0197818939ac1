"""Metrics: what is shown, what is forgotten, which label values there can be; docs/metrics.md says the same.

Run this file as a program to bring the table of docs/metrics.md up to date.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from reconciler.domain import Result, Verb
from reconciler.notify.telling import COMMIT_STATUS
from reconciler.notify.telling import Result as Delivery
from reconciler.plan.said import Sync
from reconciler.watch.memory import Condition
from reconciler.watch.metrics import CHANNELS, CONTENT_TYPE, DELIVERIES, METRICS, SYNCS, Metrics
from reconciler.watch.server import Bounds
from reconciler.watch.verdict import REASONS
from reconciler.watch.vitals import LONGEST_SILENCE_S
from reconciler.watch.webhooks import FORGES
from schemas.loop import Notification

BOUNDS = Bounds()
PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
SHA = "2434a8f899bf328c0362f1b010faf955e9eb169f"
GUID = "00000000-0000-0000-0000-000000000003"


def table():
    rows = ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|"]
    for declared in METRICS:
        labels = ", ".join(f"`{label}`" for label in declared.labels)
        rows.append(f"| `{declared.full_name}` | {declared.kind} | {labels} | {declared.about} |")
    return "\n".join(rows) + "\n"


def refreshed(page):
    return re.sub(r"\| Metric \|.*?\n(?!\|)", lambda _: table(), page, count=1, flags=re.DOTALL)


def samples(metrics):
    """Every series: name and label values, in the order of the declaration, to value."""
    found = {}
    order: dict[str, int] = {}
    for declared in METRICS:
        order |= {name: max(at, order.get(name, 0)) for at, name in enumerate(declared.labels)}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            key = (
                sample.name.removeprefix("aml_gitops_"),
                *(sample.labels[name] for name in sorted(sample.labels, key=lambda name: order.get(name, 9))),
            )
            assert key not in found
            found[key] = sample.value
    return found


def ours(metrics):
    return {key: value for key, value in samples(metrics).items() if not key[0].startswith("process_")}


def condition(type_, status, reason):
    return Condition(type_, status, reason, "endpoint/churn: secret words", "2026-11-21T09:30:00Z")


def filled(now=lambda: 1000.0, environments=("dev", "prod")):
    metrics = Metrics(now)
    for name in environments:
        metrics.passed(name, "Applied", 12.5, ready=True)
        metrics.conditions(name, [condition("Ready", True, "Applied"), condition("Stalled", False, "Applied")])
        metrics.revision(name, SHA)
        metrics.resources(name, {"InSync": 19, "Drift": 1})
        metrics.drifted(name, 1)
        metrics.warned(name, 1)
        metrics.stalled(name, 2)
        metrics.acted(name, Verb.UPDATE, Result.UPDATED)
        metrics.requested(name, "reads", 3)
        metrics.lease(name, held=True)
        metrics.lease_lost(name)
    metrics.budget(GUID, "writes", 190)
    metrics.polled("new")
    metrics.webhook("github", "push")
    metrics.notified("slack", "delivered")
    return metrics


def test_what_was_told_is_shown():
    shown = ours(filled(environments=("dev",)))
    assert (
        shown.items()
        >= {
            ("passes_total", "dev", "Applied"): 1,
            ("pass_duration_seconds_count", "dev"): 1,
            ("pass_duration_seconds_sum", "dev"): 12.5,
            ("last_success_timestamp_seconds", "dev"): 1000,
            ("condition", "dev", "Ready", "Applied"): 1,
            ("condition", "dev", "Stalled", "Applied"): 0,
            ("revision_info", "dev", SHA): 1,
            ("resources", "dev", "InSync"): 19,
            ("resources", "dev", "Drift"): 1,
            ("resources", "dev", "Refused"): 0,
            ("drift_resources", "dev"): 1,
            ("stalled_resources", "dev"): 2,
            ("actions_total", "dev", "update", "updated"): 1,
            ("arm_requests_total", "dev", "reads"): 3,
            ("arm_budget_remaining_requests", GUID, "writes"): 190,
            ("source_polls_total", "new"): 1,
            ("webhooks_total", "github", "push"): 1,
            ("lease_held", "dev"): 1,
            ("lease_lost_total", "dev"): 1,
            ("notifications_total", "slack", "delivered"): 1,
        }.items()
    )


def test_every_metric_is_filled_by_a_method():
    shown = {key[0].removesuffix("_count") for key in ours(filled())}
    assert {declared.full_name.removeprefix("aml_gitops_") for declared in METRICS} <= shown


def test_a_new_commit_takes_the_place_of_the_old_one():
    metrics = filled()
    metrics.revision("dev", "a" * 40)
    revisions = {key[1:] for key in ours(metrics) if key[0] == "revision_info"}
    assert revisions == {("dev", "a" * 40), ("prod", SHA)}


def test_a_condition_has_one_reason_at_a_time():
    metrics = filled()
    metrics.conditions("dev", [condition("Ready", False, "ActionFailed")])
    shown = {key[1:]: value for key, value in ours(metrics).items() if key[0] == "condition" and key[1] == "dev"}
    assert shown == {("dev", "Ready", "ActionFailed"): 0, ("dev", "Stalled", "Applied"): 0}


def test_an_environment_that_left_is_forgotten_and_may_come_back():
    metrics = filled()
    metrics.keep(["prod"])
    shown = ours(metrics)
    assert not [key for key in shown if "dev" in key]
    assert [key for key in shown if "prod" in key]
    assert shown["source_polls_total", "new"] == 1
    metrics.revision("dev", SHA)
    metrics.conditions("dev", [condition("Ready", True, "Synced")])
    metrics.revision("dev", "b" * 40)
    assert {key[2] for key in ours(metrics) if key[:2] == ("revision_info", "dev")} == {"b" * 40}


def test_what_another_replica_reconciles_is_not_shown_as_it_was():
    metrics = filled()
    metrics.elsewhere("dev")
    names = {key[0] for key in ours(metrics) if key[1:2] == ("dev",)}
    assert names & {"condition", "revision_info", "resources", "drift_resources", "stalled_resources"} == set()
    assert names >= {"passes_total", "lease_held", "actions_total", "last_success_timestamp_seconds"}
    assert ours(metrics)["revision_info", "prod", SHA] == 1
    metrics.conditions("dev", [condition("Ready", True, "Synced")])
    assert ours(metrics)["condition", "dev", "Ready", "Synced"] == 1


def test_a_pass_that_left_it_otherwise_is_no_success():
    metrics = Metrics(lambda: 2000.0)
    metrics.passed("dev", "ActionFailed", 1, ready=False)
    assert not [key for key in ours(metrics) if key[0] == "last_success_timestamp_seconds"]
    assert ours(metrics)["passes_total", "dev", "ActionFailed"] == 1


def test_two_processes_in_one_do_not_share():
    filled()
    assert not [key for key in ours(Metrics()) if len(key) > 1]


def test_the_process_is_measured_too():
    assert samples(Metrics())["process_open_fds",] > 0


@given(text=st.text())
def test_free_text_never_becomes_a_label(text):
    metrics = Metrics()
    metrics.passed("dev", text, 1, ready=False)
    metrics.conditions("dev", [condition("Ready", True, text)])
    metrics.revision("dev", text)
    metrics.budget(text, "reads", 1)
    metrics.webhook(text, "refused")
    metrics.notified(text, text)
    labels = {label for key in ours(metrics) for label in key[1:]}
    known = {"other", "dev", "Ready", "reads", "refused", "+Inf", *REASONS, *FORGES, *CHANNELS, *DELIVERIES}
    assert {label for label in labels - known if not re.fullmatch(r"[0-9a-f]{7,64}|[\d.]+", label)} == set()


def test_label_values_are_the_words_of_the_product():
    assert set(SYNCS) == set(Sync)
    assert set(DELIVERIES) == set(Delivery)
    assert set(CHANNELS) == {*Notification.model_fields["type"].annotation.__args__, COMMIT_STATUS}


def test_the_text_is_what_its_content_type_says():
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")
    text = filled().text().decode()
    assert text.endswith("\n")
    assert "_created" not in text.replace('"created"', "")


# -- docs/metrics.md -------------------------------------------------------------------------------------------------


def test_the_table_is_that_of_the_code():
    page = PAGE.read_text()
    assert refreshed(page).splitlines() == page.splitlines(), f"bring it up to date: python {__file__}"
    assert page.count("| Metric |") == 1


@pytest.mark.parametrize("declared", METRICS, ids=lambda declared: declared.name)
def test_a_metric_has_a_unit_and_a_meaning(declared):
    assert re.fullmatch(r"[a-z][a-z_]+", declared.name)
    assert declared.about.endswith(".")
    assert not declared.name.endswith("_total")


def test_the_page_tells_the_bounds():
    page = " ".join(PAGE.read_text().split())
    for told in (
        f"A body may have {BOUNDS.body_bytes // 1024**2} MiB (413)",
        f"must arrive within {BOUNDS.body_s:g} s (408)",
        f"no complete request is closed after {BOUNDS.idle_s:g} s",
        f"At most {BOUNDS.connections} connections",
        f"{BOUNDS.bodies} webhooks are read at a time",
        f"sign of life in the last {LONGEST_SILENCE_S:g} s",
    ):
        assert told in page


RULES = [
    rule
    for block in re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for group in yaml.safe_load(block)["groups"]
    for rule in group["rules"]
]


def test_there_are_alerts():
    assert len({rule["alert"] for rule in RULES}) == len(RULES) >= 5


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_there_is(rule):
    known = {declared.full_name: declared.labels for declared in METRICS}
    (name,) = re.findall(r"aml_gitops_\w+", rule["expr"])
    labels = known[name]
    used = {label for part in re.findall(r"by \((.*?)\)", rule["expr"]) for label in part.split(", ")}
    selected = re.findall(r"(\w+)=~?\"([^\"]*)\"", rule["expr"])
    told = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert used | {label for label, _ in selected} <= set(labels)
    assert told <= used
    assert rule["expr"].count("(") == rule["expr"].count(")")
    shown = {label for key in ours(everything()) for label in key[1:]}
    assert {value for _, values in selected for value in values.split("|")} <= shown


def everything():
    """Metrics with every label value that an alert may select."""
    metrics = filled()
    for result in ("unavailable", "refused", "failed"):
        metrics.polled(result)
    metrics.webhook("github", "refused")
    return metrics


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text()))
