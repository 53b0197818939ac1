"""The Blob service over HTTP: what uploads, downloads and de-duplication of assets need.

Headers, statuses and error codes as recorded in public SDK test traffic, else as in the Blob service REST reference
(learn.microsoft.com/rest/api/storageservices/blob-service-rest-api).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.sax.saxutils import escape, unescape

from aml_emulator.blobs import BadBlobName, Blob
from aml_emulator.shared_access import check_access
from aml_emulator.wire import Request, Response

if TYPE_CHECKING:
    from aml_emulator.call import Site

VERSION = "2021-08-06"
LARGEST_PAGE = 5000


class BlobRefused(Exception):
    """The Blob service says no."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code, self.message = status, code, message


async def handle(site: Site, request: Request, path: str) -> Response:
    """Answer a blob request. ``path`` is ``container[/blob]``, still percent-encoded."""
    try:
        return await _dispatch(site, request, path)
    except BadBlobName as error:
        return _refusal(BlobRefused(400, "InvalidResourceName", f"The name is not allowed: {error}."), request)
    except BlobRefused as refused:
        return _refusal(refused, request)


async def _dispatch(site: Site, request: Request, path: str) -> Response:
    container, _, raw_name = path.partition("/")
    name, query, method = unquote(raw_name), request.query(), request.method
    account = site.blobs.account_of(container)
    denied = check_access(site.identity, request, account or "", container)
    if denied:
        raise BlobRefused(403, "AuthenticationFailed", denied)
    if account is None:
        raise BlobRefused(404, "ContainerNotFound", "The specified container does not exist.")
    comp = query.get("comp", "")
    if query.get("restype") == "container":
        return _container(site, container, method, comp, query)
    if method in ("GET", "HEAD") and not comp:
        return _get(site, request, _existing(site, container, name))
    if method == "DELETE":
        site.blobs.delete(_existing(site, container, name))
        return Response(202, _stamp())
    if method == "PUT":
        return await _put(site, request, container, name, comp)
    raise BlobRefused(405, "UnsupportedHttpVerb", "The resource doesn't support specified Http Verb.")


def _container(site: Site, container: str, method: str, comp: str, query: dict[str, str]) -> Response:
    if method == "PUT":
        raise BlobRefused(409, "ContainerAlreadyExists", "The specified container already exists.")
    if comp == "list":
        return _list(site, container, query)
    return Response(200, _stamp() | {"x-ms-lease-state": "available", "x-ms-lease-status": "unlocked"})


def _existing(site: Site, container: str, name: str) -> Blob:
    blob = site.blobs.get(container, name)
    if blob is None:
        raise BlobRefused(404, "BlobNotFound", "The specified blob does not exist.")
    return blob


def _get(site: Site, request: Request, blob: Blob) -> Response:
    headers = _describe(blob)
    wanted = request.header("x-ms-range") or request.header("Range")
    start, end = 0, blob.length - 1
    if wanted:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        if found is None or int(found[1]) >= blob.length:
            raise BlobRefused(416, "InvalidRange", "The range specified is invalid for the resource's size.")
        start, end = int(found[1]), min(int(found[2] or end), end)
        headers["Content-Range"] = f"bytes {start}-{end}/{blob.length}"
        headers["x-ms-blob-content-md5"] = headers.pop("Content-MD5")
    length = end - start + 1
    headers["Content-Length"] = str(length)
    if request.method == "HEAD":
        return Response(200, headers)
    return Response(206 if wanted else 200, headers, site.blobs.read(blob, start, length))


async def _put(site: Site, request: Request, container: str, name: str, comp: str) -> Response:
    metadata = {
        key.lower().removeprefix("x-ms-meta-"): value
        for key, value in request.headers.items()
        if key.lower().startswith("x-ms-meta-")
    }
    kind = request.header("x-ms-blob-content-type") or request.header("Content-Type") or "application/octet-stream"
    if comp == "block":
        await site.blobs.stage(container, name, request.query().get("blockid", ""), request.chunks())
        return Response(201, _stamp() | {"Content-Length": "0"})
    if comp == "metadata":
        blob = site.blobs.set_metadata(_existing(site, container, name), metadata)
        return Response(200, _stamp() | _written(blob))
    if comp not in ("", "blocklist"):
        raise BlobRefused(400, "UnsupportedQueryParameter", f"comp={comp} is not supported by the emulator.")
    if request.header("If-None-Match") == "*" and site.blobs.get(container, name):
        raise BlobRefused(409, "BlobAlreadyExists", "The specified blob already exists.")
    if comp == "blocklist":
        committed = site.blobs.commit_blocks(container, name, _block_ids(await request.read()), kind, metadata)
        if committed is None:
            raise BlobRefused(400, "InvalidBlockList", "The specified block list is invalid.")
        return Response(201, _stamp() | _written(committed))
    if request.header("x-ms-blob-type", "BlockBlob") != "BlockBlob":
        raise BlobRefused(400, "InvalidHeaderValue", "Only block blobs are supported by the emulator.")
    blob = await site.blobs.put(container, name, request.chunks(), kind, metadata)
    expected = request.header("Content-MD5")
    if expected and expected != blob.md5:
        site.blobs.delete(blob)
        raise BlobRefused(400, "Md5Mismatch", "The MD5 value specified did not match the MD5 of the content.")
    return Response(201, _stamp() | _written(blob) | {"Content-MD5": blob.md5})


