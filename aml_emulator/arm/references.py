"""References from one resource to another, in the forms that clients write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aml_emulator.call import Site
    from aml_emulator.store import Record

SHORT = re.compile(r"azureml:([^:/@]+):([^:/@]+)")
BY_LOCATION = re.compile(r"(?i)azureml://locations/[^/]+/workspaces/[^/]+/(\w+)/([^/]+)/versions/([^/]+)")
REGISTRY = "azureml://registries/"


def in_registry(reference: str) -> bool:
    """Whether the asset is in a registry: the emulator has none, so it cannot say whether it exists."""
    return reference.lower().startswith(REGISTRY)


def asset(site: Site, workspace: Record, collection: str, reference: str) -> Record | None:
    """The version that a reference means: an ARM id, ``azureml:name:version`` or an asset id."""
    short, located = SHORT.fullmatch(reference), BY_LOCATION.fullmatch(reference)
    if short:
        reference = f"{workspace.id}/{collection}/{short[1]}/versions/{short[2]}"
    elif located:
        reference = f"{workspace.id}/{located[1]}/{located[2]}/versions/{located[3]}"
    record = site.store.get(reference)
    return record if record and record.kind == f"{collection.removesuffix('s')}.version" else None
