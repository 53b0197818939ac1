"""One module per kind: its fields as a table (manifest key <-> ARM field), its rules with their source, its paths.

Pure. A kind knows nothing of files, HTTP or other kinds' live state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.kinds import code, deployment, endpoint, environment, model, traffic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.domain import KindName
    from reconciler.kinds.kind import Kind

KINDS: Mapping[KindName, Kind] = {
    kind.name: kind for kind in (code.KIND, model.KIND, environment.KIND, endpoint.KIND, deployment.KIND, traffic.KIND)
}
