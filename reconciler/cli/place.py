"""Where a command works: the project folder, the environment, its connection. One event loop for each command."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.errors import ManifestError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Callable, Coroutine

    from reconciler.arm.client import Arm, Connection
    from reconciler.state.store import Store
    from reconciler.sync import Wanted
    from schemas.project import Project

T = TypeVar("T")


def actor() -> str:
    """Who runs this: the person a pipeline runs for, or the user of this machine."""
    for variable in ("GITHUB_ACTOR", "BUILD_REQUESTEDFOREMAIL", "BUILD_REQUESTEDFOR", "GITLAB_USER_LOGIN"):
        if os.environ.get(variable):
            return os.environ[variable]
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        return socket.gethostname()


def path_of(options: argparse.Namespace, name: str) -> Path:
    """A path of the command line; like Git's, relative to the folder that ``-C`` names."""
    return Path(options.directory, name)


def project_root(options: argparse.Namespace) -> Path:
    """Folder of gitops.yaml. Raises SourceError when there is none, UsageError for a folder that does not exist."""
    from reconciler.load.project_file import find_project

    start = Path(options.directory)
    if not start.is_dir():
        raise UsageError(f"-C {options.directory}: no such folder")
    return find_project(start)


def project_of(root: Path) -> Project:
    """The project file. Raises ManifestError when its shape is wrong."""
    from reconciler.load.project_file import load_project

    project, findings = load_project(root)
    if project is None:
        raise ManifestError(findings)
    return project


def connection_of(options: argparse.Namespace, root: Path) -> Connection:
    """The connection of the environment of ``options``. Raises EmulatorError when its emulator is not running."""
    from reconciler.connection import connection_to
    from reconciler.load.project_file import environment_of

    return connection_to(environment_of(project_of(root), options.environment), root)


@asynccontextmanager
async def state_of(options: argparse.Namespace, root: Path) -> AsyncIterator[tuple[Store, str]]:
    """The state of the project, and the name in it of the environment of ``options``. Raises UsageError, StateError."""
    from reconciler.load.project_file import environment_of
    from reconciler.state.opened import open_store

    project = project_of(root)
    environment_of(project, options.environment)
    store = open_store(project, root, os.environ)
    try:
        yield store, f"{project.project}/{options.environment}"
    finally:
        await store.close()


def wanted_of(
    options: argparse.Namespace, root: Path, confirmed: frozenset[str] = frozenset(), plan_file: str | None = None
) -> tuple[Wanted, Connection]:
    """What the environment of ``options`` is to be, and where. Raises ManifestError before Azure is asked anything.

    ``--select``, where a command has it, narrows what is planned.
    """
    from reconciler.source.revision import revision_of
    from reconciler.sync import check, want

    checked = check(root, options.environment, digests=True).sound()
    connection = connection_of(options, root)
    revision = revision_of(root, beside=path_of(options, plan_file) if plan_file else None)
    selected = tuple(getattr(options, "select", ()))
    return want(checked, connection.target, revision, confirmed, selected), connection


def session(connection: Connection, work: Callable[[Arm], Coroutine[Any, Any, T]]) -> T:
    """Connect, do ``work``, and close. Raises ArmError."""
    from reconciler.arm.client import connect

    answers: list[T] = []

    async def connected() -> None:
        async with connect(connection) as arm:
            answers.append(await work(arm))

    # Not the task's own result: asyncio.run of CPython 3.11 ends with a repr of the task, so of all that was read.
    asyncio.run(connected())
    return answers[0]
