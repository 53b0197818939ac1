"""The words of the product as values: what is written, what is wanted, what differs, what was done.

Everything here is frozen and free of I/O. A body is ARM JSON of the kind's pinned api-version.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Body = dict[str, Any]
Pointer = tuple[str | int, ...]
NetworkMode = Literal["managed_vnet", "legacy_egress"]


# -- what is written ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file: path relative to the project (posix), line and column counted from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document, with the position of every value in it.

    ``origin`` maps a pointer (keys and indexes from the root; ``()`` is the document) to where its value was
    written. For a key of a mapping that is the key, not the value, so that an editor lands on the line to change.
    A value that an overlay replaced has the overlay's position.
    """

    data: Body
    origin: Mapping[Pointer, Position]

    def at(self, *pointer: str | int) -> Position:
        """Position of the value at ``pointer``, or of its nearest ancestor that was written."""
        path: Pointer = pointer
        while path not in self.origin and path:
            path = path[:-1]
        return self.origin[path]


@dataclass(frozen=True, slots=True)
class LocalPath:
    """What the checkout holds at a path that a manifest names.

    ``files`` are the members of a folder (posix, relative to it, sorted) or the one file itself. ``texts`` holds
    the contents of those that rules read (conda files, MLmodel, requirements), ``data`` the parsed content of a
    single YAML or JSON file. ``digest`` is the content hash, present only when it was asked for.
    """

    path: str
    kind: Literal["file", "folder", "missing", "outside"]
    files: tuple[str, ...] = ()
    size_bytes: int = 0
    texts: Mapping[str, str] = field(default_factory=dict)
    data: Any = None
    digest: str | None = None


class Severity(StrEnum):
    """An error stops; a warning is shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a manifest: which rule, where, what was found, what is required, how to mend it."""

    rule: str
    position: Position
    message: str
    resource: str = ""
    path: str = ""
    found: str | None = None
    required: str | None = None
    hint: str | None = None
    severity: Severity = Severity.ERROR


# -- what is wanted ----------------------------------------------------------------------------------------------


KINDS = ("code", "model", "environment", "endpoint", "deployment", "traffic")
KindName = Literal["code", "model", "environment", "endpoint", "deployment", "traffic"]


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """The identity of one resource. ``part`` is a deployment's name or an asset's version; else empty."""

    kind: KindName
    name: str
    part: str = ""

    def __str__(self) -> str:
        if not self.part:
            return f"{self.kind}/{self.name}"
        separator = "/" if self.kind == "deployment" else ":"
        return f"{self.kind}/{self.name}{separator}{self.part}"


@dataclass(frozen=True, slots=True)
class Target:
    """The workspace that an environment is reconciled into."""

    subscription_id: str
    resource_group: str
    workspace: str
    location: str

    @property
    def scope(self) -> str:
        """ARM id of the workspace."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )


@dataclass(frozen=True, slots=True)
class Options:
    """The ``gitops:`` block of a resource. Never sent to Azure."""

    adopt: bool = False
    protect: bool = False
    ignore: tuple[str, ...] = ()
    drift: Literal["heal", "report"] = "heal"
    suspend: bool = False


@dataclass(frozen=True, slots=True)
class Upload:
    """Bytes of the checkout that must be in Azure before the resource can exist. ``datastore`` is not the default."""

    path: str
    digest: str
    datastore: str | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """One desired resource: the ARM body that the manifests ask for, documented defaults filled in."""

    ref: Ref
    body: Body
    position: Position
    needs: tuple[Ref, ...] = ()
    options: Options = Options()
    upload: Upload | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one apply may delete (per kind, once 10 of it are owned) and how many actions run at once."""

    max_delete_percent: int = 30
    workers: int = 8


