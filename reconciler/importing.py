"""What is live becomes manifest files: read, turn round, write, and plan what was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from reconciler.compose.variables import substitute
from reconciler.domain import Live, Ref, Severity
from reconciler.errors import ManifestError, Problem, UsageError
from reconciler.imported import Ask, imported, lists_assets, used
from reconciler.live import read, read_assets
from reconciler.load.project_file import FILE_NAME, defaults_of, read_project_file, variables_of
from reconciler.load.yaml_writer import text_of
from reconciler.manifest import Context
from reconciler.sync import check, want

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import Any

    from reconciler.arm.client import Arm
    from reconciler.domain import Action, Finding
    from reconciler.imported import Imported
    from reconciler.sync import Checked, Wanted

After = Literal["nothing", "adopts", "remains", "invalid", "outside"]


@dataclass(frozen=True, slots=True)
class Remaining:
    """Something that a plan has to say of an imported resource. ``what`` is a verb, or ``refused``."""

    resource: str
    what: str
    paths: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Import:
    """What was written into ``folder``, and what becomes of it.

    ``after`` tells what a plan of the project says of the imported resources: nothing, adoptions without a change, what
    ``remaining`` lists, that the manifests are ``invalid`` (``findings``), or nothing at all, since the project does
    not read the folder.
    """

    imported: Imported
    folder: Path
    after: After
    remaining: tuple[Remaining, ...] = ()
    findings: tuple[Finding, ...] = ()


async def import_live(
    arm: Arm,
    root: Path,
    environment: str,
    folder: Path,
    *,
    select: tuple[str, ...] = (),
    adopt: bool = False,
) -> Import:
    """Write manifests of what is live in the environment of the project at ``root``, and not declared, into ``folder``.

    Nothing is written when a file exists already. Azure is only read.

    Raises ManifestError for a project that is not valid, UsageError for a selection that means nothing and for files
    that exist, ArmError when live cannot be read.
    """
    checked = _sound(root, environment, folder)
    wanted = want(checked, arm.target, "")
    ask = _ask(checked, wanted, root, arm, select, adopt=adopt)
    live = await _read(arm, wanted, ask)
    found = imported(live, ask)
    if found.unmatched:
        raise UsageError(f"--select {found.unmatched[0]}: nothing live has this name; see az ml online-endpoint list")
    _write(folder, {file.path: _text(file.path, file.content) for file in found.files})
    return _after(found, root, environment, folder, live, arm)


def _sound(root: Path, environment: str, folder: Path) -> Checked:
    """The project as it is. That the folder to write into does not exist yet is no fault."""
    checked = check(root, environment, digests=True)
    errors = [finding for finding in checked.findings if finding.severity is Severity.ERROR]
    if any(not _is_yet_to_come(finding, root, folder) for finding in errors):
        raise ManifestError(checked.findings)
    return checked


def _is_yet_to_come(finding: Finding, root: Path, folder: Path) -> bool:
    if finding.position.file != FILE_NAME or not finding.path.startswith("manifests[") or not finding.found:
        return False
    return folder.resolve().is_relative_to((root / finding.found).resolve())


def _ask(checked: Checked, wanted: Wanted, root: Path, arm: Arm, select: tuple[str, ...], *, adopt: bool) -> Ask:
    name, own = checked.environment, checked.project.environments[checked.environment]
    variables = variables_of(checked.project, name)
    offers = defaults_of(read_project_file(root).document, name)
    defaults: Mapping[str, Any] = {kind: substitute(offer, variables)[0].data for kind, offer in offers.items()}
    return Ask(
        wanted.intent.owner,
        arm.target,
        Context(name, own.network, own.container_registry),
        defaults,
        frozenset(resource.ref for resource in wanted.resources),
        checked.documents,
        checked.survey,
        select,
        adopt,
    )


async def _read(arm: Arm, wanted: Wanted, ask: Ask) -> Live:
    live = await read(arm, wanted.resources, prune=lists_assets(ask.select))
    deployments = (body for ref, body in live.resources.items() if ref.kind == "deployment")
    needed = {ref for body in deployments for ref in used(body, arm.target)} - live.resources.keys()
    return Live(live.workspace, {**live.resources, **await read_assets(arm, needed)})


def _text(path: str, content: dict[str, Any]) -> str:
    try:
        return text_of(content)
    except ValueError as error:
        raise Problem(f"{path} cannot be written as YAML: {error}; leave its resource out with --select") from error


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write all files, or none."""
    if there := [path for path in texts if (folder / path).exists() or (folder / path).is_symlink()]:
        listed = ", ".join(str(folder / path) for path in there)
        raise UsageError(f"nothing was written, since these exist: {listed}; remove them, or import into another --out")
    written: list[Path] = []
    made: list[Path] = []
    try:
        for path, text in texts.items():
            file = folder / path
            made += _make(file.parent)
            with file.open("x", encoding="utf-8") as stream:
                written.append(file)
                stream.write(text)
    except OSError as error:
        for file in written:
            file.unlink(missing_ok=True)
        for place in reversed(made):
            place.rmdir()
        raise UsageError(f"nothing was written: {error.filename or folder}: {error.strerror}") from error


def _make(folder: Path) -> list[Path]:
    """Make a folder and those above it; returns those that were not there, outermost first."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()][::-1]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _after(found: Imported, root: Path, environment: str, folder: Path, live: Live, arm: Arm) -> Import:
    """What a plan says of the imported resources, from what was read of live before."""
    from reconciler.plan.planning import plan

    checked = check(root, environment, digests=True)
    files = {(folder / file.path).resolve() for file in found.files}
    if not files <= _read_by(checked, root):
        return Import(found, folder, "outside")
    errors = tuple(finding for finding in checked.findings if finding.severity is Severity.ERROR)
    if errors:
        return Import(found, folder, "invalid", findings=errors)
    wanted = want(checked, arm.target, "")
    refs = {file.ref for file in found.files}
    names = {str(ref) for ref in (*refs, *(Ref("traffic", ref.name) for ref in refs if ref.kind == "endpoint"))}
    proposed = plan(wanted.resources, live, wanted.intent)
    remaining = [
        Remaining(refusal.resource, "refused", (refusal.field,), f"{refusal.message}: {refusal.hint}")
        for refusal in proposed.refusals
        if refusal.resource in names
    ]
    actions = [action for action in proposed.actions if str(action.ref) in names]
    remaining += [_remaining(action) for action in actions if action.changes or action.verb != "adopt"]
    after: After = "remains" if remaining else "adopts" if actions else "nothing"
    return Import(found, folder, after, tuple(sorted(remaining, key=lambda one: one.resource)))


def _read_by(checked: Checked, root: Path) -> set[Path]:
    """Files that the manifests of the environment, and the conda files they name, come from."""
    manifests: Iterable[str] = (document.at().file for document in checked.documents)
    return {(root / name).resolve() for name in (*manifests, *checked.survey)}


def _remaining(action: Action) -> Remaining:
    return Remaining(str(action.ref), str(action.verb), tuple(c.path for c in action.changes), action.reason)
