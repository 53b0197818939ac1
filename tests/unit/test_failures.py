"""Azure's error bodies, as public recordings and issues show them, become the sentence a person can act on."""

import json

import pytest

from reconciler.arm.failures import innermost


def wrapped(code, message):
    return {"code": "BadRequest", "message": "The request is invalid.", "details": [{"code": code, "message": message}]}


PREFIX = "InferencingClient HttpRequest error, error detail: "
QUOTA = json.dumps(
    {
        "errors": {"VmSize": ["Not enough quota available for Standard_F4s_v2. Additional needed: 8"]},
        "title": "One or more validation errors occurred.",
        "status": 400,
    }
)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ({"code": "NotFound", "message": "gone"}, "NotFound", "gone"),
        (
            wrapped("InferencingClientCreateDeploymentFailed", PREFIX + QUOTA),
            "InferencingClientCreateDeploymentFailed",
            "VmSize: Not enough quota available for Standard_F4s_v2. Additional needed: 8",
        ),
        (
            wrapped("InferencingClientCallFailed", '{"errors":{"":["There is already an endpoint with this name"]}}'),
            "InferencingClientCallFailed",
            "There is already an endpoint with this name",
        ),
        (wrapped("InferencingClientCallFailed", '{"title":"Not Found"}'), "InferencingClientCallFailed", "Not Found"),
        (wrapped("MissingDriverProgram", "Could not find driver program in the request."), "MissingDriverProgram",
         "Could not find driver program in the request."),
        ({"code": "X", "message": "braces {that are no json}"}, "X", "braces {that are no json}"),
        (None, "", ""),
        ("plain", "", "plain"),
        ({"code": "A", "message": "outer", "details": [{"code": "", "message": ""}]}, "A", "outer"),
    ],
)  # fmt: skip
def test_the_innermost_message_counts(error, code, message):
    assert innermost(error) == (code, message)
