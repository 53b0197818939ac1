"""Bytes of the checkout into Azure: models and build contexts through azure-ai-ml, code through its snapshot door.

azure-ai-ml costs a second and 100 MB to import, keeps one cloud per process in globals, and prints to stdout. So it
runs in a child process that is started for the first upload and ends with the session.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Any

from reconciler.arm.failures import storage_failure, upload_failure
from reconciler.errors import ArmError, LeaseLost
from reconciler.kinds.kind import arm_path, put
from reconciler.load.survey import content_hash, contents

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.arm.client import Arm, Connection
    from reconciler.domain import Action, Body


LAST_WORDS_BYTES = 2000


class Uploader:
    """Registers what an action uploads. Use as an async context manager; ``root`` is the project folder."""

    def __init__(self, arm: Arm, root: Path) -> None:
        self._arm = arm
        self._root = root
        self._worker: asyncio.subprocess.Process | None = None
        self._worker_log: IO[bytes] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def __aenter__(self) -> Uploader:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._worker and self._worker.returncode is None:
            self._worker.terminate()
            await self._worker.wait()
        if self._worker_log:
            self._worker_log.close()

    async def register(self, action: Action) -> Body:
        """Upload and register the asset of a create, and return it as it is live. Raises ArmError."""
        if action.upload is None or action.body is None:
            raise ValueError(f"{action.ref} has nothing to upload")
        folder = self._root / action.upload.path
        found = await asyncio.to_thread(content_hash, folder)
        if found != action.upload.digest:
            raise ArmError(f"{action.upload.path} changed since the plan was made; plan again", code="SourceChanged")
        if action.ref.kind == "code":
            return await self._code(action, folder)
        await self._sdk(
            {
                "kind": action.ref.kind,
                "name": action.ref.name,
                "version": action.ref.part,
                "path": str(folder),
                "datastore": action.upload.datastore,
                "body": action.body,
            }
        )
        body = await self._arm.get(arm_path(action.ref))
        if body is None:
            raise ArmError("azure-ai-ml reported success, but the asset does not exist", code="NotRegistered")
        return body

    async def _code(self, action: Action, folder: Path) -> Body:
        """Store the files behind the shared-access address that Azure hands out, then register the version.

        The registration comes last, so a code version that exists is complete.
        """
        from azure.core.exceptions import AzureError
        from azure.storage.blob.aio import ContainerClient, ExponentialRetry

        path = arm_path(action.ref)
        pending = await self._arm.post(f"{path}/startPendingUpload", {"pendingUploadType": "TemporaryBlobReference"})
        place = pending["blobReferenceForConsumption"]
        connection = self._arm.connection
        backoff_s = math.ceil(connection.retry_backoff_s)
        container = ContainerClient.from_container_url(
            place["credential"]["sasUri"],
            transport=self._arm.transport,
            # The SDK's own is 15 s and more between tries; this one waits backoff_s + (2 * backoff_s) ** try.
            retry_policy=ExponentialRetry(
                initial_backoff=backoff_s,
                increment_base=2 * backoff_s,
                random_jitter_range=backoff_s,
                retry_total=connection.retries,
            ),
        )
        try:
            for name, source in await asyncio.to_thread(contents, folder):
                self._arm.fence.check()
                with source.open("rb") as data:
                    await container.upload_blob(name, data, overwrite=True)
        except AzureError as error:
            raise storage_failure(error) from error
        body = dict(action.body or {})
        put(body, "properties.codeUri", place["blobUri"])
        return await self._arm.put(path, body)

    async def _sdk(self, job: dict[str, Any]) -> None:
        """Let the child process do one job; jobs run one after the other, its own uploads run in parallel."""
        async with self._one_at_a_time:
            self._arm.fence.check()
            worker = await self._started()
            if worker.stdin is None or worker.stdout is None:
                raise ArmError("the upload process has no pipes", code="UploadFailed")
            worker.stdin.write(json.dumps(job).encode() + b"\n")
            await worker.stdin.drain()
            line = await worker.stdout.readline()
        if not line:
            raise ArmError(f"the upload process ended unexpectedly: {self._last_words()}", code="UploadFailed")
        answer = json.loads(line)
        if error := answer.get("error"):
            if error["code"] == LeaseLost.__name__:
                raise LeaseLost(error["message"])
            raise upload_failure(error["message"], error["code"], error["status"])

    async def _started(self) -> asyncio.subprocess.Process:
        if self._worker is None or self._worker.returncode is not None:
            connection = self._arm.connection
            self._worker_log = self._worker_log or tempfile.TemporaryFile()  # noqa: SIM115 - as long as the child
            self._worker = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # The user's folder is no place to import from.
                "-m",
                "reconciler.arm.upload_worker",
                _settings_of(connection, self._arm.fence.file),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._worker_log,
                env=connection.sdk_environment,
                start_new_session=True,  # Ctrl-C is ours to handle: a registration under way is finished first.
                limit=1 << 20,
            )
        return self._worker

    def _last_words(self) -> str:
        """The last line that the child wrote to stderr, where the SDK also draws its progress bars."""
        if self._worker_log is None:
            return "it said nothing"
        size = self._worker_log.seek(0, os.SEEK_END)
        self._worker_log.seek(max(0, size - LAST_WORDS_BYTES))
        said = self._worker_log.read().decode("utf-8", "replace").strip()
        return said.splitlines()[-1].strip() if said else "it said nothing"


def _settings_of(connection: Connection, fence: Path | None) -> str:
    target = connection.target
    return json.dumps(
        {
            "subscription_id": target.subscription_id,
            "resource_group": target.resource_group,
            "workspace": target.workspace,
            "cloud": connection.cloud,
            "authority": connection.authority,
            "network": connection.network,
            "fence": None if fence is None else str(fence),
        }
    )
