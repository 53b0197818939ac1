"""The marks that make a resource ours, kept in its own tags: no state file, nothing to lose.

They travel in the create body itself, so a resource is owned from its first moment or does not exist.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from reconciler.kinds.kind import get

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.domain import Body
    from reconciler.kinds.kind import Kind

PREFIX: Final = "aml-gitops-"
OWNER: Final = PREFIX + "owner"
"""``<project>/<environment>``: who may change and delete this resource."""
SPEC: Final = PREFIX + "spec"
"""Digest of the desired body that was last written: the same digest beside another body is drift."""
TRAFFIC: Final = PREFIX + "traffic"
"""Digest of the desired traffic that was last written, on the endpoint."""
TAGS: Final = PREFIX + "tags"
"""Keys of the tags that came from the manifest, so that one that leaves it is removed and a foreign one is kept."""
PROTECT: Final = PREFIX + "protect"
"""Present when the manifest said ``protect: true``: it outlives the manifest, so prune still sees it."""
REVISION: Final = PREFIX + "revision"
"""Commit that was last written."""

TAG_VALUE_LENGTH = 256
"""Azure's limit for a tag value (learn.microsoft.com: tag-resources)."""


def digest(value: Any) -> str:
    """A short, stable digest of any JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def tags_of(kind: Kind, body: Body | None) -> Mapping[str, str]:
    """The tags of a live body; empty when there are none."""
    found: Mapping[str, str] = get(body, kind.tags_at, {})
    return found


def mark(
    tags: Mapping[str, str], *, owner: str, revision: str, spec: str, own: Iterable[str], protect: bool
) -> dict[str, str]:
    """``tags`` with the bookkeeping of one write; ``own`` are the keys that the manifest names.

    A key list too long for a tag value is left out: then a tag that leaves the manifest stays live.
    """
    keys = ",".join(quote(key, safe=" /") for key in sorted(own))
    result = {key: value for key, value in tags.items() if key not in (TAGS, PROTECT)}
    result |= {OWNER: owner, SPEC: spec, REVISION: revision[:TAG_VALUE_LENGTH]}
    if keys and len(keys) <= TAG_VALUE_LENGTH:
        result[TAGS] = keys
    if protect:
        result[PROTECT] = "true"
    return result


def remembered(tags: Mapping[str, str]) -> frozenset[str]:
    """Keys of the live tags that an earlier write of ours set."""
    return frozenset(unquote(key) for key in tags.get(TAGS, "").split(",") if key)
