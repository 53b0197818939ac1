"""Reading conda files, requirements and MLmodel files, line by line.

Rules need names, exact versions and line numbers of what is written there, never the file's full meaning; the
scan does without a YAML parser, so it works on half-broken files and keeps the core free of I/O libraries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_KEY = re.compile(r"\s*-?\s*(?P<key>[\w-]+)\s*:(?:\s+(?P<rest>.*))?$")
_ITEM = re.compile(r"\s*-\s+(?P<item>.+)$")
_SPEC = re.compile(
    r"(?:[\w.-]+::)?(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*(?:(?P<exact>={1,3})\s*(?P<version>[\w.+!]+))?"
)
_MLMODEL = re.compile(r"\s*(?P<key>\w+)\s*+:\s*+['\"]?(?P<value>[^'\"\s{}#]*+)['\"]?\s*+(?:#.*)?$")
_ALIASES = {"mlflow_skinny": "mlflow", "sklearn": "scikit_learn", "torch": "pytorch"}
_MLMODEL_PACKAGES = {
    "python_version": "python",
    "sklearn_version": "scikit-learn",
    "xgb_version": "xgboost",
    "lgb_version": "lightgbm",
    "cb_version": "catboost",
    "pytorch_version": "pytorch",
    "mlflow_version": "mlflow",
}


@dataclass(frozen=True, slots=True)
class Packages:
    """What an environment installs: exact versions by canonical name; None for what is not pinned exactly.

    ``complete`` is false when the file pulls in another one (``-r``, ``-e``), so that absence proves nothing.
    """

    versions: Mapping[str, str | None] = field(default_factory=dict)
    complete: bool = True

    def __contains__(self, name: str) -> bool:
        return canonical(name) in self.versions


@dataclass(frozen=True, slots=True)
class MlModel:
    """What an MLmodel file says: recorded versions, the environment files it names, whether it serves as pyfunc."""

    versions: Mapping[str, str]
    files: tuple[str, ...]
    pyfunc: bool


def canonical(name: str) -> str:
    """One spelling for a package, whatever case, dashes or known second name was used."""
    plain = name.lower().replace("-", "_").replace(".", "_")
    return _ALIASES.get(plain, plain)


def packages_in(conda: Mapping[Any, Any] | str) -> Packages:
    """Packages of a conda file (text), or of one written inside the manifest (mapping)."""
    if isinstance(conda, str):
        return _packages(tuple(_conda_items(conda)))
    return _packages(tuple(_inline_items(conda.get("dependencies"))))


def requirements_in(text: str) -> Packages:
    """Packages of a pip requirements file."""
    return _packages(tuple(_COMMENT.sub("", line).strip() for line in text.splitlines()))


@lru_cache(maxsize=256)
def mlmodel_in(text: str) -> MlModel:
    """Facts of an MLmodel file (format: mlflow.org/docs/latest/ml/model)."""
    versions: dict[str, str] = {}
    files: list[str] = []
    pyfunc = False
    for line in text.splitlines():
        match = _MLMODEL.match(line)
        if match is None:
            continue
        key, value = match["key"], match["value"]
        pyfunc = pyfunc or key == "python_function"
        if key in ("env", "conda", "virtualenv") and value not in ("", "null", "~"):
            files.append(value)
        if value and (package := _MLMODEL_PACKAGES.get(key)):
            versions.setdefault(canonical(package), value)
    return MlModel(versions, tuple(dict.fromkeys(files)), pyfunc)


@lru_cache(maxsize=256)  # many deployments share one environment
def _packages(items: tuple[str, ...]) -> Packages:
    versions: dict[str, str | None] = {}
    complete = True
    for item in items:
        if item.startswith(("-", ".", "/", "http:", "https:", "git+")):
            complete = complete and item.startswith(("--", "-i ", "-f ", "-c "))
        elif match := _SPEC.match(item):
            versions[canonical(match["name"])] = match["version"]
    return Packages(versions, complete)


def _conda_items(text: str) -> Iterator[str]:
    section = ""
    for line in text.splitlines():
        bare = _COMMENT.sub("", line).rstrip()
        if match := _KEY.match(bare):
            if match["key"] != "pip":
                section = match["key"]
            listed = match["rest"] or ""
            if section == "dependencies" and listed.startswith("[") and listed.endswith("]"):
                yield from (item.strip(" '\"") for item in listed[1:-1].split(",") if item.strip())
        elif section == "dependencies" and (match := _ITEM.match(bare)):
            yield match["item"].strip(" '\"")


def _inline_items(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, list):
        for item in value:
            yield from _inline_items(item)
    elif isinstance(value, dict):
        yield from _inline_items(value.get("pip"))
