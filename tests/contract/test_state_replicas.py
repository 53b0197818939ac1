"""Three real processes want one environment; one is killed, one is frozen for longer than a lease lasts."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

LEASE_S = 15
SLACK_S = 4
CONTENDER = Path(__file__).with_name("state_contender.py")


class Replica:
    """One contender: what it says arrives in ``said``."""

    def __init__(self, name, process):
        self.name, self.process = name, process
        self.said = asyncio.Queue()
        self.heard = []

    async def listen(self):
        async for line in self.process.stdout:
            text = line.decode().strip()
            self.heard.append(text)
            await self.said.put((self, text))

    async def hears(self, start):
        while True:
            _, text = await asyncio.wait_for(self.said.get(), 60)
            if text.startswith(start):
                return text


@asynccontextmanager
async def replica(name, place, resource, environment):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CONTENDER),
        place,
        name,
        str(resource),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(resource.parent)} | environment,
    )
    found = Replica(name, process)
    listening = asyncio.create_task(found.listen())
    try:
        yield found
        if process.returncode is None:
            process.stdin.close()
            await asyncio.wait_for(process.wait(), 30)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            await process.wait()
        await listening


def lines_of(resource):
    """The (verb, name, epoch) of each write, in the order in which they were made."""
    lines = [line.split() for line in resource.read_text().splitlines()]
    return [(verb, name, int(epoch)) for verb, name, epoch in lines]


async def writes_of(resource, found, after=0):
    """Wait until a line that ``found`` accepts is there, and return it and how many lines there were."""
    async with asyncio.timeout(60):
        while True:
            lines = lines_of(resource) if resource.exists() else []
            for number, line in enumerate(lines[after:], after):
                if found(line):
                    return line, number
            await asyncio.sleep(0.005)


def never_two(resource):
    """The lines of one epoch are of one replica, and no epoch writes after a later one has."""
    owners = defaultdict(set)
    epochs = []
    for _, name, epoch in lines_of(resource):
        owners[epoch].add(name)
        epochs.append(epoch)
    assert epochs == sorted(epochs)
    assert all(len(names) == 1 for names in owners.values()), owners
    return len(owners)


async def test_one_killed_and_one_frozen_never_lead_to_two_writers(azurite, tmp_path):
    place = azurite.container(f"state-{secrets.token_hex(6)}")
    secret = {"AML_GITOPS_STATE_CONNECTION_STRING": azurite.connection_string}
    resource = tmp_path / "resource"
    async with AsyncExitStack() as stack:
        replicas = {
            name: await stack.enter_async_context(replica(name, place, resource, secret)) for name in ("a", "b", "c")
        }
        await writes_of(resource, lambda line: line[0] == "end")

        (_, name, epoch), seen = await writes_of(resource, lambda line: line[0] == "begin", len(lines_of(resource)))
        replicas[name].process.kill()
        killed = time.monotonic()
        await replicas.pop(name).process.wait()
        (_, _, after_kill), seen = await writes_of(resource, lambda line: line[2] > epoch, seen)
        took_over_s = time.monotonic() - killed
        assert after_kill == epoch + 1
        assert took_over_s < LEASE_S + SLACK_S

        (_, name, epoch), seen = await writes_of(resource, lambda line: line[0] == "begin", seen)
        frozen = replicas[name]
        frozen.process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        (_, other, _), seen = await writes_of(resource, lambda line: line[2] > epoch, seen)
        assert other != frozen.name
        assert LEASE_S - 8 < time.monotonic() - stopped < LEASE_S + SLACK_S
        await writes_of(resource, lambda line: line[0] == "end", seen)
        frozen.process.send_signal(signal.SIGCONT)
        assert await frozen.hears("lost") == f"lost {epoch}"
        (_, _, back), _ = await writes_of(resource, lambda line: line[1] == frozen.name and line[2] > epoch, seen)
        assert back > epoch
    assert [r.process.returncode for r in replicas.values()] == [0, 0]
    assert never_two(resource) >= 5
    assert not [said for r in replicas.values() for said in r.heard if said.startswith("error")]


async def test_in_a_folder_a_killed_holder_is_followed_at_once_and_a_frozen_one_keeps_it(tmp_path):
    place, resource = tmp_path / "state", tmp_path / "resource"
    async with AsyncExitStack() as stack:
        replicas = {
            name: await stack.enter_async_context(replica(name, str(place), resource, {})) for name in ("a", "b", "c")
        }
        (_, name, epoch), seen = await writes_of(resource, lambda line: line[0] == "begin")
        replicas[name].process.kill()
        killed = time.monotonic()
        await replicas.pop(name).process.wait()
        _, seen = await writes_of(resource, lambda line: line[2] == epoch + 1, seen)
        assert time.monotonic() - killed < 2

        (_, name, epoch), _ = await writes_of(resource, lambda line: line[0] == "begin", seen)
        replicas[name].process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(1)
        assert lines_of(resource)[-1][2] == epoch
        replicas[name].process.send_signal(signal.SIGCONT)
        await writes_of(resource, lambda line: line[0] == "end" and line[2] == epoch)
        await writes_of(resource, lambda line: line[2] > epoch)
    assert never_two(resource) >= 3
    assert not [said for r in replicas.values() for said in r.heard if not said.startswith("holds")]
