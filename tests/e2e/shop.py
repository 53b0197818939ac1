"""A small project in a Git repository, the embedded Azure ML beside it, and the command line as a user has it."""

import json
import os
import subprocess
import sys
from pathlib import Path

GITOPS = """
project: shop
environments:
  local: {target: {emulator: .emulator}, network: managed_vnet, prune: true}
"""
ENDPOINT = """
kind: endpoint
name: adder
auth_mode: key
public_network_access: disabled
traffic: {blue: 100}
gitops: {sample: {request: sample.json, expect: [6]}}
"""
DEPLOYMENT = """
kind: deployment
name: blue
endpoint_name: adder
model: azureml:numbers
environment: azureml:serving
code_configuration: {code: src, scoring_script: score.py}
instance_type: Standard_DS3_v2
environment_variables: {OFFSET: "0", HIDDEN_MARK: "mark-3f9c-canary"}
"""
ASSETS = """
kind: model
name: numbers
path: model
---
kind: environment
name: serving
image: mcr.microsoft.com/azureml/minimal-py312-inference:20260101.v1
conda_file: conda.yml
"""
SCORE = """
import json, os, pathlib

def init():
    global base
    base = json.loads(next(pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("base.json")).read_text())

def run(data):
    return [sum(json.loads(data)["data"]) + base + int(os.environ["OFFSET"])]
"""
CONDA = "dependencies:\n- python=3.12\n- pip:\n  - azureml-inference-server-http==1.5.1\n"

# Nothing of the machine may decide a test: not its proxies, tokens, git identity or our own variables.
KEPT = ("PATH", "LANG", "TMPDIR")


class Shop:
    """The project folder, and ``aml-gitops`` in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root.parent / "home"
        self.home.mkdir(exist_ok=True)

    @property
    def environ(self):
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        who = {
            "GIT_AUTHOR_NAME": "t",
            "GIT_AUTHOR_EMAIL": "t@t",
            "GIT_COMMITTER_NAME": "t",
            "GIT_COMMITTER_EMAIL": "t@t",
        }
        return kept | who | {"HOME": str(self.home)}

    def command(self, *arguments):
        return [str(Path(sys.executable).with_name("aml-gitops")), "-C", str(self.root), *arguments]

    def run(self, *arguments, stdin=subprocess.DEVNULL, **environ):
        """One command to its end; returns the completed process."""
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=stdin,
            env=self.environ | environ,
        )

    def ok(self, *arguments, **environ):
        """One command that must succeed; returns its stdout."""
        done = self.run(*arguments, **environ)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments):
        """One command with -o json."""
        return json.loads(self.ok(*arguments, "-o", "json"))

    def write(self, name, text):
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def edit(self, name, old, new):
        file = self.root / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def git(self, *arguments):
        done = subprocess.run(
            ["git", "-C", str(self.root), *arguments], capture_output=True, text=True, check=True, env=self.environ
        )
        return done.stdout.strip()

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    def fill(self):
        """Write the project and commit it."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.write("gitops.yaml", GITOPS)
        self.write("base/endpoint.yml", ENDPOINT)
        self.write("base/deployment.yml", DEPLOYMENT)
        self.write("base/assets.yml", ASSETS)
        self.write("base/src/score.py", SCORE)
        self.write("base/model/base.json", "3")
        self.write("base/conda.yml", CONDA)
        self.write("base/sample.json", '{"data": [1, 2]}')
        self.write(".gitignore", "/.emulator/\n__pycache__/\n")
        self.git("init", "-q", "-b", "main")
        return self.commit("first")
