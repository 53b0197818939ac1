"""What the tests have and benchmarks use too: a Git server, and ``aml-gitops run`` as a process whose log is read."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent / "tests"
sys.path += [str(TESTS), str(TESTS / "contract"), str(TESTS / "e2e")]

Looping: Any = import_module("looping").Looping
Hand: Any = import_module("looping").Hand
GitServer: Any = import_module("git_server").GitServer
Shop: Any = import_module("shop").Shop
