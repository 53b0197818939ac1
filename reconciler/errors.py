"""Everything that can go wrong, as one tree.

    Problem
    ├── UsageError        the call makes no sense                                   exit 64
    ├── ManifestError     the manifests are wrong; carries every finding            exit 4
    ├── SourceError       the project or its revision cannot be read                exit 4
    │   ├── SourceUnavailable the Git server did not answer                         transient
    │   └── SignatureRefused  the commit is not signed by one of the allowed signers
    ├── PlanRefused       the guard or the wire guard says no                       exit 3
    ├── StalePlan         source or live moved since the plan was made              exit 5
    ├── LeaseError        somebody else works on the environment, or does by now    exit 6, transient
    │   └── LeaseHeld · LeaseLost
    ├── StateError        leases, journal or orders cannot be read or written       exit 1, transient
    ├── ForgeError        GitHub, GitLab or Azure DevOps said no, or nothing        exit 1
    ├── EmulatorError     the embedded Azure ML cannot be reached or started        exit 1
    └── ArmError          Azure said no, or nothing                                 exit 1
        ├── NotFound · Conflict > Busy · Forbidden · Superseded
        └── Throttled · Unavailable                    transient: worth trying again

``transient`` on the class says whether the same call may succeed later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.domain import Finding, Refusal


class Problem(Exception):
    """Base of every error that the product raises on purpose. ``exit_code`` is what the CLI ends with."""

    exit_code = 1
    transient = False


class UsageError(Problem):
    """The call makes no sense: unknown environment, missing file, options that exclude each other."""

    exit_code = 64


class ManifestError(Problem):
    """The manifests are wrong. ``findings`` holds everything found, not only the first."""

    exit_code = 4

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        listed = "; ".join(f"{found.position} [{found.rule}] {found.message}" for found in findings[:3])
        more = f"; and {len(findings) - 3} more" if len(findings) > 3 else ""
        super().__init__(f"{len(findings)} finding{'s' * (len(findings) != 1)} in the manifests: {listed}{more}")
        self.findings = findings


class SourceError(Problem):
    """The project or its revision cannot be read."""

    exit_code = 4


class SourceUnavailable(SourceError):
    """The Git server did not answer, or not now."""

    transient = True


class SignatureRefused(SourceError):
    """The commit carries no signature of an allowed signer. Final for that commit."""


class PlanRefused(Problem):
    """The plan, or a single body on its way to Azure, breaks a rule that is never broken."""

    exit_code = 3

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        super().__init__("; ".join(f"{r.resource}: {r.message}" for r in refusals))
        self.refusals = refusals


class StalePlan(Problem):
    """Source or live moved since the plan was made."""

    exit_code = 5


class LeaseError(Problem):
    """Only one at a time may write to an environment, and it is not us."""

    exit_code = 6
    transient = True


class LeaseHeld(LeaseError):
    """Another holds the environment. ``holder`` is who, ``since`` when (ISO 8601, UTC; empty when unknown)."""

    def __init__(self, environment: str, holder: str, since: str = "") -> None:
        began = f" since {since}" if since else ""
        super().__init__(f"{environment} is being worked on by {holder or 'somebody'}{began}")
        self.holder = holder
        self.since = since


class LeaseLost(LeaseError):
    """The environment was ours and may be another's by now: nothing more is written."""


class StateError(Problem):
    """Leases, journal or orders cannot be read or written."""

    transient = True


class ForgeError(Problem):
    """GitHub, GitLab or Azure DevOps refused, or did not answer. ``retry_after_s`` is its own wish, 0 without one."""

    def __init__(self, message: str, *, transient: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.transient = transient
        self.retry_after_s = retry_after_s


class EmulatorError(Problem):
    """The embedded Azure ML cannot be reached or started."""


class ArmError(Problem):
    """Azure refused a request, or did not answer.

    ``status`` is the HTTP status (0 when there was no answer; 200 for a failed long-running operation), ``code``
    the innermost code, ``request_id`` what Azure support asks for.
    """

    def __init__(self, message: str, *, status: int = 0, code: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.request_id = request_id


class NotFound(ArmError):
    """The resource, or something on the way to it, does not exist."""


class Conflict(ArmError):
    """Another operation holds the resource, or its state forbids this one."""


class Busy(Conflict):
    """Another operation holds the resource right now; it passes."""

    transient = True


class Forbidden(ArmError):
    """The identity may not do this (401 or 403)."""


class Superseded(ArmError):
    """A newer commit came while this waited: Azure goes on with what it accepted, and we look again."""

    transient = True


class Throttled(ArmError):
    """Too many requests. ``retry_after_s`` is Azure's own wish."""

    transient = True

    def __init__(self, message: str, *, retry_after_s: float = 0.0, **kwargs: str | int) -> None:
        super().__init__(message, **kwargs)  # type: ignore[arg-type]
        self.retry_after_s = retry_after_s


class Unavailable(ArmError):
    """Azure did not answer, or answered 5xx."""

    transient = True
