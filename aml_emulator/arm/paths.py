"""Route templates that several kinds share."""

from __future__ import annotations

from aml_emulator.call import PROVIDER

RG = "/subscriptions/{sub}/resourceGroups/{rg}"
WS = f"{RG}/providers/{PROVIDER}/workspaces/{{ws}}"
ENDPOINT = f"{WS}/onlineEndpoints/{{endpoint}}"
DEPLOYMENT = f"{ENDPOINT}/deployments/{{deployment}}"
