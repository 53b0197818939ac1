"""Everything below deploy/: commands, options, variables, addresses and paths that the product has."""

from __future__ import annotations

import configparser
import re
import shlex

import pytest
import yaml
from azure.identity._constants import EnvironmentVariables
from deployed import DEPLOY, KUBERNETES, ROOT, TEXTS, document

from reconciler.cli.commands import COMMANDS
from reconciler.cli.parser import Parser
from reconciler.load.loop_file import load_loop
from schemas.loop import Loop

CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
JOB = document(DEPLOY / "container-apps" / "job.yaml")
PAGES = (*TEXTS, ROOT / ".pre-commit-hooks.yaml", *sorted((ROOT / "docs").glob("pipelines-*.md")))
CALL = re.compile(r"(?<![\w./-])(?:/opt/aml-gitops/bin/)?aml-gitops(?: -C \S+)? ([a-z]+)\b([^\n`]*(?:\\\n[^\n`]*)*)")
PROSE = {"is", "itself", "environment", "on", "to", "as", "needs", "invoke"}
CREDENTIALS = {"EnvironmentCredential", "WorkloadIdentityCredential", "ManagedIdentityCredential", "AzureCliCredential"}


def parsers():
    top = Parser(prog="aml-gitops")
    commands = top.add_subparsers(parser_class=Parser)
    for add in COMMANDS:
        add(commands)
    return dict(commands.choices)


PARSERS = parsers()


def ids(path):
    return path.relative_to(ROOT).as_posix()


# -- what is called ------------------------------------------------------------------------------------------------


def check_call(command, words):
    parser = PARSERS[command]
    known = {text for action in parser._actions for text in action.option_strings}
    used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word, re.IGNORECASE)}
    assert used <= known, f"{command} has no {used - known}"


@pytest.mark.parametrize("path", [path for path in PAGES if path.suffix != ".json"], ids=ids)
def test_commands_and_options_exist(path):
    for command, rest in CALL.findall(path.read_text()):
        if command in PARSERS:
            check_call(command, re.split(r"\s+|[>|;&].*", rest.partition("#")[0]))
        else:
            assert command in PROSE, f"{path.name}: no command {command}"


