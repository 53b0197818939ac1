"""POST getLogs: the text that a person sees first when a deployment fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aml_emulator.arm.deployments import deployment_of
from aml_emulator.arm.paths import DEPLOYMENT
from aml_emulator.errors import Refused
from aml_emulator.shape import LOGS, conform
from aml_emulator.wire import Response, answer

if TYPE_CHECKING:
    from aml_emulator.call import Call

DOWNLOADED = "Models and code are laid out on disk before the container starts; nothing is downloaded here.\n"


async def get_logs(call: Call) -> Response:
    """The container's log as the data plane tells it; ``tail`` bounds its lines."""
    record, sent = deployment_of(call), conform(await call.request.json(), LOGS)
    container = str(sent.get("containerType") or "InferenceServer").lower()
    tail = sent.get("tail")
    if tail is not None and tail < 0:
        raise Refused(400, "UserError", "tail must be a number of lines.")
    if container == "storageinitializer":
        return answer(200, {"content": DOWNLOADED})
    if container != "inferenceserver":
        raise Refused(400, "UserError", "containerType must be InferenceServer or StorageInitializer.")
    content = call.site.dataplane.logs(record.inner["key"], tail) or record.inner["log"]
    reason = record.inner.get("reason")
    return answer(200, {"content": f"{content}{reason}\n" if reason else content})


ROUTES = (("POST", f"{DEPLOYMENT}/getLogs", get_logs),)
