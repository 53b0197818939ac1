"""Messages and marks on their way: retries, limits, proxies, redirects, and no address or token in any text."""

import base64
import logging

import pytest
from aiohttp import web
from forge_stub import SHA, TOKEN, forge_stub

from reconciler.errors import UsageError
from reconciler.notify import channels, commit_status
from reconciler.notify.forges import Forge, forge_of
from reconciler.notify.request import Answer, Call, ask, open_session, retry_after_s
from reconciler.notify.rules import Message, News, Occasion

CANARY = "canary-hook-51e7a2"
MESSAGE = Message(News.FAILING, Occasion("shop", "prod", SHA, False, "PlanRefused", "no"), 0.0)


@pytest.fixture
async def stub(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    async with forge_stub() as running:
        yield running


@pytest.fixture
async def session():
    async with open_session(timeout_s=2) as opened:
        yield opened


async def send(session, url, channel="slack"):
    return await channels.send(session, channel, url, MESSAGE, pause_s=0)


@pytest.mark.parametrize("channel", ["slack", "teams", "webhook"])
async def test_a_message_arrives(stub, session, channel):
    answer = await send(session, f"{stub.url}/hook/{channel}", channel)
    assert answer.ok
    (got,) = stub.hooks(channel)
    assert got == {"slack": channels.payloads.slack, "teams": channels.payloads.teams,
                   "webhook": channels.payloads.webhook}[channel](MESSAGE)  # fmt: skip
    assert stub.seen[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_what_may_pass_is_tried_again(stub, session, status):
    stub.answers += [web.Response(status=status), web.Response(status=status, headers={"Retry-After": "0"})]
    assert (await send(session, f"{stub.url}/hook/x")).ok
    assert len(stub.seen) == 3


async def test_a_cut_connection_is_tried_again(stub, session):
    stub.answers += [ConnectionError()]
    assert (await send(session, f"{stub.url}/hook/x")).ok


async def test_it_is_given_up_after_three_tries(stub, session):
    stub.answers += [web.Response(status=503) for _ in range(9)]
    answer = await send(session, f"{stub.url}/hook/x")
    assert (answer.status, answer.transient, len(stub.seen)) == (503, True, 3)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_what_is_refused_is_not_tried_again(stub, session, status):
    stub.answers += [web.Response(status=status)]
    answer = await send(session, f"{stub.url}/hook/x")
    assert (answer.ok, answer.transient, len(stub.seen)) == (False, False, 1)


async def test_a_redirect_is_not_followed(stub, session):
    stub.answers += [web.Response(status=307, headers={"Location": f"{stub.url}/hook/elsewhere"})]
    answer = await send(session, f"{stub.url}/hook/x")
    assert (answer.status, answer.ok, len(stub.seen)) == (307, False, 1)


async def test_one_that_does_not_answer_is_left(stub, session):
    stub.gate.clear()
    async with open_session(timeout_s=0.1) as impatient:
        assert str(await ask(impatient, Call("POST", f"{stub.url}/hook/x"))) == "timed out"


@pytest.mark.parametrize(("text", "seconds"), [
    ("7", 7), ("", 0), ("soon", 0), ("-1", 0), ("٣", 0), ("Sat, 21 Nov 2026 10:00:30 GMT", 30),
    ("Sat, 21 Nov 1926 10:00:00 GMT", 0),
])  # fmt: skip
def test_how_long_to_wait(text, seconds):
    assert retry_after_s({"retry-after": text}, now_s=1795255200.0) == seconds


async def test_a_proxy_of_the_environment_is_used(stub, session, monkeypatch):
    monkeypatch.setenv("http_proxy", stub.url)
    await send(session, "http://alerts.internal/hook/x", "webhook")
    assert (stub.seen[0].method, stub.seen[0].headers["Host"]) == ("POST", "alerts.internal")


async def test_netrc_neither_breaks_nor_adds_a_sign_in(stub, session, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password of-another-service\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    await send(session, f"{stub.url}/hook/x")
    await commit_status.mark(session, forge(stub, "github"), "prod", SHA, "success", "x", pause_s=0)
    assert "Authorization" not in stub.seen[0].headers
    assert stub.seen[1].headers["Authorization"] == f"Bearer {TOKEN}"


async def test_a_user_in_the_address_signs_in(stub, session):
    await send(session, stub.url.replace("://", "://me:pass@") + "/hook/x", "webhook")
    assert stub.seen[0].headers["Authorization"] == "Basic " + base64.b64encode(b"me:pass").decode()


@pytest.mark.parametrize("channel", ["slack", "teams"])
@pytest.mark.parametrize("url", [f"http://hooks.example/{CANARY}", f"{CANARY}", f"https://{CANARY}:99999/", ""])
async def test_an_address_that_is_none_is_refused_without_showing_it(session, channel, url):
    with pytest.raises(UsageError) as caught:
        await send(session, url, channel)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "nowhere.invalid"])
async def test_no_text_has_the_address(stub, session, host, caplog):
    caplog.set_level(logging.DEBUG)
    answers = [await send(session, f"http://{CANARY}:{CANARY}@{host}/{CANARY}?sig={CANARY}", "webhook")]
    stub.answers += [
        web.Response(status=302, headers={"Location": f"/{CANARY}"}),
        web.Response(status=400, text=CANARY),
        ConnectionError(),
        web.Response(status=404),
    ]
    answers += [await send(session, f"{stub.url}/hook/{CANARY}") for _ in range(3)]
    assert all(not answer.ok for answer in answers)
    assert CANARY not in repr(answers)
    assert CANARY not in "".join(map(str, answers))
    assert CANARY not in caplog.text
    assert CANARY not in repr(Call("POST", f"https://x/{CANARY}", {"x": CANARY}, CANARY, {"x": CANARY}))


async def test_a_proxy_that_refuses_gives_no_secret_away(stub, session, monkeypatch, caplog):
    """aiohttp's error for it holds the whole address."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("https_proxy", stub.url.replace("://", f"://proxy-user:{CANARY}@"))
    answer = await send(session, f"https://hooks.invalid/{CANARY}")
    assert stub.seen[0].method == "CONNECT"
    assert "ClientHttpProxyError" in str(answer)
    assert CANARY not in repr(answer) + caplog.text


# -- marks ---------------------------------------------------------------------------------------------------------


def forge(stub, name) -> Forge:
    repository = {"github": "acme/ml", "gitlab": "acme/ml", "azuredevops": "org/My Project/repo"}[name]
    return forge_of(name, repository, TOKEN, stub.url)


FORGES = ("github", "gitlab", "azuredevops")
WORDS = {
    "github": ("pending", "failure", "success", "error"),
    "gitlab": ("pending", "failed", "success", "failed"),
    "azuredevops": ("pending", "failed", "succeeded", "error"),
}


@pytest.mark.parametrize("name", FORGES)
async def test_a_commit_is_marked(stub, session, name):
    for state in ("pending", "failure", "success", "error"):
        answer = await commit_status.mark(session, forge(stub, name), "prod", SHA, state, "text " * 99, pause_s=0)
        assert answer.ok, answer
    assert stub.statuses == [(name, SHA, "aml-gitops/prod", word) for word in WORDS[name]]


async def test_gitlab_says_no_to_what_is_so_already_and_that_is_fine(stub, session):
    gitlab = forge(stub, "gitlab")
    first, again = [await commit_status.mark(session, gitlab, "prod", SHA, "pending", "x", pause_s=0) for _ in range(2)]
    assert (first.ok, again.status) == (True, 400)
    assert commit_status.already_so(gitlab, again)
    assert not commit_status.already_so(gitlab, Answer(400, b'{"error":"state does not have a valid value"}'))
    assert not commit_status.already_so(forge(stub, "github"), again)


@pytest.mark.parametrize(("status", "headers"), [
    (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9999999999"}), (403, {"Retry-After": "60"}), (429, {}),
])  # fmt: skip
async def test_a_limit_is_not_run_against(stub, session, status, headers):
    stub.answers += [web.Response(status=status, headers=headers)]
    answer = await commit_status.mark(session, forge(stub, "github"), "prod", SHA, "success", "x", pause_s=0)
    assert (answer.limited, len(stub.seen)) == (True, 1)


async def test_being_forbidden_is_no_limit(stub, session):
    stub.answers += [web.Response(status=403, headers={"X-RateLimit-Remaining": "4999"})]
    answer = await commit_status.mark(session, forge(stub, "github"), "prod", SHA, "success", "x", pause_s=0)
    assert (answer.limited, answer.transient) == (False, False)


@pytest.mark.parametrize(("headers", "seconds"), [
    ({"x-ratelimit-reset": "1300"}, 300), ({"retry-after": "90", "x-ratelimit-reset": "1300"}, 90), ({}, 60),
    ({"ratelimit-reset": "1200"}, 200), ({"x-ratelimit-reset": "99999999"}, 3600), ({"x-ratelimit-reset": "1"}, 60),
])  # fmt: skip
def test_how_long_a_limit_lasts(headers, seconds):
    assert commit_status.limit_lasts_s(Answer(403, headers=headers), now_s=1000.0) == seconds


async def test_azure_devops_answers_an_unknown_token_with_a_page(stub, session):
    stub.answers += [web.Response(status=203, text="<html>sign in</html>")]
    assert not (
        await commit_status.mark(session, forge(stub, "azuredevops"), "prod", SHA, "success", "x", pause_s=0)
    ).ok
