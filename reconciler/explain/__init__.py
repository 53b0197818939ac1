"""Why a resource is in or out of sync: one sentence first, then every field with the rule that decides about it. Pure.

The answer is the plan's own (plan/said.py), so it agrees with ``plan`` and ``status``.
"""

from __future__ import annotations

from reconciler.explain.explaining import explain, names
from reconciler.explain.explanation import Explanation, LastWrite
from reconciler.explain.fields import FieldState

__all__ = ["Explanation", "FieldState", "LastWrite", "explain", "names"]
