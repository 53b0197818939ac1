"""What the loop counts and measures, for Prometheus. Every label has few values; none is a secret or free text."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from reconciler.watch.memory import CONDITIONS
from reconciler.watch.verdict import REASONS
from reconciler.watch.webhooks import FORGES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from reconciler.domain import Result, Verb
    from reconciler.watch.memory import Condition

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"
"""Stands for a label value that is none of those there are."""

SYNCS: Final = ("InSync", "OutOfSync", "Drift", "Refused", "NotEvaluated", "Unknown")
CHANNELS: Final = ("slack", "teams", "webhook", "commit_status")
DELIVERIES: Final = ("delivered", "refused", "failed", "limited", "dropped")

Operation = Literal["reads", "writes", "deletes"]
Polled = Literal["unchanged", "new", "unavailable", "refused", "failed"]
Received = Literal["push", "ignored", "refused"]

_COMMIT = re.compile(r"[0-9a-f]{7,64}(-dirty)?")
_CREATED = re.compile(rb"(# (HELP|TYPE) )?\w+_created[ {]")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# From a pass in which nothing differs to one that waits for a deployment of many instances.
_PASS_SECONDS = (0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1800, 5400)


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric. ``name`` is without the prefix ``aml_gitops_``, and of a counter without ``_total``."""

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    labels: tuple[str, ...]
    about: str

    @property
    def full_name(self) -> str:
        """The name as Prometheus has it."""
        return f"aml_gitops_{self.name}{'_total' if self.kind == 'counter' else ''}"


METRICS: Final = (
    Declared("counter", "passes", ("environment", "reason"), "Passes that ended, by what they came to."),
    Declared("histogram", "pass_duration_seconds", ("environment",), "How long passes took, in seconds."),
    Declared(
        "gauge", "last_success_timestamp_seconds", ("environment",),
        "When a pass last left the environment as Git says, in seconds since 1970.",
    ),
    Declared(
        "gauge", "condition", ("environment", "type", "reason"),
        "1 while the condition Ready, Reconciling or Stalled is true, 0 while it is false.",
    ),
    Declared("gauge", "revision_info", ("environment", "revision"), "1 for the commit that was reconciled last."),
    Declared("gauge", "resources", ("environment", "sync"), "Declared resources, by how they stand."),
    Declared(
        "gauge", "drift_resources", ("environment",),
        "Resources that the last pass found changed outside Git, healed or not.",
    ),
    Declared("gauge", "plan_warnings", ("environment",), "Warnings of the last plan, public neighbours too."),
    Declared("gauge", "stalled_resources", ("environment",), "Resources that are not tried again until a new commit."),
    Declared("counter", "actions", ("environment", "verb", "result"), "Actions that ended."),
    Declared("counter", "arm_requests", ("environment", "operation"), "Requests sent to Azure Resource Manager."),
    Declared(
        "gauge", "arm_budget_remaining_requests", ("subscription", "operation"),
        "Requests that may be sent right now before we slow down.",
    ),
    Declared("counter", "source_polls", ("result",), "Looks at the repository."),
    Declared("counter", "webhooks", ("forge", "result"), "Webhooks received."),
    Declared("gauge", "lease_held", ("environment",), "1 while this replica may write to the environment."),
    Declared("counter", "lease_lost", ("environment",), "Leases lost in the middle of a pass."),
    Declared("counter", "notifications", ("type", "result"), "Messages and commit statuses."),
)  # fmt: skip

_STATE = ("condition", "revision_info", "resources", "drift_resources", "stalled_resources")


