"""The tables of docs/manifest-reference.md say what the models say: every field, its type, its default.

Run this file as a program to bring the tables up to date.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.kinds import MODELS
from schemas.loop import Loop
from schemas.project import Project

PAGE = Path(__file__).parents[2] / "docs" / "manifest-reference.md"


def definitions() -> dict[str, dict[str, Any]]:
    """Every model that a person may write, by its name in the page."""
    found: dict[str, dict[str, Any]] = {}
    for model in (*MODELS.values(), Project, Loop):
        schema = model.model_json_schema()
        found |= {name: part for name, part in schema.pop("$defs").items() if "properties" in part}
        found[model.__name__] = schema
    return found


def table(definition: dict[str, Any]) -> str:
    required = definition.get("required", ())
    rows = ["| Field | Type | Default | Notes |", "|---|---|---|---|"]
    for name, field in definition["properties"].items():
        default = "**required**" if name in required else shown(field.get("default"))
        rows.append(f"| `{name}` | {kind(field)} | {default} | {field.get('description', '')} |")
    return "\n".join(rows)


def shown(default: Any) -> str:
    """A default as one would type it; what is empty or a group of defaults has nothing to type."""
    if default in (None, [], {}) or isinstance(default, dict):
        return ""
    if isinstance(default, list):
        return f"`[{', '.join(default)}]`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def kind(field: dict[str, Any]) -> str:
    """The type of a field in a reader's words."""
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    choices = [choice for choice in field.get("anyOf", field.get("oneOf", ())) if choice.get("type") != "null"]
    if choices:
        return " or ".join(dict.fromkeys(kind(choice) for choice in choices))
    if "const" in field:
        return f"`{field['const']}`"
    if True in field.get("enum", ()):
        return "`true` or `false`"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"] if isinstance(value, str))
    if field.get("type") == "array":
        return f"list of {kind(field['items'])}"
    if field.get("type") == "object":
        values = next(iter(field.get("patternProperties", {}).values()), field.get("additionalProperties"))
        return f"mapping of {kind(values)}" if isinstance(values, dict) else "mapping"
    low, high = field.get("minimum"), field.get("maximum")
    word = {"string": "text", "boolean": "`true` or `false`"}.get(field.get("type", ""), field.get("type", "any JSON"))
    if high is not None:
        return f"{word} {low} to {high}"
    return word if low is None else f"{word} from {low}"


def refreshed(page: str) -> str:
    """The page with the description and table under each model's heading as the model has them."""
    for name, definition in definitions().items():
        text = f"\n### {name}\n\n{definition['description']}\n\n{table(definition)}\n"
        page = re.sub(rf"\n### {name}\n.*?(?=\n#|\Z)", lambda _, text=text: text, page, flags=re.DOTALL)
    return page


@pytest.mark.parametrize("name", sorted(definitions()))
def test_the_page_has_every_model_once(name: str) -> None:
    assert PAGE.read_text().count(f"\n### {name}\n") == 1


def test_the_tables_are_those_of_the_models() -> None:
    page = PAGE.read_text()
    assert refreshed(page).splitlines() == page.splitlines(), f"bring it up to date: python {__file__}"


def test_the_page_links_only_to_what_it_has() -> None:
    page = PAGE.read_text()
    headings = {
        line.lstrip("#").strip().lower().replace(" ", "-") for line in page.splitlines() if line.startswith("#")
    }
    links = {part.split(")")[0] for part in page.split("](#")[1:]}
    assert links - headings == set()


def test_the_example_of_a_loop_file_is_one() -> None:
    example = PAGE.read_text().partition("\n## The loop file\n")[2].partition("```yaml\n")[2].partition("```")[0]
    assert Loop.model_validate(yaml.safe_load(example)).source is not None


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text()))
