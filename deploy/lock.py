"""Print the part of requirements.lock that an image needs: the lock also holds the emulator and developers' tools.

    python deploy/lock.py runtime    what aml-gitops itself needs
    python deploy/lock.py build      what builds its wheel

Standard library only, since it runs before anything is installed. It follows the `# via` comments of the lock. A
package that it missed would stop `pip install --require-hashes`, which takes nothing that has no hash.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)==", re.MULTILINE)
VIA = re.compile(r"^    #(?: via|  ) +(?P<name>[A-Za-z0-9][\w.-]*)", re.MULTILINE)
ROOTS = {"runtime": ("project", "dependencies"), "build": ("build-system", "requires")}


def part(lock: str, wanted: list[str]) -> str:
    """The pins of ``wanted`` and of all that they need, hashes included. Raises LookupError for what is not pinned."""
    starts = [found.start() for found in PIN.finditer(lock)]
    blocks = [lock[start:end] for start, end in zip(starts, [*starts[1:], len(lock)], strict=True)]
    pinned = [(canonical(block.partition("==")[0]), block) for block in blocks]
    names = {canonical(requirement) for requirement in wanted}
    if missing := names - {name for name, _ in pinned}:
        raise LookupError(f"requirements.lock does not pin {', '.join(sorted(missing))}; write it anew")
    needers = [(name, {canonical(via) for via in VIA.findall(block)}) for name, block in pinned]
    while found := {name for name, via in needers if via & names} - names:
        names |= found
    return "".join(block for name, block in pinned if name in names)


def canonical(requirement: str) -> str:
    """The name in a requirement, in the one spelling that package indexes compare."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0]).lower()


def main(arguments: list[str]) -> int:
    """Print one part; 64 for a call that makes no sense, 1 when the lock does not fit pyproject.toml."""
    if len(arguments) != 1 or arguments[0] not in ROOTS:
        sys.stderr.write(f"usage: python deploy/lock.py {'|'.join(ROOTS)}\n")
        return 64
    table, key = ROOTS[arguments[0]]
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())[table][key]
    try:
        sys.stdout.write(part((ROOT / "requirements.lock").read_text(), wanted))
    except LookupError as error:
        sys.stderr.write(f"deploy/lock.py: {error.args[0]}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
