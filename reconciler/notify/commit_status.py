"""A mark on a commit, one for each environment.

Sources: docs.github.com/rest/commits/statuses, docs.gitlab.com/api/commits (set the pipeline status of a commit),
learn.microsoft.com/rest/api/azure/devops/git/statuses.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from reconciler.notify.forges import AZURE_DEVOPS_VERSION
from reconciler.notify.payloads import plain
from reconciler.notify.request import Call, ask_again, retry_after_s

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from reconciler.notify.forges import Forge
    from reconciler.notify.marks import State
    from reconciler.notify.request import Answer

DESCRIPTION_CHARACTERS = 140
"""GitHub takes no more (docs.github.com). The others do; one text for all is easier to find again."""

UNSAID_LIMIT_S = 60.0
"""GitHub asks to wait a minute when a limit says no time (docs.github.com: best practices for using the REST API)."""

_GITLAB = {"pending": "pending", "success": "success", "failure": "failed", "error": "failed"}
_AZURE_DEVOPS = {"pending": "pending", "success": "succeeded", "failure": "failed", "error": "error"}


def status_call(forge: Forge, environment: str, revision: str, state: State, description: str) -> Call:
    """The request that marks the commit."""
    text = plain(description, DESCRIPTION_CHARACTERS)
    context = f"aml-gitops/{environment}"
    if forge.name == "github":
        url = f"{forge.repository}/statuses/{revision}"
        body = {"state": state, "context": context, "description": text}
    elif forge.name == "gitlab":
        url = f"{forge.repository}/statuses/{revision}"
        body = {"state": _GITLAB[state], "name": context, "description": text}
    else:
        url = f"{forge.repository}/commits/{revision}/statuses?{AZURE_DEVOPS_VERSION}"
        genre, _, name = context.partition("/")
        return Call(
            "POST",
            url,
            {"state": _AZURE_DEVOPS[state], "context": {"genre": genre, "name": name}, "description": text},
            forge.authorization,
            forge.headers,
        )
    return Call("POST", url, body, forge.authorization, forge.headers)


async def mark(
    session: ClientSession,
    forge: Forge,
    environment: str,
    revision: str,
    state: State,
    description: str,
    *,
    pause_s: float = 1.0,
) -> Answer:
    """Mark the commit; three tries at most, and none beyond a rate limit. Raises nothing."""
    call = status_call(forge, environment, revision, state, description)
    return await ask_again(session, call, pause_s=pause_s, unless=lambda answer: answer.limited)


def limit_lasts_s(answer: Answer, now_s: float | None = None) -> float:
    """Seconds until it is worth asking again, by the headers of GitHub, GitLab and Azure DevOps."""
    now = time.time() if now_s is None else now_s
    wait_s = retry_after_s(answer.headers, now)
    for name in ("x-ratelimit-reset", "ratelimit-reset"):
        text = answer.headers.get(name, "")
        if not wait_s and text.isascii() and text.isdigit():
            wait_s = float(text) - now
    # A reset far away is a broken clock, here or there: look again within the hour, GitHub's own window.
    return min(max(wait_s, UNSAID_LIMIT_S), 3600.0)


def already_so(forge: Forge, answer: Answer) -> bool:
    """Whether the commit says so already: GitLab answers 400 to a change from a state to itself."""
    return forge.name == "gitlab" and answer.status == 400 and b"transition status" in answer.body.lower()
