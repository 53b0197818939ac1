"""Which commit the settings mean, of what a repository has. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from reconciler.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from semantic_version import NpmSpec, Version

    from schemas.loop import GitSource

HEADS = "refs/heads/"
TAGS = "refs/tags/"
_PEELED = "^{}"
_LISTED = 5


@dataclass(frozen=True, slots=True)
class Target:
    """What to fetch: ``ref`` is a full ref, ``HEAD``, or a commit. ``commit`` is what it means right now."""

    ref: str
    commit: str


def asked_of(settings: GitSource) -> tuple[str, ...]:
    """What the server is asked for. Raises SourceError for a range that is none."""
    if settings.branch is not None:
        return (_branch(settings.branch),)
    if settings.tag is not None:
        return (f"{TAGS}{_tag(settings.tag)}", f"{TAGS}{_tag(settings.tag)}{_PEELED}")
    if settings.semver is not None:
        _range(settings.semver)
        return (f"{TAGS}*",)
    return ("HEAD",)


def target_of(settings: GitSource, refs: Mapping[str, str], place: str) -> Target | None:
    """What the settings mean, of what the server advertises; None when it has none of it.

    Tags of a range may begin with ``v``; what is no version is left alone, and pre-releases count only when the range
    names one of the same version, as in npm. Raises SourceError when no version is in the range.
    """
    if settings.commit is not None:
        return Target(settings.commit, settings.commit)
    if settings.branch is not None:
        return _named(_branch(settings.branch), refs)
    if settings.tag is not None:
        return _named(f"{TAGS}{_tag(settings.tag)}", refs)
    if settings.semver is not None:
        return _named(f"{TAGS}{_highest(settings.semver, refs, place)}", refs)
    return _named("HEAD", refs)


def nothing_there(settings: GitSource, refs: Iterable[str], place: str) -> SourceError:
    """The error for settings that mean nothing in the repository; ``refs`` is all that it has."""
    branches = sorted(ref.removeprefix(HEADS) for ref in refs if ref.startswith(HEADS))
    tags = sorted(ref.removeprefix(TAGS) for ref in refs if ref.startswith(TAGS) and not ref.endswith(_PEELED))
    if not branches and not tags:
        # A page without refs in it, such as a form to sign in, looks the same to git.
        return SourceError(
            f"{place} is empty: it has no commit yet, or what answers there is no Git server. Push a commit, or "
            "look at `source.url` in loop.yaml and at a proxy in between"
        )
    if settings.branch is not None:
        name = settings.branch
        return SourceError(f"{place} has no branch '{name}'; {_instead(_branch(name)[len(HEADS) :], branches)}")
    if settings.tag is not None:
        return SourceError(f"{place} has no tag '{settings.tag}'; {_instead(_tag(settings.tag), tags)}")
    return SourceError(
        f"the default branch of {place} has no commit; name one with `branch`; {_instead('main', branches)}"
    )


def _named(ref: str, refs: Mapping[str, str]) -> Target | None:
    found = refs.get(ref + _PEELED, refs.get(ref))
    return None if found is None else Target(ref, found)


def _branch(name: str) -> str:
    return HEADS + name.removeprefix(HEADS)


def _tag(name: str) -> str:
    return name.removeprefix(TAGS)


def _range(written: str) -> NpmSpec:
    from semantic_version import NpmSpec

    try:
        return NpmSpec(written)
    except ValueError as error:
        raise SourceError(
            f"`source.semver` in loop.yaml is no range of versions: found '{written}', wanted such as `>=1.2 <2`, "
            "`1.x` or `~1.4`"
        ) from error


def _highest(written: str, refs: Iterable[str], place: str) -> str:
    wanted = _range(written)
    tags = [ref.removeprefix(TAGS) for ref in refs if ref.startswith(TAGS) and not ref.endswith(_PEELED)]
    versions = {tag: version for tag in tags if (version := _version(tag)) is not None}
    fitting = [tag for tag, version in versions.items() if wanted.match(version)]
    if not fitting:
        near = sorted(versions, key=lambda tag: (versions[tag].precedence_key, tag))[-_LISTED:]
        have = f"the highest there are: {', '.join(near)}" if near else "none of its tags is a version such as v1.2.3"
        raise SourceError(f"{place} has no tag in the range '{written}'; {have}")
    # Build metadata does not order versions (semver.org, 10.): the name does, so that the choice is always the same.
    return max(fitting, key=lambda tag: (versions[tag].precedence_key, tag))


def _version(tag: str) -> Version | None:
    from semantic_version import Version

    try:
        return Version(tag.removeprefix("v"))
    except ValueError:
        return None


def _instead(name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]}?"
    more = ", ..." if len(names) > _LISTED else ""
    return f"there are: {', '.join(names[:_LISTED])}{more}" if names else "there are none"
