"""deploy/pipelines: what the forges' schemas cannot say: who may do what, in which order, and with which identity."""

from __future__ import annotations

import re

import pytest
from deployed import (
    AZURE_DEVOPS,
    DEPLOY,
    ENVIRONMENTS,
    GITHUB,
    azure_jobs,
    azure_pipeline,
    azure_steps,
    document,
    github,
)  # fmt: skip

MAIN = github("aml-gitops.yml")
ENVIRONMENT = github("aml-gitops-environment.yml")
ACTION = github("action.yml")
GITHUB_JOBS = {f"{name}": job for name, job in (*MAIN["jobs"].items(), *ENVIRONMENT["jobs"].items()) if "steps" in job}
OWN_ACTION, OWN_WORKFLOW = "./.github/actions/aml-gitops", "./.github/workflows/aml-gitops-environment.yml"
STAGES = {stage["stage"]: stage for stage in azure_pipeline()["stages"]}
JOBS = azure_jobs()


def client_of(job):
    (step,) = (step for step in job["steps"] if step.get("uses") == OWN_ACTION)
    return step.get("with", {}).get("client-id", "")


def connections_of(job):
    return {step["inputs"]["azureSubscription"] for step in azure_steps(job) if step.get("task") == "AzureCLI@2"}


# -- GitHub --------------------------------------------------------------------------------------------------------


def test_a_pull_request_never_runs_with_the_rights_of_its_target():
    assert set(MAIN["on"]) == {"pull_request", "push", "workflow_dispatch"}


@pytest.mark.parametrize("workflow", [MAIN, ENVIRONMENT], ids=["main", "environment"])
def test_nothing_is_permitted_unless_a_job_says_so(workflow):
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert set(job["permissions"]) <= {"contents", "id-token", "pull-requests"}
        assert job["permissions"]["contents"] == "read"


def test_only_the_plan_of_a_pull_request_may_comment():
    writers = [name for name, job in MAIN["jobs"].items() if "pull-requests" in job["permissions"]]
    assert writers == ["plan"]
    assert not any("pull-requests" in job["permissions"] for job in ENVIRONMENT["jobs"].values())


def test_forks_are_validated_without_credentials_and_not_planned():
    assert client_of(MAIN["jobs"]["validate"]) == ""
    assert "id-token" not in MAIN["jobs"]["validate"]["permissions"]
    assert "if" not in MAIN["jobs"]["validate"]
    assert "head.repo.full_name == github.repository" in MAIN["jobs"]["plan"]["if"]


def test_each_job_has_the_identity_of_its_task():
    found = {name: client_of(job) for name, job in ENVIRONMENT["jobs"].items()}
    assert found == {
        "plan": "${{ vars.AML_GITOPS_PLAN_CLIENT_ID }}",
        "apply": "${{ vars.AML_GITOPS_APPLY_CLIENT_ID }}",
        "smoke": "${{ vars.AML_GITOPS_INVOKE_CLIENT_ID }}",
    }
    assert client_of(MAIN["jobs"]["plan"]) == found["plan"]


def test_no_secret_is_stored():
    text = "".join(path.read_text() for path in DEPLOY.joinpath("pipelines").rglob("*.yml"))
    assert "secrets." not in text
    assert not re.search(r"client[-_]?secret|password|servicePrincipalKey", text, re.IGNORECASE)


def test_the_way_is_dev_test_prod_after_validate_and_from_main_alone():
    jobs = MAIN["jobs"]
    assert [jobs[name]["needs"] for name in ENVIRONMENTS] == ["validate", "dev", "test"]
    assert all(jobs[name]["uses"] == OWN_WORKFLOW for name in ENVIRONMENTS)
    assert [jobs[name]["with"]["environment"] for name in ENVIRONMENTS] == list(ENVIRONMENTS)
    assert "github.ref == 'refs/heads/main'" in jobs["dev"]["if"]
    assert "github.event_name != 'pull_request'" in jobs["dev"]["if"]
    assert tuple(jobs["plan"]["strategy"]["matrix"]["environment"]) == ENVIRONMENTS


def test_only_what_was_approved_is_applied_one_at_a_time_and_never_cancelled():
    apply = ENVIRONMENT["jobs"]["apply"]
    assert apply["environment"] == "${{ inputs.environment }}"
    assert apply["needs"] == "plan"
    assert apply["if"] == "needs.plan.outputs.changes == 'true'"
    assert apply["concurrency"] == {"group": "aml-gitops-${{ inputs.environment }}", "cancel-in-progress": False}
    assert not any("environment" in job for name, job in ENVIRONMENT["jobs"].items() if name != "apply")
    (uploaded,) = (s for s in ENVIRONMENT["jobs"]["plan"]["steps"] if s.get("uses", "").startswith("actions/upload"))
    (downloaded,) = (step for step in apply["steps"] if step.get("uses", "").startswith("actions/download-artifact"))
    assert uploaded["with"]["name"] == downloaded["with"]["name"]
    assert uploaded["with"]["path"] == downloaded["with"]["path"]


