"""The command line: the only printer, the only place that ends the process."""

from __future__ import annotations

from reconciler.cli.main import main

__all__ = ["main"]
