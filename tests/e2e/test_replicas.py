"""Three replicas of the loop share an environment by leases on a real Azurite: one is killed, one is frozen.

Each of the three is ``aml-gitops run`` as a process of its own, with a clone of its own, on one Git server and one
embedded Azure ML. Who may write when is judged at the end from what each of them logged.
"""

import contextlib
import json
import secrets
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import azurite
import pytest
from git_server import needs_git
from looping import Chorus, Hand, Looping, Remote
from shop import Shop

pytestmark = needs_git

LEASE_S = 15
SLACK_S = 5
"""Two seconds between two asks for a lease that another holds, and a machine that is busy."""

SETTINGS = {
    "interval_s": 2,
    "poll_s": 1,
    "jitter_percent": 0,
    "retry": {"first_s": 0.5, "longest_s": 1},
}

ENDPOINT = "/onlineEndpoints/adder"
BLUE = f"{ENDPOINT}/deployments/blue"
GREEN = f"{ENDPOINT}/deployments/green"
SLOW = """
kind: deployment
name: green
endpoint_name: adder
model: azureml:numbers
environment: azureml:serving
code_configuration: {code: slow, scoring_script: score.py}
instance_type: Standard_DS3_v2
environment_variables: {SLOW_S: "33", OFFSET: "0"}
"""


class Site:
    """A shop on a Git server, its emulator, its state on Azurite, and the replicas that look after it."""

    def __init__(self, folder, storage):
        self.folder = folder
        self.chorus = Chorus()
        self.replicas = []
        self.secret = {"AML_GITOPS_STATE_CONNECTION_STRING": storage.connection_string}
        self.shop = Shop(folder / "project")
        self.shop.fill()
        self.shop.edit("gitops.yaml", "emulator: .emulator", f"emulator: {self.shop.root}/.emulator")
        state = {"container_url": storage.container(f"state-{secrets.token_hex(6)}"), "lease_s": LEASE_S}
        self.shop.edit("gitops.yaml", "project: shop", f"project: shop\nstate: {json.dumps(state)}")
        self.shop.commit("three replicas")

    def start(self, remote):
        """One more replica."""
        own = self.folder / f"replica-{len(self.replicas)}"
        own.mkdir()
        source = {"url": remote.server.url(), "branch": "main"}
        (own / "loop.yaml").write_text(json.dumps(SETTINGS | {"source": source}))
        arguments = ("--loop", str(own / "loop.yaml"))
        self.replicas.append(Looping(self.shop, *arguments, level="debug", heard=self.chorus.hear, **self.secret))

    def close(self):
        for replica in self.replicas:
            replica.close()

    def taken_over(self, gone):
        """Wait until another has what ``gone`` held; its first line then."""
        held = said(gone, "lease taken")[-1]["epoch"]
        return self.chorus.until("lease taken", but=(gone,), which=lambda line: line["epoch"] > held)[1]

    def in_sync(self, revision, gone):
        """Wait until another than ``gone`` says so."""
        self.chorus.until(
            "pass ended", but=(gone,), revision=revision, which=lambda line: line["reason"] in ("Applied", "Synced")
        )


@pytest.fixture
def site(tmp_path):
    with azurite.running(tmp_path) as storage, contextlib.ExitStack() as at_the_end:
        found = Site(tmp_path, storage)
        found.shop.ok("emulator", "start")
        at_the_end.callback(found.shop.ok, "emulator", "stop")
        found.remote = Remote(found.shop, tmp_path / "forge")
        at_the_end.callback(found.remote.close)
        at_the_end.callback(found.close)
        for _ in range(3):
            found.start(found.remote)
        yield found


def at(line):
    return datetime.fromisoformat(line["time"]).timestamp()


def is_write(line, path=""):
    return line["message"] == "request" and line["method"] not in ("GET", "HEAD") and line["path"].endswith(path)


def said(replica, message):
    return [line for line in replica.lines if line["message"] == message]


def doings(replica):
    """Each lease that it took and each of its writes: time, epoch, what. No write is outside of a pass."""
    epoch = writing = None
    for line in list(replica.lines):
        if line["message"] == "lease taken":
            epoch = line["epoch"]
            yield at(line), epoch, "taken"
        elif line["message"] == "pass began":
            writing = epoch
        elif line["message"] in ("pass ended", "no pass"):
            writing = None
        elif is_write(line):
            assert writing is not None, f"a write of process {replica.process.pid} outside of its passes: {line}"
            yield at(line), writing, "write"


