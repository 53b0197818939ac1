"""What validation is told, and what it hands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

    from reconciler.domain import Document, NetworkMode
    from schemas.kinds import Kind


@dataclass(frozen=True, slots=True)
class Context:
    """What the environment declares about itself, as far as rules depend on it.

    ``network`` is None when nobody said how the workspace is isolated. ``container_registry`` is the login server
    of the workspace's own registry, such as ``acme.azurecr.io``. ``loose`` says that single files are looked
    at, not a whole project, so that what they refer to may be elsewhere.
    """

    environment: str = ""
    network: NetworkMode | None = None
    container_registry: str | None = None
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """One valid manifest: ``spec`` is the model of its kind in ``schemas``, ``document`` what was written."""

    kind: Kind
    spec: BaseModel
    document: Document
