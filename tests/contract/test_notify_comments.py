"""One comment for each key, against stubs of the three forges made from their public documentation."""

import asyncio
import json
import sys
from dataclasses import replace

import pytest
from aiohttp import web
from forge_stub import TOKEN, Written, forge_stub

from reconciler.errors import ForgeError
from reconciler.notify.comments import mark_of, put_comment
from reconciler.notify.conversations import conversation_of
from reconciler.notify.cut import NOTE
from reconciler.notify.forges import azure_devops, forge_of
from reconciler.notify.pipeline import Place
from reconciler.notify.request import open_session

FORGES = ("github", "gitlab", "azuredevops")
MARK = mark_of("plan")


@pytest.fixture(params=FORGES)
async def stub(request, monkeypatch):
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    async with forge_stub() as running:
        running.name = request.param
        running.who = {"github": "github-actions[bot]", "gitlab": "41", "azuredevops": "ab-cd"}[request.param]
        yield running


def place(stub):
    if stub.name == "azuredevops":
        return Place(azure_devops(f"{stub.url}/org/", "My Project", "repo", TOKEN), 17)
    return Place(forge_of(stub.name, "acme/ml", TOKEN, stub.url), 17)


async def put(stub, text="one\n", key="plan", where=None):
    async with open_session(timeout_s=5) as session:
        conversation = conversation_of(session, where or place(stub))
        return await put_comment(conversation, stub.name, key, text, pause_s=0)


def bodies(stub):
    return [one.body for one in stub.comments if not one.deleted]


async def test_the_first_time_it_is_written_and_then_edited_in_place(stub):
    assert await put(stub, "one\n") == "created"
    assert await put(stub, "two\n") == "updated"
    assert bodies(stub) == [f"{MARK}\ntwo\n"]


async def test_what_says_so_already_is_not_written(stub):
    await put(stub)
    before = len(stub.writes)
    assert await put(stub) == "unchanged"
    assert len(stub.writes) == before


async def test_line_ends_that_the_forge_changed_are_no_difference(stub):
    stub.write(stub.who, f"{MARK}\r\none\r\ntwo")
    assert await put(stub, "one  \ntwo\n") == "unchanged"


async def test_each_key_has_its_own(stub):
    for key in ("prod", "pro", "prod2", "plan"):
        assert await put(stub, key=key) == "created"
    assert len(bodies(stub)) == 4
    assert await put(stub, "new", key="prod") == "updated"


async def test_what_people_wrote_is_never_touched(stub):
    theirs = [
        stub.write("person", f"{MARK}\nI wrote the mark myself"),
        stub.write("person", f"> {MARK}\n> one\n\nWhy this?"),
        stub.write(stub.who, f"Another step of the same account quotes {MARK}"),
        stub.write(stub.who, f" {MARK}\nnot at the very start"),
    ]
    if stub.name == "gitlab":
        theirs.append(stub.write(stub.who, f"{MARK}\n by the system", system=True))
    before = [replace(one) for one in theirs]
    assert await put(stub) == "created"
    assert await put(stub, "two\n") == "updated"
    assert theirs == before
    assert bodies(stub)[-1] == f"{MARK}\ntwo\n"


@pytest.mark.parametrize("stub", ["azuredevops"], indirect=True)
async def test_a_reply_that_quotes_ours_is_not_ours(stub):
    stub.write("person", "What do you think?").replies.append(Written(0, stub.who, f"{MARK}\nreply"))
    assert await put(stub) == "created"
    assert stub.comments[0].replies[0].body == f"{MARK}\nreply"


async def test_ours_is_found_behind_many_pages(stub):
    for number in range(250):
        stub.write("person", f"comment {number}")
    stub.write(stub.who, f"{MARK}\nold")
    for number in range(30):
        stub.write("person", f"later {number}")
    assert await put(stub) == "updated"
    assert len(bodies(stub)) == 281


async def test_a_deleted_one_is_written_anew(stub):
    stub.write(stub.who, f"{MARK}\nold").deleted = True
    assert await put(stub) == "created"


async def test_a_lost_answer_makes_no_second_comment(stub):
    stub.lose_answers = 1
    assert await put(stub) == "unchanged"
    assert bodies(stub) == [f"{MARK}\none\n"]


async def test_what_may_pass_is_tried_again(stub):
    stub.answers += [web.Response(status=502), web.Response(status=429, headers={"Retry-After": "0"})]
    assert await put(stub) == "created"
    assert len(bodies(stub)) == 1


async def test_it_gives_up_in_the_end(stub):
    stub.answers += [web.Response(status=503) for _ in range(9)]
    with pytest.raises(ForgeError, match="HTTP 503"):
        await put(stub)
    assert len(stub.seen) == 3


async def test_two_pipelines_at_once_leave_one(stub):
    stub.barrier = asyncio.Barrier(4)
    await asyncio.gather(*(put(stub, "same\n") for _ in range(4)))
    assert bodies(stub) == [f"{MARK}\nsame\n"]


async def test_further_ones_of_a_race_long_ago_are_removed(stub):
    stub.write(stub.who, f"{MARK}\nfirst")
    stub.write("person", "between")
    stub.write(stub.who, f"{MARK}\nsecond")
    assert await put(stub) == "updated"
    assert bodies(stub) == [f"{MARK}\none\n", "between"]


async def test_one_that_is_too_long_is_cut(stub):
    limit = {"github": 65_536, "gitlab": 1_000_000, "azuredevops": 150_000}[stub.name]
    text = "<details>\n\n```diff\n" + "+ a line of the plan\n" * 100_000 + "```\n\n</details>\n"
    assert await put(stub, text) == "created"
    (body,) = bodies(stub)
    assert limit - 200 < len(body.encode()) <= limit
    assert body.endswith("```\n\n</details>\n" + NOTE)
    assert await put(stub, text) == "unchanged"


