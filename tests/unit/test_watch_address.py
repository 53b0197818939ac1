"""Where the loop may listen, and what it says to addresses that it may not."""

from __future__ import annotations

import pytest

from reconciler.errors import UsageError
from reconciler.watch.address import address_of


@pytest.mark.parametrize(
    ("listen", "wanted"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("localhost:0", ("127.0.0.1", 0)),
        ("[::1]:8080", ("::1", 8080)),
        ("10.1.2.3:65535", ("10.1.2.3", 65535)),
    ],
)
def test_an_address(listen, wanted):
    assert address_of(listen) == wanted


@pytest.mark.parametrize(
    "listen", [f"{zero}:80" for zero in ("0.0.0.0", "[::]", "", "*", "[::ffff:0.0.0.0]", "[0:0:0:0:0:0:0:0]", "::")]
)
def test_every_network_at_once_is_refused_with_what_to_write(listen):
    with pytest.raises(UsageError, match=r"every network.*127\.0\.0\.1:8080.*POD_IP"):
        address_of(listen)


@pytest.mark.parametrize(
    "listen",
    ["8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80", "0:80",
     "host:80", "[127.0.0.1]:80", "000.000.0.0:80", "224.0.0.1:80", "127.0.0.1:\uff18\uff10"],
)  # fmt: skip
def test_what_is_no_address_is_refused(listen):
    with pytest.raises(UsageError, match=r"listen .*: write"):
        address_of(listen)