@dataclass(frozen=True, slots=True)
class Hold:
    """Resources to leave alone, and why. ``exact`` takes an endpoint's name for the endpoint itself only."""

    pattern: str
    reason: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """On whose behalf a plan is made, and how far it may go.

    ``confirmed`` names the resources (``endpoint/churn``) whose loss of service a person has agreed to. ``held`` says
    what must be left alone, and why. ``selected`` narrows the plan to what these names or patterns (``endpoint/churn``,
    ``model/*``) mean and what that needs; empty is everything.
    """

    project: str
    environment: str
    revision: str
    network: NetworkMode
    prune: bool = False
    limits: Limits = Limits()
    confirmed: frozenset[str] = frozenset()
    held: tuple[Hold, ...] = ()
    selected: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The ownership mark of everything this project has in this environment."""
        return f"{self.project}/{self.environment}"


@dataclass(frozen=True, slots=True)
class Live:
    """What Azure answered: the workspace, and every resource that was read, as ARM JSON.

    A ref that is not a key does not exist. What could not be read raised instead: unreadable is never absent.
    """

    workspace: Body
    resources: Mapping[Ref, Body]


# -- what differs ------------------------------------------------------------------------------------------------


class Verb(StrEnum):
    """What a plan intends for one resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    ADOPT = "adopt"


@dataclass(frozen=True, slots=True)
class Change:
    """One field, before and after. ``path`` is dotted ARM JSON, e.g. ``properties.requestSettings.requestTimeout``."""

    path: str
    before: Any
    after: Any
    reason: str
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """One verb on one resource: one ARM write. ``body`` is what is sent, byte for byte.

    ``needs`` are refs that must have succeeded first, whether this plan acts on them or they are live already.
    ``expects`` is the digest of the live body the decision was made on; apply reads again and compares. ``children``
    are the deployments that deleting an endpoint takes along, and no others.
    """

    verb: Verb
    ref: Ref
    reason: str
    changes: tuple[Change, ...] = ()
    needs: tuple[Ref, ...] = ()
    method: Literal["PUT", "PATCH", "DELETE"] = "PUT"
    body: Body | None = None
    upload: Upload | None = None
    expects: str | None = None
    children: tuple[Ref, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something the product will not do, or will not go on beside; with the field and the fix."""

    rule: str
    resource: str
    message: str
    field: str = ""
    hint: str = ""
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """Live moved although the revision did not."""

    ref: Ref
    changes: tuple[Change, ...]
    healed: bool


@dataclass(frozen=True, slots=True)
class Warn:
    """Something a person should know that stops nothing."""

    rule: str
    resource: str
    message: str


@dataclass(frozen=True, slots=True)
class Held:
    """An action that would be due and is not taken: its resource is suspended, or needs one that is."""

    ref: Ref
    verb: Verb
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All that would be done, in an order that is safe to do it in, and all that will not be done."""

    project: str
    environment: str
    revision: str
    workspace: str = ""
    actions: tuple[Action, ...] = ()
    unchanged: tuple[Ref, ...] = ()
    drift: tuple[Drift, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[Warn, ...] = ()
    held: tuple[Held, ...] = ()
    not_evaluated: tuple[Ref, ...] = ()
    digest: str = ""


# -- what was done -----------------------------------------------------------------------------------------------


class Result(StrEnum):
    """What became of one action."""

    CREATED = "created"
    UPDATED = "updated"
    REPLACED = "replaced"
    DELETED = "deleted"
    ADOPTED = "adopted"
    FAILED = "failed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one action, and why.

    ``log_tail`` is the container's last lines, when there is a container. ``transient`` says that the same may succeed
    later, without another commit.
    """

    ref: Ref
    verb: Verb
    result: Result
    message: str = ""
    code: str = ""
    request_id: str = ""
    log_tail: str = ""
    seconds: float = 0.0
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The plan that was applied, and one outcome for each of its actions, in the order they ended.

    ``unsettled`` says what Azure was at work on before this plan and did not bring to a good end.
    """

    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    unsettled: str = ""

    @property
    def ok(self) -> bool:
        """Whether every action did what it intended."""
        stopped = (Result.FAILED, Result.SKIPPED, Result.INTERRUPTED)
        told = len(self.outcomes) == len(self.plan.actions)
        return told and not self.unsettled and not any(outcome.result in stopped for outcome in self.outcomes)
