"""What somebody on call asks the command line: how does it stand, why, since when, what did the container say."""

import asyncio
import json
import re
import shutil
import subprocess
import time
from dataclasses import replace

import pytest

from reconciler.state.folder import FolderStore
from reconciler.watch.memory import Condition, Memory, Stall
from reconciler.watch.orders import RETRY

BLUE = "deployment/adder/blue"
CANARY = "mark-3f9c-canary"
BY = r"\S+@\S+, 20\d\d-\d\d-\d\d \d\d:\d\d UTC"
MEMORY = Memory(
    revision="a" * 40,
    conditions=(
        Condition("Ready", False, "ApplyFailed", "1 of 6 failed", "2026-11-21T01:02:03Z"),
        Condition("Stalled", True, "Final", "until a new commit", "2026-11-21T01:02:03Z"),
    ),
    passed_at=time.time() - 300,
    stalled={BLUE: Stall("the container ended", "ResourceNotReady", "d1")},
)
ENTRY = {
    "version": 1,
    "time": "2026-11-21T01:02:03Z",
    "environment": "shop/local",
    "revision": "a" * 40,
    "actor": "loop",
    "holder": "node-1",
    "epoch": 7,
    "digest": "d",
    "ok": False,
    "reason": "ApplyFailed",
    "summary": {"create": 0, "update": 2, "unchanged": 4},
    "outcomes": [
        {"resource": "traffic/adder", "verb": "update", "result": "skipped", "code": "", "message": "x", "seconds": 0},
        {"resource": BLUE, "verb": "update", "result": "failed", "code": "ResourceNotReady", "message": "ended"},
    ],
    "refusals": [],
    "drift": [],
}


def remember(shop, memory, *entries):
    """Leave behind what a loop would."""

    async def write():
        store = FolderStore(shop.root / ".aml-gitops")
        async with store.lease("shop/local", "node-1") as lease:
            await lease.save(memory)
            for entry in entries:
                await lease.record(entry)
        await store.close()

    asyncio.run(write())


@pytest.fixture(scope="module")
def applied(shop):
    shop.edit(".gitignore", "/.emulator/", "/.emulator/\n/.aml-gitops/")
    shop.commit("ignore state")
    shop.ok("apply", "-e", "local", "--yes")
    return shop


def rows(shop, *arguments):
    return {row["resource"]: row for row in shop.json("status", "-e", "local", *arguments)["resources"]}


def test_explain_says_in_sync_with_the_place_of_every_line(applied):
    found = applied.json("explain", "-e", "local", BLUE)
    assert (found["version"], found["resource"], found["sync"], found["health"]) == (1, BLUE, "InSync", "Ready")
    assert found["ours"] is True
    assert found["traffic"] == 100
    assert found["last_write"]["at"].startswith("20")
    fields = {row["path"]: row for row in found["fields"]}
    assert not [row for row in fields.values() if row["differs"]]
    assert fields["properties.instanceType"]["position"] == "base/deployment.yml:8:1"
    assert fields["properties.environmentVariables.OFFSET"]["position"].startswith("base/deployment.yml:9:")
    assert fields["properties.environmentVariables.OFFSET"]["live"] == "(sensitive)"
    assert fields["properties.livenessProbe.period"]["classes"] == ["documented default"]
    code = next(row["resource"] for row in rows(applied).values() if row["resource"].startswith("code/"))
    assert "a code version is its content" in applied.ok("explain", "-e", "local", code)
    assert "1 field decided here" in applied.ok("explain", "-e", "local", "traffic/adder")


