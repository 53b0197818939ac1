"""Comments of a pull request on GitHub, GitLab and Azure DevOps.

Each asks who the token is before it takes a comment for its own: most tokens may edit what others wrote, and a person
may write our mark. Sources: docs.github.com/rest/issues/comments, docs.gitlab.com/api/notes,
learn.microsoft.com/rest/api/azure/devops/git/pull-request-threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.errors import ForgeError
from reconciler.notify.comments import MOST_PAGES, Comment, asked
from reconciler.notify.forges import AZURE_DEVOPS_VERSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientSession

    from reconciler.notify.comments import Conversation
    from reconciler.notify.pipeline import Place

PAGE = 100


def conversation_of(session: ClientSession, place: Place) -> Conversation:
    """The comments of a pull request."""
    kinds: dict[str, type[_GitHub | _GitLab | _AzureDevOps]] = {
        "github": _GitHub,
        "gitlab": _GitLab,
        "azuredevops": _AzureDevOps,
    }
    return kinds[place.forge.name](session, place)


class _OnForge:
    def __init__(self, session: ClientSession, place: Place) -> None:
        self._session = session
        self._forge = place.forge
        self._number = place.pull_request
        self._identity = ""

    async def _ask(self, method: str, url: str, body: Any = None, *, gone_is_fine: bool = False) -> Any:
        return (await asked(self._session, self._forge, method, url, body, gone_is_fine=gone_is_fine))[0]

    async def _pages(self, url: str) -> AsyncIterator[dict[str, Any]]:
        """All entries of a list that is given out in pages. Raises ForgeError when it does not end."""
        for page in range(1, MOST_PAGES + 1):
            found, headers = await asked(
                self._session, self._forge, "GET", f"{url}?per_page={PAGE}&page={page}{self._order}"
            )
            entries = _list(found, self._forge.title)
            for entry in entries:
                yield entry
            # A page may be short because entries are hidden: only the forge knows whether another follows.
            more = 'rel="next"' in headers.get("link", "") or bool(headers.get("x-next-page"))
            if not more and len(entries) < PAGE:
                return
        raise ForgeError(
            f"the pull request has more than {MOST_PAGES * PAGE} comments; ours was not looked for further"
        )

    _order = ""


class _GitHub(_OnForge):
    async def ours(self, mark: str) -> list[Comment]:
        identity = self._identity = self._identity or await self._who()
        found = []
        async for one in self._pages(f"{self._forge.repository}/issues/{self._number}/comments"):
            # GraphQL names a bot with or without the suffix that REST gives it. No app may have a user's name.
            if (one.get("user") or {}).get("login") in (identity, f"{identity}[bot]"):
                found += _if_marked(one.get("id"), one.get("body"), mark)
        return found

    async def _who(self) -> str:
        """Login of the token. `GET /user` is closed to the token of a workflow; GraphQL's viewer is not."""
        api = self._forge.api
        graphql = f"{api.removesuffix('/v3')}/graphql" if api.endswith("/api/v3") else f"{api}/graphql"
        answer = await self._ask("POST", graphql, {"query": "query { viewer { login } }"})
        return _text(answer, "data", "viewer", "login", title=self._forge.title)

    async def create(self, body: str) -> None:
        await self._ask("POST", f"{self._forge.repository}/issues/{self._number}/comments", {"body": body})

    async def edit(self, comment: Comment, body: str) -> None:
        await self._ask("PATCH", f"{self._forge.repository}/issues/comments/{comment.id}", {"body": body})

    async def delete(self, comment: Comment) -> None:
        await self._ask("DELETE", f"{self._forge.repository}/issues/comments/{comment.id}", gone_is_fine=True)


class _GitLab(_OnForge):
    _order = "&order_by=created_at&sort=asc"

    @property
    def _notes(self) -> str:
        return f"{self._forge.repository}/merge_requests/{self._number}/notes"

    async def ours(self, mark: str) -> list[Comment]:
        if not self._identity:
            self._identity = _text(await self._ask("GET", f"{self._forge.api}/user"), "id", title=self._forge.title)
        found = []
        async for one in self._pages(self._notes):
            if not one.get("system") and str((one.get("author") or {}).get("id")) == self._identity:
                found += _if_marked(one.get("id"), one.get("body"), mark)
        return found

    async def create(self, body: str) -> None:
        await self._ask("POST", self._notes, {"body": body})

    async def edit(self, comment: Comment, body: str) -> None:
        await self._ask("PUT", f"{self._notes}/{comment.id}", {"body": body})

    async def delete(self, comment: Comment) -> None:
        await self._ask("DELETE", f"{self._notes}/{comment.id}", gone_is_fine=True)


class _AzureDevOps(_OnForge):
    @property
    def _threads(self) -> str:
        return f"{self._forge.repository}/pullRequests/{self._number}/threads"

    async def ours(self, mark: str) -> list[Comment]:
        if not self._identity:
            # A preview for good. No page documents this call; clients rely on it (docs/notifications.md).
            who = await self._ask("GET", f"{self._forge.api}/_apis/connectionData?api-version=7.1-preview.1")
            self._identity = _text(who, "authenticatedUser", "id", title=self._forge.title).lower()
        # All threads come in one answer. The first comment of a thread is not a reply.
        threads = await self._ask("GET", f"{self._threads}?{AZURE_DEVOPS_VERSION}")
        found = []
        for thread in _list((threads or {}).get("value"), self._forge.title):
            first: dict[str, Any] = next(iter(thread.get("comments") or ()), {})
            gone = thread.get("isDeleted") or first.get("isDeleted")
            if not gone and str((first.get("author") or {}).get("id", "")).lower() == self._identity:
                found += _if_marked(f"{thread.get('id')}/comments/{first.get('id')}", first.get("content"), mark)
        return sorted(found, key=lambda comment: int(comment.id.partition("/")[0]))

    async def create(self, body: str) -> None:
        # Closed: an active thread would hold up a pull request whose policy wants all comments resolved.
        comment = {"parentCommentId": 0, "content": body, "commentType": "text"}
        await self._ask("POST", f"{self._threads}?{AZURE_DEVOPS_VERSION}", {"comments": [comment], "status": "closed"})

    async def edit(self, comment: Comment, body: str) -> None:
        await self._ask("PATCH", f"{self._threads}/{comment.id}?{AZURE_DEVOPS_VERSION}", {"content": body})

    async def delete(self, comment: Comment) -> None:
        await self._ask("DELETE", f"{self._threads}/{comment.id}?{AZURE_DEVOPS_VERSION}", gone_is_fine=True)


def _if_marked(identity: object, body: object, mark: str) -> list[Comment]:
    return [Comment(str(identity), body)] if isinstance(body, str) and body.startswith(mark) else []


def _list(value: object, title: str) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise ForgeError(f"{title} answered without a list of comments; is the API's address right?")
    return [entry for entry in value if isinstance(entry, dict)]


def _text(value: Any, *path: str, title: str) -> str:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, str | int) or not str(value):
        raise ForgeError(f"{title} does not say whose token this is, so that no comment can be known as ours")
    return str(value)
