"""Fill an emulator with what a project says, faster than an apply does: one PUT each, nothing read or waited for.

The bodies are those of the reconciler's own plans, so live comes out equal to desired. Files are not uploaded.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING

from aml_emulator.wire import Request
from reconciler.desired import Desire, desired
from reconciler.domain import KINDS, Intent, Live, Target
from reconciler.kinds.kind import API_VERSION, arm_path, put
from reconciler.plan.planning import plan
from reconciler.sync import check

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aml_emulator.service import AzureML
    from reconciler.domain import Action, Resource


async def fill(service: AzureML, root: Path, environment: str, workspace: str) -> None:
    """Bring a workspace of the emulator to the project. Raises RuntimeError when it refuses something."""
    token = service.site.identity.token("https://management.azure.com", 3600)
    s = service.site.settings
    target = Target(s.subscription_id, s.resource_group, workspace, s.location)
    for action in _creations(root, environment, target):
        url = f"{s.url}{target.scope}{arm_path(action.ref)}?api-version={API_VERSION}"
        body = json.dumps(action.body).encode()
        answer = await service.handle(Request("PUT", url, {"Authorization": f"Bearer {token}"}, body))
        if answer.status >= 400:
            raise RuntimeError(f"{action.ref}: {(await answer.read()).decode()}")
        if action.ref.kind in ("endpoint", "deployment", "traffic"):
            await service.settle()


def _creations(root: Path, environment: str, target: Target) -> list[Action]:
    """What would create everything, kind by kind; planned endpoint by endpoint, which stays quick."""
    checked = check(root, environment, digests=True).sound()
    resources = desired(checked.manifests, Desire(checked.project.project, target, checked.survey))
    intent = Intent(checked.project.project, environment, "filled", checked.project.environments[environment].network)
    actions = [action for part in _parts(resources) for action in plan(part, Live({}, {}), intent).actions]
    for action in actions:
        if action.ref.kind == "code" and action.body is not None:
            put(action.body, "properties.codeUri", "https://elsewhere.example/code")
    return sorted(actions, key=lambda action: KINDS.index(action.ref.kind))


def _parts(resources: Sequence[Resource]) -> Iterator[list[Resource]]:
    """The assets, then each endpoint with its deployments and traffic."""

    def part(resource: Resource) -> str:
        return resource.ref.name if resource.ref.kind in ("endpoint", "deployment", "traffic") else ""

    for _, group in groupby(sorted(resources, key=part), part):
        yield list(group)
