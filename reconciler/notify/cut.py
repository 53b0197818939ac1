"""Markdown cut to what a forge takes, such that what is left still renders."""

from __future__ import annotations

import re
from dataclasses import dataclass

NOTE = "\n*Cut here: the whole is longer than a comment may be. See the output of the pipeline.*\n"

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
_TAG = re.compile(r"<(/?)(details|summary|pre|table|tbody|thead|tr|td|th)\b[^<>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Open:
    """What is open after a line: the fence of a code block (empty outside of one), and tags, the outer first."""

    fence: str = ""
    tags: tuple[str, ...] = ()

    def closing(self) -> str:
        tags = "".join(f"</{tag}>" for tag in reversed(self.tags))
        return (f"{self.fence}\n" if self.fence else "") + (f"\n{tags}\n" if tags else "")


def cut(body: str, limit: int) -> str:
    """The body, or as many of its first lines as fit into ``limit`` with a note; code blocks and details are closed.

    ``limit`` is in bytes of UTF-8. Forges count characters, and nobody says of which kind: bytes are never fewer.
    """
    if _size(body) <= limit:
        return body
    state, kept_to, ending, size, end = _Open(), 0, NOTE, 0, 0
    for line in re.findall(r"[^\n]*\n", body):
        size += _size(line)
        end += len(line)
        state = _after(state, line)
        if size > limit - _size(NOTE):
            break
        if size + _size(state.closing()) + _size(NOTE) <= limit:
            kept_to, ending = end, state.closing() + NOTE
    if kept_to == 0:
        # Not even one line: there is nothing in it that would have to be closed but is worth keeping.
        room = max(0, limit - _size(NOTE))
        return body.encode()[:room].decode(errors="ignore") + NOTE
    return body[:kept_to] + ending


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def _after(state: _Open, line: str) -> _Open:
    fence = _FENCE.match(line)
    if state.fence:
        ends = fence and fence[1].startswith(state.fence) and not fence[2].strip()
        return _Open("", state.tags) if ends else state
    if fence and not (fence[1][0] == "`" and "`" in fence[2]):
        return _Open(fence[1], state.tags)
    tags = list(state.tags)
    for slash, name in _TAG.findall(_CODE.sub("", line)):
        if not slash:
            tags.append(name.lower())
        elif name.lower() in tags:
            # An end tag closes what was left open inside of it.
            while tags.pop() != name.lower():
                pass
    return _Open("", tuple(tags))
