"""How a value is spelled in a manifest, on the wire, and for comparison.

A form turns a manifest value into ARM JSON (``to_arm``), any ARM JSON value, ours or Azure's, into something that
compares equal when both mean the same (``canonical``), and ARM JSON back into what a person would write (``from_arm``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Form:
    """The directions of one spelling. ``None`` never reaches any.

    The law: ``canonical(to_arm(from_arm(x))) == canonical(x)``. What no manifest can say, ``from_arm`` gives back as
    something that the schema refuses.
    """

    to_arm: Callable[[Any], Any] = _same
    canonical: Callable[[Any], Any] = _same
    from_arm: Callable[[Any], Any] = _same


_DURATION = re.compile(
    r"P(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_SECONDS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}


def iso_duration(milliseconds: int) -> str:
    """Spell milliseconds as the ISO 8601 duration that Azure ML answers with: ``PT5S``, ``PT0.5S``, ``PT1M30S``."""
    minutes, rest_ms = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}H" * (hours > 0) + f"{minutes}M" * (minutes > 0)
    if rest_ms or not text:
        text += f"{rest_ms / 1000:g}S"
    return "PT" + text


def _milliseconds(value: Any) -> Any:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not match:
        return value
    return round(1000 * sum(float(number) * _SECONDS[unit] for unit, number in match.groupdict().items() if number))


def _seconds(value: Any) -> Any:
    found = _milliseconds(value)
    return found if isinstance(found, str) else found // 1000 if found % 1000 == 0 else found / 1000


_WORKSPACE_ASSET = re.compile(
    r".*/workspaces/[^/]+/(?P<type>models|environments|codes|data)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)$",
    re.IGNORECASE,
)
_REGISTRY_ASSET = re.compile(
    r"azureml://registries/(?P<registry>[^/]+)/(?P<type>[^/]+)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)$",
    re.IGNORECASE,
)
_LOCAL_UPLOAD = re.compile(r".*/paths/(?:ServiceReplicated/[^/]+/)?(?P<path>LocalUpload/.*?)/?$")


def asset_id(value: Any) -> Any:
    """Reduce any spelling of an asset id to how a plan names it: ``model/churn:3``.

    Azure may answer in another form than it was asked in (ARM id, or ``azureml://locations/…/workspaces/<guid>/…``).
    A deployment can only name assets of its own workspace or of a registry, so the workspace itself is left out.
    """
    if not isinstance(value, str):
        return value
    if found := _REGISTRY_ASSET.fullmatch(value):
        return f"registry {found['registry'].lower()}: {_kind_of(found)}/{found['name']}:{found['version']}"
    if found := _WORKSPACE_ASSET.fullmatch(value):
        return f"{_kind_of(found)}/{found['name']}:{found['version']}"
    return value


def _kind_of(found: re.Match[str]) -> str:
    return found["type"].lower().removesuffix("s")


def storage_uri(value: Any) -> Any:
    """Reduce a model's or code's storage address to what identifies the bytes.

    azure-ai-ml stores an upload under ``LocalUpload/<content hash>/…``, and Azure may answer with a
    ``ServiceReplicated/<guid>/`` prefix (recorded public SDK test traffic). Everywhere else only the casing of
    ``resourceGroups`` moves.
    """
    if not isinstance(value, str):
        return value
    if found := _LOCAL_UPLOAD.fullmatch(value):
        return found["path"]
    if value.lower().startswith("azureml://"):
        return re.sub("/resourcegroups/", "/resourceGroups/", value, flags=re.IGNORECASE).rstrip("/")
    return value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _place(value: Any) -> Any:
    return value.lower().replace(" ", "") if isinstance(value, str) else value


def _without_zeros(value: Any) -> Any:
    return {key.lower(): weight for key, weight in value.items() if weight} if isinstance(value, dict) else value


def _strings(value: Any) -> Any:
    """A null entry of a map is no entry."""
    return {key: str(item) for key, item in value.items() if item is not None} if isinstance(value, dict) else value


def one_of(spellings: Mapping[str, str]) -> Form:
    """Translate a manifest enum to its wire spelling; compare without case, as Azure answers in its own."""
    written = {wire.lower(): spelling for spelling, wire in spellings.items()}
    return Form(
        lambda value: spellings.get(str(value).lower(), value),
        _lower,
        lambda value: written.get(str(value).lower(), value),
    )


AS_IS = Form()
MAP = Form(_strings, _strings, _strings)
CASELESS = Form(_same, _lower)
LOCATION = Form(_place, _place, _place)
DURATION_MS = Form(iso_duration, _milliseconds, _milliseconds)
DURATION_S = Form(lambda seconds: iso_duration(round(seconds * 1000)), _milliseconds, _seconds)
ASSET_ID = Form(_same, asset_id)
STORAGE_URI = Form(_same, storage_uri)
WEIGHTS = Form(_without_zeros, _without_zeros, _without_zeros)
