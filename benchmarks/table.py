"""Rows of text as a table: aligned for a terminal, or Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import wrap

NOTE_WIDTH = 110


@dataclass(slots=True)
class Table:
    """A title, the heads of the columns, the rows, and what must be known to read them."""

    title: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Aligned: the first column to the left, figures to the right."""
        widths = [max(len(row[column]) for row in (self.heads, *self.rows)) for column in range(len(self.heads))]

        def line(row: tuple[str, ...]) -> str:
            cells = [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
            return "  ".join(cells).rstrip()

        rule = "  ".join("-" * width for width in widths)
        notes = [part for note in self.notes for part in wrap(note, NOTE_WIDTH)]
        body = [line(self.heads), rule, *map(line, self.rows), *notes]
        return "\n".join([self.title, *(f"  {text}" for text in body)]) + "\n"

    def markdown(self) -> str:
        """A Markdown table below a heading, notes as a list."""
        lines = [f"### {self.title}", "", _cells(self.heads), _cells((":--", *("--:" for _ in self.heads[1:])))]
        lines += map(_cells, self.rows)
        lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines).rstrip() + "\n"


def _cells(row: tuple[str, ...]) -> str:
    return f"| {' | '.join(row)} |"


def aimed(value: float, aim: float, unit: str) -> str:
    """An aim, and whether it was met."""
    return f"{'met' if value <= aim else 'missed'}: {aim:g} {unit}"
