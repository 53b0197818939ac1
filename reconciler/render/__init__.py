"""Plans, reports and explanations as text, Markdown, JSON and HTML. Pure: what is shown depends on the value alone.

Secrets never get here as anything but ``(sensitive)``, and text that came from Azure or a file cannot move the cursor.
"""

from __future__ import annotations

from reconciler.render.json import plan_json, report_json
from reconciler.render.markdown import plan_markdown
from reconciler.render.text import plan_text, report_text
from reconciler.render.values import printable, summary, summary_line

__all__ = [
    "plan_json",
    "plan_markdown",
    "plan_text",
    "printable",
    "report_json",
    "report_text",
    "summary",
    "summary_line",
]
