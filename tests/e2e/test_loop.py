"""The loop as a process that follows a real Git server, on the embedded Azure ML."""

import hashlib
import hmac
import json
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

import pytest
from git_server import needs_git
from looping import Hand, Looping, Remote
from shop import Shop

pytestmark = needs_git

SECRET = "webhook-secret-7b1f"
TOKEN = "git-token-55c2"
BLUE = "/onlineEndpoints/adder/deployments/blue"


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    """The shop on a Git server, its emulator running at a place that every checkout finds."""
    folder = tmp_path_factory.mktemp("loop")
    shop = Shop(folder / "project")
    shop.fill()
    shop.edit("gitops.yaml", "emulator: .emulator", f"emulator: {shop.root}/.emulator")
    shop.edit("gitops.yaml", "project: shop", f"project: shop\nstate: {{folder: {folder}/state}}")
    shop.commit("absolute")
    shop.ok("emulator", "start")
    found = Remote(shop, folder / "forge")
    found.server.token = TOKEN
    yield found
    found.close()
    shop.ok("emulator", "stop")


@pytest.fixture
def loop(remote, tmp_path):
    """Starts loops that follow the server, with a loop file of the test's own; ends them all."""
    started = []

    def start(settle=True, **settings):
        source = {"url": remote.server.url(), "branch": "main", "token": {"env": "GIT_TOKEN"}}
        source |= settings.pop("source", {})
        file = tmp_path / f"loop-{len(started)}.yaml"
        base = {
            "source": source,
            "interval_s": 1,
            "poll_s": 0.5,
            "jitter_percent": 0,
            "retry": {"first_s": 0.5, "longest_s": 1},
        }
        file.write_text(json.dumps(base | settings))
        running = Looping(remote.shop, "--loop", str(file), level="debug", GIT_TOKEN=TOKEN, HOOK=SECRET)
        started.append(running)
        if settle:
            running.until("pass ended", revision=remote.shop.git("rev-parse", "HEAD"))
        return running

    yield start
    for one in started:
        one.close()


@pytest.fixture
def hand(remote):
    return Hand(remote.shop)


@pytest.fixture(autouse=True)
def restored(remote):
    """Whatever a test pushed or ordered, the next one starts from the first commit."""
    first = remote.shop.git("rev-parse", "HEAD")
    yield
    remote.server.answer = None
    remote.shop.git("reset", "-q", "--hard", first)
    remote.shop.git("clean", "-fdq")
    remote.push_head()
    remote.shop.ok("resume", "-e", "local")


def offset(remote, value):
    text = (remote.shop.root / "base/deployment.yml").read_text()
    old = text.partition('OFFSET: "')[2].partition('"')[0]
    remote.shop.edit("base/deployment.yml", f'OFFSET: "{old}"', f'OFFSET: "{value}"')


def answer(remote):
    return remote.shop.json("invoke", "-e", "local", "adder", "--request", str(remote.shop.root / "base/sample.json"))[
        "answers"
    ][0]["body"]


def post(address, secret, path="/webhooks/github"):
    body = b'{"ref": "refs/heads/main", "after": "' + b"a" * 40 + b'"}'
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    request = urllib.request.Request(
        f"http://{address}{path}",
        body,
        {"Content-Type": "application/json", "X-GitHub-Event": "push", "X-Hub-Signature-256": signature},
    )
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def get(address, path):
    with urllib.request.urlopen(f"http://{address}{path}") as reply:
        return reply.read().decode()


def test_a_push_is_applied_when_its_webhook_comes_and_a_forged_one_is_refused(remote, loop):
    hooks = {"listen": "127.0.0.1:0", "webhooks": {"github": {"env": "HOOK"}}}
    running = loop(settle=False, poll_s=3600, interval_s=3600, **hooks)
    address = running.listening()
    running.passed("Applied")
    assert answer(remote) == [6]
    assert get(address, "/readyz") == "ok\n"
    offset(remote, 10)
    commit = remote.push()
    requests = len(remote.server.requests)
    assert post(address, "not the secret") == 401
    assert post(address, SECRET, path="/webhooks/gitlab") == 404
    assert len(remote.server.requests) == requests
    assert post(address, SECRET) == 202
    running.passed("Applied", revision=commit)
    assert answer(remote) == [16]
    assert f'revision="{commit}"' in get(address, "/metrics")
    assert running.stop() == 0


def test_a_revert_brings_back_what_was(remote, loop):
    running = loop()
    offset(remote, 20)
    running.passed("Applied", revision=remote.push())
    remote.shop.git("revert", "--no-edit", "HEAD")
    running.passed("Applied", revision=remote.push_head())
    assert answer(remote) == [6]


def test_drift_is_healed_or_reported_and_what_is_healed_is_journalled(remote, loop, hand):
    running = loop()
    hand.ask("PATCH", BLUE, {"sku": {"name": "Default", "capacity": 3}})
    running.until("action ended", resource="deployment/adder/blue", result="updated")
    running.passed("Applied")
    assert hand.get(BLUE)["sku"]["capacity"] == 1
    newest = json.loads(remote.shop.ok("history", "-e", "local", "--limit", "1", "-o", "json"))
    assert newest["drift"] == [{"resource": "deployment/adder/blue", "healed": True, "fields": ["sku.capacity"]}]
    remote.shop.edit("base/deployment.yml", "kind: deployment", "gitops: {drift: report}\nkind: deployment")
    commit = remote.push()
    running.until("new revision", revision=commit)
    hand.ask("PATCH", BLUE, {"sku": {"name": "Default", "capacity": 3}})
    while "DriftReported" not in remote.shop.ok("status", "-e", "local"):
        assert running.process.poll() is None
    assert hand.get(BLUE)["sku"]["capacity"] == 3
    remote.shop.edit("base/deployment.yml", "gitops: {drift: report}\n", "")
    running.passed("Applied", revision=remote.push())
    assert hand.get(BLUE)["sku"]["capacity"] == 1


