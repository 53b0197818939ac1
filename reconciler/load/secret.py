"""Where a secret is to be had is written down; here it is fetched, at the moment of its use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from reconciler.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.loop import Secret


def reveal(secret: Secret, folder: Path) -> str:
    """Return the secret itself, without the line break at its end; a file is relative to ``folder``.

    Files are read anew each time, for mounted secrets are rotated. Raises UsageError for one that is missing, empty,
    or no text; the message never holds any of it.
    """
    if secret.env is not None:
        value = os.environ.get(secret.env)
        if value is None:
            raise UsageError(
                f"environment variable {secret.env} is not set: it must hold a secret that loop.yaml names"
            )
        return _not_empty(value, f"environment variable {secret.env}")
    path = folder / (secret.file or "")
    try:
        value = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read the secret file {path} that loop.yaml names: {error.strerror}") from error
    except UnicodeDecodeError:
        # Not chained: that error carries the bytes.
        raise UsageError(f"the secret file {path} that loop.yaml names is not text (UTF-8)") from None
    return _not_empty(value, f"secret file {path}")


def _not_empty(value: str, where: str) -> str:
    value = value.removesuffix("\n").removesuffix("\r")
    if not value.strip():
        raise UsageError(f"{where} is empty: it must hold a secret that loop.yaml names")
    return value
