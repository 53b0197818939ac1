"""deploy/lock.py: the image gets all that the product needs, and nothing of the emulator and the developers' tools."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from importlib import metadata

import pytest
from deployed import DEPLOY, ROOT
from packaging.requirements import Requirement

spec = importlib.util.spec_from_file_location("deploy_lock", DEPLOY / "lock.py")
lock = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lock)

SMALL = """\
alpha==1.0 \\
    --hash=sha256:aa
    # via product
beta-tool==2.0 ; python_full_version < '3.12' \\
    --hash=sha256:bb
    # via
    #   alpha
    #   other
beta-tool==2.1 ; python_full_version >= '3.12' \\
    --hash=sha256:bc
    # via
    #   alpha
    #   other
gamma==3.0 \\
    --hash=sha256:cc
    # via Beta_Tool
other==4.0 \\
    --hash=sha256:dd
    # via product (pyproject.toml:dev)
only-other==5.0 \\
    --hash=sha256:ee
    # via other
"""


def pins(text):
    return re.findall(r"^([\w.-]+)==", text, re.MULTILINE)


def test_a_part_has_what_is_wanted_and_what_that_needs_with_every_marker_and_hash():
    found = lock.part(SMALL, ["Alpha[extra]>=0.9,<2"])
    assert pins(found) == ["alpha", "beta-tool", "beta-tool", "gamma"]
    assert found == SMALL.partition("other==4.0")[0]


def test_what_is_not_pinned_is_named():
    with pytest.raises(LookupError, match="does not pin delta, epsilon; write it anew"):
        lock.part(SMALL, ["alpha", "epsilon", "delta>=1"])


@pytest.mark.parametrize("arguments", [[], ["everything"], ["runtime", "build"]])
def test_another_call_is_usage(arguments, capsys):
    assert lock.main(arguments) == 64
    assert "usage: python deploy/lock.py runtime|build" in capsys.readouterr().err


def needed(texts, extras=frozenset(), seen=frozenset()):
    """Names that requirements lead to here, by the metadata of what is installed: nothing that the lock says."""
    names = set()
    for requirement in map(Requirement, texts):
        marker, inner = requirement.marker, (lock.canonical(requirement.name), frozenset(requirement.extras))
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            below = set() if inner in seen else needed(metadata.requires(inner[0]) or [], inner[1], seen | {inner})
            names |= {inner[0]} | below
    return names


def test_the_runtime_part_covers_what_the_installed_metadata_asks_for(capsys):
    assert lock.main(["runtime"]) == 0
    found = {lock.canonical(name) for name in pins(capsys.readouterr().out)}
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert needed(wanted) <= found


def test_the_runtime_part_holds_neither_the_emulator_nor_tools(capsys):
    assert lock.main(["runtime"]) == 0
    found = set(pins(capsys.readouterr().out))
    everything = set(pins((ROOT / "requirements.lock").read_text()))
    assert found < everything
    assert found.isdisjoint({"pytest", "hypothesis", "mypy", "ruff", "scikit-learn", "mlflow-skinny", "hatchling"})


def test_the_build_part_is_what_builds_the_wheel(capsys):
    assert lock.main(["build"]) == 0
    found = set(pins(capsys.readouterr().out))
    assert {"hatchling"} <= found
    assert "aiohttp" not in found
