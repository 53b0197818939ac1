"""A replica of its own process that wants one environment: PLACE NAME RESOURCE. Ends when its stdin does.

While it holds the lease it writes lines to RESOURCE, each after a check and nothing in between, and it says on stdout
what happens to it. PLACE is a folder, or the address of a container.
"""

import asyncio
import os
import sys
import threading
from pathlib import Path

from reconciler.errors import LeaseHeld, LeaseLost, StateError
from reconciler.state.blob import BlobStore
from reconciler.state.folder import FolderStore

WRITES = 20
PAUSE_S = 0.05
POLL_S = 0.1


def store_at(place):
    if not place.startswith("http"):
        return FolderStore(Path(place))
    return BlobStore(place, connection_string=os.environ["AML_GITOPS_STATE_CONNECTION_STRING"], duration_s=15)


def say(text):
    print(text, flush=True)


async def main(place, name, resource):
    store = store_at(place)
    file = os.open(resource, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    reader = lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set))  # noqa: E731
    threading.Thread(target=reader, daemon=True).start()
    while not ended.is_set():
        try:
            async with store.lease("shop/prod", name) as lease:
                say(f"holds {lease.epoch}")
                mark = f"{name} {lease.epoch}".encode()
                lease.check()
                os.write(file, b"begin " + mark + b"\n")
                for _ in range(WRITES):
                    await asyncio.sleep(PAUSE_S)
                    lease.check()
                    os.write(file, b"write " + mark + b"\n")
                lease.check()
                os.write(file, b"end " + mark + b"\n")
                await lease.record(b"did " + mark)
            await asyncio.sleep(POLL_S)  # Lets another have it.
        except LeaseHeld:
            await asyncio.sleep(POLL_S)
        except LeaseLost:
            say(f"lost {lease.epoch}")
        except StateError as error:
            say(f"error {error}")
            await asyncio.sleep(POLL_S)
    await store.close()


asyncio.run(main(*sys.argv[1:]))