def test_explain_names_the_line_to_blame_and_what_will_be_done(applied):
    applied.edit("base/deployment.yml", 'OFFSET: "0"', 'OFFSET: "4"')
    try:
        text = applied.ok("explain", "-e", "local", BLUE)
        status = rows(applied)[BLUE]
    finally:
        applied.edit("base/deployment.yml", 'OFFSET: "4"', 'OFFSET: "0"')
    first, _, rest = text.partition("\n")
    assert first == f"{BLUE} is out of sync: 1 field differs, changed in Git. The plan updates it."
    assert "properties.environmentVariables.OFFSET  live (sensitive), desired (sensitive)" in rest
    assert "base/deployment.yml:9:" in rest
    assert CANARY not in text
    assert status["sync"] == "OutOfSync"
    assert status["detail"] == "update: changed in Git"


def test_a_value_of_an_overlay_is_explained_with_the_overlays_line(applied):
    applied.write("overlays/local/blue.yml", "kind: deployment\nname: blue\nendpoint_name: adder\ninstance_count: 2\n")
    try:
        found = applied.json("explain", "-e", "local", BLUE)
    finally:
        (applied.root / "overlays/local/blue.yml").unlink()
    (state,) = [row for row in found["fields"] if row["differs"]]
    assert (state["path"], state["live"], state["desired"]) == ("sku.capacity", 1, 2)
    assert state["position"] == "overlays/local/blue.yml:4:1"


def test_an_asset_inside_of_a_deployment_is_explained_with_its_own_lines(applied):
    text = (applied.root / "base/deployment.yml").read_text().replace("name: blue", "name: green")
    applied.write(
        "base/green.yml", text.replace("model: azureml:numbers", "model:\n  path: model\n  description: ours")
    )
    try:
        plan = applied.json("plan", "-e", "local")
        (model,) = [a["resource"] for a in plan["actions"] if a["resource"].startswith("model/adder-green:")]
        found = applied.json("explain", "-e", "local", model)
    finally:
        (applied.root / "base/green.yml").unlink()
    fields = {row["path"]: row for row in found["fields"]}
    assert (found["sync"], found["health"], found["plan"]["verb"]) == ("OutOfSync", "Missing", "create")
    assert fields["properties.description"]["position"] == "base/green.yml:7:3"
    assert fields["properties.modelUri"]["position"] == "base/green.yml:6:3"
    assert fields["properties.modelType"]["classes"] == ["documented default"]


@pytest.mark.parametrize(
    ("command", "name", "said"),
    [
        ("explain", "deployment/adder/bleu", "did you mean 'deployment/adder/blue'?"),
        ("explain", "adder/blue", "did you mean 'deployment/adder/blue'?"),
        ("explain", "model/numbers", "did you mean 'model/numbers:"),
        ("explain", "nonsense", "neither declared nor live"),
        ("logs", "adder/bleu", "did you mean 'adder/blue'?"),
        ("logs", "adder", "write ENDPOINT/DEPLOYMENT"),
        ("invoke", "addr", "did you mean 'adder'?"),
    ],
)
def test_a_name_that_is_nothing_is_told_what_was_meant(applied, command, name, said):
    done = applied.run(command, "-e", "local", name)
    assert (done.returncode, done.stdout) == (64, "")
    assert said in done.stderr


def test_explain_of_what_is_only_live(applied):
    (applied.root / "base/deployment.yml").rename(applied.root / "deployment.away")
    applied.edit("base/endpoint.yml", "traffic: {blue: 100}", "")
    try:
        found = applied.json("explain", "-e", "local", BLUE)
    finally:
        (applied.root / "deployment.away").rename(applied.root / "base/deployment.yml")
        applied.git("checkout", "base/endpoint.yml")
    assert found["sync"] == "Refused"
    assert "live and in no manifest" in found["verdict"]
    assert found["plan"]["refusals"][0]["rule"] == "serving"


