"""How manifests refer to assets and images: the written forms, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_SHORT = re.compile(r"azureml:(?!//)(?P<name>[^/:@\s]+)(?::(?P<version>[^:@/\s]+)|@(?P<label>[^:@/\s]+))?")
_LONG = re.compile(
    r"/(?:models|environments|codes|data)/(?P<name>[^/]+)(?:/(?P<word>versions|labels)/(?P<value>[^/]+))?/?$"
)
_MLFLOW = re.compile(r"models:/+(?P<name>[^/@]+)(?:/(?P<version>[^/@]+)|@(?P<label>[^/@]+))?/?")
_REGISTRY = re.compile(r"azureml://registries/(?P<registry>[^/]+)/", re.IGNORECASE)
_MOVING_VERSIONS = frozenset({"latest", "none", "staging", "production", "archived"})


@dataclass(frozen=True, slots=True)
class AssetRef:
    """A reference to a registered asset. ``here`` says that the workspace itself holds it, under a short name."""

    name: str
    version: str | None = None
    label: str | None = None
    here: bool = False
    mlflow: bool = False

    @property
    def moving(self) -> str | None:
        """The part that can point elsewhere tomorrow; None when the reference is pinned or names no version."""
        if self.label is not None:
            return self.label
        return self.version if self.version and self.version.lower() in _MOVING_VERSIONS else None


@lru_cache(maxsize=4096)  # several rules follow the same few references of many deployments
def asset_ref(text: str) -> AssetRef | None:
    """``text`` as a reference to an asset; None when it is a path or anything else.

    Forms: ``azureml:n[:v|@label]``, ARM ids (also behind ``azureml:``), ``azureml://registries/r/models/n/versions/v``
    and ``/labels/l``, and MLflow's ``models:/n/v``.
    """
    if match := _SHORT.fullmatch(text):
        return AssetRef(match["name"], match["version"], match["label"], here=True)
    if match := _MLFLOW.fullmatch(text):
        return AssetRef(match["name"], match["version"], match["label"], mlflow=True)
    if "/paths/" in text:  # A place in a datastore or a job's output; what it is called there means nothing.
        return None
    if text.startswith(("azureml:", "/subscriptions/")) and (match := _LONG.search(text)):
        label = match["value"] if match["word"] == "labels" else None
        return AssetRef(match["name"], None if label else match["value"], label)
    return None


def registry_of(text: str) -> str | None:
    """Name of the Azure ML registry that ``text`` refers into."""
    match = _REGISTRY.match(text)
    return match["registry"] if match else None


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A container image. ``host`` is lower case without port; ``docker.io`` when none was written, as tools assume."""

    host: str
    repository: str
    tag: str | None
    digest: str | None


def image_ref(text: str) -> ImageRef:
    """``text`` taken apart by the rules of container references (github.com/distribution/reference)."""
    rest, _, digest = text.strip().partition("@")
    first, slash, remainder = rest.partition("/")
    hosted = bool(slash) and ("." in first or ":" in first or first == "localhost")
    host, path = (first.lower().partition(":")[0], remainder) if hosted else ("docker.io", rest)
    folder, slash, last = path.rpartition("/")
    last, _, tag = last.partition(":")
    return ImageRef(host, f"{folder}{slash}{last}", tag or None, digest or None)
