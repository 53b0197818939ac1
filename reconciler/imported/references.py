"""From ARM's spelling of a reference to what a person would write: the way back of ``reconciler.desired``. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from reconciler.domain import Ref
from reconciler.kinds.forms import asset_id
from reconciler.kinds.kind import get

if TYPE_CHECKING:
    from reconciler.domain import Body, KindName, Target

_ASSET = re.compile(r"(?P<kind>model|environment|code)/(?P<name>[^/:]+):(?P<version>.+)")
_DATA = re.compile(r"(?P<name>[^/:@]+)/versions/(?P<version>[^/:@]+)")
_SCOPE = re.compile(r"(?P<scope>/subscriptions/.+?/workspaces/[^/]+)/.+", re.IGNORECASE)
_LONG_DATASTORE = re.compile(
    r"azureml://subscriptions/(?P<subscription>[^/]+)/resource[gG]roups/(?P<group>[^/]+)/workspaces/(?P<workspace>[^/]+)"
    r"/(?P<rest>datastores/[^/]+/paths/.+)"
)
REFERENCES = ("properties.model", "properties.environmentId", "properties.codeConfiguration.codeId")


def used(deployment: Body, target: Target) -> frozenset[Ref]:
    """Assets of the workspace that a deployment's body names."""
    found = (_own(get(deployment, path), target) for path in REFERENCES)
    return frozenset(ref for ref in found if ref is not None)


def written_reference(value: Any, target: Target) -> tuple[Any, Ref | None]:
    """A reference as a manifest says it, and the asset of this workspace that it means; what is elsewhere as it is."""
    ref = _own(value, target)
    return (value, None) if ref is None else (f"azureml:{ref.name}:{ref.part}", ref)


def written_data(value: Any, target: Target) -> Any:
    """A data asset in short when that is spelled out to this very text again."""
    rest = value.removeprefix(f"{target.scope}/data/") if isinstance(value, str) else ""
    found = _DATA.fullmatch(rest)
    return f"azureml:{found['name']}:{found['version']}" if found else value


def written_path(uri: Any, target: Target) -> Any:
    """A datastore address in short when it lies in the target workspace, in the very case of gitops.yaml."""
    found = _LONG_DATASTORE.fullmatch(uri) if isinstance(uri, str) else None
    ours = (target.subscription_id, target.resource_group, target.workspace)
    if found and (found["subscription"], found["group"], found["workspace"]) == ours:
        return f"azureml://{found['rest']}"
    return uri


def _own(value: Any, target: Target) -> Ref | None:
    """The asset that a reference means, when it is of this workspace.

    An id by location names the workspace by a number that nobody here knows; a deployment can only name its own.
    """
    found = _ASSET.fullmatch(str(asset_id(value)))
    scope = _SCOPE.fullmatch(value) if isinstance(value, str) else None
    if found is None or (scope and scope["scope"].lower() != target.scope.lower()):
        return None
    kinds: dict[str, KindName] = {"model": "model", "environment": "environment", "code": "code"}
    return Ref(kinds[found["kind"]], found["name"], found["version"])