def test_status_shows_what_the_loop_knows(applied):
    remember(applied, MEMORY.to_json())
    document = applied.json("status", "-e", "local")
    assert [c["type"] for c in document["loop"]["conditions"]] == ["Ready", "Stalled"]
    assert 290 < document["loop"]["passed_s_ago"] < 900
    assert document["loop"]["holder"] == ""
    row = next(row for row in document["resources"] if row["resource"] == BLUE)
    assert row["last_error"] == "ResourceNotReady: the container ended"
    text = applied.ok("status", "-e", "local")
    assert "Ready        False  ApplyFailed: 1 of 6 failed  (since 2026-11-21T01:02:03Z)" in text
    assert re.search(r"Last pass \d+ min ago at revision aaaaaaaaaaaa\.", text)
    assert "LAST ERROR" in text
    assert "ResourceNotReady: the container ended" in applied.ok("explain", "-e", "local", BLUE)


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b'{"version": 9, "conditions": 3, "stalled": []}'])
def test_status_works_whatever_the_loop_left_behind(applied, document):
    remember(applied, document)
    assert "InSync" in applied.ok("status", "-e", "local")


def test_status_works_when_the_store_cannot_be_read(applied):
    state = applied.root / ".aml-gitops"
    state.rename(applied.root / ".emulator/aside")
    state.write_text("not a folder")
    try:
        done = applied.run("status", "-e", "local")
    finally:
        state.unlink()
        (applied.root / ".emulator/aside").rename(state)
    assert done.returncode == 0
    assert "InSync" in done.stdout
    assert "cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_people_ordered_shows_wherever_somebody_looks(applied):
    applied.ok("suspend", "-e", "local", BLUE, "--reason", "incident 4711")
    applied.edit("base/deployment.yml", 'OFFSET: "0"', 'OFFSET: "4"')
    try:
        row, found = rows(applied)[BLUE], applied.json("explain", "-e", "local", BLUE)
        applied.ok("suspend", "-e", "local", "--reason", "a quiet night")
        closed = applied.json("status", "-e", "local")["writes_closed"]
        told = applied.ok("status", "-e", "local").splitlines()[0]
    finally:
        applied.edit("base/deployment.yml", 'OFFSET: "4"', 'OFFSET: "0"')
        applied.ok("resume", "-e", "local")
    assert (row["sync"], found["plan"]["held"]["verb"]) == ("OutOfSync", "update")
    assert row["held"] == found["plan"]["held"]["reason"]
    assert re.fullmatch(rf"suspended: {BY}: incident 4711", row["held"])
    assert found["verdict"].endswith(f"The update is held back: {row['held']}.")
    assert re.fullmatch(rf"suspended: {BY}: a quiet night", closed)
    assert told == f"Nothing is written now: {closed}."
    assert applied.json("status", "-e", "local")["writes_closed"] == ""


def test_a_suspension_names_the_person_that_a_pipeline_runs_for(paper):
    paper.ok("suspend", "-e", "local", GITHUB_ACTOR="ann")
    held = asyncio.run(FolderStore(paper.root / ".aml-gitops").orders("shop/local"))
    assert re.fullmatch(r"ann, 20\d\d-\d\d-\d\d \d\d:\d\d UTC", held["*"])


def test_resume_takes_what_is_suspended_and_what_is_stalled(paper):
    remember(paper, MEMORY.to_json())
    paper.ok("suspend", "-e", "local", "endpoint/adder")
    done = paper.run("resume", "-e", "local", "deployment/adder/bleu")
    assert (done.returncode, done.stdout) == (64, "")
    assert f"neither suspended nor stalled; suspended is endpoint/adder, stalled is {BLUE}" in done.stderr
    for name in (BLUE, "deployment/adder/*"):
        done = paper.run("resume", "-e", "local", name)
        assert (done.returncode, done.stderr) == (0, "What is stalled is tried again at the next pass of the loop.\n")
    orders = asyncio.run(FolderStore(paper.root / ".aml-gitops").orders("shop/local"))
    assert set(orders) == {"endpoint/adder", RETRY}
    assert "Resumed endpoint/adder." in paper.run("resume", "-e", "local", "endpoint/adder").stderr
    assert "suspended is nothing" in paper.run("resume", "-e", "local", "endpoint/adder").stderr


