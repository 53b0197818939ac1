"""Every command and option of ``aml-gitops``, declared and nothing more, so that ``--help`` loads no command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli.parser import command, environment_option, output_option

if TYPE_CHECKING:
    from typing import Any

    from reconciler.cli.parser import Parser

VALIDATE_EXAMPLES = """\
  aml-gitops validate                                  every environment of the project
  aml-gitops validate -e prod                          one environment
  aml-gitops validate endpoint.yml --network legacy_egress     files without a project
  aml-gitops validate -o json | jq '.findings[].rule'"""


def _validate(commands: Any) -> None:
    parser = command(
        commands, "validate", "check manifests against schemas and policy; all findings at once", VALIDATE_EXAMPLES
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files or folders to check without a project")
    environment_option(parser, required=False)
    parser.add_argument(
        "--network", choices=("managed_vnet", "legacy_egress"), help="how the workspace of loose files is isolated"
    )
    output_option(parser, "text", "json")


RENDER_EXAMPLES = """\
  aml-gitops render -e prod
  diff <(aml-gitops render -e test) <(aml-gitops render -e prod)"""


def _render(commands: Any) -> None:
    parser = command(commands, "render", "print the composed manifests of an environment as YAML", RENDER_EXAMPLES)
    environment_option(parser)


def _confirm_option(parser: Parser) -> None:
    parser.add_argument(
        "--confirm",
        action="append",
        default=[],
        metavar="RESOURCE",
        help="agree that this endpoint or traffic stops serving (repeatable)",
    )


PLAN_EXAMPLES = """\
  aml-gitops plan -e prod
  aml-gitops plan -e prod -o markdown >> "$GITHUB_STEP_SUMMARY"
  aml-gitops plan -e prod --out prod.plan && aml-gitops apply -e prod prod.plan
  aml-gitops plan -e prod --detailed-exitcode      2 when there is something to do"""


def _plan(commands: Any) -> None:
    parser = command(commands, "plan", "show what apply would do, and why; never writes to Azure", PLAN_EXAMPLES)
    environment_option(parser)
    output_option(parser, "text", "json", "markdown")
    _confirm_option(parser)
    parser.add_argument("--out", metavar="FILE", help="also save the plan, bound to the revision and the live state")
    parser.add_argument("--detailed-exitcode", action="store_true", help="end with 2 when changes are pending")


APPLY_EXAMPLES = """\
  aml-gitops apply -e dev                              shows the plan and asks
  aml-gitops apply -e prod --yes                       in a pipeline
  aml-gitops apply -e prod prod.plan --yes             exactly the saved plan, or exit 5
  aml-gitops apply -e dev --confirm endpoint/churn     agree that endpoint/churn stops serving"""


def _apply(commands: Any) -> None:
    parser = command(commands, "apply", "bring live to what the manifests say", APPLY_EXAMPLES)
    environment_option(parser)
    parser.add_argument("plan", nargs="?", metavar="PLANFILE", help="apply exactly this saved plan")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask; required without a terminal")
    _confirm_option(parser)
    output_option(parser, "text", "json")


STATUS_EXAMPLES = """\
  aml-gitops status -e prod
  aml-gitops status -e prod -o json | jq '.resources[] | select(.sync != "InSync")'"""


def _status(commands: Any) -> None:
    parser = command(commands, "status", "show whether each resource is in sync and healthy", STATUS_EXAMPLES)
    environment_option(parser)
    output_option(parser, "text", "json")


INVOKE_EXAMPLES = """\
  aml-gitops invoke -e local                           every endpoint that declares a sample, answers compared
  aml-gitops invoke -e local churn                     its declared sample
  aml-gitops invoke -e prod churn --request body.json --deployment green"""


def _invoke(commands: Any) -> None:
    parser = command(commands, "invoke", "ask endpoints, and compare with the sample they declare", INVOKE_EXAMPLES)
    environment_option(parser)
    parser.add_argument(
        "endpoint", nargs="?", metavar="ENDPOINT", help="endpoint to ask; all with a sample if left out"
    )
    parser.add_argument("--request", metavar="FILE", help="JSON request; the declared sample if left out")
    parser.add_argument("--deployment", metavar="D", help="ask this deployment, whatever its traffic")
    output_option(parser, "text", "json")


SCHEMA_EXAMPLES = """\
  aml-gitops schema                      list the schemas
  aml-gitops schema deployment           print one
  aml-gitops schema --out schemas/json   write all, for editors and CI"""


def _schema(commands: Any) -> None:
    parser = command(
        commands, "schema", "print or write the JSON Schemas of manifests and gitops.yaml", SCHEMA_EXAMPLES
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="schema to print")
    parser.add_argument("--out", metavar="DIR", help="folder to write all schemas into")


EMULATOR_EXAMPLES = """\
  aml-gitops emulator start        in the folder that the project's emulator environment names
  aml-gitops emulator status
  aml-gitops emulator reset        stop it and forget everything it holds"""


def _emulator(commands: Any) -> None:
    parser = command(commands, "emulator", "run the embedded Azure ML on this machine", EMULATOR_EXAMPLES)
    parser.add_argument("action", choices=("start", "stop", "status", "reset"))
    environment_option(parser, required=False)
    parser.add_argument("--folder", metavar="DIR", help="state folder, instead of the one an environment names")
    output_option(parser, "text", "json")


COMMANDS = (_validate, _render, _plan, _apply, _status, _invoke, _schema, _emulator)
