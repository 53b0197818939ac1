"""Validated manifests to desired resources: references resolved, inline assets named, defaults filled in. Pure.

The ARM bodies made here say what the manifests say and what Azure documents as the default; what neither says is left
to Azure. Ownership marks are not part of what is desired, the plan adds them.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from reconciler.compose.overlays import local_path
from reconciler.domain import Options, Ref, Resource, Upload
from reconciler.kinds import KINDS
from reconciler.kinds.code import HASH_VERSION
from reconciler.kinds.kind import ASSET_CONTAINERS, flat, get

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.domain import Body, Document, KindName, LocalPath, Target
    from reconciler.manifest import Manifest

AssetKind = Literal["model", "environment"]

VERSION_LENGTH = 16
"""Hex digits of a content hash that serve as a version: short enough to read, 64 bits against a clash."""

_NAMED = re.compile(r"azureml:(?P<name>[^:/@]+)(?::(?P<version>[^:/@]+))?")
_ARM_ASSET = re.compile(r"(?P<scope>/subscriptions/.+?)/\w+/(?P<name>[^/]+)/versions/(?P<version>[^/]+)")
_SHORT_DATASTORE = re.compile(r"azureml://datastores/(?P<store>[^/]+)/paths/(?P<path>.+)")


@dataclass(frozen=True, slots=True)
class Desire:
    """What turning manifests into resources needs to know besides the manifests."""

    project: str
    target: Target
    survey: Mapping[str, LocalPath]


def desired(manifests: Sequence[Manifest], desire: Desire) -> tuple[Resource, ...]:
    """Every resource the manifests ask for, sorted by ref, each once."""
    found: dict[Ref, Resource] = {}
    declared: dict[tuple[str, str], Ref] = {}
    for manifest in manifests:
        if manifest.kind in ASSET_CONTAINERS:
            asset = _asset(
                "model" if manifest.kind == "model" else "environment",
                _values(manifest),
                manifest.document,
                (),
                "",
                desire,
            )
            declared[asset.ref.kind, asset.ref.name] = asset.ref
            found[asset.ref] = asset
    for manifest in manifests:
        made = (
            _endpoint(manifest, desire)
            if manifest.kind == "endpoint"
            else _deployment(manifest, declared, desire)
            if manifest.kind == "deployment"
            else ()
        )
        for resource in made:
            found.setdefault(resource.ref, resource)
    return tuple(found[ref] for ref in sorted(found))


def _values(manifest: Manifest) -> dict[str, Any]:
    dumped: dict[str, Any] = manifest.spec.model_dump(mode="json", exclude_unset=True)
    return dumped


def _options(values: Mapping[str, Any]) -> Options:
    block = values.get("gitops") or {}
    return Options(
        adopt=block.get("adopt", False),
        protect=block.get("protect", False),
        ignore=tuple(block.get("ignore", ())),
        drift=block.get("drift", "heal"),
        suspend=block.get("suspend", False),
    )


def _endpoint(manifest: Manifest, desire: Desire) -> Iterator[Resource]:
    values = _values(manifest)
    name = values["name"].lower()
    position, options = manifest.document.at(), _options(values)
    flattened = {"location": desire.target.location, **dict(flat(values))}
    yield Resource(Ref("endpoint", name), KINDS["endpoint"].body(flattened), position, (), options)
    if "traffic" in values or "mirror_traffic" in values:
        body = KINDS["traffic"].body(values)
        weighted = sorted({*get(body, "properties.traffic", {}), *get(body, "properties.mirrorTraffic", {})})
        needs = (Ref("endpoint", name), *(Ref("deployment", name, deployment) for deployment in weighted))
        at = manifest.document.at("traffic" if "traffic" in values else "mirror_traffic")
        yield Resource(Ref("traffic", name), body, at, needs, options)


def _deployment(manifest: Manifest, declared: Mapping[tuple[str, str], Ref], desire: Desire) -> Iterator[Resource]:
    values = _values(manifest)
    endpoint, name = values["endpoint_name"].lower(), values["name"].lower()
    flattened = {"location": desire.target.location, **dict(flat(values))}
    needs = [Ref("endpoint", endpoint)]
    kinds: tuple[AssetKind, ...] = ("model", "environment")
    for kind in kinds:
        named = values.get(kind)
        if isinstance(named, dict):
            asset = _asset(kind, named, manifest.document, (kind,), f"{endpoint}-{name}", desire)
            yield asset
            needs.append(asset.ref)
            flattened[kind] = asset_id(asset.ref, desire.target)
        elif named:
            reference = _reference(kind, named, declared, desire.target)
            if isinstance(reference, Ref):
                needs.append(reference)
                reference = asset_id(reference, desire.target)
            flattened[kind] = reference
    configuration = values.get("code_configuration") or {}
    if local_path(manifest.document, ("code_configuration", "code")) in desire.survey:
        code = _code(manifest.document, desire)
        yield code
        needs.append(code.ref)
        flattened["code_configuration"] = {**configuration, "code": asset_id(code.ref, desire.target)}
    elif configuration.get("code"):
        registered = _reference("code", configuration["code"], declared, desire.target)
        if isinstance(registered, Ref):
            needs.append(registered)
            registered = asset_id(registered, desire.target)
        flattened["code_configuration"] = {**configuration, "code": registered}
    if collector := values.get("data_collector"):
        flattened["data_collector"] = _with_data_ids(collector, desire.target)
    yield Resource(
        Ref("deployment", endpoint, name),
        KINDS["deployment"].body(flattened),
        manifest.document.at(),
        tuple(sorted(set(needs))),
        _options(values),
    )


def _with_data_ids(collector: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """The collector with every data asset that it names spelled as an ARM id; what names none is left to Azure."""
    collections = {}
    for name, collection in (collector.get("collections") or {}).items():
        data = collection.get("data")
        if isinstance(data, dict):
            data = data.get("data_id") or f"azureml:{data.get('name')}:{data.get('version')}"
        if isinstance(data, str) and (named := _NAMED.fullmatch(data)) and named["version"]:
            data = f"{target.scope}/data/{named['name']}/versions/{named['version']}"
        collections[name] = {**collection, "data": data}
    return {**collector, "collections": collections}


def asset_id(ref: Ref, target: Target) -> str:
    """ARM id of an asset version in the target workspace."""
    return f"{target.scope}/{ASSET_CONTAINERS[ref.kind]}/{ref.name}/versions/{ref.part}"


def _reference(kind: KindName, text: str, declared: Mapping[tuple[str, str], Ref], target: Target) -> Ref | str:
    """The asset of the target workspace that ``text`` names, or ``text`` as ARM spells it when it is another's."""
    if named := _NAMED.fullmatch(text):
        return Ref(kind, named["name"], named["version"]) if named["version"] else declared[kind, named["name"]]
    plain = text.removeprefix("azureml:") if text.startswith("azureml:/subscriptions/") else text
    if (found := _ARM_ASSET.fullmatch(plain)) and found["scope"].lower() == target.scope.lower():
        return Ref(kind, found["name"], found["version"])
    return plain


