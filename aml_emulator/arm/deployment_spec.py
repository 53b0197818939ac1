"""From a deployment's ARM body to what the data plane runs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from aml_emulator.arm import references
from aml_emulator.arm.deployment_rules import seconds
from aml_emulator.arm.uploads import lay_out_code, lay_out_model
from aml_emulator.dataplane.interface import DeploymentSpec, Probe, StartFailed

if TYPE_CHECKING:
    from pathlib import Path

    from aml_emulator.call import Site
    from aml_emulator.store import Record
    from aml_emulator.wire import Body

APP = "/var/azureml-app"
INJECTED = ("AZUREML_MODEL_DIR", "AZUREML_ENTRY_SCRIPT", "AML_APP_ROOT")


def spec_of(site: Site, record: Record) -> DeploymentSpec:
    """Lay out code and model on disk and say how to run them.

    Every start has a folder of its own, since the old process answers from the old one while the new one gets
    ready. Code and model are copies: what a script does to them stays with this revision.
    """
    properties = record.body["properties"]
    workspace_id = record.id.partition("/onlineendpoints/")[0]
    workspace = site.store.get(workspace_id)
    code, request = properties["codeConfiguration"] or {}, properties["requestSettings"]
    model = _find(site, workspace, "models", properties["model"])
    snapshot = _find(site, workspace, "codes", code.get("codeId"))
    folder = folder_of(site, record) / str(record.inner["revision"])
    _require_inside(folder, site.settings.folder / "assets")
    folder.mkdir(parents=True, exist_ok=True)
    return DeploymentSpec(
        key=record.inner["key"],
        deployment=record.name,
        code_dir=lay_out_code(site, snapshot.body["properties"]["codeUri"], folder / "code") if snapshot else None,
        scoring_script=code.get("scoringScript"),
        model_dir=_model_dir(site, workspace_id, model, folder),
        model_name=_container_name(model) if model else None,
        model_version=model.name if model else None,
        model_type=model.body["properties"]["modelType"] if model else None,
        environment_variables={k: v for k, v in properties["environmentVariables"].items() if k not in INJECTED},
        request_timeout_s=seconds(request["requestTimeout"]),
        max_concurrent_requests=int(request["maxConcurrentRequestsPerInstance"]),
        readiness=_probe(properties["readinessProbe"]),
        liveness=_probe(properties["livenessProbe"]),
    )


def folder_of(site: Site, record: Record) -> Path:
    """Where the assets of a deployment are laid out, one folder per revision."""
    return site.settings.folder / "assets" / str(record.inner["key"])


def forget_assets(site: Site, record: Record) -> None:
    """Remove everything that was laid out for a deployment."""
    shutil.rmtree(folder_of(site, record), ignore_errors=True)


def keep_revision(site: Site, record: Record, kept: str) -> None:
    """Remove what was laid out for every revision but one."""
    for revision in folder_of(site, record).iterdir():
        if revision.name != kept:
            shutil.rmtree(revision, ignore_errors=True)


def injected_variables(site: Site, record: Record) -> dict[str, str]:
    """The variables that a deployment shows once it has succeeded (recorded, 2024-04-01)."""
    properties = record.body["properties"]
    workspace = site.store.get(record.id.partition("/onlineendpoints/")[0])
    model = _find(site, workspace, "models", properties["model"])
    code = properties["codeConfiguration"] or {}
    snapshot = _find(site, workspace, "codes", code.get("codeId"))
    shown = {}
    if model:
        shown["AZUREML_MODEL_DIR"] = f"{APP}/azureml-models/{_container_name(model)}/{model.name}"
    if snapshot:
        root = snapshot.body["properties"]["codeUri"].rstrip("/").rpartition("/")[2]
        shown |= {"AZUREML_ENTRY_SCRIPT": code["scoringScript"], "AML_APP_ROOT": f"{APP}/{root}"}
    return shown


def _require_inside(place: Path, folder: Path) -> None:
    """Raise StartFailed unless ``place`` is below ``folder``: what a store of older rules holds is not trusted."""
    if not place.resolve().is_relative_to(folder.resolve()):
        raise StartFailed("BadArgument", f"The files of {place.name!r} would be outside of the emulator's folder.")


def _find(site: Site, workspace: Record | None, collection: str, reference: str | None) -> Record | None:
    return references.asset(site, workspace, collection, reference) if workspace and reference else None


def _container_name(version: Record) -> str:
    return str(version.body["id"].split("/")[-3])


def _model_dir(site: Site, workspace_id: str, model: Record | None, folder: Path) -> Path | None:
    if model is None:
        return None
    place = folder / "models" / _container_name(model) / model.name
    _require_inside(place, folder / "models")
    return lay_out_model(site, workspace_id, model.body["properties"]["modelUri"], place)


def _probe(body: Body) -> Probe:
    return Probe(
        initial_delay_s=seconds(body["initialDelay"]),
        period_s=seconds(body["period"]),
        timeout_s=seconds(body["timeout"]),
        failure_threshold=int(body["failureThreshold"]),
        success_threshold=int(body["successThreshold"]),
    )