def test_a_source_that_is_emptied_or_does_not_answer_prunes_nothing(remote, loop, hand):
    running = loop()
    before = remote.shop.git("rev-parse", "HEAD")
    shutil.rmtree(remote.shop.root / "base")
    (remote.shop.root / "base").mkdir()
    (remote.shop.root / "base/.keep").write_text("")
    running.passed("PlanRefused", revision=remote.push("emptied"))
    assert hand.get(BLUE) is not None
    remote.server.answer = (503, b"")
    for _ in range(2):
        running.until("the source cannot be had")
        running.until("pass ended")
    assert hand.get(BLUE) is not None
    remote.server.answer = None
    remote.shop.git("reset", "-q", "--hard", before)
    running.passed("Synced", revision=remote.push_head())
    assert answer(remote) == [6]


def test_only_a_signed_commit_is_applied(remote, loop, tmp_path):
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen on this machine")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    (tmp_path / "signers").write_text(f"ann@example.org {(tmp_path / 'key.pub').read_text()}")
    running = loop(settle=False, source={"verify": {"allowed_signers": "signers"}})
    said = running.until("the source cannot be had")
    assert "not signed" in said["error"] or "no signature" in said["error"]
    offset(remote, 30)
    remote.shop.git("add", "-A")
    signing = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={key}", "commit", "-q", "-S", "-m", "signed"]
    remote.shop.git(*signing)
    running.passed("Applied", revision=remote.push_head())
    assert answer(remote) == [36]
    offset(remote, 31)
    unsigned = remote.push("unsigned")
    running.until("the source cannot be had")
    running.passed("SignatureRefused")
    assert answer(remote) == [36]
    assert f'"revision": "{unsigned}"' not in remote.shop.ok("history", "-e", "local", "-o", "json")
    remote.shop.git(*signing, "--amend")
    running.passed("Applied", revision=remote.push_head())
    assert answer(remote) == [37]


def test_a_loop_that_is_killed_in_the_middle_is_gone_on_with(remote, loop, hand):
    running = loop()
    remote.shop.edit("base/src/score.py", "def init():", "def init():\n    import time; time.sleep(3)")
    offset(remote, 40)
    commit = remote.push()
    running.until("action began", resource="deployment/adder/blue")
    while hand.get(BLUE)["properties"]["provisioningState"] == "Succeeded":
        assert running.process.poll() is None
    running.signal(signal.SIGKILL)
    running.ended()
    assert hand.get(BLUE)["properties"]["provisioningState"] == "Updating"
    again = loop(settle=False)
    ended = again.until("pass ended", revision=commit)
    assert ended["reason"] in ("Synced", "Applied")
    assert ended["writes"] == 0
    assert answer(remote) == [46]


def test_a_newer_commit_does_not_wait_for_a_slow_one(remote, loop, hand):
    running = loop()
    remote.shop.edit("base/src/score.py", "def init():", "def init():\n    import time; time.sleep(5)")
    remote.push("slow")
    running.until("action began", resource="deployment/adder/blue")
    remote.shop.edit("base/endpoint.yml", "kind: endpoint", "description: newer\nkind: endpoint")
    newer = remote.push("newer")
    running.passed("Interrupted")
    running.until("action ended", resource="endpoint/adder", result="updated", revision=newer)
    assert hand.get(BLUE)["properties"]["provisioningState"] == "Updating"
    running.until("pass ended", revision=newer)
    assert hand.get(BLUE)["properties"]["provisioningState"] == "Succeeded"


def test_sigterm_ends_at_a_safe_point_while_azure_goes_on(remote, loop, hand):
    running = loop()
    remote.shop.edit("base/src/score.py", "def init():", "def init():\n    import time; time.sleep(3)")
    commit = remote.push()
    running.until("action began", resource="deployment/adder/blue")
    while hand.get(BLUE)["properties"]["provisioningState"] == "Succeeded":
        assert running.process.poll() is None
    assert running.stop() == 0
    assert hand.get(BLUE)["properties"]["provisioningState"] == "Updating"
    again = loop(settle=False)
    assert again.until("pass ended", revision=commit)["writes"] == 0


def test_what_is_suspended_is_left_alone_until_it_is_resumed(remote, loop, hand):
    running = loop()
    remote.shop.ok("suspend", "-e", "local", "endpoint/adder", "--reason", "incident 4711")
    offset(remote, 50)
    commit = remote.push()
    held = running.passed("HeldBack", revision=commit)
    assert "incident 4711" in held["verdict"]
    assert "incident 4711" in remote.shop.ok("plan", "-e", "local")
    remote.shop.ok("resume", "-e", "local")
    running.passed("Applied", revision=commit)
    assert answer(remote) == [56]


def test_once_passes_once_and_tells_each_environment(remote, tmp_path):
    assert remote.shop.run("run", "--once").returncode == 0
    done = remote.shop.run("run", "--once", "-e", "local")
    assert (done.returncode, done.stdout) == (0, "local  Synced: live is what Git says\n")
    done = remote.shop.run("run", "--once", "-e", "locla")
    assert done.returncode == 64
    assert "did you mean local?" in done.stderr