def _asset(
    kind: AssetKind,
    values: Mapping[str, Any],
    document: Document,
    pointer: tuple[str, ...],
    fallback_name: str,
    desire: Desire,
) -> Resource:
    flattened = dict(flat(values))
    flattened.pop("version", None)
    upload = (
        _resolve_model(flattened, document, pointer, desire)
        if kind == "model"
        else _resolve_environment(flattened, document, pointer, desire)
    )
    body = KINDS[kind].body(flattened)
    version = values.get("version") or (upload.digest if upload and kind == "model" else _digest(body))[:VERSION_LENGTH]
    ref = Ref(kind, values.get("name") or fallback_name, str(version))
    return Resource(ref, body, document.at(*pointer), (), _options(values), upload)


def _resolve_model(
    flattened: dict[str, Any], document: Document, pointer: tuple[str, ...], desire: Desire
) -> Upload | None:
    path = flattened.get("path")
    if path is None:
        return None
    held = desire.survey.get(local_path(document, (*pointer, "path")) or "")
    if held is None:
        flattened["path"] = _long_datastore_uri(path, desire.target)
        return None
    upload = _upload(held, flattened.get("datastore"))
    store, name = upload.datastore or "workspaceblobstore", PurePosixPath(held.path).name
    stored = f"azureml://datastores/{store}/paths/LocalUpload/{upload.digest}/{name}"
    flattened["path"] = _long_datastore_uri(stored, desire.target)
    return upload


def _resolve_environment(
    flattened: dict[str, Any], document: Document, pointer: tuple[str, ...], desire: Desire
) -> Upload | None:
    conda = flattened.get("conda_file")
    if isinstance(conda, str):
        flattened["conda_file"] = desire.survey[local_path(document, (*pointer, "conda_file")) or ""].data
    held = desire.survey.get(local_path(document, (*pointer, "build", "path")) or "")
    if held is None:
        return None
    upload = _upload(held, flattened.get("datastore"))
    context = f"LocalUpload/{upload.digest}/{PurePosixPath(held.path).name}/"
    flattened["build"] = {**flattened["build"], "path": context}
    return upload


def _code(document: Document, desire: Desire) -> Resource:
    held = desire.survey[local_path(document, ("code_configuration", "code")) or ""]
    upload = _upload(held)
    body = KINDS["code"].body({"hash": upload.digest, "hash_version": HASH_VERSION})
    ref = Ref("code", desire.project, upload.digest[:VERSION_LENGTH])
    return Resource(ref, body, document.at("code_configuration", "code"), (), Options(), upload)


def _upload(held: LocalPath, datastore: str | None = None) -> Upload:
    if held.digest is None:
        raise ValueError(f"{held.path} was surveyed without its content hash")
    name = datastore.removeprefix("azureml:").rpartition("/")[2] if datastore else None
    return Upload(held.path, held.digest, name)


def _long_datastore_uri(uri: str, target: Target) -> str:
    """Spell a short datastore address in full, as azure-ai-ml 1.35.2 does before it registers a model."""
    if found := _SHORT_DATASTORE.fullmatch(uri):
        return (
            f"azureml://subscriptions/{target.subscription_id}/resourcegroups/{target.resource_group}"
            f"/workspaces/{target.workspace}/datastores/{found['store']}/paths/{found['path']}"
        )
    return uri


def _digest(body: Body) -> str:
    content = {key: value for key, value in body["properties"].items() if key not in ("description", "tags")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


__all__ = ["Desire", "asset_id", "desired"]
