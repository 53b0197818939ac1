"""Traffic of an endpoint: a resource of its own in the plan, though ARM keeps it on the endpoint.

Order matters: a weight may only name a deployment that has Succeeded, and a deployment may only be deleted once its
weight is gone. A manifest that names no traffic leaves live traffic alone.
"""

from __future__ import annotations

from reconciler.kinds.forms import WEIGHTS
from reconciler.kinds.kind import Field, Kind

KIND = Kind(
    name="traffic",
    doc="https://learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints",
    fields=(
        Field("traffic", "properties.traffic", WEIGHTS),
        Field("mirror_traffic", "properties.mirrorTraffic", WEIGHTS),
    ),
)
