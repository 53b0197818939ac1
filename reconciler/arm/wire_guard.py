"""The last gate, in the HTTP pipeline itself: no public body leaves this process, whoever built it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from azure.core.pipeline.policies import SansIOHTTPPolicy

from reconciler.domain import Refusal
from reconciler.errors import PlanRefused
from reconciler.plan.private import Problem, body_problem

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineRequest

    from reconciler.domain import NetworkMode

_GUARDED = re.compile(
    r"/workspaces/[^/]+/onlineEndpoints/(?P<endpoint>[^/]+)(?:/deployments/(?P<deployment>[^/]+))?/?$", re.IGNORECASE
)


class WireGuard(SansIOHTTPPolicy[Any, Any]):
    """Refuses every PUT and PATCH of an online endpoint or deployment whose body is not private.

    Works in any azure-core pipeline, sync or async, so also inside azure-ai-ml. Raises PlanRefused before anything is
    sent. A body that cannot be read counts as public.
    """

    def __init__(self, network: NetworkMode) -> None:
        super().__init__()
        self._network = network

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Look at the request on its way out."""
        message = request.http_request
        path = re.sub("/+", "/", unquote(urlsplit(message.url).path))
        found = _GUARDED.search(path)
        if message.method not in ("PUT", "PATCH") or not found:
            return
        kind = "deployment" if found["deployment"] else "endpoint"
        body = _json(message)
        problem = (
            body_problem(kind, message.method, body, self._network)
            if isinstance(body, dict)
            else Problem("", "the body cannot be read as a JSON object", "Send it as one JSON text.")
        )
        if problem:
            name = "/".join(filter(None, (kind, found["endpoint"], found["deployment"])))
            raise PlanRefused((Refusal("private", name, problem.message, problem.field, problem.hint),))


def _json(message: Any) -> Any:
    """The body of azure-core's new or legacy request, parsed; ``None`` when it is a stream or no JSON."""
    content = getattr(message, "content", None)
    if content is None:
        content = getattr(message, "data", None)
    if isinstance(content, (bytes, str)):
        try:
            return json.loads(content)
        except ValueError:
            return None
    return None
