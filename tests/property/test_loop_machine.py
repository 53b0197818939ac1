"""Two replicas of the loop, and everything that may happen to them: they never fight, and end in sync."""

import asyncio
import json
import os
import re
import shutil
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from in_process import plan_of
from memory_store import MemoryStore
from test_convergence import public_bodies, traffic_watch
from watched import Clock, Cloud, FolderSource, Process
from worlds import DEPLOYMENTS, ENDPOINTS, OWNER, complaints, meddle, meddlings, projects, write

from reconciler.domain import Result
from reconciler.errors import SignatureRefused, SourceUnavailable
from reconciler.watch.memory import CONDITIONS, Memory
from reconciler.watch.orders import EVERYTHING, RETRY, resumed, suspended

KEY = "shop/test"
LEASE_S = 30.0
NEVER_READY_NOR_BUSY = ("HeldBack", "Suspended")
STATED = {"confirm", "not-owned", "serving"}
ADDRESS = re.compile(r"/onlineEndpoints/([^/?]+)(?:/deployments/([^/?]+))?(/[^?]+)?\?")
CI = os.environ.get("HYPOTHESIS_PROFILE") == "ci" or bool(os.environ.get("CI"))

replicas = st.sampled_from([0, 1])
points = st.one_of(st.integers(0, 16), st.integers(0, 70))
patterns = st.sampled_from(
    [EVERYTHING, "endpoint/alpha", "deployment/alpha/blue", "deployment/beta/green", "traffic/alpha", "endpoint/*"]
)
broken = st.frozensets(st.tuples(st.sampled_from(ENDPOINTS), st.sampled_from(DEPLOYMENTS)), max_size=1)
gently = st.integers(0, 9).map(bool)
commits = st.tuples(projects, gently, st.just(frozenset()) | broken)
kinds_of_fault = st.sampled_from(["throttle", "unavailable", "lost", "refused"])
faults = st.dictionaries(st.integers(0, 60), kinds_of_fault, max_size=8)
outages = st.builds(lambda at, kind: dict.fromkeys(range(at, at + 200), kind), points, kinds_of_fault)
# What another hand does between two requests of a pass; what Azure offers no means against is left out (no ETags).
racing = st.one_of(
    st.tuples(st.sampled_from(["tag", "open", "auth", "delete"]), st.sampled_from(ENDPOINTS)),
    st.tuples(
        st.sampled_from(["scale", "variable", "delete"]), st.sampled_from(ENDPOINTS), st.sampled_from(DEPLOYMENTS)
    ),
)
mishaps = st.one_of(
    st.just(("nothing",)),
    st.tuples(st.just("killed"), points, st.booleans()),
    st.tuples(st.just("stopped"), points),
    st.tuples(st.just("late"), points),
    st.tuples(st.just("robbed"), points),
    st.tuples(st.just("slow"), points),
    st.tuples(st.just("without_state"), points),
    st.tuples(st.just("faults"), faults | outages),
    st.tuples(st.just("overtaken"), points, commits),
    st.tuples(st.just("raced"), points, racing),
)


class AtOnce(ThreadPoolExecutor):
    """Runs what is submitted at once, so that an example goes the same way each time."""

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as every executor does
            future.set_exception(error)
        return future


class Glance:
    """Looks at a cloud without waiting for anything; what is on its way out is not seen."""

    def __init__(self, cloud):
        self._cloud = cloud

    async def raw(self, method, path):
        status, answer = await self._cloud.send(method, path)
        going = [body for body in answer["value"] if body["properties"].get("provisioningState") == "Deleting"]
        return status, {"value": [body for body in answer["value"] if body not in going]}


def serving(endpoint):
    """Whether the manifests of an endpoint give it callers."""
    return any((endpoint["traffic"] or {}).values())


def kept_in_service(before, after):
    """``after``, but for endpoints that would stop to serve, which the loop refuses and only a person may confirm."""
    lost = [name for name, old in before.items() if serving(old) and not (name in after and serving(after[name]))]
    return after | {name: before[name] for name in lost}


def write_broken(root, project, failing):
    """Write the manifests; the containers of ``failing`` deployments end while they start."""
    write(root, project)
    file = root / "base" / "all.yml"
    documents = list(yaml.safe_load_all(file.read_text()))
    for document in documents:
        if (document.get("endpoint_name"), document["name"]) in failing:
            document["environment_variables"] = {"EMULATOR_FAIL_INIT": "out of luck"}
    file.write_text(yaml.safe_dump_all(documents, sort_keys=False))


