"""A message as each channel wants it. What comes from Azure or from files is text there, never markup or a mention."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reconciler.notify.rules import News

if TYPE_CHECKING:
    from reconciler.notify.rules import Message

MESSAGE_CHARACTERS = 1000
RESOURCES = 10
RESOURCE_CHARACTERS = 100
_SIGN = {News.FAILING: "🔴", News.STILL_FAILING: "🔴", News.RECOVERED: "🟢"}
_VERB = {News.FAILING: "fails", News.STILL_FAILING: "still fails", News.RECOVERED: "has recovered"}


def plain(text: str, characters: int) -> str:
    """Text of others on one line, at most so long, with nothing in it that is not to be seen."""
    shown = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return shown if len(shown) <= characters else shown[: characters - 1] + "…"


def time_text(time_s: float | None) -> str:
    """RFC 3339 in UTC, to the second; empty for what is no date."""
    if time_s is None:
        return ""
    try:
        return datetime.fromtimestamp(int(time_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return ""


def slack(message: Message) -> dict[str, Any]:
    """For an incoming webhook (docs.slack.dev: formatting-message-text): `&`, `<` and `>` are all that is special."""
    title, *rest = _lines(message)
    text = "\n".join([f"{_SIGN[message.news]} *{_slack_text(title)}*", *map(_slack_text, rest)])
    return {"text": text, "link_names": False, "parse": "none", "unfurl_links": False, "unfurl_media": False}


def _slack_text(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # `parse: none` leaves these alone; the zero-width space holds if Slack ever does not.
    return re.sub(r"@(?=\w)", "@\u200b", escaped)


def teams(message: Message) -> dict[str, Any]:
    """For a Workflows webhook: an Adaptive Card 1.4. A text run has no Markdown (adaptivecards.io: TextRun)."""
    title, *rest = _lines(message)
    heading = {"type": "TextRun", "text": f"{_SIGN[message.news]} {title}", "weight": "Bolder"}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [
            {"type": "RichTextBlock", "inlines": [run]}
            for run in (heading, *({"type": "TextRun", "text": line} for line in rest))
        ],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def webhook(message: Message) -> dict[str, Any]:
    """The JSON document of this product, version 1."""
    occasion = message.occasion
    return {
        "version": 1,
        "project": occasion.project,
        "environment": occasion.environment,
        "revision": occasion.revision,
        "state": message.news.value,
        "reason": occasion.reason,
        "message": plain(occasion.message, MESSAGE_CHARACTERS),
        "resources": [plain(name, RESOURCE_CHARACTERS) for name in occasion.resources[:RESOURCES]],
        "resources_total": len(occasion.resources),
        "since": time_text(message.since_s),
    }


def _lines(message: Message) -> list[str]:
    occasion = message.occasion
    names = [plain(name, RESOURCE_CHARACTERS) for name in occasion.resources[:RESOURCES]]
    if len(occasion.resources) > RESOURCES:
        names.append(f"and {len(occasion.resources) - RESOURCES} more")
    since = time_text(message.since_s)
    began = "" if not since else f" · failing since {since}" if not occasion.ok else f" · had failed since {since}"
    reason = f": {occasion.reason}" if not occasion.ok else ""
    lines = [f"{occasion.project}/{occasion.environment} {_VERB[message.news]}{reason}", ", ".join(names)]
    lines += [plain(occasion.message, MESSAGE_CHARACTERS), f"revision {plain(occasion.revision, 80)}{began}"]
    return [line for line in lines if line]
