"""Commands for living with it: what is, why, since when, and hands off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli.parser import command, environment_option, output_option, select_option

if TYPE_CHECKING:
    from typing import Any

    from reconciler.cli.parser import Parser


STATUS_EXAMPLES = """\
  aml-gitops status -e prod
  aml-gitops status -e prod -o json | jq '.resources[] | select(.sync != "InSync")'"""


def _status(commands: Any) -> None:
    parser = command(commands, "status", "show whether each resource is in sync and healthy", STATUS_EXAMPLES)
    environment_option(parser)
    select_option(parser)
    output_option(parser, "text", "json")


EXPLAIN_EXAMPLES = """\
  aml-gitops explain -e prod endpoint/churn
  aml-gitops explain -e prod deployment/churn/blue -o json | jq '.fields[] | select(.differs)'"""


def _explain(commands: Any) -> None:
    parser = command(commands, "explain", "show why a resource is in or out of sync, field by field", EXPLAIN_EXAMPLES)
    environment_option(parser)
    parser.add_argument("resource", metavar="RESOURCE", help="as a plan names it, such as deployment/churn/blue")
    output_option(parser, "text", "json")


HISTORY_EXAMPLES = """\
  aml-gitops history -e prod
  aml-gitops history -e prod --limit 100 -o json | jq 'select(.ok == false)'"""


def _history(commands: Any) -> None:
    parser = command(
        commands, "history", "show the journal: every sync, who, which commit, what became of it", HISTORY_EXAMPLES
    )
    environment_option(parser)
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many, newest first (default 20)")
    output_option(parser, "text", "json")


LOGS_EXAMPLES = """\
  aml-gitops logs -e prod churn/blue
  aml-gitops logs -e prod churn/blue --container storage-initializer --tail 500"""


def _logs(commands: Any) -> None:
    parser = command(commands, "logs", "show the container log of a deployment", LOGS_EXAMPLES)
    environment_option(parser)
    parser.add_argument("deployment", metavar="DEPLOYMENT", help="ENDPOINT/DEPLOYMENT, such as churn/blue")
    parser.add_argument(
        "--container",
        choices=("inference-server", "storage-initializer"),
        default="inference-server",
        help="which of its containers (default inference-server)",
    )
    parser.add_argument("--tail", type=int, default=100, metavar="LINES", help="how many lines (default 100)")


SUSPEND_EXAMPLES = """\
  aml-gitops suspend -e prod --reason "incident 4711"          the whole environment
  aml-gitops suspend -e prod endpoint/churn                    one endpoint with its deployments and traffic"""


def _suspend(commands: Any) -> None:
    parser = command(commands, "suspend", "leave an environment or resource alone until resume", SUSPEND_EXAMPLES)
    environment_option(parser)
    _resources(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; shown wherever it is held back")


RESUME_EXAMPLES = """\
  aml-gitops resume -e prod
  aml-gitops resume -e prod endpoint/churn             suspended: take it up again
  aml-gitops resume -e prod deployment/churn/blue      stalled: try it again"""


def _resume(commands: Any) -> None:
    parser = command(commands, "resume", "take up what suspend left alone, and retry what is stalled", RESUME_EXAMPLES)
    environment_option(parser)
    _resources(parser)


def _resources(parser: Parser) -> None:
    parser.add_argument(
        "resources", nargs="*", metavar="RESOURCE", help="names or patterns; the whole environment if left out"
    )


IMPORT_EXAMPLES = """\
  aml-gitops import -e prod --out manifests/base            what is live and not in Git yet, as manifests
  aml-gitops import -e prod --select endpoint/churn --adopt --out manifests/base"""


def _import(commands: Any) -> None:
    parser = command(
        commands, "import", "write manifests of what is live, such that they plan to nothing", IMPORT_EXAMPLES
    )
    environment_option(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write into; no file is overwritten")
    parser.add_argument("--adopt", action="store_true", help="also mark them to be taken over by the next apply")
    select_option(parser)
    output_option(parser, "text", "json")


LIVING = (_status, _explain, _history, _logs, _suspend, _resume, _import)