def exec_forms():
    (pod,) = document(KUBERNETES / "deployment.yaml")["spec"]["template"]["spec"]["containers"]
    (job,) = JOB["properties"]["template"]["containers"]
    unit = re.search(
        r"^ExecStart=\S+/aml-gitops (.*)$", (DEPLOY / "systemd/aml-gitops.service").read_text(), re.MULTILINE
    )
    (hook,) = document(ROOT / ".pre-commit-hooks.yaml")
    return {
        "kubernetes": pod["args"],
        "container-apps": job["args"],
        "systemd": shlex.split(unit[1]),
        "image": yaml.safe_load(re.search(r"^CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)[1]),
        "pre-commit": hook["entry"].split()[1:],
    }


@pytest.mark.parametrize(("where", "words"), exec_forms().items(), ids=exec_forms())
def test_what_is_started_parses(where, words):
    options = vars(PARSERS[words[0]].parse_args(words[1:]))
    assert words[0] == ("validate" if where == "pre-commit" else "run")
    if where in ("kubernetes", "container-apps", "systemd"):
        assert options["loop"] == "/etc/aml-gitops/loop.yaml"
    assert options.get("once", False) is (where == "container-apps")


def test_the_image_reads_the_loop_file_that_is_mounted():
    assert "AML_GITOPS_LOOP=/etc/aml-gitops/loop.yaml" in CONTAINERFILE


@pytest.mark.parametrize("path", TEXTS, ids=ids)
def test_variables_are_known(path):
    text = path.read_text()
    offered = set(re.findall(r"AML_GITOPS_\w+", "".join(p.format_help() for p in PARSERS.values())))
    of_the_forge = set(re.findall(r"vars\.(AML_GITOPS_\w+)", text))
    assert set(re.findall(r"AML_GITOPS_\w+", text)) - of_the_forge <= offered | {"AML_GITOPS_STATE_CONNECTION_STRING"}
    assert set(re.findall(r"\bAZURE_[A-Z_]+", text)) <= {
        value for name, value in vars(EnvironmentVariables).items() if name.startswith("AZURE_")
    }
    for value in re.findall(r"AZURE_TOKEN_CREDENTIALS(?:=|: *|\n *value: *)(\w+)", text):
        assert value in CREDENTIALS


@pytest.mark.parametrize("path", TEXTS, ids=ids)
def test_nothing_listens_on_every_address(path):
    assert not re.search(r"0\.0\.0\.0|\[::\]|listen: *:", path.read_text())


def test_probes_ask_what_the_server_answers():
    server = (ROOT / "reconciler" / "watch" / "server.py").read_text()
    asked = set(re.findall(r"path: (/\w+z)\b", (KUBERNETES / "deployment.yaml").read_text()))
    asked |= set(re.findall(r"127\.0\.0\.1:8080(/\w+)", CONTAINERFILE))
    assert asked == {"/healthz", "/readyz"}
    assert all(f'"{path}"' in server for path in asked)


# -- the image -----------------------------------------------------------------------------------------------------


def test_the_image_is_pinned_hashed_and_not_run_by_root():
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11\.\d+-slim-\w+$", CONTAINERFILE, re.MULTILINE)
    installs = re.findall(r"pip install(?P<options>[^\n]*)", CONTAINERFILE)
    assert installs
    assert all("--require-hashes" in options or "--no-deps --no-index" in options for options in installs)
    assert re.findall(r"^USER (.*)$", CONTAINERFILE, re.MULTILINE) == ["10001:10001"]
    assert "[emulator]" not in CONTAINERFILE
    assert {"git", "gnupg", "openssh-client"} <= set(re.search(r"recommends (.*) \\", CONTAINERFILE)[1].split())


def test_the_build_may_read_what_it_copies_and_no_more():
    allowed = {line[1:] for line in (DEPLOY / "Containerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = {
        source
        for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", CONTAINERFILE, re.MULTILINE)
        for source in sources.split()
    }
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)


def test_pods_run_as_the_user_of_the_image():
    pod = document(KUBERNETES / "deployment.yaml")["spec"]["template"]["spec"]["securityContext"]
    assert f"USER {pod['runAsUser']}:{pod['runAsGroup']}" in CONTAINERFILE


# -- loop files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("loop.yaml")), ids=ids)
def test_a_loop_file_is_valid_and_keeps_its_clone_where_it_may_write(path):
    loop = load_loop(path)
    assert loop.folder.startswith("/var/lib/aml-gitops/")
    assert loop.source.url.startswith("https://")


def test_the_loop_file_of_the_job_is_valid_and_its_secret_is_given():
    secrets = {secret["name"]: secret for secret in JOB["properties"]["configuration"]["secrets"]}
    loop = Loop.model_validate(yaml.safe_load(secrets["loop"]["value"]))
    (container,) = JOB["properties"]["template"]["containers"]
    given = {entry["name"]: entry for entry in container["env"]}
    assert given[loop.source.token.env]["secretRef"] in secrets
    assert [name for name, secret in secrets.items() if "value" in secret] == ["loop"]
    (mounted,) = (volume for volume in JOB["properties"]["template"]["volumes"] if volume["storageType"] == "Secret")
    assert mounted["secrets"] == [{"secretRef": "loop", "path": "loop.yaml"}]
    paths = {mount["volumeName"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert loop.folder.startswith(paths["work"])
    assert paths["loop"] == "/etc/aml-gitops"


def test_the_unit_gives_the_credential_that_its_loop_file_names():
    unit = (DEPLOY / "systemd" / "aml-gitops.service").read_text()
    given = dict(re.findall(r"^LoadCredential=([\w-]+):(\S+)$", unit, re.MULTILINE))
    named = load_loop(DEPLOY / "systemd" / "loop.yaml").source.token.file
    assert named.removeprefix("/run/credentials/aml-gitops.service/") in given


# -- the unit ------------------------------------------------------------------------------------------------------


def unit():
    parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=False)
    parser.optionxform = str
    parser.read_string((DEPLOY / "systemd" / "aml-gitops.service").read_text())
    return parser


def test_the_unit_is_hardened_and_stops_at_a_safe_point():
    service = unit()["Service"]
    hardened = {
        "DynamicUser": "yes", "ProtectSystem": "strict", "NoNewPrivileges": "yes", "CapabilityBoundingSet": "",
        "PrivateTmp": "yes", "ProtectHome": "yes", "StateDirectory": "aml-gitops",
    }  # fmt: skip
    assert {name: service[name] for name in hardened} == hardened
    assert service["KillSignal"] == "SIGTERM"
    assert int(service["TimeoutStopSec"]) >= 300
    assert service["Restart"] == "on-failure"
