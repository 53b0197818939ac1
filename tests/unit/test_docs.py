"""README, docs and changelog say what the code does: commands, exit codes, refusals, codes, links, what is assumed."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler import errors
from reconciler.cli.commands import COMMANDS
from reconciler.cli.main import EXIT_CODES
from reconciler.cli.parser import Parser, common_options

if TYPE_CHECKING:
    import argparse

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = (README, ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md")))
CODE = {path: ast.parse(path.read_text()) for path in sorted((ROOT / "reconciler").rglob("*.py"))}

LINK = re.compile(r"\]\((?P<file>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
NAMED = re.compile(r"`((?:reconciler|schemas|aml_emulator|manifests|tests|docs|benchmarks)/[\w./-]*)`")
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
PROSE_EXAMPLES = {"schemas/data.py", "reconciler/kinds/data.py", "aml_emulator/arm/data.py"}
"""Files that docs/adding-a-kind.md tells its reader to write."""


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Every command's parser, by name."""
    top = Parser(prog="aml-gitops")
    commands = top.add_subparsers(parser_class=Parser)
    for add in COMMANDS:
        add(commands)
    return dict(commands.choices)


def common() -> set[str]:
    """Names of the options that every command has."""
    parser = Parser(prog="aml-gitops")
    common_options(parser, top=True)
    return {action.dest for action in parser._actions}


COMMON = common()
PARSERS = parsers()


def rows(page: Path, heading: str) -> list[list[str]]:
    """Cells of the table whose first heading is ``heading``; escaped bars are part of a cell."""
    _, found, rest = page.read_text().partition(f"\n| {heading} |")
    assert found, f"{page.name} has no table that begins with {heading}"
    lines = rest.splitlines()[2:]
    table = lines[: next(number for number, line in enumerate([*lines, ""]) if not line.startswith("|"))]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]


def heading_of(parser: argparse.ArgumentParser, name: str) -> str:
    """A command as the README writes it: its name, and its arguments, in brackets those that may be left out."""
    words = [name]
    for action in parser._get_positional_actions():
        name_of = "\\|".join(action.choices) if action.choices else action.metavar
        shapes = {"*": f"[{name_of} ...]", "?": f"[{name_of}]", None: name_of}
        words.append(shapes[action.nargs])
    return f"`{' '.join(words)}`"


def options_of(parser: argparse.ArgumentParser) -> list[str]:
    """Its own options as the README writes them, ``-e`` and ``-o`` by their short names."""
    shown = []
    for action in parser._get_optional_actions():
        if action.dest in COMMON:
            continue
        short = action.dest in ("environment", "output")
        name = next(text for text in action.option_strings if text.startswith("--") is not short)
        value = "\\|".join(action.choices) if action.choices else action.metavar
        shown.append(f"`{name} {value}`" if action.nargs != 0 else f"`{name}`")
    return sorted(shown)


# -- commands ------------------------------------------------------------------------------------------------------


def test_the_readme_has_every_command_and_no_other():
    documented = [row[0] for row in rows(README, "Command")]
    assert documented == [heading_of(parser, name) for name, parser in PARSERS.items()]


@pytest.mark.parametrize(("row", "name"), list(zip(rows(README, "Command"), PARSERS, strict=False)))
def test_a_command_does_and_takes_what_the_readme_says(row, name):
    parser = PARSERS[name]
    assert row[1] == parser.description[:1].lower() + parser.description[1:].removesuffix(".")
    assert sorted(re.findall(r"`(?:[^`])+`", row[2])) == options_of(parser)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_call_commands_and_options_that_exist(page):
    for name, rest in re.findall(r"aml-gitops(?: -C \S+)? ([a-z]+)\b([^\n`]*)", page.read_text()):
        assert name in PARSERS, f"{page.name}: no command {name}"
        known = {text for action in PARSERS[name]._actions for text in action.option_strings}
        used = set(re.findall(r"(?<=\s)(--?[a-zA-Z][\w-]*)", rest.partition("#")[0].partition("&&")[0]))
        assert used <= known, f"{page.name}: {name} has no {used - known}"