@pytest.mark.parametrize(("status", "help_text"), [
    (401, "not accepted"), (403, "may not do this"), (404, "number of the pull"), (301, "renamed"), (422, "HTTP 422"),
])  # fmt: skip
async def test_a_refusal_says_what_to_do_and_never_the_token(stub, status, help_text):
    said = json.dumps({"message": f"you sent {TOKEN}\x1b[31m"})
    stub.answers += [web.Response(status=status, text=said, headers={"Location": "/"})]
    with pytest.raises(ForgeError) as caught:
        await put(stub)
    assert help_text in str(caught.value)
    assert "you sent (secret)" in str(caught.value)
    assert TOKEN not in repr(caught.value)
    assert len(stub.seen) == 1


@pytest.mark.parametrize("text", ["<html>", "[]", "{}", "null", '"x"'])
async def test_an_answer_that_is_not_the_forges_is_told(stub, text):
    stub.answers += [web.Response(text=text)]
    with pytest.raises(ForgeError, match=r"JSON|whose token"):
        await put(stub)
    stub.answers += [web.Response(text=text)]
    assert bodies(stub) == []


async def test_no_answer_says_from_whom_and_where_to_look(stub):
    stub.answers += [ConnectionError() for _ in range(9)]
    with pytest.raises(ForgeError, match=r"at 127\.0\.0\.1 did not answer.*HTTPS_PROXY"):
        await put(stub)


async def test_a_page_of_sign_in_is_a_refused_token(stub):
    stub.answers += [web.Response(status=203, text="<html>")]
    with pytest.raises(ForgeError, match="not accepted"):
        await put(stub)


@pytest.mark.parametrize("stub", ["github"], indirect=True)
async def test_the_viewer_of_a_workflow_is_its_bot_under_either_name(stub):
    await put(stub)
    stub.who = "github-actions"
    assert await put(stub, "two\n") == "updated"
    assert len(bodies(stub)) == 1


@pytest.mark.parametrize("stub", ["github"], indirect=True)
async def test_an_enterprise_server_has_its_graphql_elsewhere(stub):
    async with open_session() as session:
        conversation = conversation_of(session, Place(forge_of("github", "acme/ml", TOKEN, f"{stub.url}/api/v3"), 17))
        with pytest.raises(ForgeError):
            await conversation.ours(MARK)
    assert stub.seen[0].path == "/api/graphql"


# -- the command ---------------------------------------------------------------------------------------------------


def environment(stub, tmp_path):
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 17}}))
    return {
        "github": {
            "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/ml", "GITHUB_API_URL": stub.url,
            "GITHUB_TOKEN": TOKEN, "GITHUB_EVENT_PATH": str(event),
        },
        "gitlab": {
            "GITLAB_CI": "true", "CI_API_V4_URL": f"{stub.url}/api/v4", "CI_PROJECT_ID": "acme/ml",
            "CI_MERGE_REQUEST_IID": "17", "GITLAB_TOKEN": TOKEN,
        },
        "azuredevops": {
            "TF_BUILD": "True", "SYSTEM_COLLECTIONURI": f"{stub.url}/org/", "SYSTEM_TEAMPROJECT": "My Project",
            "BUILD_REPOSITORY_ID": "repo", "SYSTEM_PULLREQUEST_PULLREQUESTID": "17", "SYSTEM_ACCESSTOKEN": TOKEN,
        },
    }[stub.name]  # fmt: skip


async def comment(arguments, environ, stdin=b""):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from reconciler.cli import main; raise SystemExit(main())", "comment", *arguments,
        env=environ, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate(stdin)
    return process.returncode, out.decode(), err.decode()


async def test_the_command_takes_all_from_the_pipeline(stub, tmp_path):
    plan = tmp_path / "plan.md"
    plan.write_text("### plan\n")
    environ = environment(stub, tmp_path)
    code, out, err = await comment([str(plan), "--key", "prod"], environ)
    assert (code, err) == (0, "")
    assert out.endswith("pull request 17: comment prod created\n")
    code, out, _ = await comment(["-", "--key", "prod"], environ, b"### another plan\n")
    assert (code, out.split()[-1]) == (0, "updated")
    assert bodies(stub) == [f"{mark_of('prod')}\n### another plan\n"]


async def test_the_command_shows_no_token_and_no_traceback(stub, tmp_path):
    plan = tmp_path / "plan.md"
    plan.write_text("### plan\n")
    stub.answers += [web.json_response({"message": f"bad token {TOKEN}"}, status=401)]
    code, out, err = await comment([str(plan), "--debug"], environment(stub, tmp_path))
    assert (code, out) == (1, "")
    assert "the token is not accepted" in err
    assert TOKEN not in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("content", "why"), [(None, "cannot be read"), (b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "not UTF-8")]
)
async def test_a_file_that_is_none_is_told(tmp_path, content, why):
    plan = tmp_path / "plan.md"
    if content is not None:
        plan.write_bytes(content)
    code, _, err = await comment([str(plan)], {})
    assert code == 64
    assert why in err


async def test_outside_of_a_pipeline_the_command_says_what_it_needs(tmp_path):
    plan = tmp_path / "plan.md"
    plan.write_text("x")
    code, _, err = await comment([str(plan), "--forge", "github"], {})
    assert code == 64
    assert all(name in err for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN", "--pull-request"))