class Metrics:
    """The metrics of one process, in a registry of their own. ``now`` is the clock, in seconds since 1970."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        import prometheus_client as prometheus

        self._now = now
        self._registry = prometheus.CollectorRegistry()
        self._render = prometheus.generate_latest
        makers = {"counter": prometheus.Counter, "gauge": prometheus.Gauge}
        self._metrics: dict[str, Any] = {}
        for declared in METRICS:
            about = (f"aml_gitops_{declared.name}", declared.about, declared.labels)
            if declared.kind == "histogram":
                made: Any = prometheus.Histogram(*about, buckets=_PASS_SECONDS, registry=self._registry)
            else:
                made = makers[declared.kind](*about, registry=self._registry)
            self._metrics[declared.name] = made
        prometheus.ProcessCollector(registry=self._registry)
        self._shown: dict[tuple[str, ...], tuple[str, ...]] = {}

    def text(self) -> bytes:
        """All of them, as Prometheus reads it."""
        lines = self._render(self._registry).splitlines(keepends=True)
        # When a counter began is of no use here and doubles what is stored.
        return b"".join(line for line in lines if not _CREATED.match(line))

    # -- what becomes of an environment ------------------------------------------------------------------------------

    def passed(self, environment: str, reason: str, seconds: float, *, ready: bool) -> None:
        """Count a pass. ``ready``: live is what Git says."""
        self._metrics["passes"].labels(environment, _one_of(REASONS, reason)).inc()
        self._metrics["pass_duration_seconds"].labels(environment).observe(seconds)
        if ready:
            self._metrics["last_success_timestamp_seconds"].labels(environment).set(self._now())

    def conditions(self, environment: str, conditions: Collection[Condition]) -> None:
        """Show the conditions of an environment in place of those before."""
        for condition in conditions:
            if condition.type in CONDITIONS:
                labels = (environment, condition.type, _one_of(REASONS, condition.reason))
                self._only("condition", labels[:2], labels).set(condition.status)

    def revision(self, environment: str, revision: str) -> None:
        """Show the commit that an environment was reconciled to in place of the one before."""
        shown = revision if _COMMIT.fullmatch(revision) else OTHER
        self._only("revision_info", (environment,), (environment, shown)).set(1)

    def resources(self, environment: str, counts: Mapping[str, int]) -> None:
        """Show how many resources stand how; a standing that is left out is 0."""
        for sync in SYNCS:
            self._metrics["resources"].labels(environment, sync).set(counts.get(sync, 0))

    def drifted(self, environment: str, count: int) -> None:
        """Show how many resources were changed outside Git."""
        self._metrics["drift_resources"].labels(environment).set(count)

    def warned(self, environment: str, count: int) -> None:
        """Show how many warnings the last plan had."""
        self._metrics["plan_warnings"].labels(environment).set(count)

    def stalled(self, environment: str, count: int) -> None:
        """Show how many resources wait for a new commit."""
        self._metrics["stalled_resources"].labels(environment).set(count)

    def acted(self, environment: str, verb: Verb, result: Result) -> None:
        """Count an action."""
        self._metrics["actions"].labels(environment, verb.value, result.value).inc()

    def lease(self, environment: str, *, held: bool) -> None:
        """Show whether the environment is ours."""
        self._metrics["lease_held"].labels(environment).set(held)

    def lease_lost(self, environment: str) -> None:
        """Count a lease that was lost in the middle of a pass."""
        self._metrics["lease_lost"].labels(environment).inc()

    def elsewhere(self, environment: str) -> None:
        """Forget how an environment stands: another replica reconciles it now, and knows better. Counts stay."""
        self._forget(lambda name: name == environment, _STATE)

    def keep(self, environments: Collection[str]) -> None:
        """Forget every environment but these: one that left the project is not shown for ever."""
        self._forget(lambda name: name not in environments, tuple(self._metrics))

    def _forget(self, which: Callable[[str], bool], names: tuple[str, ...]) -> None:
        for declared in METRICS:
            if declared.name in names and "environment" in declared.labels:
                at = declared.labels.index("environment")
                for labels in _labels_of(self._metrics[declared.name], declared.labels):
                    if which(labels[at]):
                        self._metrics[declared.name].remove(*labels)
        self._shown = {key: labels for key, labels in self._shown.items() if key[0] not in names or not which(key[1])}

    # -- what the process does ---------------------------------------------------------------------------------------

    def requested(self, environment: str, operation: Operation, count: int) -> None:
        """Count requests to Azure Resource Manager."""
        self._metrics["arm_requests"].labels(environment, operation).inc(count)

    def budget(self, subscription: str, operation: str, remaining: float) -> None:
        """Show how many requests may be sent right now."""
        named = subscription.lower() if _GUID.fullmatch(subscription) else OTHER
        self._metrics["arm_budget_remaining_requests"].labels(named, operation).set(remaining)

    def polled(self, result: Polled) -> None:
        """Count a look at the repository."""
        self._metrics["source_polls"].labels(result).inc()

    def webhook(self, forge: str, result: Received) -> None:
        """Count a webhook. ``forge`` may be anything that was sent."""
        self._metrics["webhooks"].labels(_one_of(FORGES, forge), result).inc()

    def notified(self, channel: str, result: str) -> None:
        """Count a message or a commit status: what ``reconciler.notify`` tells of each delivery."""
        self._metrics["notifications"].labels(_one_of(CHANNELS, channel), _one_of(DELIVERIES, result)).inc()

    def _only(self, name: str, key: tuple[str, ...], labels: tuple[str, ...]) -> Any:
        """The series with these labels, after the one that had been shown for ``key`` is gone."""
        before = self._shown.get((name, *key))
        if before is not None and before != labels:
            self._metrics[name].remove(*before)
        self._shown[name, *key] = labels
        return self._metrics[name].labels(*labels)


def _one_of(known: Collection[str], value: str) -> str:
    return value if value in known else OTHER


def _labels_of(metric: Any, names: tuple[str, ...]) -> set[tuple[str, ...]]:
    samples = (sample for family in metric.collect() for sample in family.samples)
    return {tuple(sample.labels[name] for name in names) for sample in samples}
