"""Commands beside the line: ask endpoints, serve pipelines, editors and shells, run the embedded Azure ML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli.parser import command, environment_option, output_option

if TYPE_CHECKING:
    from typing import Any


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


COMMENT_EXAMPLES = """\
  aml-gitops comment plan.md --pull-request 17                 one comment, edited in place from then on
  aml-gitops comment plan.md --key prod --pull-request 17      one for each key"""


def _comment(commands: Any) -> None:
    parser = command(
        commands, "comment", "put a file on a pull request as one comment, edited in place", COMMENT_EXAMPLES
    )
    parser.add_argument("file", metavar="FILE", help="Markdown; - is stdin")
    parser.add_argument("--pull-request", metavar="N", help="its number; in a pipeline it is known")
    parser.add_argument("--key", default="plan", metavar="KEY", help="which comment of ours (default plan)")
    parser.add_argument(
        "--forge", choices=("github", "gitlab", "azuredevops"), help="which API; in a pipeline it is known"
    )


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


COMPLETION_EXAMPLES = """\
  aml-gitops completion bash > /etc/bash_completion.d/aml-gitops
  source <(aml-gitops completion zsh)"""


def _completion(commands: Any) -> None:
    parser = command(commands, "completion", "print the completion script of a shell", COMPLETION_EXAMPLES)
    parser.add_argument("shell", choices=("bash", "zsh"))


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


TOOLS = (_invoke, _comment, _schema, _completion, _emulator)
