"""deploy/ before the linters and schemas of the field, all of which work without a network.

No container engine, forge, cluster or Azure is asked: what these cannot see is told in deploy/README.md.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from deployed import DEPLOY, GITHUB, KUBERNETES, ROOT, azure_pipeline

OF_THE_MACHINE = {"kubectl", "systemd-analyze"}


def run(*command, cwd=ROOT, stdin=""):
    """Run a tool: of the virtual environment, where it has to be, or of the machine, which may lack it."""
    if command[0] in OF_THE_MACHINE:
        tool = shutil.which(command[0]) or pytest.skip(f"there is no {command[0]} on this machine")
    else:
        tool = Path(sys.executable).with_name(command[0])
        assert tool.exists(), f"{command[0]} is a development tool of pyproject.toml: run `make setup`"
    return subprocess.run([tool, *command[1:]], cwd=cwd, input=stdin, capture_output=True, text=True, check=False)


# -- the image -----------------------------------------------------------------------------------------------------


def test_hadolint_finds_nothing_in_the_containerfile():
    found = run("hadolint", "--no-color", str(DEPLOY / "Containerfile"))
    assert (found.returncode, found.stdout) == (0, "")


def test_hadolint_would_find_a_mistake():
    text = (DEPLOY / "Containerfile").read_text().replace("# hadolint ignore=DL3008\n", "")
    assert "DL3008" in run("hadolint", "--no-color", "-", stdin=text).stdout


# -- pipelines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ("vendor.github-workflows", "aml-gitops.yml"),
        ("custom.github-workflows-require-timeout", "aml-gitops.yml"),
        ("vendor.github-workflows", "aml-gitops-environment.yml"),
        ("custom.github-workflows-require-timeout", "aml-gitops-environment.yml"),
        ("vendor.github-actions", "action.yml"),
    ],
)
def test_github_files_fit_their_schema(schema, name):
    found = run("check-jsonschema", "--builtin-schema", schema, str(GITHUB / name))
    assert found.returncode == 0, found.stdout


def azure_schema(pipeline, folder):
    """Templates put in first: the schema knows no template expressions. Its patterns are no Unicode ones."""
    file = folder / "azure-pipelines.json"
    file.write_text(json.dumps(pipeline))
    options = ("--regex-variant", "nonunicode", "--builtin-schema", "vendor.azure-pipelines")
    return run("check-jsonschema", *options, str(file))


def test_the_azure_pipeline_fits_its_schema(tmp_path):
    found = azure_schema(azure_pipeline(), tmp_path)
    assert found.returncode == 0, found.stdout


def test_the_schema_of_azure_pipelines_would_find_a_mistake(tmp_path):
    pipeline = azure_pipeline()
    pipeline["stages"][0]["jobs"][0]["timeout"] = "15"
    assert azure_schema(pipeline, tmp_path).returncode == 1


EXCUSED = {
    "unpinned-uses": "tags in a template; the file and its page tell to pin commits in the copy",
    "self-repository": "the other spelling of ./, which older runners do not know",
    "github-env": "the PATH is extended by a folder of the runner, with nothing from outside in it",
}


@pytest.fixture
def repository(tmp_path):
    """A repository of manifests with the workflows where the page says."""
    for source, target in (
        ("aml-gitops.yml", "workflows/aml-gitops.yml"),
        ("aml-gitops-environment.yml", "workflows/aml-gitops-environment.yml"),
        ("action.yml", "actions/aml-gitops/action.yml"),
    ):
        file = tmp_path / ".github" / target
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(GITHUB / source, file)
    return tmp_path


def zizmor(repository):
    found = run("zizmor", "--offline", "--no-progress", "--format", "json", ".", cwd=repository)
    return {finding["ident"] for finding in json.loads(found.stdout)}


def test_zizmor_finds_nothing_unsafe_in_the_workflows(repository):
    assert zizmor(repository) == set(EXCUSED)


def test_zizmor_would_find_code_in_a_title(repository):
    file = repository / ".github" / "workflows" / "aml-gitops.yml"
    harmless = "run: aml-gitops validate"
    text = file.read_text()
    assert harmless in text
    file.write_text(text.replace(harmless, "run: echo ${{ github.event.pull_request.title }}"))
    assert "template-injection" in zizmor(repository)


# -- Kubernetes ----------------------------------------------------------------------------------------------------


def test_kustomize_puts_everything_together():
    found = run("kubectl", "kustomize", str(KUBERNETES))
    assert found.returncode == 0, found.stderr
    built = {body["kind"]: body for body in yaml.safe_load_all(found.stdout)}
    (container,) = built["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith("registry.example.com/")
    volumes = {volume["name"]: volume for volume in built["Deployment"]["spec"]["template"]["spec"]["volumes"]}
    assert volumes["loop"]["configMap"]["name"] == built["ConfigMap"]["metadata"]["name"] != "aml-gitops-loop"
    assert built["ConfigMap"]["data"]["loop.yaml"] == (KUBERNETES / "loop.yaml").read_text()
    assert {body["metadata"].get("namespace", "aml-gitops") for body in built.values()} == {"aml-gitops"}


# -- systemd -------------------------------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path):
    """The unit, with a program that exists here."""
    text = (DEPLOY / "systemd" / "aml-gitops.service").read_text()
    file = tmp_path / "aml-gitops.service"
    file.write_text(text.replace("/opt/aml-gitops/bin/aml-gitops", str(Path(sys.executable).with_name("aml-gitops"))))
    return file


def test_systemd_takes_the_unit(unit):
    found = run("systemd-analyze", "verify", "--man=no", str(unit))
    assert (found.returncode, found.stderr) == (0, "")


def test_systemd_would_tell_of_an_unknown_setting(unit):
    unit.write_text(unit.read_text().replace("NoNewPrivileges=", "NoNewPrivilege="))
    assert "Unknown key" in run("systemd-analyze", "verify", "--man=no", str(unit)).stderr


def test_systemd_calls_the_unit_well_protected(unit):
    """Of 10, where 10 is a service without any hardening; 2 and less is what systemd itself calls OK or better."""
    found = run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(unit))
    assert found.returncode == 0, found.stdout[-300:]


# -- pre-commit ----------------------------------------------------------------------------------------------------


def test_pre_commit_takes_the_hook():
    found = run("pre-commit", "validate-manifest", ".pre-commit-hooks.yaml")
    assert found.returncode == 0, found.stdout