def _block_ids(document: bytes) -> list[str]:
    found = re.findall(r"<(?:Latest|Uncommitted|Committed)>([^<]+)</", document.decode("utf-8", "replace"))
    return [unescape(identity) for identity in found]


def _list(site: Site, container: str, query: dict[str, str]) -> Response:
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    limit = _page_size(query.get("maxresults", ""))
    blobs = site.blobs.below(container, prefix, query.get("marker", ""), limit + 1)
    page, rows, folders = blobs[:limit], [], dict[str, None]()
    for blob in page:
        rest = blob.name.removeprefix(prefix)
        if delimiter and delimiter in rest:
            folders[prefix + rest.partition(delimiter)[0] + delimiter] = None
        else:
            rows.append(_list_entry(blob, with_metadata="metadata" in query.get("include", "")))
    rows += [f"<BlobPrefix><Name>{escape(folder)}</Name></BlobPrefix>" for folder in folders]
    marker = escape(page[-1].name) if len(blobs) > limit else ""
    text = (
        f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{container}">'
        f"<Prefix>{escape(prefix)}</Prefix><MaxResults>{limit}</MaxResults>"
        f"<Blobs>{''.join(rows)}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
    )
    return Response(200, _stamp() | {"Content-Type": "application/xml"}, text.encode())


def _page_size(asked: str) -> int:
    if not asked:
        return LARGEST_PAGE
    if not re.fullmatch(r"[0-9]{1,9}", asked) or int(asked) == 0:
        raise BlobRefused(400, "OutOfRangeQueryParameterValue", "maxresults must be a number, 1 or more.")
    return min(int(asked), LARGEST_PAGE)


def _list_entry(blob: Blob, *, with_metadata: bool) -> str:
    meta = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in blob.metadata.items())
    return (
        f"<Blob><Name>{escape(blob.name)}</Name><Properties><Creation-Time>{blob.created}</Creation-Time>"
        f"<Last-Modified>{blob.modified}</Last-Modified><Etag>{blob.etag.strip(chr(34))}</Etag>"
        f"<Content-Length>{blob.length}</Content-Length><Content-Type>{escape(blob.content_type)}</Content-Type>"
        f"<Content-MD5>{blob.md5}</Content-MD5><BlobType>BlockBlob</BlobType></Properties>"
        f"{f'<Metadata>{meta}</Metadata>' if with_metadata else ''}</Blob>"
    )


def _stamp() -> dict[str, str]:
    return {"Server": "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0", "x-ms-version": VERSION}


def _written(blob: Blob) -> dict[str, str]:
    return {
        "Content-Length": "0",
        "ETag": blob.etag,
        "Last-Modified": blob.modified,
        "x-ms-request-server-encrypted": "true",
    }


def _describe(blob: Blob) -> dict[str, str]:
    headers = _stamp() | {
        "Accept-Ranges": "bytes",
        "Content-MD5": blob.md5,
        "Content-Type": blob.content_type,
        "ETag": blob.etag,
        "Last-Modified": blob.modified,
        "x-ms-access-tier": "Hot",
        "x-ms-access-tier-inferred": "true",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": blob.created,
        "x-ms-lease-state": "available",
        "x-ms-lease-status": "unlocked",
        "x-ms-server-encrypted": "true",
    }
    return headers | {f"x-ms-meta-{key}": value for key, value in blob.metadata.items()}


def _refusal(refused: BlobRefused, request: Request) -> Response:
    headers = _stamp() | {"x-ms-error-code": refused.code}
    if request.method == "HEAD":  # the recorded 404 of a HEAD has no body
        return Response(refused.status, headers)
    text = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f"<Error><Code>{refused.code}</Code><Message>{escape(refused.message)}</Message></Error>"
    )
    return Response(refused.status, headers | {"Content-Type": "application/xml"}, text.encode())
