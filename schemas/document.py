"""What every manifest may carry besides the fields of its kind."""

from __future__ import annotations

from pydantic import Field

from schemas.gitops import Gitops
from schemas.strict import Strict


class Written(Strict):
    """A manifest of any kind. ``$schema`` or ``kind`` says which; ``gitops`` is for the reconciler alone."""

    schema_: str | None = Field(
        default=None,
        alias="$schema",
        description="Address of the az ml CLI v2 schema, on any host; its file name says the kind.",
    )
    kind: str | None = Field(default=None, description="The kind in one word, for files without `$schema`.")
    gitops: Gitops | None = Field(
        default=None, description="What the reconciler may do with this resource; never sent to Azure."
    )