def test_environment_variables_are_those_of_the_parser():
    offered = "".join(parser.format_help() for parser in PARSERS.values())
    documented = {row[0].strip("`") for row in rows(DOCS / "operations.md", "Variable")}
    assert documented == set(re.findall(r"AML_GITOPS_\w+", offered))


# -- exit codes ----------------------------------------------------------------------------------------------------

PROMISED = {int(number) for number in re.findall(r"(?:^|\s)(\d+) [a-z]", EXIT_CODES)}
PROBLEMS = {
    name: problem.exit_code
    for name, problem in vars(errors).items()
    if isinstance(problem, type) and issubclass(problem, errors.Problem) and problem is not errors.Problem
}


def test_the_help_promises_every_exit_code_that_an_error_has():
    assert set(PROBLEMS.values()) <= PROMISED


@pytest.mark.parametrize("page", [README, DOCS / "operations.md"], ids=lambda page: page.name)
def test_exit_codes_are_those_of_the_help(page):
    assert {int(row[0]) for row in rows(page, "Exit code")} == PROMISED


def test_each_error_stands_beside_its_exit_code():
    documented = {
        name: int(row[0])
        for row in rows(DOCS / "operations.md", "Exit code")
        for name in re.findall(r"`(\w+)`", row[2])
    }
    assert documented == PROBLEMS


@pytest.mark.parametrize("row", rows(README, "Command"), ids=lambda row: row[0].strip("`").split()[0])
def test_a_command_ends_with_known_codes(row):
    assert {int(number) for number in row[3].split()} <= PROMISED
    assert ("2" in row[3].split()) == ("--detailed-exitcode" in row[2])
    assert ("5" in row[3].split()) == ("PLANFILE" in row[0])


# -- refusals, warnings, codes of failures -------------------------------------------------------------------------


def calls(node: ast.AST, *names: str) -> bool:
    """Whether a node is a call of one of these functions or classes, by its bare name."""
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") in names


def texts_in(function: str, position: int) -> set[str]:
    """The literal texts that the code passes to ``function`` at an argument position."""
    return {
        call.args[position].value
        for tree in CODE.values()
        for call in ast.walk(tree)
        if calls(call, function) and len(call.args) > position and isinstance(call.args[position], ast.Constant)
    }


def codes_of_errors() -> set[str]:
    """What the code says in ``code="..."`` when it raises or reports, but for what is Azure's own."""
    return {
        word.value.value
        for tree in CODE.values()
        for call in ast.walk(tree)
        if calls(call, *PROBLEMS, "Outcome")
        for word in call.keywords
        if word.arg == "code" and isinstance(word.value, ast.Constant)
    }


def section(page: Path, title: str) -> str:
    """The text below a second-level heading."""
    return re.split(r"\n## ", page.read_text().partition(f"\n## {title}\n")[2])[0]


def test_every_refusal_has_an_entry_and_there_are_no_others():
    entries = re.findall(r"^### (.+)$", section(DOCS / "concepts.md", "Refusals"), re.MULTILINE)
    assert len(entries) == len(set(entries))
    assert set(entries) == texts_in("Refusal", 0) | texts_in("_refuse", 1)


def test_only_one_helper_makes_refusals_of_a_rule_that_it_is_given():
    """Its callers are looked at by name; another such helper would hide rules from this file."""
    rules = [call.args[0] for tree in CODE.values() for call in ast.walk(tree) if calls(call, "Refusal")]
    assert [ast.unparse(rule) for rule in rules if not isinstance(rule, ast.Constant)] == ["rule"]


def test_every_warning_is_explained():
    assert {row[0].strip("`") for row in rows(DOCS / "concepts.md", "Warning")} == texts_in("Warn", 0)


