"""Environments: an image, or what to build one from. Content never changes under a version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aml_emulator.arm.versions import AssetKind, common_properties, routes
from aml_emulator.errors import Refused

if TYPE_CHECKING:
    from aml_emulator.call import Call
    from aml_emulator.wire import Body

CONTENT = ("image", "condaFile", "build", "inferenceConfig", "osType")


def compose(call: Call, live: Body | None, wanted: Body) -> Body:
    """The properties of an environment version, in the 2024-04-01 key order."""
    anonymous = bool(wanted.get("isAnonymous"))
    properties = common_properties(wanted) | {
        "isAnonymous": anonymous,
        "environmentType": "UserCreated",
        "image": wanted.get("image"),
        "condaFile": _conda(wanted.get("condaFile") or ""),
    }
    properties |= {key: wanted[key] for key in ("build", "inferenceConfig") if wanted.get(key)}
    properties |= {
        "osType": str(wanted.get("osType") or "Linux").capitalize(),
        "autoRebuild": wanted.get("autoRebuild") or "Disabled",
        "provisioningState": "Succeeded",
        "stage": wanted.get("stage") or ("Logged" if anonymous else "Development"),
    }
    properties["properties"].pop("azureml.labels", None)  # the server's own, sent back by clients
    if not live and bool(properties["image"]) == bool(properties.get("build")):
        raise Refused(400, "UserError", "An environment has either an image or a build context.")
    if live and any(live.get(key) != properties.get(key) for key in CONTENT):
        # Words from Azure/azure-cli-extensions #5440; azure-ai-ml takes the next version on a 409.
        message = (
            f"Environment {call.path['name']} with version {call.path['version']} "
            "is already registered and cannot be changed."
        )
        raise Refused(409, "UserError", message)
    return properties


def _conda(text: str) -> str:
    """YAML in, JSON text out: two spaces, key order kept (recorded). JSON is YAML, so an answer may be sent back."""
    if not text:
        return ""
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Refused(400, "UserError", f"The conda file cannot be read: {error}") from error
    return json.dumps(document, indent=2, ensure_ascii=False)


KIND = AssetKind("environment", "environments", compose, always_created=True, label_latest=True)
ROUTES = routes(KIND)
