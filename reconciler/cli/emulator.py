"""``aml-gitops emulator``: start and stop the embedded Azure ML, which is a program of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from reconciler.cli import output
from reconciler.cli.place import path_of, project_of, project_root
from reconciler.errors import EmulatorError, UsageError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from schemas.project import Project


def run(options: argparse.Namespace) -> int:
    """Hand the action to the emulator's own command line."""
    folder = _folder(options)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "aml_emulator", options.action, "--folder", str(folder), "-o", "json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise EmulatorError(f"the emulator's {options.action} ended with {done.returncode} and no answer") from None
    if options.output == "json":
        output.show_json(answer)
    else:
        output.show(_told(answer, folder))
    return done.returncode


def _told(answer: dict[str, Any], folder: Path) -> str:
    state = answer.get("state", "unknown")
    where = f" at {answer['url']}" if answer.get("url") else ""
    if state == "reset":
        return f"Emulator reset: it is stopped now, and its state in {folder} is wiped.\n"
    return f"Emulator {state}{where} (state in {folder}).\n"


def _folder(options: argparse.Namespace) -> Path:
    if options.folder:
        return path_of(options, options.folder).resolve()
    root = project_root(options)
    project = project_of(root)
    return (root / _emulator_of(project, options.environment)).resolve()


def _emulator_of(project: Project, environment: str | None) -> str:
    from reconciler.load.project_file import environment_of
    from schemas.project import EmulatorTarget

    names = [environment] if environment else sorted(project.environments)
    found = {
        name: target.emulator
        for name in names
        if isinstance(target := environment_of(project, name).target, EmulatorTarget)
    }
    if not found:
        who = f"environment {environment} has no" if environment else "no environment of gitops.yaml has an"
        raise UsageError(f"{who} emulator as its target; say --folder DIR")
    if len(set(found.values())) > 1:
        raise UsageError(f"several environments have an emulator ({', '.join(found)}); say which: -e ENV")
    return next(iter(found.values()))
