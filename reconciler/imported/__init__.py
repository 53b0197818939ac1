"""Live resources to manifests that plan to nothing, and notes about what a person must know. Pure.

What no manifest can say, and what must not be written, is left to live by ``gitops.ignore``.
"""

from __future__ import annotations

from reconciler.imported.ask import Ask, File, Imported, Note
from reconciler.imported.choose import lists_assets
from reconciler.imported.manifests import imported
from reconciler.imported.references import used

__all__ = ["Ask", "File", "Imported", "Note", "imported", "lists_assets", "used"]
