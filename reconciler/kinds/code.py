"""Code versions: one folder of source, addressed by its content.

The version is the content hash, so a changed line is another code and shows on the deployment, and the same bytes are
uploaded once for the whole project. https://learn.microsoft.com/rest/api/azureml/code-versions
"""

from __future__ import annotations

from typing import Final

from reconciler.kinds.forms import STORAGE_URI
from reconciler.kinds.kind import Field, Kind

HASH_VERSION: Final = "202208"
"""The content hash that azure-ai-ml 1.35.2 writes and looks for, so that it finds our code and we find its."""

KIND = Kind(
    name="code",
    doc="https://learn.microsoft.com/rest/api/azureml/code-versions",
    fields=(
        Field("path", "properties.codeUri", STORAGE_URI),
        Field("hash", "properties.properties.hash_sha256"),
        Field("hash_version", "properties.properties.hash_version"),
    ),
    server_owned=(
        "id",
        "name",
        "type",
        "systemData",
        "properties.provisioningState",
        "properties.isAnonymous",
    ),
    tags_at="properties.tags",
)
