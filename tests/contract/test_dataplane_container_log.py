from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aml_emulator.dataplane.container_log import ContainerLog

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("tail", "lines"), [(None, ["a", "b", "c"]), (2, ["b", "c"]), (9, ["a", "b", "c"]), (0, []), (-1, [])]
)
def test_tail_counts_lines_of_output_only(tmp_path: Path, tail: int | None, lines: list[str]):
    log = ContainerLog(tmp_path / "blue")
    log.append(b"a\nb\nc\n")
    log.record("Created", "Created container inference-server")
    before, _, output = log.text(tail).partition("Container logs:")
    assert output.split() == lines
    assert "Name: Created, Type: Normal" in before


def test_the_files_stay_bounded_and_the_newest_output_is_kept(tmp_path: Path):
    log = ContainerLog(tmp_path)
    line = b"x" * 1023 + b"\n"
    for _ in range(50):
        log.append(line * 100)
    log.append("last wörds\n".encode())
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < (2 << 20) + (200 << 10)
    assert log.text(1).splitlines()[-3] == "last wörds"
    assert log.text(None).count("x" * 1023) >= 1000


def test_the_oldest_events_are_forgotten(tmp_path: Path):
    log = ContainerLog(tmp_path)
    for number in range(150):
        log.record(f"Event{number}", "again", warning=True)
    text = log.text(None)
    assert text.count("Type: Warning") == 100
    assert "Name: Event149," in text
    assert "Name: Event49," not in text


def test_what_was_never_written_reads_as_three_empty_blocks(tmp_path: Path):
    text = ContainerLog(tmp_path / "nobody").text(None)
    assert text.splitlines()[4:] == [
        "UserContainerStart: Waiting",
        "",
        "Container events:",
        "",
        "Container logs:",
        "",
        "",
    ]
