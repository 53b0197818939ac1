"""The loop's door over real HTTP: probes, metrics, webhooks, and clients that are rude, slow or many."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from contextlib import asynccontextmanager

import aiohttp
import pytest

from reconciler.errors import UsageError
from reconciler.watch.metrics import Metrics
from reconciler.watch.server import Bounds, serving
from reconciler.watch.vitals import LONGEST_SILENCE_S, Vitals
from reconciler.watch.webhooks import Trusted

SECRET = "canary-of-the-webhook"
BODY = json.dumps({"ref": "refs/heads/main", "after": "a" * 40}).encode()
QUICK = Bounds(body_bytes=10_000, body_s=0.3, bodies=2, connections=4, idle_s=0.3, shutdown_s=1.0)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class World:
    """A server with all that it is given, and a client."""

    def __init__(self, bounds):
        self.clock = Clock()
        self.vitals = Vitals(self.clock)
        self.metrics = Metrics()
        self.pushes = []
        self.trusted = lambda: Trusted(github=SECRET, azuredevops=("hook", SECRET))
        self.bounds = bounds
        self.address = ""
        self.writers = []

    @asynccontextmanager
    async def up(self, listen="127.0.0.1:0"):
        async with serving(
            listen,
            vitals=self.vitals,
            metrics=self.metrics,
            trusted=lambda: self.trusted(),  # noqa: PLW0108 - tests replace it
            on_push=self.pushes.append,
            bounds=self.bounds,
        ) as address:
            self.address = address
            async with aiohttp.ClientSession(f"http://{address}", timeout=aiohttp.ClientTimeout(10)) as self.client:
                yield self
        await hang_up(*self.writers)

    async def ask(self, method, path, **options):
        async with self.client.request(method, path, **options) as answer:
            return answer.status, await answer.text(), answer.headers

    async def push(self, body=BODY, secret=SECRET, forge="github", **headers):
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        sent = {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={digest}", **headers}
        return await self.ask("POST", f"/webhooks/{forge}", data=body, headers=sent)

    def counted(self, forge, result):
        return f'aml_gitops_webhooks_total{{forge="{forge}",result="{result}"}} 1.0' in self.metrics.text().decode()

    async def raw(self):
        host, _, port = self.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        self.writers.append(writer)
        return reader, writer


@pytest.fixture
async def world():
    async with World(Bounds()).up() as made:
        yield made


@pytest.fixture
async def quick():
    async with World(QUICK).up() as made:
        yield made


async def until_closed(reader):
    """All that the server sends before it hangs up."""
    async with asyncio.timeout(10):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def hang_up(*writers):
    for writer in writers:
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError as error:
            logging.getLogger(__name__).debug("the other side was first: %s", error)


# -- probes and metrics ----------------------------------------------------------------------------------------------


async def test_alive_until_the_loop_is_silent(world):
    assert (await world.ask("GET", "/healthz"))[:2] == (200, "ok\n")
    world.clock.now += LONGEST_SILENCE_S + 1
    assert (await world.ask("GET", "/healthz"))[:2] == (503, "no sign of life for 61 s\n")
    world.vitals.beat()
    assert (await world.ask("GET", "/healthz"))[0] == 200


async def test_ready_once_source_and_store_were_reached_and_from_then_on(world):
    assert (await world.ask("GET", "/readyz"))[:2] == (
        503, "the source was not read yet; the store was not reached yet\n",
    )  # fmt: skip
    world.vitals.source_read()
    assert (await world.ask("GET", "/readyz"))[:2] == (503, "the store was not reached yet\n")
    world.vitals.store_reached()
    world.clock.now += LONGEST_SILENCE_S + 1
    assert (await world.ask("GET", "/readyz"))[0] == 200


async def test_metrics_are_in_the_text_format(world):
    world.metrics.polled("new")
    status, text, headers = await world.ask("GET", "/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'aml_gitops_source_polls_total{result="new"} 1.0\n' in text


async def test_a_probe_may_ask_for_the_head_alone(world):
    assert (await world.ask("HEAD", "/healthz"))[:2] == (200, "")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/metrics/", 404), ("GET", "/webhooks", 404), ("POST", "/metrics", 405),
     ("GET", "/webhooks/github", 405), ("DELETE", "/healthz", 405), ("GET", "/healthz/x", 404)],
)  # fmt: skip
async def test_there_is_nothing_else(world, method, path, status):
    assert (await world.ask(method, path))[0] == status


async def test_no_answer_tells_what_serves_it_nor_may_be_kept(world):
    for path in ("/healthz", "/metrics", "/nothing"):
        headers = (await world.ask("GET", path))[2]
        assert (headers["Server"], headers["Cache-Control"]) == ("aml-gitops", "no-store")


# -- webhooks --------------------------------------------------------------------------------------------------------


async def test_a_push_is_told_and_counted(world):
    assert (await world.push())[0] == 202
    (push,) = world.pushes
    assert (push.forge, push.heads) == ("github", (("refs/heads/main", "a" * 40),))
    assert world.counted("github", "push")


async def test_a_forged_push_is_refused_counted_and_told_to_nobody(world):
    assert (await world.push(secret="guess"))[:2] == (401, "the secret is missing or wrong\n")
    assert world.pushes == []
    assert world.counted("github", "refused")


async def test_a_ping_is_taken_note_of(world):
    assert (await world.push(**{"X-GitHub-Event": "ping"}))[:2] == (204, "")
    assert world.counted("github", "ignored")


async def test_azure_devops_signs_in_and_is_told_how(world):
    body = json.dumps({"eventType": "git.push", "resource": {"refUpdates": [{"name": "refs/heads/x"}]}})
    sent = {"data": body, "headers": {"Authorization": aiohttp.encode_basic_auth("hook", SECRET)}}
    assert (await world.ask("POST", "/webhooks/azuredevops", **sent))[0] == 202
    status, _, headers = await world.ask("POST", "/webhooks/azuredevops", data=body)
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="webhooks"')


@pytest.mark.parametrize("forge", ["gitlab", "gitea", ""])
async def test_a_forge_that_is_not_trusted_has_no_webhook(world, forge):
    assert (await world.push(forge=forge))[0] == 404
    assert world.pushes == []


async def test_a_secret_can_change_without_a_restart(world):
    assert (await world.push())[0] == 202
    world.trusted = lambda: Trusted(github="another")
    assert (await world.push())[0] == 401
    assert (await world.push(secret="another"))[0] == 202


async def test_a_secret_that_cannot_be_had_trusts_nobody(world):
    def gone():
        raise UsageError("hook-secret: No such file")

    world.trusted = gone
    assert (await world.push())[:2] == (503, "not now\n")
    assert world.pushes == []


async def test_a_compressed_body_is_not_unpacked(world):
    assert (await world.push(body=b"\x1f\x8b", **{"Content-Encoding": "gzip"}))[0] == 400


async def test_a_body_that_is_too_large_by_its_own_word(world):
    reader, writer = await world.raw()
    writer.write(b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n")
    assert (await until_closed(reader)).startswith(b"HTTP/1.1 413 ")


async def test_a_body_of_the_largest_size_is_read(world):
    assert (await world.push(body=BODY + b" " * (1024 * 1024 - len(BODY))))[0] == 202


async def test_a_body_that_does_not_say_how_large_it_is(quick):
    async def chunks():
        for _ in range(11):
            yield b" " * 1000

    status, _, _ = await quick.ask("POST", "/webhooks/github", data=chunks())
    assert status == 413
    assert quick.counted("github", "refused")


# -- rude clients ----------------------------------------------------------------------------------------------------


async def test_a_body_that_does_not_arrive(quick):
    reader, writer = await quick.raw()
    writer.write(b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
    assert (await until_closed(reader)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("begin", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ", b"GET /healthz HTTP/1.1\r\n\r\n"])
async def test_a_connection_without_a_complete_request_is_closed(quick, begin):
    reader, writer = await quick.raw()
    writer.write(begin)
    answered = await until_closed(reader)
    assert bool(answered) is begin.endswith(b"\r\n\r\n")


async def test_headers_that_trickle_do_not_keep_a_connection(quick):
    reader, writer = await quick.raw()
    writer.write(b"GET /healthz HTTP/1.1\r\n")
    closed = asyncio.create_task(until_closed(reader))
    while not closed.done():
        writer.write(b"X-A: b\r\n")
        await asyncio.wait([closed], timeout=0.05)
    assert await closed == b""


async def test_no_more_bodies_at_a_time_than_are_allowed():
    async with World(Bounds(bodies=2)).up() as world:
        begun = b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
        waiting = [await world.raw() for _ in range(2)]
        for _, writer in waiting:
            writer.write(begun)
        assert (await world.ask("GET", "/healthz"))[0] == 200  # The server has read what came before this.
        reader, writer = await world.raw()
        writer.write(begun)
        third = await until_closed(reader)
        assert third.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1\r\n" in third
        for reader, writer in waiting:
            writer.write(b"0123456789")
            assert (await until_closed(reader)).startswith(b"HTTP/1.1 401 ")
        assert (await world.push())[0] == 202


async def test_no_more_connections_than_are_allowed():
    bounds = Bounds(connections=3, idle_s=30.0)
    async with World(bounds).up() as world:
        held = [await world.raw() for _ in range(3)]
        for reader, writer in held:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        reader, writer = await world.raw()
        assert await until_closed(reader) == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc canary\r\n\r\n",
        b"GET /healthz canary HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\ncanary \x00: x\r\n\r\n",
        b"GET /" + b"canary" * 2000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: canary\r\n" % n for n in range(200)) + b"\r\n",
        b"POST /webhooks/github HTTP/1.1\r\nContent-Length: canary\r\n\r\n",
        b"POST /webhooks/github HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\n",
        b"POST /webhooks/github HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_neither_repeated_nor_logged(world, caplog, sent):
    caplog.set_level(logging.DEBUG)
    reader, writer = await world.raw()
    writer.write(sent)
    answer = await until_closed(reader)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"aiohttp" not in answer.lower()
    assert b"canary" not in answer
    assert "canary" not in caplog.text
    assert (await world.ask("GET", "/healthz"))[0] == 200


async def test_no_header_and_no_body_is_logged(world, caplog):
    caplog.set_level(logging.DEBUG)
    await world.push()
    await world.push(secret="guess-canary", body=b'{"x": "body-canary"}', **{"X-Other": "header-canary"})
    await world.push(body=b"body-canary")
    assert "canary" not in caplog.text
    refused = [record.reason for record in caplog.records if record.getMessage() == "webhook refused"]
    assert refused == ["the secret is missing or wrong", "the body is not JSON"]


async def test_a_callback_that_fails_is_a_500_without_words(caplog):
    world = World(Bounds())

    def fails(_):
        raise RuntimeError("canary")

    world.pushes = type("Pushes", (), {"append": staticmethod(fails)})
    async with world.up():
        assert (await world.push())[:2] == (500, "failed\n")
    assert "canary" not in caplog.text
    assert "request failed" in caplog.text


# -- where it listens ------------------------------------------------------------------------------------------------


async def test_it_listens_on_ipv6_too():
    async with World(Bounds()).up("[::1]:0") as world:
        assert world.address.startswith("[::1]:")
        assert (await world.ask("GET", "/healthz"))[0] == 200


async def test_an_address_in_use_and_one_of_another_machine(world):
    for listen, hint in (
        (world.address, "another process listens there"),
        ("192.0.2.1:0", "no address of this machine"),
    ):
        with pytest.raises(UsageError, match=f"cannot listen on {listen}: .*; .*{hint}"):
            async with World(Bounds()).up(listen):
                pytest.fail("it listens")


async def test_an_empty_secret_is_refused_before_it_listens():
    world = World(Bounds())
    world.trusted = lambda: Trusted(github="")
    with pytest.raises(UsageError, match=r"webhooks\.github"):
        async with world.up():
            pytest.fail("it listens")


async def test_closing_ends_idle_connections_and_lets_one_finish():
    world = World(Bounds(shutdown_s=5.0))
    digest = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
    head = (
        f"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nX-GitHub-Event: push\r\nX-Hub-Signature-256: sha256={digest}\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n"
    )
    async with asyncio.timeout(20):
        async with world.up():
            idle_reader, _ = await world.raw()
            reader, writer = await world.raw()
            writer.write(head.encode() + BODY[:5])
            await writer.drain()
            assert (await world.ask("GET", "/healthz"))[0] == 200  # The server has read what came before this.
            asyncio.get_running_loop().call_later(0.2, writer.write, BODY[5:])
        assert (await until_closed(reader)).startswith(b"HTTP/1.1 202 ")
        assert await until_closed(idle_reader) == b""
    assert len(world.pushes) == 1
    with pytest.raises(OSError, match="Connect call failed"):
        await world.raw()
