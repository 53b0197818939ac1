"""What a kind is: a table of fields, the rules they obey, and where the resource lives in ARM."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from reconciler.kinds.forms import AS_IS, Form

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.domain import Body, KindName, Ref

API_VERSION: Final = "2024-04-01"
"""The newest api-version whose real traffic is publicly recorded; every body is shown, compared and sent in it."""


class Unset:
    """The type of ``UNSET``."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its manifest key, its ARM path (both dotted), its form, and what rules it.

    ``default`` is the documented default in ARM spelling: it is desired when the manifest does not name the field.
    ``UNSET`` means that Azure decides until the manifest says otherwise. ``immutable`` holds the fix to tell;
    ``source`` says where that is documented. ``secret`` values are shown as ``(sensitive)``. ``additive`` maps may
    gain keys but neither lose nor change them; of a ``structure`` only the keys that the manifest names are compared.
    ``filled`` are values that Azure puts where nobody named one, so that an import need not write them.
    """

    manifest: str
    arm: str
    form: Form = AS_IS
    default: Any = UNSET
    immutable: str = ""
    source: str = ""
    secret: bool = False
    additive: bool = False
    structure: bool = False
    server_keys: frozenset[str] = frozenset()
    filled: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource. ``server_owned`` are dotted ARM paths that Azure fills and that are never sent back.

    ``tags_at`` is where its tags live: at the top for endpoints and deployments, under ``properties`` for assets.
    """

    name: KindName
    doc: str
    fields: tuple[Field, ...]
    server_owned: tuple[str, ...] = ()
    tags_at: str = "tags"
    api_version: str = API_VERSION
    by_arm: Mapping[str, Field] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_arm", {f.arm: f for f in self.fields})

    def body(self, values: Mapping[str, Any]) -> Body:
        """Spell manifest ``values`` (dotted key to value; absent = not named) as ARM JSON, defaults filled in."""
        result: Body = {}
        for entry in self.fields:
            value = values.get(entry.manifest, UNSET)
            if value is None:
                value = UNSET
            spelled = entry.default if value is UNSET else entry.form.to_arm(value)
            if spelled is not UNSET:
                put(result, entry.arm, spelled)
        return result


@cache
def steps(path: str) -> tuple[str, ...]:
    """Split a dotted path. Keys that hold dots themselves (``azureml.onlineendpointid``) are never addressed so."""
    return tuple(path.split("."))


def get(body: Any, path: str, default: Any = None) -> Any:
    """Value at a dotted path, or ``default`` when any step is missing or null."""
    for step in steps(path):
        if not isinstance(body, dict) or body.get(step) is None:
            return default
        body = body[step]
    return body


def put(body: Body, path: str, value: Any) -> None:
    """Set a dotted path, making the mappings on the way."""
    *parents, last = steps(path)
    for step in parents:
        if not isinstance(body.get(step), dict):
            body[step] = {}
        body = body[step]
    body[last] = value


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys of nested mappings, together with the mappings themselves."""
    for key, value in values.items():
        yield prefix + key, value
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")


ASSET_CONTAINERS: Mapping[str, str] = {"model": "models", "environment": "environments", "code": "codes"}


def arm_path(ref: Ref) -> str:
    """Path of a resource below its workspace. Traffic lives on its endpoint."""
    if ref.kind == "deployment":
        return f"/onlineEndpoints/{ref.name}/deployments/{ref.part}"
    if ref.kind in ("endpoint", "traffic"):
        return f"/onlineEndpoints/{ref.name}"
    return f"/{ASSET_CONTAINERS[ref.kind]}/{ref.name}/versions/{ref.part}"
