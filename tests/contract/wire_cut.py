"""A wire to a server that a test can cut: a proxy on the loopback that refuses, or loses answers."""

import asyncio
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """``url`` leads through the wire. ``cut`` refuses everything; ``lose_answers`` is how many answers never arrive;
    while ``silent``, requests vanish and nothing is refused."""

    def __init__(self, url):
        self._target = urlsplit(url)
        self._connections = set()
        self._cut = False
        self._serving = set()
        self.silent = False
        self.lose_answers = 0
        self.requests = []
        self.url = ""

    def cut(self, cut=True):
        self._cut = cut
        for connection in list(self._connections) if cut else ():
            connection.transport.abort()

    async def serve(self, reader, writer):
        self._serving.add(asyncio.current_task())
        if self._cut:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        both = {writer, server_writer}
        self._connections |= both
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forward(reader, server_writer))
                group.create_task(self._answer(server_reader, writer))
        except* OSError:
            """A cut wire."""
        finally:
            self._connections -= both
            for end in both:
                end.transport.abort()

    async def _forward(self, reader, writer):
        while chunk := await reader.read(1 << 16):
            self.requests += [line for line in chunk.decode("latin-1").splitlines() if line.endswith("HTTP/1.1")]
            if not self.silent:
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()

    async def end(self):
        """Cut it for good."""
        self.cut()
        if self._serving:
            await asyncio.wait(self._serving)

    async def _answer(self, reader, writer):
        while chunk := await reader.read(1 << 16):
            if self.lose_answers and chunk.startswith(b"HTTP/1.1"):
                self.lose_answers -= 1
                break
            writer.write(chunk)
            await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def wire_to(url):
    """A wire to the server of that address, and closed after the block."""
    wire = Wire(url)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    wire.url = urlunsplit(urlsplit(url)._replace(netloc=f"{host}:{port}"))
    try:
        yield wire
    finally:
        server.close()
        await wire.end()
        await server.wait_closed()
