"""The pages on running it, on pipelines and on security say what the code and the files below deploy/ do."""

from __future__ import annotations

import re

import pytest
from deployed import AZURE_DEVOPS, DEPLOY, ENVIRONMENTS, GITHUB, ROOT, azure_jobs, azure_pipeline, azure_steps, github

from reconciler.watch.memory import CONDITIONS
from reconciler.watch.verdict import REASONS

DOCS = ROOT / "docs"


def table(page, heading):
    """Cells of the table whose first heading is ``heading``."""
    _, found, rest = (DOCS / page).read_text().partition(f"| {heading} |")
    assert found, f"{page} has no table that begins with {heading}"
    lines = rest.splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip(" |").split("|")] for line in lines]
    return cells[: next(n for n, line in enumerate([*lines, ""]) if not line.strip().startswith("|"))]


def words(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_every_reason_is_explained_and_no_other():
    documented = [words(row[0])[0] for row in table("run-it.md", "Reason")]
    assert len(documented) == len(set(documented))
    assert set(documented) == set(REASONS)
    assert all(len(row) == 3 and row[1] and row[2] for row in table("run-it.md", "Reason"))


def test_the_conditions_are_those_of_the_code():
    page = (DOCS / "run-it.md").read_text()
    assert f"| {' | '.join(CONDITIONS)} | It means |" in page


def test_every_role_has_a_place_and_every_role_named_exists():
    named = set(re.findall(r"\]\(\.\./deploy/roles/(\w+)\.json\)", (DOCS / "security.md").read_text()))
    assert named == {path.stem for path in (DEPLOY / "roles").glob("*.json")}


def test_the_variables_of_github_are_those_of_the_workflows():
    used = set(re.findall(r"vars\.(AML_GITOPS_\w+)", "".join(path.read_text() for path in GITHUB.glob("*.yml"))))
    assert {words(row[0])[0] for row in table("pipelines-github.md", "Variable")} == used


def test_the_variable_of_who_applies_belongs_to_the_environment():
    """A repository variable would let every job be the one that applies, as far as the forge is concerned."""
    rows = {words(row[0])[0]: row[1] for row in table("pipelines-github.md", "Variable")}
    assert rows["AML_GITOPS_APPLY_CLIENT_ID"] == "**each environment**"
    assert "environment" in github("aml-gitops-environment.yml")["jobs"]["apply"]


@pytest.mark.parametrize(
    ("page", "folder"), [("pipelines-github.md", GITHUB), ("pipelines-azure-devops.md", AZURE_DEVOPS)]
)
def test_every_file_is_copied_somewhere(page, folder):
    sources = [words(row[0])[0] for row in table(page, "From `deploy/pipelines`")]
    copied = {path for source in sources for path in (DEPLOY / "pipelines").glob(source)}
    assert copied == {*folder.rglob("*.yml"), DEPLOY / "pipelines" / "requirements-gitops.txt"}


def test_service_connections_environments_and_stages_are_those_of_the_pipeline():
    rows = table("pipelines-azure-devops.md", "Service connection")
    documented = {name for row in rows for name in words(row[0]) if not name.startswith("-")}
    documented |= {f"aml-gitops-apply{name}" for row in rows for name in words(row[0]) if name.startswith("-")}
    jobs = azure_jobs().values()
    steps = [step for job in jobs for step in azure_steps(job)]
    assert documented == {step["inputs"]["azureSubscription"] for step in steps if step.get("task") == "AzureCLI@2"}
    page = (DOCS / "pipelines-azure-devops.md").read_text()
    assert all(f"`{job['environment']}`" in page for job in jobs if "deployment" in job)
    stages = {words(row[0])[0] for row in table("pipelines-azure-devops.md", "Stage")}
    expanded = {stage.replace("ENV", name) for stage in stages for name in ENVIRONMENTS}
    assert expanded == {stage["stage"] for stage in azure_pipeline()["stages"]}


def test_the_jobs_of_github_are_explained():
    rows = [words(row[0])[0] for row in table("pipelines-github.md", "Job")]
    jobs = {*github("aml-gitops.yml")["jobs"], *github("aml-gitops-environment.yml")["jobs"]} - set(ENVIRONMENTS)
    assert set(rows) == jobs


def test_the_readme_of_deploy_leads_to_files_that_exist():
    page = DEPLOY / "README.md"
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    assert links
    assert all((page.parent / link).exists() for link in links)
    folders = {path.name for path in DEPLOY.iterdir() if path.is_dir()} - {"roles", "__pycache__"}
    assert folders == {link.partition("/")[0] for link in links if not link.startswith("..")}
