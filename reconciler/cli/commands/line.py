"""The commands of the line itself: from files to a report, once or for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli.parser import command, environment_option, from_environment, output_option, select_option

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
  aml-gitops plan -e prod -o html > plan.html      one file for a browser
  aml-gitops plan -e prod --select 'model/*'       only what matches, and what it needs
  aml-gitops plan -e prod --detailed-exitcode      2 when there is something to do"""


def _plan(commands: Any) -> None:
    parser = command(commands, "plan", "show what apply would do, and why; never writes to Azure", PLAN_EXAMPLES)
    environment_option(parser)
    output_option(parser, "text", "json", "markdown", "html")
    _confirm_option(parser)
    select_option(parser)
    parser.add_argument("--out", metavar="FILE", help="also save the plan, bound to the revision and the live state")
    parser.add_argument("--detailed-exitcode", action="store_true", help="end with 2 when changes are pending")


APPLY_EXAMPLES = """\
  aml-gitops apply -e dev                              shows the plan and asks
  aml-gitops apply -e prod --yes                       in a pipeline
  aml-gitops apply -e prod prod.plan --yes             exactly the saved plan, or exit 5
  aml-gitops apply -e dev --confirm endpoint/churn     agree that endpoint/churn stops serving
  aml-gitops apply -e prod --select endpoint/churn     only churn, and what it needs
  aml-gitops apply -e prod --override                  a hotfix, outside of the sync windows"""


def _apply(commands: Any) -> None:
    parser = command(commands, "apply", "bring live to what the manifests say", APPLY_EXAMPLES)
    environment_option(parser)
    parser.add_argument("plan", nargs="?", metavar="PLANFILE", help="apply exactly this saved plan")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask; required without a terminal")
    _confirm_option(parser)
    select_option(parser)
    parser.add_argument(
        "--override", action="store_true", help="write although suspended, or outside of the sync windows"
    )
    output_option(parser, "text", "json")


RUN_EXAMPLES = """\
  aml-gitops run                                   follow this working copy, all environments
  aml-gitops run -e dev --interval 30              one environment, a sweep every 30 s
  aml-gitops run --loop /etc/aml-gitops/loop.yaml  follow a repository
  aml-gitops run -e prod --once                    one pass, for a scheduler"""


def _run(commands: Any) -> None:
    parser = command(
        commands, "run", "follow Git: apply what is committed, heal or report drift, for good", RUN_EXAMPLES
    )
    parser.add_argument(
        "-e",
        "--environment",
        dest="environments",
        action="append",
        default=[],
        metavar="ENV",
        help="only this environment (repeatable)",
    )
    parser.add_argument(
        "--loop",
        metavar="FILE",
        default=from_environment("loop"),
        help="the loop file: repository, signers, webhooks, notifications (AML_GITOPS_LOOP)",
    )
    parser.add_argument("--once", action="store_true", help="one pass of each environment, then end")
    parser.add_argument("--interval", type=float, metavar="SECONDS", help="instead of the loop file's interval_s")
    parser.add_argument("--listen", metavar="ADDRESS:PORT", help="instead of the loop file's listen")


LINE = (_validate, _render, _plan, _apply, _run)