def test_smoke_follows_an_apply_that_went_well_or_was_not_needed():
    smoke = ENVIRONMENT["jobs"]["smoke"]
    assert set(smoke["needs"]) == {"plan", "apply"}
    conditions = {
        "!cancelled()",
        "needs.plan.result == 'success'",
        """contains(fromJSON('["success", "skipped"]'), needs.apply.result)""",
    }
    assert set(smoke["if"].removeprefix("${{ ").removesuffix(" }}").split(" && ")) == conditions
    for environment in ENVIRONMENTS:
        assert STAGES[f"smoke_{environment}"]["condition"] == (
            "and(not(canceled()), "
            f"in(dependencies.plan_{environment}.result, 'Succeeded', 'SucceededWithIssues'), "
            f"in(dependencies.apply_{environment}.result, 'Succeeded', 'SucceededWithIssues', 'Skipped'))"
        )


def test_every_job_ends_in_time_and_runs_where_the_network_is():
    for name, job in GITHUB_JOBS.items():
        assert job["timeout-minutes"] <= 120
        assert ("AML_GITOPS_RUNS_ON" in job["runs-on"]) is (name != "validate")


def test_actions_have_a_version_and_checkouts_keep_no_credentials():
    for job in [*GITHUB_JOBS.values(), ACTION["runs"]]:
        for step in job["steps"]:
            uses = step.get("uses", "./")
            assert uses.startswith("./") or re.fullmatch(r"[\w-]+/[\w-]+@v\d+", uses)
            if uses.startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


# -- Azure DevOps --------------------------------------------------------------------------------------------------


def test_the_stages_follow_each_other_from_dev_to_prod():
    after = {name: stage["dependsOn"] for name, stage in STAGES.items() if "dependsOn" in stage}
    assert after == {
        "pull_request": [],
        "plan_dev": "validate", "apply_dev": "plan_dev", "smoke_dev": ["plan_dev", "apply_dev"],
        "plan_test": "smoke_dev", "apply_test": "plan_test", "smoke_test": ["plan_test", "apply_test"],
        "plan_prod": "smoke_test", "apply_prod": "plan_prod", "smoke_prod": ["plan_prod", "apply_prod"],
    }  # fmt: skip


def test_a_pull_request_is_planned_and_nothing_of_it_applied():
    assert "ne(variables['System.PullRequest.IsFork'], 'True')" in STAGES["pull_request"]["condition"]
    assert {name for name in JOBS if name.startswith("pull_request/")} == {
        f"pull_request/plan_{environment}" for environment in ENVIRONMENTS
    }
    for environment in ENVIRONMENTS:
        condition = STAGES[f"plan_{environment}"]["condition"]
        assert "ne(variables['Build.Reason'], 'PullRequest')" in condition
        assert "eq(variables['Build.SourceBranch'], 'refs/heads/main')" in condition
        changes = f"eq(dependencies.plan_{environment}.outputs['plan.plan.changes'], 'true')"
        assert STAGES[f"apply_{environment}"]["condition"] == f"and(succeeded(), {changes})"


def test_each_service_connection_has_one_task():
    expected = {"validate/validate": set()}
    expected |= {f"pull_request/plan_{environment}": {"aml-gitops-plan"} for environment in ENVIRONMENTS}
    for environment in ENVIRONMENTS:
        expected[f"plan_{environment}/plan"] = {"aml-gitops-plan"}
        expected[f"apply_{environment}/apply"] = {f"aml-gitops-apply-{environment}"}
        expected[f"smoke_{environment}/smoke"] = {"aml-gitops-invoke"}
    assert {name: connections_of(job) for name, job in JOBS.items()} == expected


def test_only_deployment_jobs_with_an_environment_apply_one_at_a_time():
    for name, job in JOBS.items():
        applies = any("aml-gitops" in text and " apply " in text for text in map(str, azure_steps(job)))
        assert applies is ("deployment" in job)
        if applies:
            environment = name.partition("/")[0].removeprefix("apply_")
            assert job["environment"] == f"aml-gitops-{environment}"
            assert STAGES[f"apply_{environment}"]["lockBehavior"] == "sequential"


def test_the_plan_that_is_applied_is_the_one_that_was_published():
    for environment in ENVIRONMENTS:
        (out,) = (s["artifact"] for s in azure_steps(JOBS[f"plan_{environment}/plan"]) if "publish" in s)
        (back,) = (s["artifact"] for s in azure_steps(JOBS[f"apply_{environment}/apply"]) if "download" in s)
        assert out == back == f"plan-{environment}"


def test_the_job_token_goes_only_to_the_comment():
    for job in JOBS.values():
        for step in azure_steps(job):
            holds = "SYSTEM_ACCESSTOKEN" in step.get("env", {})
            assert holds is ("aml-gitops comment" in str(step))
            if "checkout" in step:
                assert step["persistCredentials"] == "false"


# -- both ----------------------------------------------------------------------------------------------------------


def test_only_the_sign_in_of_the_pipeline_counts():
    """A machine in Azure has an identity of its own, and DefaultAzureCredential asks it before the Azure CLI."""
    assert (
        document(AZURE_DEVOPS / "azure-pipelines.yml")["variables"]["AZURE_TOKEN_CREDENTIALS"] == "AzureCliCredential"
    )
    assert "AZURE_TOKEN_CREDENTIALS=AzureCliCredential" in (GITHUB / "action.yml").read_text()


def test_where_files_go_is_what_refers_to_them():
    assert f"{OWN_ACTION.removeprefix('./')}/action.yml" in (GITHUB / "action.yml").read_text()
    assert OWN_WORKFLOW.removeprefix("./") in (GITHUB / "aml-gitops-environment.yml").read_text()
    for text in (GITHUB / "action.yml", AZURE_DEVOPS / "templates" / "install.yml"):
        assert "--requirement requirements-gitops.txt" in text.read_text()
