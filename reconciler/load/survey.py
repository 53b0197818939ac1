"""What the checkout holds at the paths that manifests name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.compose.overlays import local_paths
from reconciler.domain import LocalPath
from reconciler.errors import SourceError
from reconciler.load.ignore_file import IgnoreFile, ignore_file
from reconciler.load.once import Once
from reconciler.load.yaml_reader import MAX_BYTES, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from reconciler.domain import Document

# Files of a folder whose text rules look at: what an MLflow model says of itself, and what it wants installed.
_TOLD = frozenset({"MLmodel", "conda.yaml", "conda.yml", "requirements.txt", "python_env.yaml"})
_YAML = frozenset({".yaml", ".yml"})
_TEXT = frozenset({*_YAML, ".json", ".txt"})
_CHUNK_BYTES = 1024 * 1024
# azure-ai-ml 1.35.2, _utils/_asset_utils.py::get_object_hash
_SEED = b"Initialize for october 2021 AML CLI version"


@dataclass(frozen=True, slots=True)
class _Member:
    """Something in a folder: its path in there, and where it really is."""

    relative: str
    place: Path

    @property
    def name(self) -> str:
        return self.relative.rpartition("/")[2]


def survey(
    documents: Iterable[Document], root: Path, *, digests: bool, once: Once | None = None
) -> Mapping[str, LocalPath]:
    """Return what lies at every local path that the documents name, keyed as ``local_path`` spells it.

    Members that .amlignore or .gitignore leave out are not there: az ml does not upload them. A path that leads
    out of ``root`` is "outside", and so is a folder with a link that does, which ``files`` then names. With
    ``digests`` every byte is read, a little at a time. ``once`` keeps what was found for other environments of the same
    revision. Raises SourceError for what cannot be read.
    """
    top, places = root.resolve(), (once or Once()).places
    paths = {path for document in documents for _, path in local_paths(document)}
    try:
        for path in sorted(paths):
            if (path, digests) not in places:
                places[path, digests] = _look(path, top, digests=digests)
    except OSError as error:
        raise SourceError(f"cannot read {error.filename}: {error.strerror}") from error
    return {path: places[path, digests] for path in sorted(paths)}


def content_hash(path: Path) -> str:
    """Return the hash that az ml gives the content of a file or folder: equal trees, equal hash.

    The algorithm is azure-ai-ml 1.35.2's ``get_object_hash`` with the folder's own ignore file, so that an upload
    by either finds the other's. Names that differ only in case, which it leaves in the order of the file system,
    are sorted here.
    """
    digest = hashlib.sha256(_SEED)
    if not path.is_dir():
        _read_into(digest, path)
        return digest.hexdigest()
    for member in _members(path, ignore_file(path)):
        digest.update(member.name.encode())
        if member.place.is_file():
            _read_into(digest, member.place)
    return digest.hexdigest()


def contents(path: Path) -> tuple[tuple[str, Path], ...]:
    """Return what an upload of a file or folder consists of: names (posix, relative to it) and where the bytes are."""
    if path.is_file():
        return ((path.name, path),)
    return tuple(
        (member.relative, member.place) for member in _members(path, ignore_file(path)) if member.place.is_file()
    )


def _read_into(digest: hashlib._Hash, path: Path) -> None:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)


def _members(folder: Path, ignored: IgnoreFile, within: str = "", above: tuple[Path, ...] = ()) -> Iterator[_Member]:
    """Yield everything below a folder in the order az ml hashes it; links are followed."""
    real = folder.resolve()
    if real in above:
        raise SourceError(f"{folder} is a link into a folder that it lies in")
    for path in sorted(folder.iterdir(), key=lambda path: (path.name.lower(), path.name)):
        if ignored.leaves_out(str(path)):
            continue
        place = path.resolve() if path.is_symlink() else path
        if place.exists() and not place.is_file() and not place.is_dir():
            raise SourceError(f"{path} is neither a file nor a folder but a pipe or a device")
        if not path.name.isprintable():
            raise SourceError(f"{path.parent} holds a name that cannot be sent: {path.name!r}")
        yield _Member(f"{within}{path.name}", place)
        if place.is_dir():
            yield from _members(place, ignored, f"{within}{path.name}/", (*above, real))


def _look(path: str, root: Path, *, digests: bool) -> LocalPath:
    place = root / path
    if path.startswith(("/", "..")) or not place.resolve().is_relative_to(root):
        return LocalPath(path, "outside")
    if place.is_file():
        text = _text(place) if place.suffix.lower() in _TEXT or place.name in _TOLD else None
        return LocalPath(
            path,
            "file",
            (place.name,),
            place.stat().st_size,
            {} if text is None else {place.name: text},
            _data(place, text),
            content_hash(place) if digests else None,
        )
    if not place.is_dir():
        return LocalPath(path, "missing")
    members = [member for member in _members(place, ignore_file(place)) if member.place.is_file()]
    escaped = [member.relative for member in members if not member.place.is_relative_to(root)]
    if escaped:
        return LocalPath(path, "outside", tuple(sorted(escaped)))
    told = {member.relative: _text(member.place) for member in members if member.name in _TOLD}
    return LocalPath(
        path,
        "folder",
        tuple(sorted(member.relative for member in members)),
        sum(member.place.stat().st_size for member in members),
        {name: text for name, text in sorted(told.items()) if text is not None},
        digest=content_hash(place) if digests else None,
    )


def _text(path: Path) -> str | None:
    """Return the text of a small UTF-8 file, None of any other."""
    if path.stat().st_size > MAX_BYTES:
        return None
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _data(path: Path, text: str | None) -> Any:
    """Return the parsed content of a YAML or JSON file, None when it cannot be parsed (rules say why)."""
    if text is None:
        return None
    if path.suffix.lower() == ".json":
        try:
            return json.loads(text)
        except ValueError:
            return None
    if path.suffix.lower() in _YAML:
        documents, findings = parse(text.encode(), path.name)
        return documents[0].data if len(documents) == 1 and not findings else None
    return None
