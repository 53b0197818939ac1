"""The child process in which azure-ai-ml works: one JSON job a line on stdin, one JSON answer a line on stdout."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from reconciler.arm.wire_guard import WireGuard
from reconciler.errors import LeaseLost
from reconciler.state.fence import check_fence


def main() -> None:
    """Serve jobs until stdin ends. Whatever the SDK prints goes to stderr, since stdout is the answer channel."""
    answers = sys.stdout
    settings = json.loads(sys.argv[1])
    with contextlib.redirect_stdout(sys.stderr):
        client = _client(settings)
        for line in sys.stdin:
            answer = _answer(client, json.loads(line))
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def _client(settings: dict[str, Any]) -> Any:
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    return MLClient(
        DefaultAzureCredential(authority=settings["authority"]),
        settings["subscription_id"],
        settings["resource_group"],
        settings["workspace"],
        cloud=settings["cloud"],
        enable_telemetry=False,
        custom_hook_policy=_Gate(settings),
    )


class _Gate(WireGuard):
    """The wire guard, and the fence of the lease that the parent holds: a frozen parent can stop nobody."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__("legacy_egress" if settings["network"] == "legacy_egress" else "managed_vnet")
        self._fence = settings.get("fence")

    def on_request(self, request: Any) -> None:
        super().on_request(request)
        if self._fence is not None and request.http_request.method not in ("GET", "HEAD"):
            check_fence(Path(self._fence))


def _answer(client: Any, job: dict[str, Any]) -> dict[str, Any]:
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import AzureError, HttpResponseError

    try:
        _register_or_finish(client, job)
    except HttpResponseError as error:
        code = error.error.code if error.error else ""
        return _error(error.message, code, error.status_code or 0)
    except (LeaseLost, AzureError, MlException, OSError, ValueError) as error:
        return _error(str(error), type(error).__name__, 0)
    return {"registered": f"{job['name']}:{job['version']}"}


def _register_or_finish(client: Any, job: dict[str, Any]) -> None:
    from azure.core.exceptions import HttpResponseError

    try:
        _register(client, job)
    except HttpResponseError as error:
        if "BlobAlreadyExists" not in str(error):
            raise
        _finish(client, job)


def _finish(client: Any, job: dict[str, Any]) -> None:
    """Complete an upload that died on the way.

    azure-ai-ml 1.35.2 overwrites a partial upload only when its first file is there, and stops for good at any other
    file it finds. The path is the content hash, so what is overwritten is the same bytes.
    """
    from azure.ai.ml._artifacts._blob_storage_helper import BlobStorageClient

    upload = BlobStorageClient.upload

    def overwriting(self: Any, *arguments: Any, **options: Any) -> Any:
        self.overwrite = True
        return upload(self, *arguments, **options)

    BlobStorageClient.upload = overwriting  # type: ignore[method-assign]
    try:
        _register(client, job)
    finally:
        BlobStorageClient.upload = upload  # type: ignore[method-assign]


def _error(message: str, code: str | None, status: int) -> dict[str, Any]:
    return {"error": {"message": message, "code": code or "", "status": status}}


def _register(client: Any, job: dict[str, Any]) -> None:
    properties = job["body"]["properties"]
    flavors = {name: wire["data"] for name, wire in (properties.get("flavors") or {}).items()}
    named = {
        "name": job["name"],
        "version": job["version"],
        "description": properties.get("description"),
        "tags": properties.get("tags"),
    }
    if job["kind"] == "model":
        from azure.ai.ml.entities import Model

        client.models.create_or_update(
            Model(
                path=job["path"],
                type=properties["modelType"],
                properties=properties.get("properties"),
                stage=properties.get("stage"),
                flavors=flavors or None,
                datastore=job.get("datastore"),
                **named,
            )
        )
        return
    from azure.ai.ml.entities import BuildContext, Environment

    client.environments.create_or_update(
        Environment(
            build=BuildContext(path=job["path"], dockerfile_path=properties["build"]["dockerfilePath"]),
            os_type=properties.get("osType"),
            inference_config=_inference_config(properties.get("inferenceConfig")),
            datastore=job.get("datastore"),
            **named,
        )
    )


def _inference_config(wire: dict[str, Any] | None) -> dict[str, Any] | None:
    """The SDK takes the manifest's spelling of the routes."""
    if not wire:
        return None
    return {key.replace("Route", "_route"): value for key, value in wire.items()}


if __name__ == "__main__":
    main()
