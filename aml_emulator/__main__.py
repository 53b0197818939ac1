"""The command line of the embedded Azure ML: serve, start, stop, status, reset."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from aml_emulator import daemon
from aml_emulator.folder import AlreadyRunning, Connection, Folder, NotOurs

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET = ("client_secret",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0 done, 1 failed, 3 not running (status)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    folder = Folder(Path(options.folder).absolute())
    try:
        return int(options.run(folder, options))
    except (AlreadyRunning, NotOurs, daemon.DaemonError, OSError) as error:
        reason = "The folder is being served by another process." if isinstance(error, AlreadyRunning) else str(error)
        print(f"aml-emulator: {reason}", file=sys.stderr)
        if isinstance(error, NotOurs) and options.output == "json":
            print(json.dumps({"version": 1, "state": "refused", "error": reason}))
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aml-emulator", description="The embedded Azure ML, on loopback only.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--folder", default=".emulator", help="state folder (default: .emulator)")
    shared.add_argument("-o", "--output", choices=("text", "json"), default="text")
    serving = argparse.ArgumentParser(add_help=False)
    serving.add_argument("--port", type=int, default=0, help="TLS port; 0: that of the last run, else a free one")
    serving.add_argument("--proxy-port", type=int, default=0, help="CONNECT proxy; 0 as above")
    serving.add_argument("--location", help="Azure region to be (default: westeurope)")
    serving.add_argument("--subscription", help="subscription id of the default workspace")
    serving.add_argument("--resource-group", help="its resource group")
    serving.add_argument("--workspace", help="its name")
    serving.add_argument("--retry-after-ms", type=int, help="send x-ms-retry-after-ms, which Azure does not")
    serving.add_argument(
        "--instance-type-change",
        choices=("refuse", "ignore"),
        default="refuse",
        help="what a PUT with another instanceType does",
    )
    serving.add_argument("--endpoint-seconds", type=float, help="how long creating an endpoint takes")
    serving.add_argument("--update-seconds", type=float, help="how long changing traffic or tags takes")
    serving.add_argument("--delete-seconds", type=float, help="how long a deletion takes")
    for name, run, parents, text in (
        ("serve", _serve, [shared, serving], "serve in the foreground"),
        ("start", _start, [shared, serving], "start detached; fine when it runs already"),
        ("stop", _stop, [shared], "stop it and every scoring process"),
        ("status", _status, [shared], "tell whether it runs (exit code 3: it does not)"),
        ("reset", _reset, [shared], "stop it and wipe its state"),
    ):
        commands.add_parser(name, parents=parents, help=text, description=text).set_defaults(run=run)
    # What ``start`` passes on; nothing for people.
    commands.choices["serve"].add_argument("--log-file", type=Path, help=argparse.SUPPRESS)
    return parser


def _serve(folder: Folder, options: argparse.Namespace) -> int:
    folder.require_ours()
    from aml_emulator import foreground  # aiohttp and all that: only the server needs it

    return foreground.serve(folder, options)


def _start(folder: Folder, options: argparse.Namespace) -> int:
    passed = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in vars(options).items()
        if name not in ("folder", "output", "run") and value is not None
    ]
    connection, new = daemon.start(folder, passed)
    _show(connection, options.output, state="started" if new else "already running")
    return 0


def _stop(folder: Folder, options: argparse.Namespace) -> int:
    ran = daemon.stop(folder)
    _say(options.output, "stopped" if ran else "not running")
    return 0


def _status(folder: Folder, options: argparse.Namespace) -> int:
    connection = daemon.find(folder)
    if connection is None and folder.is_locked():
        _say(options.output, "running", pid=folder.holder())  # it starts just now, or connection.json was lost
        return 0
    if connection is None:
        _say(options.output, "not running")
        return 3
    _show(connection, options.output, state="running")
    return 0


def _reset(folder: Folder, options: argparse.Namespace) -> int:
    folder.require_ours()
    daemon.stop(folder)
    folder.wipe()
    _say(options.output, "reset")
    return 0


def _say(output: str, state: str, **facts: object) -> None:
    print(json.dumps({"version": 1, "state": state} | facts) if output == "json" else state)


def _show(connection: Connection, output: str, *, state: str) -> None:
    """Secrets are left out: they are in connection.json, whose mode is 0600."""
    known = {name: value for name, value in asdict(connection).items() if name not in SECRET}
    if output == "json":
        print(json.dumps(known | {"state": state}, indent=2))
        return
    print(state)
    for name, value in known.items():
        print(f"  {name:16} {value}")


if __name__ == "__main__":
    sys.exit(main())
