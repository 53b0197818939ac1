"""What models, environments and codes have in common: a container by name, and versions below it.

The kinds differ in the properties of a version and in one status code; that difference is an ``AssetKind``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aml_emulator import shape
from aml_emulator.arm.listing import list_answer, top
from aml_emulator.arm.paths import WS
from aml_emulator.call import Call
from aml_emulator.errors import Refused, not_found
from aml_emulator.store import Record
from aml_emulator.wire import Body, Response, answer, empty, strings, timestamp

if TYPE_CHECKING:
    from aml_emulator.routing import Handler

# azure-rest-api-specs allows letters, digits, "-" and "_" in the name of a container and names no pattern for a
# version; versions like 1.0.2 are in use. A name becomes a folder's name here, so none may be "." or "..".
LEGAL_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")

Compose = Callable[[Call, Body | None, Body], Body]


@dataclass(frozen=True, slots=True)
class AssetKind:
    """One kind of versioned asset.

    ``compose(call, live, wanted)`` gives the properties to keep, or raises Refused; ``live`` is None for a new one.
    ``always_created``: every PUT answers 201 and leaves lastModifiedAt alone, as recorded for environments.
    """

    name: str
    collection: str
    compose: Compose
    always_created: bool = False
    label_latest: bool = False

    @property
    def version(self) -> str:
        """The store's word for a version of this kind."""
        return f"{self.name}.version"


async def put_version(kind: AssetKind, call: Call) -> Response:
    """PUT a version: 201 with its own Location when it is new, else 200 (environments: 201 always)."""
    _check_names(kind, call)
    wanted = shape.conform(await call.request.json(), shape.ASSET).get("properties") or {}
    workspace, now = call.workspace(), timestamp()
    container = _container(kind, call, workspace)
    record = call.site.store.get(f"{container.id}/versions/{call.path['version']}")
    live = record.body["properties"] if record else None
    properties = kind.compose(call, live, wanted)
    if record is None:
        body: Body = {
            "id": f"{container.body['id']}/versions/{call.path['version']}",
            "name": call.path["version"],
            "type": f"{container.body['type']}/versions",
            "properties": properties,
            "systemData": system_data(call, now),
        }
        record = Record(body["id"].lower(), container.id, kind.version, body["name"], body)
    else:
        record.body["properties"] = properties
        if not kind.always_created:
            record.body["systemData"] |= {"lastModifiedAt": now}
    if call.site.store.get(container.id) is None:
        call.site.store.put(container)
    call.site.store.put(record)
    created = live is None or kind.always_created
    shown = _present(kind, call, record)
    return answer(201, shown, {"Location": call.self_url(record)}) if created else answer(200, shown)


async def get_version(kind: AssetKind, call: Call) -> Response:
    """GET a version, archived or not."""
    return answer(200, _present(kind, call, _version(kind, call)))


async def delete_version(kind: AssetKind, call: Call) -> Response:
    """DELETE a version: 200, or 204 when there is none."""
    identity = f"{_container_id(kind, call, call.workspace())}/versions/{call.path['version']}"
    return empty(200 if call.site.store.delete(identity) else 204)


async def list_versions(kind: AssetKind, call: Call) -> Response:
    """GET versions, newest first. ``hash`` looks through the whole workspace, whatever the name in the path."""
    workspace, query = call.workspace(), call.request.query()
    present = partial(_present, kind, call)
    if query.get("hash"):
        found = call.site.store.hashed(kind.version, query["hash"])
        same = query.get("hashversion", "")
        value = [
            present(record)
            for record in found
            if record.id.startswith(f"{workspace.id}/")
            and record.body["properties"]["properties"].get("hash_version", "") == same
        ]
        return answer(200, {"value": value})
    parent = _container_id(kind, call, workspace).lower()
    return list_answer(call, parent, kind.version, present, partial(_keep, query), newest_first=True, size=top(call))


async def get_container(kind: AssetKind, call: Call) -> Response:
    """GET a container, with its latest and its next version."""
    record = call.site.store.get(_container_id(kind, call, call.workspace()))
    if record is None:
        raise _missing(kind, call.path["name"])
    return answer(200, _present_container(kind, call, record))


async def put_container(kind: AssetKind, call: Call) -> Response:
    """PUT a container: 201 when it is new, else 200."""
    _check_names(kind, call)
    wanted = shape.conform(await call.request.json(), shape.ASSET).get("properties") or {}
    record = _container(kind, call, call.workspace())
    new = call.site.store.get(record.id) is None
    record.body["properties"] |= common_properties(wanted)
    record.body["systemData"] |= {"lastModifiedAt": timestamp()}
    call.site.store.put(record)
    return answer(201 if new else 200, _present_container(kind, call, record))


