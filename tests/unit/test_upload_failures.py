"""What may pass by itself is tried again, also when an upload met it: found by the soak, which throttles uploads."""

import pytest
from azure.core.exceptions import AzureError, HttpResponseError

from reconciler.arm.failures import storage_failure, upload_failure
from reconciler.errors import ArmError, Forbidden, Throttled, Unavailable


def answered(status):
    error = HttpResponseError("on purpose")
    error.status_code = status
    return error


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, Throttled), (408, Unavailable), (500, Unavailable), (503, Unavailable), (403, Forbidden), (400, ArmError)],
)
def test_storage_says_whether_it_passes(status, kind):
    assert type(storage_failure(answered(status))) is kind


def test_storage_that_does_not_answer_passes():
    assert type(storage_failure(AzureError("connection reset"))) is Unavailable


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("", 429, Throttled),
        ("ServerBusy", 503, Unavailable),
        ("ServiceRequestError", 0, Unavailable),
        ("ServiceResponseTimeoutError", 0, Unavailable),
        ("ConnectionError", 0, Unavailable),
        ("UserError", 400, ArmError),
        ("ValidationException", 0, ArmError),
        ("FileNotFoundError", 0, ArmError),
    ],
)
def test_the_upload_process_says_whether_it_passes(code, status, kind):
    error = upload_failure("on purpose", code, status)
    assert type(error) is kind
    assert error.transient is (kind is not ArmError)
    assert (error.message, error.code, error.status) == ("on purpose", code, status)