def never_two(replicas):
    """No lease is had by two, and nobody writes after another has taken the next one; how many wrote."""
    events = [(*event, replica.process.pid) for replica in replicas for event in doings(replica)]
    owners = {epoch: pid for _, epoch, what, pid in events if what == "taken"}
    assert len(owners) == sum(what == "taken" for _, _, what, _ in events)
    events.sort(key=lambda event: event[:2])
    epochs = [epoch for _, epoch, _, _ in events]
    assert epochs == sorted(epochs), events
    return len({pid for _, _, what, pid in events if what == "write"})


def traffic(hand):
    return hand.get(ENDPOINT)["properties"]["traffic"]


def test_one_killed_and_one_frozen_in_the_middle_of_an_apply_never_lead_to_two_writers(site):
    chorus, remote, shop, hand = site.chorus, site.remote, site.shop, Hand(site.shop)
    chorus.until("pass ended", reason="Applied", revision=shop.git("rev-parse", "HEAD"))

    # Killed, when Azure has accepted the new deployment and its traffic is still to come. That takes so long that who
    # takes over has to hold the environment for longer than a lease lasts.
    slow = "def init():\n    import time; time.sleep(float(os.environ['SLOW_S']))"
    shop.write("base/slow/score.py", (shop.root / "base/src/score.py").read_text().replace("def init():", slow))
    shop.write("base/green.yml", SLOW)
    shop.edit("base/endpoint.yml", "traffic: {blue: 100}", "traffic: {blue: 50, green: 50}")
    commit = remote.push("green")
    killed, _ = chorus.until("request", method="PUT", which=lambda line: is_write(line, GREEN))
    killed_at = time.time()
    killed.signal(signal.SIGKILL)
    killed.ended()
    assert hand.get(GREEN)["properties"]["provisioningState"] == "Creating"
    assert traffic(hand) == {"blue": 100}
    taken = site.taken_over(killed)
    assert at(taken) - killed_at < LEASE_S + SLACK_S
    site.in_sync(commit, killed)
    assert traffic(hand) == {"blue": 50, "green": 50}
    assert sum(is_write(line, GREEN) for replica in site.replicas for line in replica.lines) == 1

    # Frozen, when Azure has accepted an update, with traffic to come that a newer commit will not want any more.
    shop.edit("base/green.yml", 'SLOW_S: "33"', 'SLOW_S: "4"')
    shop.edit("base/endpoint.yml", "traffic: {blue: 50, green: 50}", "traffic: {blue: 10, green: 90}")
    remote.push("stale")
    frozen, _ = chorus.until("request", but=(killed,), method="PUT", which=lambda line: is_write(line, GREEN))
    frozen.signal(signal.SIGSTOP)
    frozen_at = time.time()
    assert hand.get(GREEN)["properties"]["provisioningState"] == "Updating"
    shop.edit("base/endpoint.yml", "traffic: {blue: 10, green: 90}", "traffic: {blue: 50, green: 50}")
    shop.edit("base/deployment.yml", "kind: deployment", "instance_count: 2\nkind: deployment")
    newer = remote.push("newer")

    # Whoever looks meanwhile is told who has it, and by hand nobody gets in between.
    with ThreadPoolExecutor() as at_once:
        asked = at_once.submit(shop.ok, "status", "-e", "local", "-o", "json", **site.secret)
        applied = at_once.submit(shop.run, "apply", "-e", "local", "--yes", **site.secret)
    assert f":{frozen.process.pid}:" in json.loads(asked.result())["loop"]["holder"]
    assert applied.result().returncode == 6, applied.result().stderr
    assert f"shop/local is being worked on by {json.loads(asked.result())['loop']['holder']}" in applied.result().stderr

    taken = site.taken_over(frozen)
    assert at(taken) - frozen_at < LEASE_S + SLACK_S
    site.in_sync(newer, frozen)
    assert hand.get(BLUE)["sku"]["capacity"] == 2
    assert traffic(hand) == {"blue": 50, "green": 50}

    # It wakes up where nothing tells it of the newer commit but the state that it shares with the others.
    remote.server.answer = (503, b"")
    asleep = len(frozen.lines)
    frozen.signal(signal.SIGCONT)
    frozen.until("lease lost")
    frozen.until("lease taken")
    frozen.until("no pass", reason="SourceUnavailable")
    awake = frozen.lines[asleep:]
    assert said(frozen, "lease lost")[0] in awake
    assert not [line for line in awake if is_write(line)]
    assert traffic(hand) == {"blue": 50, "green": 50}
    remote.server.answer = None

    # It goes on living, alone if need be.
    assert [other.stop() for other in site.replicas if other not in (killed, frozen)] == [0]
    shop.edit("base/deployment.yml", 'OFFSET: "0"', 'OFFSET: "7"')
    frozen.passed("Applied", revision=remote.push("third"))
    assert frozen.stop() == 0
    assert [replica for replica in site.replicas if said(replica, "lease lost")] == [frozen]
    assert never_two(site.replicas) == 3
