"""Log lines: JSON whatever is logged, what they are about on each of them, and no secret in either form."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import sys
import time
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler import log

JSON, TEXT = log.JsonLines(), log.TextLines()
FORMS = pytest.mark.parametrize("form", [JSON, TEXT], ids=["json", "text"])


@pytest.fixture(autouse=True)
def _nothing_concealed():
    """What one test conceals is not concealed in the next: it is state of the process."""
    before = log._Concealed.forms
    yield
    log._Concealed.forms = before


def record(message="synced", *args, error=None, **extra):
    made = logging.LogRecord("reconciler.watch", logging.INFO, "file.py", 1, message, args, None)
    made.created = 1795253400.25
    if error is not None:
        try:
            raise error
        except type(error):
            made.exc_info = sys.exc_info()
    vars(made).update(extra)
    return made


def test_a_line_is_one_json_object():
    line = json.loads(JSON.format(record("%d of %d", 2, 3, status=200, resource="endpoint/churn")))
    assert line == {
        "time": "2026-11-21T09:30:00.250Z", "level": "INFO", "logger": "reconciler.watch", "message": "2 of 3",
        "status": 200, "resource": "endpoint/churn",
    }  # fmt: skip


def test_a_line_of_text():
    line = TEXT.format(record("two words", status=200, why="a\nb"))
    assert line == '2026-11-21T09:30:00Z INFO reconciler.watch two words status=200 why="a\\nb"'


@FORMS
def test_the_time_is_utc_wherever_the_machine_is(form, monkeypatch):
    with monkeypatch.context() as there:
        there.setenv("TZ", "XYZ-9")
        time.tzset()
        line = form.format(record())
    time.tzset()
    assert "2026-11-21T09:30:00" in line


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("word", "word"),
        ("endpoint/churn:1", "endpoint/churn:1"),
        ("two words", '"two words"'),
        ("", '""'),
        ("a=b", '"a=b"'),
        ('say "no"', r'"say \"no\""'),
        ("back\\slash here", r'"back\\slash here"'),
        ("a\u00a0b", r'"a\xa0b"'),
        (["a", "b"], "\"['a', 'b']\""),
        (None, "None"),
    ],
)
def test_a_value_of_more_than_a_word_is_in_quotes(value, shown):
    assert TEXT.format(record(why=value, next=1)).partition(" why=")[2] == f"{shown} next=1"


def test_quoting_hides_no_secret():
    log.conceal('pa$$ "wörd" \\ x')
    line = TEXT.format(record(why='it is pa$$ "wörd" \\ x, and sig=abcd1234 too'))
    assert line.endswith('why="it is (secret), and sig=(secret) too"')


@FORMS
def test_a_line_says_what_it_is_about(form):
    with log.about(environment="dev", revision="abc"):
        with log.about(resource="endpoint/churn"):
            inner = form.format(record())
        outer = form.format(record(environment="prod"))
    assert all(word in inner for word in ("dev", "abc", "endpoint/churn"))
    assert "endpoint/churn" not in outer
    assert ("prod" in outer, "dev" in outer) == (True, False)
    assert "abc" not in form.format(record())


async def test_tasks_side_by_side_do_not_mix_what_they_are_about():
    both = asyncio.Barrier(2)

    async def passing(environment):
        with log.about(environment=environment):
            await both.wait()
            line = json.loads(await asyncio.create_task(logged()))
            await both.wait()
            return line["environment"]

    async def logged():
        return JSON.format(record())

    assert await asyncio.gather(passing("dev"), passing("prod")) == ["dev", "prod"]


class Silent:
    def __str__(self):
        raise OSError("who am I?")

    __repr__ = __str__


@FORMS
@pytest.mark.parametrize(
    "extra",
    [Silent(), {Silent(): 1}, [Silent()], float("nan"), 10**5000, b"\xff", "\ud800", object],
    ids=lambda extra: type(extra).__name__,
)
def test_no_extra_breaks_a_line(form, extra):
    line = form.format(record("x", extra=extra))
    assert "\n" not in line
    if form is JSON:
        assert "extra" in json.loads(line, parse_constant=pytest.fail)


@FORMS
def test_arguments_that_do_not_fit_do_not_lose_the_message(form):
    assert "kept %s" in form.format(record("kept %s", 1, 2))
    assert "kept %s" in form.format(record("kept %s", Silent()))


def test_an_extra_that_holds_itself():
    extra = {}
    extra["self"] = [extra]
    assert json.loads(JSON.format(record(extra=extra)))["message"] == "synced"


def test_extras_do_not_replace_the_fields_of_the_line():
    line = json.loads(JSON.format(record(time="late", level=3, logger="x", exception="e")))
    assert (line["level"], line["level_"], line["time_"], line["exception_"]) == ("INFO", 3, "late", "e")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
)
# `error` is the own parameter of `record`.
NAMES = st.text(min_size=1).filter(lambda name: name not in log._STANDARD | {"error"})


@settings(max_examples=200)
@given(message=st.text(), extra=st.dictionaries(NAMES, ANYTHING, max_size=4))
def test_any_message_with_any_extra_is_one_line_of_json(message, extra):
    line = JSON.format(record(message, **extra))
    assert "\n" not in line
    read = json.loads(line, parse_constant=pytest.fail)
    assert (read["level"], read["logger"]) == ("INFO", "reconciler.watch")


# -- secrets ---------------------------------------------------------------------------------------------------------


@FORMS
def test_a_concealed_value_is_nowhere(form):
    secret = 'pa$$ "wörd"\\\nwith\ttwo lines'
    log.conceal(secret)
    encoded = base64.b64encode(secret.encode()).decode()
    line = form.format(
        record(
            f"a {secret}", error=ValueError(f"{secret} and {secret!r} and {[secret]}"), plain=secret,
            nested={secret: [secret, (secret, {"x": secret})]}, json=json.dumps({"x": secret}), quoted=quote(secret),
            basic=encoded, repr=repr(secret),
        )
    )  # fmt: skip
    shown = json.dumps(json.loads(line), ensure_ascii=False) if form is JSON else line
    for part in ("pa$$", "wörd", "two lines", quote("wörd"), encoded, "w\\u00f6rd"):
        assert part not in shown
    assert log.SECRET in shown


@FORMS
def test_overlapping_secrets_leave_nothing(form):
    log.conceal("abcd1234")
    log.conceal("1234wxyz")
    assert form.format(record("abcd1234wxyz")).count(log.SECRET) == 1
    assert "wxyz" not in form.format(record("abcd1234wxyz"))


def test_a_number_can_be_a_secret():
    log.conceal("48151623")
    assert json.loads(JSON.format(record(pin=48151623, other=7))) | {"time": ""} == {
        "time": "", "level": "INFO", "logger": "reconciler.watch", "message": "synced", "pin": "(secret)", "other": 7,
    }  # fmt: skip


def test_every_line_of_a_key_file_is_concealed():
    body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"
    log.conceal(f"-----BEGIN PRIVATE KEY-----\n{body}\nxyz=\n-----END PRIVATE KEY-----\n")
    assert log.concealed(f"ssh: invalid: {body}") == "ssh: invalid: (secret)"
    assert log.concealed("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"


def test_short_values_are_not_concealed():
    for value in ("", "a", "abc", "   ab "):
        log.conceal(value)
    assert log.concealed("abc and a") == "abc and a"


def test_a_token_with_white_space_around_it():
    log.conceal("tok3n-value\n")
    assert log.concealed("sent tok3n-value to it") == "sent (secret) to it"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("https://bob:s3cret@git.example/a", "https://(secret)@git.example/a"),
        ("https://ghp_token@git.example/a", "https://(secret)@git.example/a"),
        ("https://a:b@c@git.example", "https://(secret)@git.example"),
        ("ssh://git@host/a", "ssh://git@host/a"),
        ("ssh://git:pw@host/a", "ssh://(secret)@host/a"),
        ("git@github.com:a/b", "git@github.com:a/b"),
        ("http://a/b@c", "http://a/b@c"),
        ("https://x/c?sv=2024&sig=abc%2Fd%3D&se=1", "https://x/c?sv=2024&sig=(secret)&se=1"),
        ("https://x/c?SIG=abc", "https://x/c?SIG=(secret)"),
        ("u=https%3A%2F%2Fx%3Fsv%3D1%26sig%3Dabc", "u=https%3A%2F%2Fx%3Fsv%3D1%26sig%3D(secret)"),
        ("AccountName=a;AccountKey=abc==;X=1", "AccountName=a;AccountKey=(secret);X=1"),
        ("Authorization: Basic aG9vaw==", "Authorization: Basic (secret)"),
        ("Bearer eyJ0eXAiOiJKV1QiLCJhbGci", "Bearer (secret)"),
        ("Basic authentication", "Basic authentication"),
        ("design=flat", "design=flat"),
    ],
)
def test_what_is_always_a_secret(text, wanted):
    assert log.concealed(text) == wanted
    assert json.loads(JSON.format(record(extra=[text])))["extra"] == [wanted]


@settings(max_examples=500)
@given(before=st.text(), secret=st.text(min_size=4), after=st.text(), form=st.sampled_from([JSON, TEXT]))
def test_no_line_holds_a_concealed_value(before, secret, after, form):
    assume(
        len(secret.strip()) >= log.SHORTEST
        and secret not in "2026-11-21T09:30:00Z INFO reconciler.watch synced (secret)"
    )
    try:
        log.conceal(secret)
        line = form.format(record("synced", value=f"{before}{secret}{after}"))
        shown = json.loads(line)["value"] if form is JSON else line
        assert secret not in shown.replace(log.SECRET, "\0")
    finally:
        log._Concealed.forms = frozenset()


@pytest.mark.parametrize("text", ["://" * 30_000, "a." * 30_000 + "@", "sig=" * 30_000, "https://" + "a" * 100_000])
def test_a_long_text_does_not_take_long(text):
    assert len(log.concealed(text)) > 0


# -- the process -----------------------------------------------------------------------------------------------------


@pytest.fixture
def root():
    """The root logger as it was, afterwards."""
    logger = logging.getLogger()
    level = logger.level
    yield logger
    logger.removeHandler(log._STDERR)
    logger.setLevel(level)
    log._STDERR.setFormatter(TEXT)


def test_setting_up_twice_logs_once(root, capsys):
    log.set_up("info", "text")
    log.set_up("info", "json")
    logging.getLogger("reconciler.x").info("hello", extra={"status": 1})
    logging.getLogger("reconciler.x").debug("not this")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["status"] == 1


def test_what_is_said_is_said_at_any_level(root, capsys):
    log.set_up("warning", "json")
    log.say("in sync", name="x")
    line = json.loads(capsys.readouterr().err)
    assert (line["message"], line["level"], line["name_"]) == ("in sync", "INFO", "x")


def test_a_stderr_that_is_gone_ends_nothing(root, capsys, monkeypatch):
    log.set_up("info", "text")
    closed = open("/dev/null", "w")  # noqa: PTH123, SIM115
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    logging.getLogger("reconciler.x").warning("nobody hears this")
    monkeypatch.undo()
    assert capsys.readouterr().err == ""