# -- when it is needed most ------------------------------------------------------------------------------------------

STALE = "Ready        False  ApplyFailed: 1 of 6 failed  (since 2026-11-21T01:02:03Z)\n"
LAST_ERROR = "ResourceNotReady: the container ended"


@pytest.mark.parametrize(
    ("breaks", "code", "type_", "said"),
    [
        (lambda _: None, 1, "EmulatorError", "no emulator runs in"),
        (lambda shop: shop.edit("base/endpoint.yml", "disabled", "enabled"), 4, "ManifestError", "public"),
        (
            lambda shop: shop.edit("base/endpoint.yml", "kind: endpoint", "kind: [end"),
            4,
            "ManifestError",
            "endpoint.yml",
        ),
    ],
    ids=["no emulator", "public endpoint", "broken YAML"],
)
def test_what_the_loop_knows_is_shown_also_when_nothing_else_can_be(paper, breaks, code, type_, said):
    remember(paper, replace(MEMORY, due_at=time.time() + 1000).to_json())
    breaks(paper)
    for command, last_error in (("status",), ""), (("explain", BLUE), f"{BLUE} failed last: {LAST_ERROR}\n"):
        done = paper.run(*command, "-e", "local")
        assert done.returncode == code
        assert done.stdout.startswith(STALE)
        assert "; next pass in 16 min." in done.stdout
        assert last_error in done.stdout
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        done = paper.run(*command, "-e", "local", "-o", "json")
        document = json.loads(done.stdout)
        assert (done.returncode, document["version"]) == (code, 1)
        assert (document["error"]["type"], document["error"]["exit_code"]) == (type_, code)
        assert bool(document["error"]["findings"]) is (type_ == "ManifestError")
        assert document["loop"]["conditions"][0]["message"] == "1 of 6 failed"
        assert document["loop"]["next_pass_at"] > "2026"
        assert said in done.stderr
    assert document["last_error"] == LAST_ERROR