class LoopMachine(RuleBasedStateMachine):
    """``wrong`` collects what was seen to go wrong in places where raising would be taken for a failed request."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.runner.get_loop().set_default_executor(AtOnce())
        self.clock = Clock()
        self.store = MemoryStore(self.clock, LEASE_S)
        self.cloud = Cloud(self.folder / "cloud")
        self.traffic = traffic_watch(self.cloud)
        self.projects, self.failing, self.sources = [], [], []
        self.processes, self.started, self.failed_at = [], 0, {}
        self.in_sync, self.raced, self.theirs, self.wrong, self.failed = False, False, {}, [], False
        self.open, self.starting = asyncio.Event(), asyncio.Event()
        self.open.set()
        self.start, self.cloud.plane.start = self.cloud.plane.start, self._start

    def run(self, story):
        try:
            return self.runner.run(story)
        except BaseException:
            self.failed = True
            raise

    # -- what is there ---------------------------------------------------------------------------------------------

    async def _start(self, spec):
        """Containers start once the test lets them."""
        self.starting.set()
        await self.open.wait()
        await self.start(spec)

    @property
    def newest(self):
        return f"r{len(self.projects)}"

    def _memory(self):
        return Memory.from_json(self.store.documents.get(KEY))

    def _quiet(self):
        """No pass is under way that still may write."""
        return all(process.passing is None for process in self.processes) or self._holder() is None

    def _holder(self):
        lease = self.store.leases.get(KEY)
        return lease.holder if lease is not None and self.clock.now_s < lease.until else None

    def _commit(self, commit):
        project, gentle, failing = commit
        if gentle and self.projects:
            project = kept_in_service(self.projects[-1], project)
        self.projects.append(project)
        self.failing.append({(e, d) for e, d in failing if e in project and d in project[e]["deployments"]})
        root = self.folder / self.newest
        root.mkdir()
        write_broken(root, project, self.failing[-1])
        for source in self.sources:
            source.commit(self.newest, root)
        self.in_sync = False

    async def _begin(self, index):
        """A process starts in the place of another, and looks at the source first of all."""
        source = FolderSource(self.folder / self.newest, self.newest)
        self.started += 1
        process = Process(self.cloud, self.store, self.clock, source, f"p{self.started}")
        process.watch = lambda method, url, body: self._saw(process, method, url, body)
        self.sources[index:] = [source, *self.sources[index + 1 :]]
        self.processes[index:] = [process, *self.processes[index + 1 :]]
        await process.look()

    # -- what Azure sees -------------------------------------------------------------------------------------------

    def _saw(self, process, method, url, body):
        if method in ("GET", "HEAD"):
            return
        what = f"{process.holder} {method} {url.partition('?')[0].rpartition('/workspaces/')[2]}"
        if self._holder() != process.holder:
            self.wrong.append(f"{what} while {self._holder()} holds the lease")
        try:
            self.traffic(method, url, body)
        except (AssertionError, KeyError) as error:
            self.wrong.append(f"{what}: traffic to {error!r}")
        found = ADDRESS.search(url)
        name, part, _ = found.groups() if found else (None, None, None)
        for pattern in process.orders:
            if self._means(pattern, method, name, part, body):
                self.wrong.append(f"{what} while {pattern} is suspended")
        revision, memory = process.hearing.beginning
        again = revision == memory.revision and process.orders.get(RETRY, "") == memory.retried
        stalled = f"deployment/{name}/{part}"
        if again and stalled in memory.stalled and self.failed_at.get(stalled) == revision:
            self.wrong.append(f"{what} again, though it failed for good")

    def _means(self, pattern, method, name, part, body):
        """Whether a write changes what an order to suspend means."""
        if pattern in (EVERYTHING, RETRY) or name is None:
            return pattern == EVERYTHING
        kind, _, resource = pattern.partition("/")
        if kind == "endpoint":
            return fnmatchcase(name, resource)
        if kind == "deployment":
            held_name, _, held = resource.partition("/")
            return (
                held_name == name and (part or held) == held and (part is not None or self._takes(method, name, held))
            )
        if part or method != "PUT" or resource != name:
            return False
        live = [r.body for r in self.cloud.service.site.store.all("endpoint") if r.name == name]
        before = live[0]["properties"]["traffic"] if live else {}
        return (json.loads(body)["properties"].get("traffic") or {}) != before

    def _takes(self, method, name, part):
        """Whether a write to an endpoint takes a deployment along."""
        address = f"/onlineendpoints/{name}/deployments/{part}"
        return method == "DELETE" and any(
            r.id.endswith(address) for r in self.cloud.service.site.store.all("deployment")
        )

    def _not_ours(self):
        """Endpoints, deployments and models without our mark."""
        store = self.cloud.service.site.store
        records = [record for kind in ("endpoint", "deployment", "model.version") for record in store.all(kind)]
        return {r.id: r.body for r in records if OWNER not in {**(r.body.get("tags") or {}), **_inner_tags(r.body)}}

    # -- passes ----------------------------------------------------------------------------------------------------

    async def _until_frozen(self, process):
        """Let everything run that is not frozen."""
        for _ in range(20_000):
            if process.passing.done():
                return
            await asyncio.sleep(0)
            if process.frozen:
                break
        for _ in range(300):  # What had passed the fence is on its way.
            await asyncio.sleep(0)

    async def _pass(self, index, looks=True):
        """A pass from its beginning to its end, or to where the process froze or died."""
        process = self.processes[index]
        if looks:
            await process.look()
        before, writes, was_in_sync = self._memory(), len(process.writes), self.in_sync
        process.passing = asyncio.create_task(process.pass_when_due())
        await self._until_frozen(process)
        if process.passing.done():
            await self._passed(index, before, writes, was_in_sync)
        else:
            await self._heard(process)

    async def _passed(self, index, before, writes, was_in_sync):
        process = self.processes[index]
        assert process.passing.done(), "a pass that does not end"
        process.passing.result()
        process.passing = None
        if was_in_sync and self.in_sync:
            assert process.writes[writes:] == [], "a write without a difference"
        if process.cut.dead:
            event("died")
            await process.environment.close()
            await self._begin(index)
            return
        assert self._holder() != process.holder, "a lease that outlives its pass"
        process.at.clear()
        process.faults.by_request.clear()
        process.cut.at, process.without_state = None, False
        after = self._memory()
        assert int(after.revision[1:] or 0) >= int(before.revision[1:] or 0), "back to an older commit"
        await self._heard(process)
        if process.stopped:
            await process.environment.close()
            await self._begin(index)

    async def _heard(self, process):
        for passed in process.hearing.passes[-1:]:
            assert not (passed.verdict.ready and process.loop.followed.problem), "ready, for all that the source says"
            await self._check_verdict(passed)
            if passed.report and not process.hearing.losses:
                failed = [outcome for outcome in passed.report.outcomes if outcome.result is Result.FAILED]
                self.failed_at.update({str(o.ref): passed.revision for o in failed if not o.transient})
        process.hearing.passes.clear()
        process.hearing.losses.clear()

    async def _check_verdict(self, passed):
        verdict, raced = passed.verdict, self.raced
        self.raced = False
        event(verdict.reason)
        if raced or not verdict.ready or verdict.reason == "DriftReported":
            return
        said = await complaints(Glance(self.cloud), self.projects[int(passed.revision[1:]) - 1])
        assert said == [], f"{verdict.reason}, but {said}"
        if passed.revision == self.newest:
            self.in_sync = True

    # -- what happens ----------------------------------------------------------------------------------------------

    @initialize(commit=commits)
    def begin(self, commit):
        async def story():
            self._commit(commit)
            for index in (0, 1):
                await self._begin(index)
            await self._pass(0)

        self.run(story())

    @rule(commit=commits, lookers=st.sets(replicas))
    def edit(self, commit, lookers):
        async def story():
            self._commit(commit)
            for index in lookers:
                await self.processes[index].look()

        self.run(story())

    @precondition(_quiet)
    @rule(hands=meddlings.filter(bool))
    def other_hands(self, hands):
        self.run(self._meddle(hands))

    async def _meddle(self, hands):
        self.in_sync = False
        for hand in hands:
            await meddle(self.cloud, hand)
        self.theirs = self._not_ours()

    @rule(index=replicas, looks=st.booleans() | st.just(True), mishap=mishaps, commit=st.none() | commits)
    def a_pass(self, index, looks, mishap, commit):
        process = self.processes[index]
        if process.passing is not None:
            return
        if commit is not None:
            self._commit(commit)
        what, *how = mishap
        if what == "faults":
            sent = len(process.sent)
            process.faults.by_request.update({sent + number: fault for number, fault in how[0].items()})
        elif what != "nothing":

            async def happens():
                event(what)
                await getattr(self, f"_{what}")(process, *how[1:])

            process.at[how[0]] = happens
        self.run(self._pass(index, looks))

    async def _killed(self, process, after):
        process.die(after=after)

    async def _stopped(self, process):
        process.stop()

    async def _late(self, process):
        """Its lease could not be renewed."""
        self.clock.now_s += LEASE_S

    async def _robbed(self, process):
        """Somebody broke its lease."""
        self.store.leases.pop(KEY, None)

    async def _slow(self, process):
        """It takes its time, and renews its lease meanwhile."""
        for _ in range(4):
            self.clock.now_s += LEASE_S / 2
            if (lease := self.store.leases.get(KEY)) is not None:
                lease.renew()

    async def _without_state(self, process):
        process.without_state = True

    async def _overtaken(self, process, commit):
        self._commit(commit)
        await process.look()

    async def _raced(self, process, hand):
        self.raced = True
        await self._meddle([hand])

    @rule(index=replicas, point=points, commit=st.none() | commits, seconds=st.sampled_from([0, 0, 10, LEASE_S, 400]))
    def freeze(self, index, point, commit, seconds):
        async def stop():
            process.thawed.clear()

        process = self.processes[index]
        if process.passing is None:
            if commit is not None:
                self._commit(commit)
            process.at[point] = stop
            self.run(self._pass(index))
            self.clock.now_s += seconds

    @rule(index=replicas, killed=st.booleans())
    def wake(self, index, killed):
        if self.processes[index].passing is not None:
            event("killed while frozen" if killed else "woken")
            self.run(self._wake(index, killed=killed))

    async def _wake(self, index, *, killed=False):
        process = self.processes[index]
        before, writes, was_in_sync = self._memory(), len(process.writes), self.in_sync
        if killed:
            process.die()
        process.thawed.set()
        await self._until_frozen(process)
        await self._passed(index, before, writes, was_in_sync)

    @rule(index=replicas, commit=st.none() | commits, newer=st.none() | commits)
    def a_newer_commit_ends_waits(self, index, commit, newer):
        async def story():
            if commit is not None:
                self._commit(commit)
            process, self.sources[index].failing = self.processes[index], None
            self.open.clear()
            self.starting.clear()
            await process.look()
            before = self._memory()
            process.passing = asyncio.create_task(process.pass_when_due())
            started = asyncio.ensure_future(self.starting.wait())
            await asyncio.wait({process.passing, started}, return_when=asyncio.FIRST_COMPLETED)
            started.cancel()
            if not process.passing.done():
                event("superseded while Azure is at work")
                self._commit(newer or (self.projects[-1], True, frozenset()))  # None: for another folder, say
                await process.look()
                await self._until_frozen(process)
            await self._passed(index, before, len(process.writes), was_in_sync=False)
            await self._while_azure_is_at_work(1 - index)

        if all(process.passing is None for process in self.processes):
            self.run(story())

    async def _while_azure_is_at_work(self, index):
        """Another process passes: what an earlier one began is not in sync before it ended."""
        process = self.processes[index]
        self.clock.now_s = max(self.clock.now_s, self._memory().due_at)
        await process.look()
        before, writes = self._memory(), len(process.writes)
        process.passing = asyncio.create_task(process.pass_when_due())
        for _ in range(400):
            await asyncio.sleep(0)
        if not process.passing.done():
            self.open.set()
            await self._until_frozen(process)
        await self._passed(index, before, writes, was_in_sync=False)
        self.open.set()

    @precondition(_quiet)
    @rule(pattern=patterns)
    def suspend(self, pattern):
        self.run(self.store.order(KEY, lambda orders: suspended(orders, [pattern], "ann looks")))

    @precondition(_quiet)
    @rule(pattern=st.none() | patterns)
    def resume(self, pattern):
        named = [] if pattern is None else [pattern]
        self.run(self.store.order(KEY, lambda orders: resumed(orders, named, str(len(self.wrong) + self.clock.now_s))))
        self.in_sync = False

    @rule(seconds=st.sampled_from([1, 10, LEASE_S, 70, 400]))
    def time_passes(self, seconds):
        self.clock.now_s += seconds

    @rule(index=replicas, problem=st.sampled_from([SourceUnavailable("no answer"), SignatureRefused("not signed")]))
    def the_source_fails(self, index, problem):
        self.sources[index].failing = problem

    @rule(index=replicas)
    def the_source_is_back(self, index):
        self.sources[index].failing = None

    # -- what holds ------------------------------------------------------------------------------------------------

    @invariant()
    def nothing_went_wrong(self):
        self.failed = True
        assert self.wrong == []
        assert [url for process in self.processes for url in public_bodies(process.sent)] == []
        assert self._not_ours() == self.theirs
        memory = self._memory()
        if memory.conditions:
            assert tuple(condition.type for condition in memory.conditions) == CONDITIONS
            assert len({(condition.reason, condition.message) for condition in memory.conditions}) == 1
            true = [condition.type for condition in memory.conditions if condition.status]
            assert len(true) == 1 or (not true and memory.conditions[0].reason in NEVER_READY_NOR_BUSY), memory
        self.failed = False

    # -- the end ---------------------------------------------------------------------------------------------------

    def teardown(self):
        try:
            if self.processes and not self.failed:
                self.run(self._in_sync_within_two_passes())
                self.nothing_went_wrong()
        finally:
            self.runner.run(self._close())
            self.runner.close()
            self.cloud.service.site.store.close()
            shutil.rmtree(self.folder)

    async def _in_sync_within_two_passes(self):
        await self._calm()
        index = next((i for i, process in enumerate(self.processes) if process.passing is None), None)
        if index is None:
            await self._wake(0, killed=True)
            index = 0
        process = self.processes[index]
        refused = False
        for _ in range(2):
            self.clock.now_s = max(self.clock.now_s + LEASE_S, self._memory().due_at)
            await self._pass(index)
            verdict = process.environment.verdict
            if verdict.reason == "PlanRefused":
                refused = True
            elif verdict.ready:
                break
        if refused and verdict.reason == "PlanRefused":
            event("refused in the end")
            plan, _ = await plan_of(self.cloud, self.folder / self.newest, revision=self.newest)
            rules = {refusal.rule for refusal in plan.refusals}
            # The traffic of somebody else's public endpoint is refused on two counts.
            assert rules - ({"private"} if "not-owned" in rules else set()) <= STATED, plan.refusals
            return
        assert self.in_sync, verdict
        await self.cloud.service.settle()
        assert await complaints(self.cloud, self.projects[-1]) == []
        for i, other in enumerate(self.processes):
            writes = len(other.writes)
            if other.passing is not None:
                await self._wake(i)
            self.clock.now_s = max(self.clock.now_s + LEASE_S, self._memory().due_at)
            await self._pass(i)
            assert self.processes[i].writes[writes:] == [], "a write without a difference"

    async def _close(self):
        for process in self.processes:
            process.die()
            process.thawed.set()
            if process.passing is not None:
                await asyncio.wait([process.passing])
            await process.environment.close()
        self.open.set()
        await self.cloud.service.settle()

    async def _calm(self):
        """Everything is healthy again, and nothing that was ordered or committed stands in the way."""
        for source in self.sources:
            source.failing = None
        self.clock.now_s += LEASE_S
        if any(self.failing[-1:]):
            awake = [index for index, process in enumerate(self.processes) if process.passing is None]
            for index in awake[:1] * 2:  # What fails for good is tried once.
                self.clock.now_s = max(self.clock.now_s + LEASE_S, self._memory().due_at)
                await self._pass(index)
            self._commit((self.projects[-1], True, frozenset()))
        orders = await self.store.orders(KEY)
        if set(orders) - {RETRY}:
            await self.store.order(KEY, lambda orders: resumed(orders, [], "at last"))


def _inner_tags(body):
    return body["properties"].get("tags") or {}


TestLoopMachine = LoopMachine.TestCase
TestLoopMachine.settings = settings(
    max_examples=100 if CI else 25, stateful_step_count=20, deadline=None, print_blob=False
)
