"""Long-running operations: asyncio tasks with a row in the store, resumed after a restart.

An operation is data (verb, target, payload), so one that was cut off by the end of the process is simply run again
by the next: every runner looks at the resource as it finds it.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from aml_emulator.call import PROVIDER, Call, Site
from aml_emulator.errors import not_found
from aml_emulator.store import Operation
from aml_emulator.wire import NEVER, Body, Response, answer, timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aml_emulator.store import Record

log = logging.getLogger(__name__)
Runner = Callable[[Site, Operation], Awaitable[None]]


class OperationFailed(Exception):
    """An operation ends as Failed, with this code and message in its status."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Operations:
    """Owns the running tasks."""

    def __init__(self, runners: Mapping[str, Runner]) -> None:
        """``runners`` holds what does the work of each verb."""
        self._runners = runners
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, site: Site, prefix: str, record: Record, verb: str, payload: Body) -> Operation:
        """Start an operation on a resource. ``prefix`` is oeidp or odidp (the 2024-04-01 dialect)."""
        identity = f"{prefix}:{record.inner['workspace_guid']}:{uuid.uuid4()}"
        operation = Operation(identity, record.id, verb, payload, "Updating", timestamp(), NEVER, {})
        site.store.put_operation(operation)
        self._start(site, operation)
        return operation

    def resume(self, site: Site) -> None:
        """Run again what was running when the last process ended."""
        for operation in site.store.running():
            self._start(site, operation)

    async def cancel_below(self, site: Site, identity: str) -> None:
        """End every operation on a resource below ``identity``: what it works on is being deleted."""
        doomed = [o for o in site.store.running() if o.target.startswith(f"{identity}/")]
        tasks = [self._tasks[o.id] for o in doomed if o.id in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        message = "The operation has been canceled: its endpoint is being deleted."
        error = {"code": "OperationCanceled", "message": message}
        for operation in doomed:
            site.store.put_operation(replace(operation, status="Canceled", ended=timestamp(), error=error))

    async def settle(self) -> None:
        """Wait until no operation runs."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def close(self) -> None:
        """Stop the tasks; the store keeps their operations as running, for ``resume``."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, site: Site, operation: Operation) -> None:
        task = asyncio.create_task(self._run(site, operation), name=operation.id)
        self._tasks[operation.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(operation.id, None))

    async def _run(self, site: Site, operation: Operation) -> None:
        status, error = "Succeeded", dict[str, str]()
        try:
            await self._runners[operation.verb](site, operation)
        except OperationFailed as failed:
            status, error = "Failed", {"code": failed.code, "message": failed.message}
        except Exception:
            log.exception("operation broke", extra={"operation": operation.id})
            _fail(site, operation.target)
            message = "The emulator failed; its log has the trace."
            status, error = "Failed", {"code": "InternalServerError", "message": message}
        site.store.put_operation(replace(operation, status=status, ended=timestamp(), error=error))


def _fail(site: Site, target: str) -> None:
    record = site.store.get(target)
    if record:
        record.body["properties"]["provisioningState"] = "Failed"
        site.store.put(record)


def operation_url(call: Call, identity: str, form: str = "mfeOperationsStatus", *, signed: bool = False) -> str:
    """URL of an operation. ``form`` is mfeOperationsStatus or mfeOperationResults.

    In headers the 2024 service signs it (``t c s h``; azure-sdk-for-python #33598); in bodies it does not.
    """
    subscription, location = call.path["sub"], call.site.settings.location
    path = f"/subscriptions/{subscription}/providers/{PROVIDER}/locations/{location}/{form}/{identity}"
    url = f"{call.request.authority()}{path}?api-version={call.api_version}"
    if not signed:
        return url
    seal = quote(call.site.identity.sign(form, identity), safe="")
    return f"{url}&t={uuid.uuid4().int % 10**18}&c=emulator&s={seal}&h={quote(seal[:8])}"


def lro_headers(call: Call, operation: Operation, *, status: bool, location: str | None = None) -> dict[str, str]:
    """Headers that a PUT, PATCH or DELETE answers with.

    ``status`` adds Azure-AsyncOperation (PATCH has none); Location is ``location`` or the operation's result.
    """
    headers = {}
    if status:
        headers["Azure-AsyncOperation"] = operation_url(call, operation.id, signed=True)
    headers["Location"] = location or operation_url(call, operation.id, "mfeOperationResults", signed=True)
    headers["x-ms-async-operation-timeout"] = "PT30M"
    return headers | retry_after(call)


def retry_after(call: Call) -> dict[str, str]:
    """The impatient clients' header, when it was asked for. Azure sends none."""
    after_ms = call.site.settings.retry_after_ms
    return {} if after_ms is None else {"x-ms-retry-after-ms": str(after_ms)}


def _status_body(call: Call, form: str, operation: Operation) -> Body:
    # percentComplete stays 0.0 to the end in the 2024-04-01 dialect (recorded).
    prefix = f"/subscriptions/{call.path['sub']}/providers/{PROVIDER}/locations/{call.path['location']}/{form}/"
    body: Body = {
        "id": prefix + operation.id,
        "name": operation.id,
        "status": operation.status,
        "startTime": operation.started,
        "endTime": operation.ended,
        "percentComplete": 0.0,
    }
    return body | ({"error": dict(operation.error)} if operation.error else {})


def _find(call: Call) -> Operation:
    operation = call.site.store.operation(call.path["operation"])
    if operation is None:
        raise not_found("OperationNotFound", f"There is no operation with id: {call.path['operation']}")
    return operation


async def get_status(call: Call) -> Response:
    """GET mfeOperationsStatus: 200 at every stage."""
    operation = _find(call)
    running = operation.status == "Updating"
    return answer(200, _status_body(call, "mfeOperationsStatus", operation), retry_after(call) if running else None)


async def get_result(call: Call) -> Response:
    """GET mfeOperationResults: 202 while it runs, then 200, with the status body both times."""
    operation = _find(call)
    running = operation.status == "Updating"
    body = _status_body(call, "mfeOperationResults", operation)
    return answer(202 if running else 200, body, retry_after(call) if running else None)


ROUTES = tuple(
    ("GET", f"/subscriptions/{{sub}}/providers/{PROVIDER}/locations/{{location}}/{form}/{{operation}}", handler)
    for form, handler in (("mfeOperationsStatus", get_status), ("mfeOperationResults", get_result))
)
