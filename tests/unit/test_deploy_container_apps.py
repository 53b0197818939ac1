"""deploy/container-apps: the job has the shape that the service's own client knows."""

from __future__ import annotations

import typing
from enum import Enum
from typing import Any, Union

import pytest
import yaml
from azure.mgmt.appcontainers import models
from azure.mgmt.appcontainers._utils.model_base import Model
from deployed import DEPLOY, document

FILE = DEPLOY / "container-apps" / "job.yaml"
JOB = document(FILE)


def misfits(value: Any, type_: Any, at: str = "") -> list[str]:
    """Where a value is not what the client would send: unknown, read-only or missing fields, wrong types."""
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin is Union:
        inner = [argument for argument in arguments if argument is not type(None)]
        closed = [argument for argument in inner if issubclass(argument, Enum)]  # `str | Enum`: known values only
        return min((misfits(value, argument, at) for argument in closed or inner), key=len)
    if origin is list:
        return [found for n, child in enumerate(value) for found in misfits(child, arguments[0], f"{at}[{n}]")]
    if origin is dict:
        return [found for key, child in value.items() for found in misfits(child, arguments[1], f"{at}.{key}")]
    if issubclass(type_, Model):
        return model_misfits(value, type_, at)
    if issubclass(type_, Enum):
        return [] if value in [member.value for member in type_] else [f"{at}: {value} is no {type_.__name__}"]
    fits = isinstance(value, int | float if type_ is float else type_) and not (type_ is int and value is True)
    return [] if fits else [f"{at}: {value!r} is no {type_.__name__}"]


def model_misfits(value: Any, model: Any, at: str) -> list[str]:
    model({})  # Its fields are collected when the first one is made.
    hints = typing.get_type_hints(model, localns={"_models": models})
    fields = {field._rest_name: (name, field) for name, field in model._attr_to_rest_field.items()}
    if not isinstance(value, dict):
        return [f"{at}: no {model.__name__}"]
    found = [f"{at}.{key}: unknown" for key in value.keys() - fields.keys()]
    for wire, (name, field) in fields.items():
        optional = type(None) in typing.get_args(hints[name])
        if wire in value and field._visibility == ["read"]:
            found.append(f"{at}.{wire}: read-only")
        elif wire in value:
            found += misfits(value[wire], hints[name], f"{at}.{wire}")
        elif not optional and field._visibility != ["read"]:
            found.append(f"{at}.{wire}: missing")
    return found


def test_the_job_is_what_the_api_takes():
    assert misfits(JOB, models.Job) == []


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("properties.configuration.triggerType", "Scheduled", "is no TriggerType"),
        ("properties.configuration.replicaTimeout", "7200", "is no int"),
        ("properties.template.containers.0.resources.memory", 1, "is no str"),
        ("properties.template.containers.0.volumeMount", [], "unknown"),
        ("identity.type", None, "missing"),
        ("properties.configuration.scheduleTriggerConfig.cronExpression", None, "missing"),
    ],
)
def test_the_models_would_see_a_mistake(path, value, complaint):
    wrong = yaml.safe_load(FILE.read_text())
    *way, last = path.split(".")
    at = wrong
    for part in way:
        at = at[int(part)] if isinstance(at, list) else at[part]
    if value is None:
        del at[last]
    else:
        at[last] = value
    assert [found for found in misfits(wrong, models.Job) if complaint in found]


def test_the_job_runs_by_the_clock_alone_at_a_time_and_longer_than_any_wait():
    configuration = JOB["properties"]["configuration"]
    assert configuration["triggerType"] == "Schedule"
    assert configuration["scheduleTriggerConfig"]["parallelism"] == 1
    assert configuration["replicaTimeout"] > 90 * 60
    (identity,) = JOB["identity"]["userAssignedIdentities"]
    named = [
        entry["identity"] for key in ("registries", "secrets") for entry in configuration[key] if "identity" in entry
    ]
    assert set(named) == {identity}
