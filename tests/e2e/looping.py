"""``aml-gitops run`` as a process, its log as it comes, and another hand in the same workspace."""

import json
import os
import signal
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections import deque

from git_server import GitServer, git

DEADLINE_S = 60


class Looping:
    """One ``aml-gitops run``. ``until`` reads its JSON log lines, in order, up to the one that is wanted.

    ``heard`` is called with the loop itself and each line of its log, as it comes.
    """

    def __init__(self, shop, *arguments, level="info", heard=lambda _loop, _line: None, **environ):
        self.lines = []
        self._tell = heard
        self._new = deque()
        self._heard = threading.Condition()
        self.process = subprocess.Popen(
            [*shop.command("--log-format", "json", "--log-level", level, "run", *arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=shop.environ | environ,
        )
        self._ears = [
            threading.Thread(target=self._hear, args=(stream, errors), daemon=True)
            for stream, errors in ((self.process.stderr, True), (self.process.stdout, False))
        ]
        self.said = ""
        for ear in self._ears:
            ear.start()

    def _hear(self, stream, errors):
        for line in stream:
            with self._heard:
                if errors:
                    found = json.loads(line)
                    self.lines.append(found)
                    self._new.append(found)
                    self._tell(self, found)
                else:
                    self.said += line
                self._heard.notify_all()
        with self._heard:
            self._new.append(None)
            self._heard.notify_all()

    def until(self, message, timeout_s=DEADLINE_S, **wanted):
        """The next line with this message and these extras; the lines before it are passed over."""
        seen = []
        end_s = time.monotonic() + timeout_s
        while True:
            with self._heard:
                if not self._heard.wait_for(lambda: self._new, end_s - time.monotonic()):
                    raise AssertionError(f"no {message} {wanted} in {timeout_s} s; heard {seen[-10:]}")
                line = self._new.popleft()
            if line is None:
                raise AssertionError(f"ended before {message} {wanted}; heard {seen[-10:]}")
            seen.append(line)
            if line["message"] == message and all(line.get(key) == value for key, value in wanted.items()):
                return line

    def passed(self, reason, timeout_s=DEADLINE_S, **wanted):
        """The next pass that came to this."""
        return self.until("pass ended", timeout_s, reason=reason, **wanted)

    def listening(self):
        """The address that it listens on."""
        return self.until("listening")["address"]

    def signal(self, number):
        os.kill(self.process.pid, number)

    def stop(self):
        """Ask it to end; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self):
        code = self.process.wait(DEADLINE_S)
        for ear in self._ears:
            ear.join(DEADLINE_S)
        return code

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.ended()
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()


class Chorus:
    """Several loops beside each other; ``until`` reads the lines of all of them, in the order in which they came."""

    def __init__(self):
        self._new = deque()
        self._heard = threading.Condition()

    def hear(self, loop, line):
        with self._heard:
            self._new.append((loop, line))
            self._heard.notify_all()

    def until(self, message, *, but=(), timeout_s=DEADLINE_S, which=lambda _line: True, **wanted):
        """The next line with this message and these extras, of a loop that is not in ``but``: the loop, the line."""
        seen = []
        end_s = time.monotonic() + timeout_s
        while True:
            with self._heard:
                if not self._heard.wait_for(lambda: self._new, max(0, end_s - time.monotonic())):
                    raise AssertionError(f"no {message} {wanted} in {timeout_s} s; heard {seen[-10:]}")
                loop, line = self._new.popleft()
            seen.append((loop.process.pid, line))
            if loop in but or line["message"] != message or not which(line):
                continue
            if all(line.get(key) == value for key, value in wanted.items()):
                return loop, line


class Hand:
    """Somebody in the portal: raw requests to the emulator, which no guard of ours sees."""

    def __init__(self, shop):
        self._facts = json.loads((shop.root / ".emulator" / "connection.json").read_text())
        self._tls = ssl.create_default_context(cafile=self._facts["ca"])
        facts = self._facts
        self._scope = (
            f"{facts['url']}/subscriptions/{facts['subscription_id']}/resourceGroups/{facts['resource_group']}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{facts['workspace']}"
        )

    def _token(self):
        form = {
            "grant_type": "client_credentials",
            "client_id": self._facts["client_id"],
            "client_secret": self._facts["client_secret"],
            "scope": "https://management.azure.com/.default",
        }
        url = f"{self._facts['url']}/{self._facts['tenant_id']}/oauth2/v2.0/token"
        data = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(url, data, context=self._tls) as answer:
            return json.load(answer)["access_token"]

    def ask(self, method, path, body=None):
        """One request; its JSON answer, None when the resource does not exist."""
        request = urllib.request.Request(
            f"{self._scope}{path}?api-version=2024-04-01",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, context=self._tls) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise
        return json.loads(content) if content else None

    def get(self, path):
        return self.ask("GET", path)


class Remote:
    """The shop's repository on a Git server; ``push`` commits what is in the working copy."""

    def __init__(self, shop, root):
        self.shop = shop
        self.server = GitServer(root)
        self.bare = root / "shop.git"
        self.bare.mkdir()
        git(self.bare, "init", "-q", "--bare", "-b", "main")
        self.push_head()

    def push_head(self):
        self.shop.git("push", "-q", "--force", str(self.bare), "HEAD:refs/heads/main")
        return self.shop.git("rev-parse", "HEAD")

    def push(self, message="a change"):
        self.shop.commit(message)
        return self.push_head()

    def close(self):
        self.server.close()
