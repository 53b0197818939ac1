"""A manifest in the making, and how it is written: keys in the order in which a person would write them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reconciler.imported.references import written_data, written_path, written_reference
from reconciler.imported.said import filled
from reconciler.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.domain import Body, Ref, Target
    from reconciler.kinds.kind import Kind

_ADDRESS = "https://azuremlschemas.azureedge.net/latest/{}.schema.json"
_SCHEMAS: Mapping[str, str] = {
    "endpoint": "managedOnlineEndpoint",
    "deployment": "managedOnlineDeployment",
    "model": "model",
    "environment": "environment",
}
_ORDER = (
    "$schema", "name", "endpoint_name", "version", "type", "description", "auth_mode", "location", "identity",
    "public_network_access", "traffic", "mirror_traffic", "path", "stage", "flavors", "image", "conda_file", "build",
    "os_type", "inference_config", "model", "model_mount_path", "environment", "code_configuration",
    "environment_variables", "instance_type", "instance_count", "scale_settings", "request_settings",
    "liveness_probe", "readiness_probe", "egress_public_network_access", "app_insights_enabled", "data_collector",
    "properties", "tags", "gitops",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """One manifest: ``values`` by dotted manifest key in ARM's spelling of references, ``file`` within the folder.

    ``conda`` is the content of the conda file beside it, which is called ``conda_file``.
    """

    ref: Ref
    values: Mapping[str, Any]
    file: str
    ignore: frozenset[str] = frozenset()
    adopt: bool = False
    protect: bool = False
    conda: Body | None = None
    conda_file: str = ""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The tables that its values come from: an endpoint's manifest holds its traffic too."""
        kind = KINDS[self.ref.kind]
        return (kind, KINDS["traffic"]) if kind.name == "endpoint" else (kind,)

    def without(self, key: str, ignored: str, entry: str | None = None) -> Draft:
        """The draft without a value, or without one entry of it; apply then leaves the ARM path ``ignored`` alone."""
        values = {at: value for at, value in self.values.items() if at != key}
        if entry is not None:
            rest = {name: value for name, value in self.values.get(key, {}).items() if name != entry}
            values |= {key: rest} if rest else {}
        return replace(self, values=values, ignore=self.ignore | {ignored})

    def document(self, target: Target) -> Body:
        """What is written to the file."""
        ref, values = self.ref, dict(self.values)
        if ref.kind == "deployment":
            values |= _references(values, target)
            identity: Body = {"name": ref.part, "endpoint_name": ref.name}
        else:
            identity = {"name": ref.name} | ({"version": _number(ref.part)} if ref.part else {})
        if "path" in values and ref.kind == "model":
            values["path"] = written_path(values["path"], target)
        if self.conda is not None:
            values["conda_file"] = self.conda_file
        written = {"$schema": _ADDRESS.format(_SCHEMAS[ref.kind]), **identity, **filled(values, {}), **self._gitops()}
        return {key: written[key] for key in sorted(written, key=_ORDER.index)}

    def _gitops(self) -> Body:
        block: Body = {}
        if self.adopt:
            block["adopt"] = True
        if self.protect:
            block["protect"] = True
        if self.ignore:
            block["ignore"] = sorted(self.ignore)
        return {"gitops": block} if block else {}


def _references(values: Mapping[str, Any], target: Target) -> Body:
    found: Body = {}
    for key in ("model", "environment"):
        if key in values:
            found[key] = written_reference(values[key], target)[0]
    code = values.get("code_configuration")
    if isinstance(code, dict) and "code" in code:
        found["code_configuration"] = {**code, "code": written_reference(code["code"], target)[0]}
    collector = values.get("data_collector")
    if isinstance(collector, dict):
        streams = {
            name: {**stream, "data": written_data(stream["data"], target)} if "data" in stream else stream
            for name, stream in collector["collections"].items()
        }
        found["data_collector"] = {**collector, "collections": streams}
    return found


def _number(version: str) -> str | int:
    """A version as most people write it; text where a number would not be the same version."""
    return int(version) if version.isdecimal() and version.isascii() and str(int(version)) == version else version
