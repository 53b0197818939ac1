"""``aml-gitops validate``"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.cli import output
from reconciler.cli.place import path_of, project_of, project_root
from reconciler.domain import Severity
from reconciler.errors import ManifestError, UsageError

if TYPE_CHECKING:
    import argparse

    from reconciler.domain import Finding


def run(options: argparse.Namespace) -> int:
    """Print every finding; 4 when one is an error."""
    if options.paths and options.environment and not os.environ.get("AML_GITOPS_ENVIRONMENT"):
        raise UsageError("-e is for projects; loose files take --network instead")
    if options.paths:
        findings = _loose(options)
        what = f"{len(options.paths)} path{'s' * (len(options.paths) != 1)}"
    else:
        if options.network:
            raise UsageError("--network is for loose files; in a project each environment says its own `network`")
        findings, what = _project(options)
    valid = not any(finding.severity is Severity.ERROR for finding in findings)
    if options.output == "json":
        output.show_json({"version": 1, "valid": valid, "findings": [_json(finding) for finding in findings]})
    else:
        output.show(output.findings_text(findings, colour=output.coloured(sys.stdout)))
        output.show(f"{'Valid' if valid else 'Invalid'}: {what}, {output.count_of(findings)}.\n")
    return 0 if valid else ManifestError.exit_code


def _project(options: argparse.Namespace) -> tuple[tuple[Finding, ...], str]:
    from reconciler.load.project_file import environment_of
    from reconciler.sync import check

    root = project_root(options)
    try:
        project = project_of(root)
    except ManifestError as error:
        return error.findings, "gitops.yaml"
    if options.environment:
        environment_of(project, options.environment)
    names = [options.environment] if options.environment else sorted(project.environments)
    found: dict[Finding, None] = {}
    for name in names:
        try:
            found |= dict.fromkeys(check(root, name).findings)
        except ManifestError as error:
            found |= dict.fromkeys(error.findings)
    ordered = sorted(found, key=lambda finding: (finding.position, finding.rule, finding.path))
    return tuple(ordered), f"environment{'s' * (len(names) != 1)} {', '.join(names)}"


def _loose(options: argparse.Namespace) -> tuple[Finding, ...]:
    from reconciler.compose.overlays import compose
    from reconciler.load.manifests import load_files
    from reconciler.load.survey import survey
    from reconciler.manifest import Context
    from reconciler.validate import validate

    paths = [path_of(options, path) for path in options.paths]
    for path in paths:
        if not path.exists():
            raise UsageError(f"no such file or folder: {path}")
    root = Path(os.path.commonpath([Path.cwd(), *(path.resolve().parent for path in paths)]))
    loaded = load_files(paths, root)
    documents, fit = compose(loaded.base, (), defaults={}, variables={})
    context = Context(network=options.network, loose=True)
    validated = validate(documents, context, survey(documents, root, digests=False))
    found = {*loaded.findings, *fit, *validated.findings}
    return tuple(sorted(found, key=lambda finding: (finding.position, finding.rule, finding.path)))


def _json(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "resource": finding.resource,
        "file": finding.position.file,
        "line": finding.position.line,
        "column": finding.position.column,
        "path": finding.path,
        "found": finding.found,
        "required": finding.required,
        "message": finding.message,
        "hint": finding.hint,
    }
