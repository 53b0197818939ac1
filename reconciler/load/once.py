"""What was read of one revision already, so that many environments parse and hash each of its files once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.domain import Document, Finding, LocalPath


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One YAML file. ``says_kind`` is whether any part of it claims to be a manifest."""

    file: str
    documents: tuple[Document, ...]
    findings: tuple[Finding, ...]
    says_kind: bool


@dataclass(frozen=True, slots=True)
class Once:
    """Parsed files by name, and what was found at local paths; good for as long as no file changes."""

    files: dict[str, SourceFile] = field(default_factory=dict)
    places: dict[tuple[str, bool], LocalPath] = field(default_factory=dict)