async def delete_container(kind: AssetKind, call: Call) -> Response:
    """DELETE a container with its versions: 200, or 204 when there is none."""
    return empty(200 if call.site.store.delete(_container_id(kind, call, call.workspace())) else 204)


async def list_containers(kind: AssetKind, call: Call) -> Response:
    """GET the containers of the workspace."""
    parent, query = call.workspace().id, call.request.query()
    present = partial(_present_container, kind, call)
    return list_answer(
        call, parent, kind.name, present, partial(_keep, query), newest_first=False, size=top(call, "count")
    )


def common_properties(wanted: Body) -> Body:
    """What every asset has; maps default to ``{}`` and not to null."""
    return {
        "description": wanted.get("description"),
        "tags": strings(wanted.get("tags")),
        "properties": strings(wanted.get("properties")),
        "isArchived": bool(wanted.get("isArchived")),
    }


def system_data(call: Call, now: str) -> Body:
    """Assets have all six fields, where endpoints have three."""
    who = call.site.identity.client_id
    return {
        "createdAt": now,
        "createdBy": who,
        "createdByType": "Application",
        "lastModifiedAt": now,
        "lastModifiedBy": who,
        "lastModifiedByType": "Application",
    }


def routes(kind: AssetKind) -> tuple[tuple[str, str, Handler], ...]:
    """The routes of one kind."""
    all_of, one = f"{WS}/{kind.collection}", f"{WS}/{kind.collection}/{{name}}"
    version = f"{one}/versions/{{version}}"
    return (
        ("GET", all_of, partial(list_containers, kind)),
        ("GET", one, partial(get_container, kind)),
        ("PUT", one, partial(put_container, kind)),
        ("DELETE", one, partial(delete_container, kind)),
        ("GET", f"{one}/versions", partial(list_versions, kind)),
        ("GET", version, partial(get_version, kind)),
        ("PUT", version, partial(put_version, kind)),
        ("DELETE", version, partial(delete_version, kind)),
    )


def _check_names(kind: AssetKind, call: Call) -> None:
    for part in ("name", "version"):
        given = call.path.get(part, "x")
        if not LEGAL_NAME.fullmatch(given):
            message = (
                f"The {part} of a {kind.name} has 1 to 255 letters, digits, '-', '_' or '.', and does not start with "
                f"a '.': {given[:255]!r} cannot be used."
            )
            raise Refused(400, "UserError", message)


def _keep(query: dict[str, str], record: Record) -> bool:
    archived = record.body["properties"]["isArchived"]
    view = query.get("listviewtype", "ActiveOnly").lower()
    if (view == "activeonly" and archived) or (view == "archivedonly" and not archived):
        return False
    if query.get("version") and record.name != query["version"]:
        return False
    return not query.get("stage") or record.body["properties"].get("stage") == query["stage"]


def _container_id(kind: AssetKind, call: Call, workspace: Record) -> str:
    return f"{workspace.body['id']}/{kind.collection}/{call.path['name']}"


def _container(kind: AssetKind, call: Call, workspace: Record) -> Record:
    """The stored container, or a new one that is not stored yet."""
    arm_id = _container_id(kind, call, workspace)
    found = call.site.store.get(arm_id)
    if found:
        return found
    body: Body = {
        "id": arm_id,
        "name": call.path["name"],
        "type": f"{workspace.body['type']}/{kind.collection}",
        "properties": common_properties({}),
        "systemData": system_data(call, timestamp()),
    }
    return Record(arm_id.lower(), workspace.id, kind.name, call.path["name"], body)


def _version(kind: AssetKind, call: Call) -> Record:
    record = call.site.store.get(f"{_container_id(kind, call, call.workspace())}/versions/{call.path['version']}")
    if record is None:
        raise _missing(kind, f"{call.path['name']}:{call.path['version']}")
    return record


def _missing(kind: AssetKind, name: str) -> Exception:
    return not_found(
        f"{kind.name.capitalize()}NotFound", f"{kind.name.capitalize()} container or version {name} not found"
    )


def _present(kind: AssetKind, call: Call, record: Record) -> Body:
    if not kind.label_latest:
        return record.body
    newest, _ = call.site.store.page(record.parent, kind.version, limit=1, after=0, newest_first=True)
    if not newest or newest[0].id != record.id:
        return record.body
    properties = record.body["properties"]
    labelled = properties["properties"] | {"azureml.labels": "latest"}
    return record.body | {"properties": properties | {"properties": labelled}}


def _present_container(kind: AssetKind, call: Call, record: Record) -> Body:
    names = [version.name for version in call.site.store.children(record.id, kind.version)]
    numbers = [int(name) for name in names if name.isdigit()]
    computed = {
        "latestVersion": names[-1] if names else None,
        "nextVersion": str(max(numbers, default=0) + 1),
        "provisioningState": "Succeeded",
    }
    return record.body | {"properties": record.body["properties"] | computed}
