"""name, the second half: a name that is new on every run. Which characters it may have is the schema's business."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.domain import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Finding
    from reconciler.rules.scope import Scope, Subject

_UUID = re.compile(r"(?i)[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")
_DATE = re.compile(r"(?:19|20)\d{2}-?[01]\d-?[0-3]\d(?:[-T]?\d{4,6})?$")
_EPOCH = re.compile(r"1[5-9]\d{8}(?:\d{3})?$")
_HEX = re.compile(r"[0-9a-f]{5,}$")


def stable(subject: Subject, _scope: Scope) -> Iterator[Finding]:
    """Warn of a name with a random or dated end: each run would leave another live resource behind."""
    for field in ("name", "endpoint_name"):
        name = subject.get(field)
        kind = _unstable(name) if isinstance(name, str) else None
        if kind is not None:
            yield subject.finding(
                "name",
                (field,),
                "the name looks new on every run, so each run would leave one more resource behind",
                found=kind,
                required="a name that stays; versions and dates belong in tags",
                hint=f"{field}: a fixed name, such as blue or green for a deployment",
                severity=Severity.WARNING,
            )


def _unstable(name: str) -> str | None:
    if (match := _UUID.search(name)) and _digits(match[0]):
        return "a UUID in the name"
    if _DATE.search(name) or _EPOCH.search(name):
        return "a time stamp in the name"
    end = re.split(r"[-_]", name)[-1]
    if "-" in name and _HEX.fullmatch(end) and 2 <= _digits(end) < len(end):
        return "a random end"
    return None


def _digits(text: str) -> int:
    return sum(character.isdigit() for character in text)
