"""The whole of an import: choose, read the field tables backwards, let validation have its say, name files. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.imported.ask import File, Imported, Note
from reconciler.imported.choose import ASSETS, choose
from reconciler.imported.draft import Draft
from reconciler.imported.mend import ignorable, mended
from reconciler.imported.places import placed
from reconciler.imported.references import REFERENCES, used, written_reference
from reconciler.imported.said import filled, said
from reconciler.kinds import KINDS
from reconciler.kinds.kind import flat, get
from reconciler.plan.decide import BROKEN, GONE, MOVING, state_of
from reconciler.plan.ownership import OWNER, PROTECT, tags_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.domain import Body, Change, Live, Ref
    from reconciler.imported.ask import Ask
    from reconciler.kinds.kind import Kind


def imported(live: Live, ask: Ask) -> Imported:
    """The manifests of what is live and not declared yet.

    With the project's other manifests they plan to nothing for what is ours and for equal assets, to an adoption
    without changes for what is nobody's and ``ask.adopt`` says so, and to what the notes say else.
    """
    chosen = choose(live, ask)
    drafts: list[Draft] = []
    notes = list(chosen.notes)
    for ref in chosen.refs:
        draft, told = _draft(ref, live, ask)
        drafts.append(draft)
        notes += told
    named, clashes = placed(drafts)
    kept, mends, gone = mended(named, ask)
    serving = [draft for draft in kept if draft.ref.kind not in ASSETS]
    asked = chosen.asked.union(*(used(live.resources[draft.ref], ask.target) for draft in serving))
    kept = tuple(draft for draft in kept if draft.ref in asked or draft.ref.kind not in ASSETS)
    told = [note for note in (*notes, *clashes, *mends) if not _of_dropped(note, drafts, kept, gone)]
    return Imported(
        tuple(sorted(_files(kept, ask), key=lambda file: file.path)),
        tuple(sorted({*told, *_nobodys(kept, live, ask)}, key=lambda note: (note.resource, note.rule, note.message))),
        chosen.declared,
        tuple(sorted(ref for ref in gone if ref in chosen.asked or ref.kind not in ASSETS)),
        chosen.unmatched,
    )


def _draft(ref: Ref, live: Live, ask: Ask) -> tuple[Draft, list[Note]]:
    body, kind = live.resources[ref], KINDS[ref.kind]
    owner = tags_of(kind, body).get(OWNER)
    draft = Draft(ref, {}, "", adopt=ask.adopt and owner is None, protect=PROTECT in tags_of(kind, body))
    notes = _state(ref, body)
    for table in draft.kinds:
        draft, told = _read(draft, table, body, ask.offered(ref.kind))
        notes += told
    if ref.kind == "model" and str(get(body, "properties.modelType")).lower() == "mlflow_model":
        draft = replace(draft, values={key: value for key, value in draft.values.items() if key != "flavors"})
    if ref.kind == "deployment":
        draft, told = _without_lost(draft, live, ask)
        notes += told
    draft, told = _private(draft, body, ask)
    return _with_conda(draft), notes + told


def _read(draft: Draft, kind: Kind, body: Body, offered: Mapping[str, Any]) -> tuple[Draft, list[Note]]:
    found = said(kind, body, offered)
    draft = replace(draft, values={**draft.values, **found.values})
    notes = [
        Note("default", str(draft.ref), f"the defaults of gitops.yaml add {change.path}, which live does not have; "
             "an overlay with null takes it back")
        for change in found.added
    ]  # fmt: skip
    for change in found.unsaid:
        if change.path == "properties.publicNetworkAccess":
            continue
        draft = replace(draft, ignore=draft.ignore | {ignorable(change.path)})
        notes.append(_unsaid(draft.ref, change))
    return draft, notes


def _unsaid(ref: Ref, change: Change) -> Note:
    message = f"no manifest can say what {change.path} is; `gitops.ignore` leaves the live value as it is"
    return Note("unsaid", str(ref), message)


def _private(draft: Draft, body: Body, ask: Ask) -> tuple[Draft, list[Note]]:
    """The one thing that is not written as it is: what is open is written closed."""
    ref, values = draft.ref, dict(draft.values)
    if ref.kind == "endpoint":
        key, arm, then = "public_network_access", "properties.publicNetworkAccess", "the next apply closes it"
    elif ref.kind == "deployment" and ask.context.network == "legacy_egress":
        key, arm = "egress_public_network_access", "properties.egressPublicNetworkAccess"
        then = "Azure does not change it on an existing deployment: make a new one beside it and remove this one"
    else:
        return draft, []
    closed = str(get(body, arm)).lower() == "disabled"
    values.pop(key, None)
    if dict(flat(filled(values, ask.offered(ref.kind)))).get(key) != "disabled":
        values[key] = "disabled"
    notes = (
        [] if closed else [Note("private", str(ref), f"is open to the internet and written `{key}: disabled`; {then}")]
    )
    return replace(draft, values=values), notes


def _without_lost(draft: Draft, live: Live, ask: Ask) -> tuple[Draft, list[Note]]:
    """The draft without references to assets that the workspace does not have any more: a plan refuses those."""
    notes = []
    for key, arm in zip(("model", "environment", "code_configuration"), REFERENCES, strict=True):
        value = draft.values.get(key)
        ref = written_reference(value.get("code") if isinstance(value, dict) else value, ask.target)[1]
        if ref is None or ref in live.resources:
            continue
        path = arm.removesuffix(".codeId")
        draft = draft.without(key, path)
        message = f"uses {ref}, which the workspace does not have any more; `gitops.ignore` ({path}) leaves it as it is"
        notes.append(Note("unresolved-reference", str(draft.ref), message))
    return draft, notes


def _with_conda(draft: Draft) -> Draft:
    """The content of a conda file goes to a file of its own; text that is no JSON cannot be compared, and stays."""
    conda = draft.values.get("conda_file")
    if draft.ref.kind != "environment" or not isinstance(conda, dict):
        return draft
    return replace(
        draft, values={key: value for key, value in draft.values.items() if key != "conda_file"}, conda=conda
    )


def _state(ref: Ref, body: Body) -> list[Note]:
    state = state_of(body)
    if state in GONE:
        return [Note("state", str(ref), "is being deleted; a plan will create it again")]
    if state in BROKEN:
        return [Note("state", str(ref), f"is {state.capitalize()}; once it is owned, a plan puts it again")]
    return [Note("state", str(ref), f"is {state.capitalize()}; what is read now may not be its last")] * (
        state in MOVING
    )


def _files(drafts: Iterable[Draft], ask: Ask) -> Iterable[File]:
    for draft in drafts:
        yield File(draft.file, draft.document(ask.target), draft.ref)
        if draft.conda is not None:
            folder = draft.file.rpartition("/")[0]
            yield File(f"{folder}/{draft.conda_file}", draft.conda, draft.ref)


def _nobodys(drafts: Iterable[Draft], live: Live, ask: Ask) -> list[Note]:
    """Without adoption, a plan refuses what exists and has no owner."""
    if ask.adopt:
        return []
    message = "has no owner yet, so a plan refuses it until its manifest says `gitops: {adopt: true}` (import --adopt)"
    return [
        Note("not-owned", str(draft.ref), message)
        for draft in drafts
        if draft.ref.kind not in ASSETS and OWNER not in tags_of(KINDS[draft.ref.kind], live.resources[draft.ref])
    ]


def _of_dropped(note: Note, drafts: Iterable[Draft], kept: Iterable[Draft], gone: Iterable[Ref]) -> bool:
    """Whether a note is about an asset that only a given-up deployment would have needed."""
    left = {str(draft.ref) for draft in drafts} - {str(draft.ref) for draft in kept} - {str(ref) for ref in gone}
    return note.resource in left
