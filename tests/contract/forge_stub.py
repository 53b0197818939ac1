"""A stand-in for GitHub, GitLab, Azure DevOps and chat webhooks on loopback.

It is made from the public API documentation of the three (paths, methods, names and types of fields, status codes,
headers of pages and limits), not from recorded traffic: what they do beyond that is not in it.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "canary-token-0d9f3b"
SHA = "c" * 40
PAGE_LIMIT = 100
FINAL = ("success", "failed", "canceled")


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    body: Any
    headers: dict[str, str]


@dataclass
class Written:
    """A comment, on whichever forge."""

    id: int
    author: str
    body: str
    system: bool = False
    deleted: bool = False
    replies: list[Written] = field(default_factory=list)


@dataclass
class ForgeStub:
    """What the forges have. ``answers`` are given out, one for each request, before anything else happens.

    ``barrier`` lets nobody create before all do, ``gate`` nobody do anything while it is closed.
    """

    url: str = ""
    who: str = "ours"
    comments: list[Written] = field(default_factory=list)
    statuses: list[tuple[str, str, str, str]] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    answers: deque[web.Response | Exception] = field(default_factory=deque)
    lose_answers: int = 0
    barrier: asyncio.Barrier | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, author: str, body: str, **more: Any) -> Written:
        """Somebody comments."""
        self.comments.append(Written(1000 + len(self.comments), author, body, **more))
        return self.comments[-1]

    @property
    def writes(self) -> list[Seen]:
        """Requests that would change something. GraphQL asks by POST."""
        return [one for one in self.seen if one.method != "GET" and not one.path.endswith("/graphql")]

    def hooks(self, name: str) -> list[Any]:
        """What a webhook got."""
        return [one.body for one in self.seen if one.path.startswith(f"/hook/{name}")]


def _error(status: int, message: str, **headers: str) -> web.Response:
    return web.json_response({"message": message}, status=status, headers=headers)


def _handlers(stub: ForgeStub) -> list[web.RouteDef]:  # noqa: C901 - three small APIs over one state
    def by_id(text: str) -> Written:
        return next(one for one in stub.comments if one.id == int(text) and not one.deleted)

    def page(request: web.Request, shape: Any, **header_of: str) -> web.Response:
        number, size = int(request.query.get("page", 1)), int(request.query.get("per_page", 30))
        assert size <= PAGE_LIMIT
        there = [one for one in stub.comments if not one.deleted]
        cut = there[(number - 1) * size : number * size]
        headers = {}
        if number * size < len(there):
            headers = {
                "Link": f'<{stub.url}{request.path}?page={number + 1}>; rel="next"',
                "X-Next-Page": str(number + 1),
            }
        return web.json_response([shape(one) for one in cut], headers=headers)

    # -- GitHub

    def github(one: Written) -> dict[str, Any]:
        kind = "Bot" if one.author.endswith("[bot]") else "User"
        return {"id": one.id, "body": one.body, "user": {"login": one.author, "type": kind}}

    async def graphql(_: web.Request) -> web.Response:
        return web.json_response({"data": {"viewer": {"login": stub.who}}})

    async def github_list(request: web.Request) -> web.Response:
        return page(request, github)

    async def github_create(request: web.Request) -> web.Response:
        body = (await request.json())["body"]
        if len(body) > 65_536:
            return _error(422, "Validation Failed: body is too long (maximum is 65536 characters)")
        author = stub.who if "[bot]" in stub.who or stub.who != "github-actions" else "github-actions[bot]"
        return web.json_response(github(stub.write(author, body)), status=201)

    async def github_edit(request: web.Request) -> web.Response:
        one = by_id(request.match_info["id"])
        one.body = (await request.json())["body"]
        return web.json_response(github(one))

    async def github_delete(request: web.Request) -> web.Response:
        by_id(request.match_info["id"]).deleted = True
        return web.Response(status=204)

    async def github_status(request: web.Request) -> web.Response:
        body = await request.json()
        if body["state"] not in ("error", "failure", "pending", "success") or len(body["description"]) > 140:
            return _error(422, "Validation Failed")
        stub.statuses.append(("github", request.match_info["sha"], body["context"], body["state"]))
        return web.json_response({"id": 1, **body}, status=201)

    # -- GitLab

    def gitlab(one: Written) -> dict[str, Any]:
        return {"id": one.id, "body": one.body, "system": one.system, "author": {"id": one.author, "username": "x"}}

    async def gitlab_user(_: web.Request) -> web.Response:
        return web.json_response({"id": stub.who, "username": "project_7_bot"})

    async def gitlab_list(request: web.Request) -> web.Response:
        assert request.query["sort"] == "asc"
        return page(request, gitlab)

    async def gitlab_create(request: web.Request) -> web.Response:
        return web.json_response(gitlab(stub.write(stub.who, (await request.json())["body"])), status=201)

    async def gitlab_edit(request: web.Request) -> web.Response:
        one = by_id(request.match_info["id"])
        one.body = (await request.json())["body"]
        return web.json_response(gitlab(one))

    async def gitlab_delete(request: web.Request) -> web.Response:
        by_id(request.match_info["id"]).deleted = True
        return web.Response(status=204)

    async def gitlab_status(request: web.Request) -> web.Response:
        body, sha = await request.json(), request.match_info["sha"]
        if body["state"] not in ("pending", "running", "success", "failed", "canceled", "skipped"):
            return web.json_response({"error": "state does not have a valid value"}, status=400)
        before = [one[3] for one in stub.statuses if one[1:3] == (sha, body["name"])]
        if before and before[-1] == body["state"] and body["state"] not in FINAL:
            return _error(400, f"Cannot transition status via :enqueue from :{body['state']}")
        stub.statuses.append(("gitlab", sha, body["name"], body["state"]))
        return web.json_response({"id": 1, "sha": sha, "status": body["state"], "name": body["name"]}, status=201)

    # -- Azure DevOps

    def azure(one: Written) -> dict[str, Any]:
        first = {
            "id": 1,
            "parentCommentId": 0,
            "content": one.body,
            "commentType": "text",
            "author": {"id": one.author},
        }
        replies = [
            {
                "id": n,
                "parentCommentId": 1,
                "content": reply.body,
                "commentType": "text",
                "author": {"id": reply.author},
            }
            for n, reply in enumerate(one.replies, 2)
        ]
        shown = {"isDeleted": True, **first} if one.deleted else first
        return {"id": one.id, "comments": [shown, *replies], "status": "closed", "isDeleted": False}

    async def azure_who(_: web.Request) -> web.Response:
        return web.json_response({"authenticatedUser": {"id": stub.who.upper(), "providerDisplayName": "Build"}})

    async def azure_list(request: web.Request) -> web.Response:
        assert request.query["api-version"] == "7.1"
        value = [azure(one) for one in stub.comments]
        return web.json_response({"value": value, "count": len(value)})

    async def azure_create(request: web.Request) -> web.Response:
        body = await request.json()
        first = body["comments"][0]
        assert (first["parentCommentId"], first["commentType"]) == (0, "text")
        assert body["status"] == "closed"
        return web.json_response(azure(stub.write(stub.who, first["content"])))

    async def azure_edit(request: web.Request) -> web.Response:
        assert request.match_info["comment"] == "1"
        one = by_id(request.match_info["id"])
        one.body = (await request.json())["content"]
        return web.json_response(azure(one)["comments"][0])

    async def azure_delete(request: web.Request) -> web.Response:
        by_id(request.match_info["id"]).deleted = True
        return web.Response(status=200)

    async def azure_status(request: web.Request) -> web.Response:
        body = await request.json()
        assert body["state"] in ("notSet", "pending", "succeeded", "failed", "error", "notApplicable")
        context = f"{body['context']['genre']}/{body['context']['name']}"
        stub.statuses.append(("azuredevops", request.match_info["sha"], context, body["state"]))
        return web.json_response({"id": 1, **body}, status=201)

    async def hook(request: web.Request) -> web.Response:
        return web.Response(status=202 if "teams" in request.path else 200, text="ok")

    azure_pr = "/org/{project:My Project|My%20Project}/_apis/git/repositories/repo/pullRequests/17/threads"
    return [
        web.post("/graphql", graphql),
        web.get("/repos/acme/ml/issues/17/comments", github_list),
        web.post("/repos/acme/ml/issues/17/comments", github_create),
        web.patch("/repos/acme/ml/issues/comments/{id}", github_edit),
        web.delete("/repos/acme/ml/issues/comments/{id}", github_delete),
        web.post("/repos/acme/ml/statuses/{sha}", github_status),
        web.get("/api/v4/user", gitlab_user),
        web.get("/api/v4/projects/acme%2Fml/merge_requests/17/notes", gitlab_list),
        web.post("/api/v4/projects/acme%2Fml/merge_requests/17/notes", gitlab_create),
        web.put("/api/v4/projects/acme%2Fml/merge_requests/17/notes/{id}", gitlab_edit),
        web.delete("/api/v4/projects/acme%2Fml/merge_requests/17/notes/{id}", gitlab_delete),
        web.post("/api/v4/projects/acme%2Fml/statuses/{sha}", gitlab_status),
        web.get("/org/_apis/connectionData", azure_who),
        web.get(azure_pr, azure_list),
        web.post(azure_pr, azure_create),
        web.patch(azure_pr + "/{id}/comments/{comment}", azure_edit),
        web.delete(azure_pr + "/{id}/comments/{comment}", azure_delete),
        web.post(
            "/org/{project:My Project|My%20Project}/_apis/git/repositories/repo/commits/{sha}/statuses", azure_status
        ),
        web.post("/hook/{name:.*}", hook),
    ]


AUTHORIZED = {f"Bearer {TOKEN}", "Basic " + base64.b64encode(f":{TOKEN}".encode()).decode()}


@asynccontextmanager
async def forge_stub():
    """The stub, listening on a free port of loopback, with its gate open."""
    stub = ForgeStub()
    stub.gate.set()

    @web.middleware
    async def first(request: web.Request, handler: Any) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw) if raw else None
        stub.seen.append(Seen(request.method, request.raw_path, body, dict(request.headers)))
        stub.arrived.set()
        await stub.gate.wait()
        if stub.answers:
            answer = stub.answers.popleft()
            if isinstance(answer, Exception):
                request.transport.close()
                return web.Response()
            return answer
        if not request.path.startswith("/hook/") and request.headers.get("Authorization") not in AUTHORIZED:
            return _error(401, f"Bad credentials: {request.headers.get('Authorization')}")
        creates = request.method == "POST" and not request.path.endswith("/graphql")
        if stub.barrier is not None and creates:
            await stub.barrier.wait()
        response = await handler(request)
        if stub.lose_answers and creates:
            stub.lose_answers -= 1
            request.transport.close()
        return response

    app = web.Application(middlewares=[first], client_max_size=2**26)
    app.add_routes(_handlers(stub))
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stub.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        stub.gate.set()
        await runner.cleanup()
