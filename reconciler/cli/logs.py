"""``aml-gitops logs``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.place import connection_of, project_root, session
from reconciler.errors import NotFound, UsageError

if TYPE_CHECKING:
    import argparse

    from reconciler.arm.client import Arm

CONTAINERS = {"inference-server": "InferenceServer", "storage-initializer": "StorageInitializer"}


def run(options: argparse.Namespace) -> int:
    """Print the log as the container wrote it. https://learn.microsoft.com/rest/api/azureml/online-deployments."""
    endpoint, _, name = options.deployment.removeprefix("deployment/").lower().partition("/")
    if not endpoint or not name or "/" in name:
        raise UsageError(f"{options.deployment} names no deployment; write ENDPOINT/DEPLOYMENT, such as churn/blue")
    if options.tail < 1:
        raise UsageError(f"--tail {options.tail}: at least 1 line")

    async def work(arm: Arm) -> str:
        path = f"/onlineEndpoints/{endpoint}/deployments/{name}"
        question = {"containerType": CONTAINERS[options.container], "tail": options.tail}
        try:
            answer = await arm.post(f"{path}/getLogs", question)
        except NotFound:
            raise UsageError(await _missing(arm, f"{endpoint}/{name}", options.environment)) from None
        return str(answer.get("content") or "")

    content = session(connection_of(options, project_root(options)), work)
    if not content:
        output.note(f"The {options.container} of {endpoint}/{name} has written nothing yet.")
    output.show(content if content.endswith("\n") or not content else content + "\n")
    return 0


async def _missing(arm: Arm, name: str, environment: str) -> str:
    from reconciler.naming import nearest

    live = [
        f"{endpoint['name']}/{deployment['name']}".lower()
        for endpoint in await arm.list("/onlineEndpoints")
        for deployment in await arm.list(f"/onlineEndpoints/{endpoint['name']}/deployments")
    ]
    told = nearest(name, live) or (f"; there are {', '.join(sorted(live)[:10])}" if live else "; there is none at all")
    return f"deployment/{name} is not live in {environment}{told}"
