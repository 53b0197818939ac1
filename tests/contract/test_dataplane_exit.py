from __future__ import annotations

import pytest

from aml_emulator.dataplane.process import _EXCEPTION, cause_in, describe_exit


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


INIT = "2026-01-01 00:00:00,000 I [1] azmlinfsrv.user_script - Invoking user's init function"


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (["ImportError: no GPU, going on without", INIT, "Killed"], ""),
        (["ValueError: old", INIT, "ValueError: first", INIT, "KeyError: 'second'"], "KeyError: 'second'"),
        ([INIT, "ValueError: own", "azureml_inference_server_http.server.x.UserScriptException: e"], "ValueError: own"),
        (["ModuleNotFoundError: No module named 'x'"], "ModuleNotFoundError: No module named 'x'"),
        ([], ""),
    ],
)
def test_the_cause_of_a_failed_start_is_what_came_after_the_last_init_began(lines: list[str], cause: str):
    assert cause_in(lines) == cause
