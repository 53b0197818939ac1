"""The command line as a newcomer meets it: every help has examples that work, and a slip of the pen is understood."""

from __future__ import annotations

import re
import shlex

import pytest

from reconciler.cli.commands import COMMANDS
from reconciler.cli.main import command_line
from reconciler.cli.parser import Parser


def parsers():
    top = Parser(prog="aml-gitops")
    commands = top.add_subparsers(parser_class=Parser)
    for add in COMMANDS:
        add(commands)
    return dict(commands.choices)


PARSERS = parsers()


def examples_in(text):
    """The calls of ``aml-gitops`` in a help's examples, as arguments; what the shell does around them is cut off."""
    _, _, block = text.partition("\nexamples:\n")
    for line in block.partition("\n\n")[0].splitlines():
        for call in re.findall(r"aml-gitops (.+?)(?=\s{2,}|\s[|>)]|\)|\s&&|$)", line):
            yield shlex.split(call, comments=True)


def test_every_help_has_examples():
    helps = {name: parser.format_help() for name, parser in PARSERS.items()} | {"": command_line().format_help()}
    assert [name for name, text in helps.items() if not list(examples_in(text))] == []


@pytest.mark.parametrize("name", PARSERS)
def test_every_example_is_a_call_that_the_parser_takes(name, capsys):
    found = list(examples_in(PARSERS[name].format_help()))
    assert found
    for arguments in found:
        options = command_line().parse_args(arguments)
        assert arguments[0] in PARSERS
        assert options.command == arguments[0]
    assert any(arguments[0] == name for arguments in found)
    assert capsys.readouterr().err == ""


def test_the_examples_of_the_whole_help_are_calls_too():
    for arguments in examples_in(command_line().format_help()):
        command_line().parse_args(arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "-e", "dev", "--detailed-exit-code"], "did you mean --detailed-exitcode?"),
        (["plan", "-e", "dev", "--confrim=endpoint/churn"], "no option --confrim; did you mean --confirm?"),
        (["plan", "-e", "dev", "-o", "jsn"], "argument -o/--output: there is no 'jsn'; did you mean 'json'?"),
        (["plan", "-e", "dev", "--zzzzz"], "there is no option --zzzzz\n"),
        (["stauts", "-e", "dev"], "did you mean 'status'?"),
        (["logs", "-e", "dev", "churn/blue", "green"], "'green' is one argument too many"),
        (["completion", "fish"], "choose from bash, zsh"),
        (["--colour", "always"], "no option --colour; did you mean --color?"),
    ],
)
def test_a_slip_of_the_pen_is_understood(arguments, said, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line().parse_args(arguments)
    told = capsys.readouterr().err
    assert ended.value.code == 64
    assert said in told


def test_a_mistake_in_a_command_shows_the_usage_of_that_command(capsys):
    with pytest.raises(SystemExit):
        command_line().parse_args(["plan", "-e", "dev", "--nothing"])
    assert capsys.readouterr().err.startswith("usage: aml-gitops plan ")
