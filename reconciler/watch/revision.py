"""One revision as the loop holds it: read once, for however many environments, and kept until the next one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from reconciler.errors import ManifestError
from reconciler.load.once import Once
from reconciler.load.project_file import load_project
from reconciler.sync import check, want
from reconciler.watch.stalls import attempts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.domain import Target
    from reconciler.source.checkout import Checkout
    from reconciler.sync import Wanted
    from schemas.project import Project


class Revision:
    """A checkout and its project file; what each environment wants of it is worked out when it is asked for first."""

    def __init__(self, checkout: Checkout, project: Project) -> None:
        self.checkout = checkout
        self.project = project
        self._once = Once()
        self._one_at_a_time = asyncio.Lock()
        self._wanted: dict[tuple[str, Target], tuple[Wanted, Mapping[str, str]] | ManifestError] = {}

    @property
    def name(self) -> str:
        """The commit, as it is shown and remembered."""
        return self.checkout.revision

    async def wanted(self, environment: str, target: Target) -> tuple[Wanted, Mapping[str, str]]:
        """What the environment is to be, and its attempts as ``stalls`` has them.

        Raises ManifestError, the same each time; SourceError.
        """
        async with self._one_at_a_time:
            key = (environment, target)
            if key not in self._wanted:
                try:
                    self._wanted[key] = await asyncio.to_thread(self._read, environment, target)
                except ManifestError as error:
                    self._wanted[key] = error
        found = self._wanted[key]
        if isinstance(found, ManifestError):
            raise ManifestError(found.findings)  # Not the same again: its traceback would grow with every pass.
        return found

    def _read(self, environment: str, target: Target) -> tuple[Wanted, Mapping[str, str]]:
        checked = check(self.checkout.root, environment, digests=True, once=self._once)
        wanted = want(checked.sound(), target, self.checkout.revision)
        return wanted, attempts(wanted)


async def opened(checkout: Checkout) -> Revision:
    """The revision of a checkout. Raises ManifestError when gitops.yaml is wrong, SourceError when it is not there."""
    project, findings = await asyncio.to_thread(load_project, checkout.root)
    if project is None:
        raise ManifestError(findings)
    return Revision(checkout, project)