def test_every_code_of_our_own_failures_is_explained():
    ours = {row[0].strip("`") for row in rows(DOCS / "operations.md", "Code") if row[1] == "here"}
    assert ours == codes_of_errors()


def test_every_bookkeeping_tag_is_explained():
    from reconciler.plan import ownership

    tags = {value for name, value in vars(ownership).items() if name.isupper() and str(value).startswith("aml-gitops-")}
    documented = {row[0].strip("`") for row in rows(DOCS / "concepts.md", "Tag")}
    assert documented == tags - {ownership.PREFIX}


# -- links and files -----------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in LINK.finditer(FENCE.sub("", page.read_text())):
        file, anchor = link["file"], link["anchor"]
        if "://" in file:
            continue
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{page.name}: {file}"
        assert target.is_relative_to(ROOT), f"{page.name}: {file} leads out of the repository"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: no heading #{anchor} in {target.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page):
    prose = FENCE.sub("", page.read_text())
    missing = {name for name in NAMED.findall(prose) if not (ROOT / name).exists()}
    assert missing <= PROSE_EXAMPLES


def test_names_in_adding_a_kind_are_names_of_the_code():
    """What it tells to change, and what its examples use, is there under that name."""
    page = (DOCS / "adding-a-kind.md").read_text()
    trees = [ast.parse(block) for block in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    told = set(re.findall(r"`(_?[a-z]+_[a-z_]+|[A-Z][A-Za-z_]+|_[A-Z]+)`", FENCE.sub("", page)))
    code = "".join(
        path.read_text() for name in ("reconciler", "schemas", "aml_emulator") for path in (ROOT / name).rglob("*.py")
    )
    words = set(re.findall(r"\w+", code))
    assert used | told <= words


def test_every_page_can_be_reached_from_the_readme_or_from_another_decision():
    linked = {
        (page.parent / link["file"]).resolve()
        for page in PAGES
        for link in LINK.finditer(page.read_text())
        if link["file"]
    }
    decisions = sorted((DOCS / "adr").glob("*.md"))
    assert [path.name[:4] for path in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    assert set(PAGES) - {README} - set(decisions[1:]) <= linked


# -- what is assumed -----------------------------------------------------------------------------------------------


def assumed_in(*folders: str) -> set[str]:
    """Files in which a comment or docstring says that something is assumed."""
    return {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\bassumed\b", path.read_text(), re.IGNORECASE)
    }


def test_the_list_of_assumptions_is_that_of_the_code():
    found = re.findall(r"^\| \[([\w/.]+)\]\(", section(DOCS / "emulator.md", "What is assumed"), re.MULTILINE)
    assert len(found) == len(set(found))
    assert set(found) == assumed_in("aml_emulator", "reconciler", "schemas")


def test_the_emulators_own_options_exist():
    from aml_emulator import __main__

    parser = __main__._parser()
    (commands,) = (action for action in parser._actions if action.choices)
    known = {text for action in commands.choices["start"]._actions for text in action.option_strings}
    rows_of_options = rows(DOCS / "emulator.md", "Option")
    documented = {option for row in rows_of_options for option in re.findall(r"--[a-z-]+", row[0])}
    assert documented == {text for text in known if text.startswith("--")} - {"--help", "--folder", "--output"}


# -- log lines -----------------------------------------------------------------------------------------------------


def test_sample_log_lines_have_a_message_and_a_logger_of_the_code():
    page = section(DOCS / "metrics.md", "Logs")
    words = {node.value for tree in CODE.values() for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    (sample,) = (json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    text = re.findall(r"^\S+Z INFO (\S+) (.+?) environment=", page, re.MULTILINE)
    assert text
    for logger, message in [*text, (sample["logger"], sample["message"])]:
        assert (ROOT / logger.replace(".", "/")).with_suffix(".py").exists()
        assert message in words
    assert {key for key in sample if key not in ("time", "level", "logger", "message")} <= words
