"""``aml-gitops comment``"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.place import path_of
from reconciler.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from reconciler.notify.comments import Done
    from reconciler.notify.pipeline import Place


def run(options: argparse.Namespace) -> int:
    """Make one comment of the pull request say what the file says."""
    from reconciler.notify.comments import mark_of
    from reconciler.notify.pipeline import place_of

    mark_of(options.key)
    text = _text(options)
    place = place_of(os.environ, _event(), forge=options.forge, pull_request=options.pull_request)
    done = asyncio.run(_put(place, options.key, text))
    output.show(f"{place.forge.title} pull request {place.pull_request}: comment {options.key} {done}\n")
    return 0


async def _put(place: Place, key: str, text: str) -> Done:
    from reconciler.notify.comments import put_comment
    from reconciler.notify.conversations import conversation_of
    from reconciler.notify.request import open_session

    async with open_session() as session:
        return await put_comment(conversation_of(session, place), place.forge.name, key, text)


def _text(options: argparse.Namespace) -> str:
    name = "stdin" if options.file == "-" else options.file
    try:
        data = sys.stdin.buffer.read() if options.file == "-" else path_of(options, options.file).read_bytes()
        text = data.decode()
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8 text; write it with `aml-gitops plan -o markdown`") from None
    if not text.strip():
        raise UsageError(f"{name} is empty: what was to write it has failed")
    return text


def _event() -> object:
    """The event of GitHub Actions; None when there is none that can be read."""
    path = os.environ.get("GITHUB_EVENT_PATH")
    try:
        return json.loads(Path(path).read_bytes()) if path else None
    except (OSError, ValueError):
        return None
