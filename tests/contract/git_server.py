"""A real Git server on loopback (`git http-backend`), repositories to push to it, and its faults as switches."""

import base64
import contextlib
import os
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git on this machine")
GITOPS = "project: shop\nenvironments:\n  dev: {target: {emulator: .emulator}, network: managed_vnet}\n"
WHO = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "Ann"), ("EMAIL", "ann@example.org"))
}
ENVIRON = {"PATH": os.environ["PATH"], "HOME": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}


def git(folder, *arguments, stdin=None, check=True, **environ):
    done = subprocess.run(
        ["git", "-C", str(folder), "-c", "protocol.file.allow=always", *arguments],
        env=ENVIRON | WHO | environ, input=stdin, capture_output=True, check=False,
    )  # fmt: skip
    if check and done.returncode:
        raise AssertionError(done.stderr.decode(errors="replace"))
    return done.stdout.decode(errors="surrogateescape").strip()


class Repository:
    """A bare repository, as a forge has it, and the working copy of somebody who pushes to it."""

    def __init__(self, bare: Path, work: Path, object_format="sha1"):
        self.bare, self.work = bare, work
        bare.mkdir(parents=True)
        work.mkdir(parents=True, exist_ok=True)
        git(bare, "init", "-q", "--bare", "-b", "main", f"--object-format={object_format}")
        git(work, "init", "-q", "-b", "main", f"--object-format={object_format}")
        git(bare, "config", "http.receivepack", "true")

    def commit(self, files=None, message="a change", push="main", sign=(), **environ):
        """Write files (None removes one), commit, push; the commit."""
        for name, content in (files or {}).items():
            path = self.work / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        git(self.work, "add", "-A")
        git(self.work, *sign, "commit", "-q", "--allow-empty", "-m", message, *(("-S",) if sign else ()), **environ)
        if push:
            self.push(f"HEAD:refs/heads/{push}")
        return self.head

    def push(self, *refspecs):
        git(self.work, "push", "-q", "--force", str(self.bare), *refspecs)

    def tag(self, name, *options, **environ):
        git(self.work, *options, "tag", "--force", name, **environ)
        self.push(f"refs/tags/{name}")

    @property
    def head(self):
        return git(self.work, "rev-parse", "HEAD")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def serve(self):
        owner = self.server.owner
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size) if size else self.chunks()
        owner.requests.append((self.command, self.path, self.headers.get("Authorization", "")))
        if owner.before_answer:
            owner.before_answer()
        if owner.answer is not None:
            return self.reply(*owner.answer)
        if owner.token is not None and not self.signed_in(owner.token):
            return self.reply(401, b"who are you", ("WWW-Authenticate", 'Basic realm="git"'))
        return self.backend(owner, body)

    def chunks(self):
        body = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while length := int(self.rfile.readline(), 16):
                body += self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
        return body

    def signed_in(self, token):
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        return kind == "Basic" and base64.b64decode(given).decode().partition(":")[2] == token

    def reply(self, status, body=b"", *headers):
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def backend(self, owner, body):
        path, _, query = self.path.partition("?")
        environ = ENVIRON | {
            "GIT_PROJECT_ROOT": str(owner.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", "") if owner.protocol_v2 else "",
            # Somebody else's repository is somebody else's: only the backend of this test may be let in.
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }  # fmt: skip
        done = subprocess.run(["git", "http-backend"], input=body, env=environ, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n") if line]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        headers = [(name, value) for name, value in headers if name != "Status"]
        if owner.before_pack and b"PACK" in content:
            owner.before_pack()
        if owner.cut_pack and b"PACK" in content:
            return self.cut(status, content, headers)
        if owner.spoil_pack and b"PACK" in content:
            middle = content.index(b"PACK") + 40
            content = (
                content[:middle] + bytes(255 - byte for byte in content[middle : middle + 8]) + content[middle + 8 :]
            )
        return self.reply(status, content, *headers)

    def cut(self, status, content, headers):
        """Half of the pack, as a proxy does that dies: the client was promised more."""
        self.send_response(status)
        for name, value in (("Content-Length", str(len(content))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: content.index(b"PACK") + 30])
        self.wfile.flush()
        self.close_connection = True


class GitServer:
    """Serves the repositories below ``root``. What is set here holds from the next request on."""

    def __init__(self, root: Path, tls=None):
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.token = None
        self.answer = None
        self.cut_pack = self.spoil_pack = False
        self.before_pack = self.before_answer = None
        self.protocol_v2 = True
        self.requests = []
        self._scheme = "http" if tls is None else "https"
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.owner = self
        # A client that gave up is not an error of this server.
        self._http.handle_error = lambda *_: None
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def place(self):
        return f"127.0.0.1:{self._http.server_address[1]}"

    def url(self, name="shop.git"):
        return f"{self._scheme}://{self.place}/{name}"

    def repository(self, name="shop.git", **options):
        return Repository(self.root / name, self.root.parent / f"work-{name.removesuffix('.git')}", **options)

    def packs(self):
        return sum(command == "POST" for command, _, _ in self.requests)

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextlib.contextmanager
def serving(root, **options):
    server = GitServer(root, **options)
    try:
        yield server
    finally:
        server.close()
