"""A CONNECT proxy that leads Azure's names to the emulator, and nothing anywhere else.

With ``HTTPS_PROXY`` pointing here, an unmodified client of Azure talks to the emulator: no DNS, no hosts file.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

log = logging.getLogger(__name__)

HOSTS = frozenset(("management.azure.com", "login.microsoftonline.com", "login.windows.net"))
SUFFIXES = (".blob.core.windows.net", ".inference.ml.azure.com")
CHUNK_BYTES = 64 * 1024
LONGEST_HEAD_S = 10.0


def leads_here(authority: str, port: int) -> bool:
    """Whether ``host:port`` of a CONNECT is an Azure name, or the emulator itself."""
    host, _, wanted = authority.rpartition(":")
    host = host.lower()
    if host in ("127.0.0.1", "localhost"):
        return wanted == str(port)
    return wanted == "443" and (host in HOSTS or host.endswith(SUFFIXES))


async def start_proxy(port: int, target: int) -> asyncio.Server:
    """Listen on a loopback port and tunnel to ``target``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _tunnel(reader, writer, target)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as error:
            log.debug("tunnel ended", extra={"reason": repr(error)})
        finally:
            writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", port)


async def _tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int) -> None:
    async with asyncio.timeout(LONGEST_HEAD_S):
        head = await reader.readuntil(b"\r\n\r\n")
    method, _, rest = head.partition(b" ")
    authority = rest.partition(b" ")[0].decode("latin-1")
    if method != b"CONNECT" or not leads_here(authority, target):
        writer.write(b"HTTP/1.1 403 The emulator leads nowhere else\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        return
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
    try:
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(reader, far_writer))
            both.create_task(_copy(far_reader, writer))
    except* OSError as errors:
        log.debug("tunnel broke", extra={"reason": repr(errors)})
    finally:
        far_writer.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while chunk := await source.read(CHUNK_BYTES):
        sink.write(chunk)
        await sink.drain()
    with contextlib.suppress(OSError):  # the other side may be gone already
        sink.write_eof()
