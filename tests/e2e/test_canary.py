"""Secrets planted wherever there is a place for one are found in nothing that comes out or is kept."""

import hashlib
import hmac
import http.server
import json
import threading
import urllib.error
import urllib.request

import pytest
from git_server import needs_git
from looping import Looping, Remote
from shop import Shop

pytestmark = needs_git

CANARIES = {
    "a variable of a container": "mark-3f9c-canary",
    "the git token": "gittoken-canary-91ab",
    "the webhook secret": "hooksecret-canary-77cd",
    "the notification address": "T000-canary-slack-B000",
    "the commit status token": "statustoken-canary-12ef",
    "an environment variable of the process": "process-canary-4455",
}


class Listener:
    """A chat webhook and a forge that refuse all, so that failures of telling are logged too."""

    def __init__(self):
        heard = self.heard = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                heard.set()
                self.send_error(403)

            def log_message(self, *_):
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self):
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def listener():
    found = Listener()
    yield found
    found.close()


def found_in(text):
    return [name for name, secret in CANARIES.items() if secret in text]


def push(address, secret, signed_with):
    body = b'{"ref": "refs/heads/main", "after": "%s"}' % (b"a" * 40)
    signature = "sha256=" + hmac.new(signed_with.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-GitHub-Event": "push", "X-Hub-Signature-256": signature}
    request = urllib.request.Request(f"http://{address}/webhooks/github?secret={secret}", body, headers)
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


def test_no_canary_is_found_anywhere(tmp_path, listener):
    shop = Shop(tmp_path / "project")
    shop.fill()
    state = tmp_path / "state"
    shop.edit("gitops.yaml", "emulator: .emulator", f"emulator: {shop.root}/.emulator")
    shop.edit("gitops.yaml", "project: shop", f"project: shop\nstate: {{folder: {state}}}")
    shop.edit("base/src/score.py", "def init():", "def init():\n    raise RuntimeError('it broke')")
    shop.commit("a deployment that fails")
    shop.ok("emulator", "start")
    remote = Remote(shop, tmp_path / "forge")
    remote.server.token = CANARIES["the git token"]
    secrets = {
        "GIT_TOKEN": CANARIES["the git token"],
        "HOOK": CANARIES["the webhook secret"],
        "SLACK": f"{listener.url}/services/{CANARIES['the notification address']}",
        "STATUS": CANARIES["the commit status token"],
        "DATABASE_PASSWORD": CANARIES["an environment variable of the process"],
    }
    settings = {
        "source": {"url": remote.server.url(), "token": {"env": "GIT_TOKEN"}},
        "folder": "clone",
        "interval_s": 1,
        "poll_s": 1,
        "listen": "127.0.0.1:0",
        "webhooks": {"github": {"env": "HOOK"}},
        "notifications": [{"type": "slack", "url": {"env": "SLACK"}}],
        "commit_status": {
            "forge": "github",
            "repository": "acme/shop",
            "api_url": listener.url,
            "token": {"env": "STATUS"},
        },
    }
    (tmp_path / "loop.yaml").write_text(json.dumps(settings))
    loop = Looping(shop, "--loop", str(tmp_path / "loop.yaml"), level="debug", **secrets)
    try:
        address = loop.listening()
        loop.passed("ActionFailed")
        assert listener.heard.wait(30)
        said = [push(address, secrets["HOOK"], "wrong"), push(address, secrets["HOOK"], secrets["HOOK"])]
        loop.until("not delivered")
        remote.server.token = "another by now"
        loop.until("the source cannot be had")
        with urllib.request.urlopen(f"http://{address}/metrics") as reply:
            said.append(reply.read().decode())
        assert loop.stop() == 0
    finally:
        loop.close()
        remote.close()
    shop.edit("base/deployment.yml", "mark-3f9c-canary", "mark-3f9c-canary-changed")
    try:
        for command in (
            ("plan", "-e", "local"),
            ("plan", "-e", "local", "-o", "json", "--out", str(tmp_path / "saved.plan")),
            ("plan", "-e", "local", "-o", "markdown"),
            ("plan", "-e", "local", "-o", "html"),
            ("status", "-e", "local"),
            ("status", "-e", "local", "-o", "json"),
            ("explain", "-e", "local", "deployment/adder/blue"),
            ("explain", "-e", "local", "deployment/adder/blue", "-o", "json"),
            ("history", "-e", "local"),
            ("history", "-e", "local", "-o", "json"),
            ("apply", "-e", "local", "--yes", "--log-level", "debug"),
        ):
            done = shop.run(*command, **secrets)
            assert done.stdout, command
            said += [done.stdout, done.stderr]
    finally:
        shop.ok("emulator", "stop")
    said += [json.dumps(loop.lines), loop.said, (tmp_path / "saved.plan").read_text()]
    assert "it broke" in "".join(said)  # The failure itself is told: the log of the container is there.
    for folder in (state, tmp_path / "clone"):
        for file in folder.rglob("*"):
            # The checkout holds the manifests, as Git does; the variable is in there as somebody wrote it.
            if file.is_file() and "checkouts" not in file.parts:
                said.append(file.read_bytes().decode("latin-1"))
    assert len(said) > 30
    assert found_in("\n".join(said)) == []


def test_a_git_address_with_a_password_is_refused_without_repeating_it(tmp_path):
    shop = Shop(tmp_path / "project")
    shop.fill()
    (tmp_path / "loop.yaml").write_text(json.dumps({"source": {"url": "https://ann:pw-canary-0011@git.example/x"}}))
    done = shop.run("run", "--once", "--loop", str(tmp_path / "loop.yaml"))
    assert done.returncode == 4
    assert "token" in done.stderr
    assert "pw-canary-0011" not in done.stdout + done.stderr
    (tmp_path / "loop.yaml").write_text("source: {url: https://git.example/x, token: gl-canary-2233445566}\n")
    done = shop.run("run", "--once", "--loop", str(tmp_path / "loop.yaml"))
    assert done.returncode == 4
    assert "loop.yaml:1:" in done.stderr
    assert "canary" not in done.stdout + done.stderr