@pytest.mark.parametrize("command", [("status",), ("explain", BLUE)])
def test_what_the_loop_knows_stands_above_the_error(paper, command):
    remember(paper, MEMORY.to_json())
    done = subprocess.run(
        paper.command(*command, "-e", "local"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
        env=paper.environ,
    )
    assert done.stdout.startswith(STALE)
    assert done.stdout.splitlines()[-1].startswith("aml-gitops: no emulator runs in")


def test_status_as_json_has_the_same_keys_whether_it_works_or_not(applied, paper):
    broken = json.loads(paper.run("status", "-e", "local", "-o", "json").stdout)
    works = applied.json("status", "-e", "local")
    assert works.keys() == broken.keys()
    assert (works["error"], broken["resources"], broken["loop"]) == (None, None, None)


@pytest.mark.parametrize("command", [("status",), ("explain", BLUE)])
def test_a_slip_in_the_name_of_the_environment_is_only_told(paper, command):
    for form in ("text", "json"):
        done = paper.run(*command, "-e", "lokal", "-o", form)
        assert (done.returncode, done.stdout) == (64, "")
        assert done.stderr == "aml-gitops: no environment 'lokal' in gitops.yaml; did you mean local?\n"


def test_a_project_file_that_is_wrong_is_told_with_its_place(paper):
    paper.edit("gitops.yaml", "network:", "netwrk:")
    done = paper.run("status", "-e", "local", "-o", "json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["loop"], document["error"]["type"]) == (4, None, "ManifestError")
    assert "gitops.yaml:" in done.stderr


def test_an_emulator_elsewhere_is_named_by_the_shortest_path(paper):
    paper.edit("gitops.yaml", "emulator: .emulator", "emulator: ../beside/../.emulator")
    done = paper.run("plan", "-e", "local")
    assert f"no emulator runs in {paper.root.parent.resolve()}/.emulator; start one" in done.stderr
    assert "it is stopped now" in paper.ok("emulator", "reset")


def test_status_selects(applied):
    assert set(rows(applied, "--select", "endpoint/adder")) == {"endpoint/adder", BLUE, "traffic/adder"}
    assert all(name.startswith("model/") for name in rows(applied, "--select", "model/*"))
    done = applied.run("status", "-e", "local", "--select", "endpoint/addr")
    assert done.returncode == 64
    assert "endpoint/adder" in done.stderr


def test_history_is_newest_first_and_tells_the_first_failure(applied):
    newer = ENTRY | {"time": "2026-11-21T02:00:00Z", "ok": True, "reason": "Applied", "outcomes": [], "epoch": 8}
    unknown = {"version": 2, "time": "2026-11-21T03:00:00Z", "ok": True, "brand": "new", "summary": "?"}
    lines = [json.dumps(entry).encode() for entry in (ENTRY, newer, unknown)]
    remember(applied, MEMORY.to_json(), *lines)
    printed = applied.ok("history", "-e", "local", "--limit", "3", "-o", "json").splitlines()
    assert [json.loads(line)["time"] for line in printed] == [f"2026-11-21T0{n}:00:00Z" for n in (3, 2)] + [
        ENTRY["time"]
    ]
    head, *table = applied.ok("history", "-e", "local", "--limit", "3").splitlines()
    assert head.split()[:4] == ["TIME", "REVISION", "ACTOR", "RESULT"]
    assert "written by another version: 2" in table[0]
    assert "ok" in table[1]
    assert f"{BLUE} failed: ResourceNotReady: ended" in table[2]
    assert "ApplyFailed" in table[2]
    assert "2 update" in table[2]
    assert applied.run("history", "-e", "lokal").returncode == 64


def test_logs_are_what_the_container_wrote(applied):
    text = applied.ok("logs", "-e", "local", "adder/blue", "--tail", "50")
    assert "init function has completed" in text or "init" in text
    assert applied.ok("logs", "-e", "local", BLUE, "--tail", "50").splitlines()[0] == text.splitlines()[0]
    assert applied.ok("logs", "-e", "local", "adder/blue", "--container", "storage-initializer")
    assert applied.run("logs", "-e", "local", "adder/blue", "--tail", "0").returncode == 64


def test_plan_as_html_is_a_page_without_secrets(applied):
    applied.edit("base/deployment.yml", CANARY, "mark-other-canary")
    try:
        page = applied.ok("plan", "-e", "local", "-o", "html")
    finally:
        applied.edit("base/deployment.yml", "mark-other-canary", CANARY)
    assert page.startswith("<!doctype html>")
    assert "HIDDEN_MARK" in page
    assert "canary" not in page


# -- completion ------------------------------------------------------------------------------------------------------

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
spec=$(complete -p aml-gitops); spec=${spec##*-F }; "${spec%% *}" aml-gitops "${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("exp",), {"explain"}),
        (("plan", "--det"), {"--detailed-exitcode"}),
        (("plan", "-o", ""), {"text", "json", "markdown", "html"}),
        (("logs", "--container", "s"), {"storage-initializer"}),
        (("emulator", "sto"), {"stop"}),
        (("completion", ""), {"bash", "zsh"}),
        (("--color", "a"), {"auto", "always"}),
    ],
)
def test_bash_completes_commands_options_and_choices(tmp_path, paper, typed, offered):
    script = tmp_path / "completion.sh"
    script.write_text(paper.ok("completion", "bash"))
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "ask", str(script), "aml-gitops", *typed],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert set(done.stdout.split()) == offered


def test_the_script_for_zsh_knows_every_command(paper):
    script = paper.ok("completion", "zsh")
    assert script.startswith("#compdef aml-gitops")
    for name in ("explain", "history", "suspend", "--detailed-exitcode", "storage-initializer"):
        assert name in script
