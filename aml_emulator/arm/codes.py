"""Codes: snapshots of a folder, found again by their content hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aml_emulator.arm.paths import WS
from aml_emulator.arm.uploads import start_pending_upload
from aml_emulator.arm.versions import AssetKind, common_properties, routes
from aml_emulator.errors import Refused

if TYPE_CHECKING:
    from aml_emulator.call import Call
    from aml_emulator.wire import Body


def compose(call: Call, live: Body | None, wanted: Body) -> Body:
    """The properties of a code version. A recorded PUT with isAnonymous true was answered false."""
    uri = wanted.get("codeUri") or (live or {}).get("codeUri")
    if live and live["codeUri"] != uri:
        raise Refused(400, "UserError", "Asset paths cannot be updated.")
    if not uri:
        raise Refused(400, "UserError", "The codeUri of a code version is required.")
    _ = call
    return common_properties(wanted) | {"isAnonymous": False, "codeUri": uri, "provisioningState": "Succeeded"}


KIND = AssetKind("code", "codes", compose)
ROUTES = (
    *routes(KIND),
    ("POST", f"{WS}/codes/{{name}}/versions/{{version}}/startPendingUpload", start_pending_upload),
)
