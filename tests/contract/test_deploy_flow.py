"""The shell of the GitHub templates with the product itself: from a pull request to endpoints that answer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from deployed import github, scripts
from shop import Shop

PULL_REQUEST = scripts(github("aml-gitops.yml")["jobs"]["plan"]["steps"])
AFTER_MERGE = {
    name: next(text for text in scripts(job["steps"]).values() if "aml-gitops" in text)
    for name, job in github("aml-gitops-environment.yml")["jobs"].items()
}


class Job:
    """A fresh runner with a checkout of the shop."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop, self.folder = shop, folder

    def run(self, script):
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.go_on(script)

    def go_on(self, script):
        self.folder.mkdir(exist_ok=True)
        environ = self.shop.environ | {
            "ENVIRONMENT": "local", "RUNNER_TEMP": str(self.folder), "GITHUB_WORKSPACE": str(self.shop.root),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"), "GITHUB_OUTPUT": str(self.folder / "output"),
        }  # fmt: skip
        environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.shop.root, env=environ, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def text(self, name):
        return (self.folder / name).read_text()


@pytest.fixture
def job(tmp_path):
    shop = Shop(tmp_path / "shop")
    shop.fill()
    shop.ok("emulator", "start")
    yield Job(shop, tmp_path / "runner")
    shop.ok("emulator", "stop")


@pytest.mark.slow
def test_a_pull_request_is_planned_a_merge_is_applied_once_and_a_refusal_is_shown(job):
    shown = job.run(PULL_REQUEST["Plan"])
    assert (shown.returncode, job.text("output")) == (0, "code=2\n"), shown.stderr
    assert "5 to create" in job.text("plan/plan.md")
    assert job.text("summary") == job.text("plan/plan.md")
    assert job.text("plan/plan.html").lower().startswith("<!doctype html>")

    assert job.run(AFTER_MERGE["plan"]).returncode == 0
    assert job.text("output") == "changes=true\n"
    applied = job.go_on(AFTER_MERGE["apply"])
    assert applied.returncode == 0, applied.stderr
    assert "Applied: 5 created, 1 updated." in applied.stdout

    again = job.go_on(AFTER_MERGE["apply"])
    assert again.returncode == 5
    assert "local moved since the plan was approved" in again.stdout

    smoke = job.run(AFTER_MERGE["smoke"])
    assert (smoke.returncode, smoke.stdout) == (0, "endpoint/adder (blue)  [6]  as expected\n")

    assert job.run(AFTER_MERGE["plan"]).returncode == 0
    assert job.text("output") == "changes=false\n"

    job.shop.edit("base/deployment.yml", "Standard_DS3_v2", "Standard_F4s_v2")
    job.shop.commit("a field that cannot change")
    refused = job.run(PULL_REQUEST["Plan"])
    assert (refused.returncode, job.text("output")) == (0, "code=3\n"), refused.stderr
    assert "immutable" in job.text("plan/plan.md")
    assert job.run(AFTER_MERGE["plan"]).returncode == 3
