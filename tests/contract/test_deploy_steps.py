"""The shell in the pipelines, run as the forge runs it, with an `aml-gitops` that answers as it is told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from deployed import ENVIRONMENTS, azure_jobs, azure_steps, github, scripts

# What it was called with, one call a line; what `plan` prints; and the exit code of the command that is asked about.
FAKE = """#!/bin/sh
echo "$*" >> "$CALLS"
for word in "$@"; do case $word in plan|apply|invoke|comment) command=$word; break ;; esac; done
case "$*" in *"-o html"*) echo "<html>"; [ "$CODE_OF_PLAN" = 3 ] && exit 3; exit 0 ;; esac
if [ "$command" = plan ]; then
  [ "$CODE_OF_PLAN" -le 3 ] && [ "$CODE_OF_PLAN" != 1 ] && echo "| the plan |" || echo "gitops.yaml:3:1 is wrong" >&2
  exit "$CODE_OF_PLAN"
fi
[ "$command" = apply ] && exit "$CODE_OF_APPLY"
exit 0
"""
GITHUB_SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
AZURE_SHELL = ("bash", "--noprofile", "--norc")
MAIN, AFTER_MERGE = github("aml-gitops.yml")["jobs"], github("aml-gitops-environment.yml")["jobs"]
AZURE = {name: scripts(azure_steps(job)) for name, job in azure_jobs().items()}


class Runner:
    """A machine of a forge: a checkout, a temporary folder, and the variables that both forges set."""

    def __init__(self, folder: Path) -> None:
        self.temp, self.checkout = folder / "temp", folder / "checkout"
        tools = folder / "tools"
        for made in (self.temp, self.checkout, tools):
            made.mkdir()
        for name, text in (("aml-gitops", FAKE), ("az", '#!/bin/sh\necho "az $*" >> "$CALLS"\n')):
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        self.calls = folder / "calls"
        self.summary, self.outputs = folder / "summary", folder / "outputs"
        self.environ = {
            "PATH": f"{tools}:{os.environ['PATH']}", "CALLS": str(self.calls), "ENVIRONMENT": "prod",
            "RUNNER_TEMP": str(self.temp), "AGENT_TEMPDIRECTORY": str(self.temp),
            "GITHUB_WORKSPACE": str(self.checkout), "BUILD_SOURCESDIRECTORY": str(self.checkout),
            "PIPELINE_WORKSPACE": str(folder), "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(self.outputs), "CODE_OF_PLAN": "0", "CODE_OF_APPLY": "0",
        }  # fmt: skip

    def run(self, shell, script, **environ):
        """Run one step in the checkout."""
        return subprocess.run(
            [*shell, "-c", script],
            cwd=self.checkout, env=self.environ | environ, capture_output=True, text=True, check=False,
        )  # fmt: skip

    @property
    def plan(self):
        return self.temp / "plan"

    def called(self):
        return self.calls.read_text().splitlines()


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


def of_pull_request(forge):
    if forge == "github":
        return GITHUB_SHELL, scripts(MAIN["plan"]["steps"])
    return AZURE_SHELL, AZURE["pull_request/plan_prod"]


def after_merge(forge, stage):
    if forge == "github":
        return GITHUB_SHELL, scripts(AFTER_MERGE[stage]["steps"])
    return AZURE_SHELL, AZURE[f"{stage}_prod/{stage}"]


forges = pytest.mark.parametrize("forge", ["github", "azure-devops"])


@forges
@pytest.mark.parametrize(("code", "verdict"), [(0, 0), (2, 0), (3, 3)])
def test_a_pull_request_shows_its_plan_also_a_refused_one(runner, forge, code, verdict):
    shell, steps = of_pull_request(forge)
    planned = runner.run(shell, steps["Plan"], CODE_OF_PLAN=str(code))
    assert planned.returncode == 0, planned.stderr
    assert (runner.plan / "plan.md").read_text() == "| the plan |\n"
    assert (runner.plan / "plan.html").read_text() == "<html>\n"
    assert f"-C {runner.checkout} plan -e prod -o markdown --detailed-exitcode" in runner.called()[0]
    assert runner.run(shell, steps["Comment"]).returncode == 0
    assert runner.called()[-1] == f"comment {runner.plan}/plan.md --key prod"
    assert runner.run(shell, steps["Verdict"], CODE=str(code)).returncode == verdict


@forges
@pytest.mark.parametrize("code", [1, 4, 64])
def test_what_cannot_be_planned_is_told_in_the_comment_and_the_check_is_red(runner, forge, code):
    shell, steps = of_pull_request(forge)
    planned = runner.run(shell, steps["Plan"], CODE_OF_PLAN=str(code))
    assert planned.returncode == 0, planned.stderr
    told = (runner.plan / "plan.md").read_text()
    assert told.startswith(f"### prod cannot be planned (exit code {code})\n\n    gitops.yaml:3:1 is wrong")
    assert not (runner.plan / "plan.html").exists()
    assert runner.run(shell, steps["Verdict"], CODE=str(code)).returncode == 1


@forges
def test_a_verdict_without_a_plan_is_red(runner, forge):
    shell, steps = of_pull_request(forge)
    assert runner.run(shell, steps["Verdict"], CODE="").returncode == 1


def test_the_forges_get_summary_and_exit_code_in_their_own_way(runner):
    shell, steps = of_pull_request("github")
    runner.run(shell, steps["Plan"], CODE_OF_PLAN="2")
    assert runner.summary.read_text() == "| the plan |\n"
    assert runner.outputs.read_text() == "code=2\n"
    shell, steps = of_pull_request("azure-devops")
    said = runner.run(shell, steps["Plan"], CODE_OF_PLAN="2").stdout
    assert f"##vso[task.uploadsummary]{runner.plan}/plan.md\n" in said
    assert "##vso[task.setvariable variable=code;isOutput=true]2\n" in said


@forges
@pytest.mark.parametrize(("code", "changes"), [(0, "false"), (2, "true")])
def test_after_a_merge_the_plan_is_saved_and_tells_whether_there_is_something_to_approve(runner, forge, code, changes):
    shell, steps = after_merge(forge, "plan")
    planned = runner.run(shell, steps["Plan"], CODE_OF_PLAN=str(code))
    assert planned.returncode == 0, planned.stderr
    assert f"--out {runner.plan}/plan.json" in runner.called()[0]
    if forge == "github":
        assert runner.outputs.read_text() == f"changes={changes}\n"
    else:
        assert f"variable=changes;isOutput=true]{changes}\n" in planned.stdout


@forges
@pytest.mark.parametrize("code", [1, 3, 4, 64])
def test_after_a_merge_nothing_goes_on_from_a_plan_that_is_refused_or_failed(runner, forge, code):
    shell, steps = after_merge(forge, "plan")
    planned = runner.run(shell, steps["Plan"], CODE_OF_PLAN=str(code))
    assert planned.returncode == code
    assert "true" not in planned.stdout
    assert not runner.outputs.exists()


@forges
@pytest.mark.parametrize(
    ("code", "told"), [(0, ""), (1, ""), (3, ""), (5, "moved since the plan was approved"), (6, "somebody else")]
)
def test_the_saved_plan_is_applied_and_the_exit_code_is_kept(runner, forge, code, told):
    shell, steps = after_merge(forge, "apply")
    applied = runner.run(shell, steps["Apply"], CODE_OF_APPLY=str(code))
    assert applied.returncode == code
    place = runner.plan if forge == "github" else Path(runner.environ["PIPELINE_WORKSPACE"], "plan-prod")
    assert runner.called()[-1].endswith(f"apply -e prod {place}/plan.json --yes")
    assert told in applied.stdout
    assert bool(told) is bool(applied.stdout)


def test_an_apply_in_azure_devops_has_its_tokens_before_it_begins(runner):
    shell, steps = after_merge("azure-devops", "apply")
    runner.run(shell, steps["Apply"])
    assert [line.split()[:3] for line in runner.called()] == [["az", "account", "get-access-token"]] * 2 + [
        ["-C", str(runner.checkout), "apply"]
    ]


@forges
def test_smoke_asks_every_endpoint_of_the_environment(runner, forge):
    shell, steps = after_merge(forge, "smoke")
    (script,) = (text for text in steps.values() if " invoke " in text)
    assert runner.run(shell, script).returncode == 0
    assert runner.called()[-1].endswith("invoke -e prod")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_azure_devops_has_the_same_shell_for_every_environment(environment):
    assert AZURE[f"apply_{environment}/apply"] == AZURE["apply_prod/apply"]
    assert AZURE[f"pull_request/plan_{environment}"] == AZURE["pull_request/plan_prod"]
