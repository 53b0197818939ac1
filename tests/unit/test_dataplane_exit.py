from __future__ import annotations

import pytest

from aml_emulator.dataplane.process import _EXCEPTION, describe_exit


@pytest.mark.parametrize(
    ("returncode", "words"),
    [(3, "exit code 3"), (0, "exit code 0"), (-9, "killed by SIGKILL"), (-11, "killed by SIGSEGV")],
)
def test_an_exit_is_described_in_words(returncode: int, words: str):
    assert describe_exit(returncode) == words


@pytest.mark.parametrize(
    ("line", "is_exception"),
    [
        ("ValueError: no weights", True),
        ("sklearn.exceptions.NotFittedError: call fit first", True),
        ("KeyboardInterrupt", True),
        ("    raise ValueError('x')", False),
        ("2026-01-01 00:00:00,000 E [1] azmlinfsrv - User's init function failed", False),
        ("Traceback (most recent call last):", False),
    ],
)
def test_the_last_line_of_a_traceback_is_told_from_other_output(line: str, is_exception: bool):
    assert bool(_EXCEPTION.fullmatch(line)) == is_exception
