"""``ADDRESS:PORT``, where the loop listens: one address, never every network at once. Pure."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from reconciler.errors import UsageError

_LAST_PORT = 65535


def address_of(listen: str) -> tuple[str, int]:
    """Return host and port of ``ADDRESS:PORT``. Raises UsageError, also for addresses that mean every network."""
    host, colon, port = listen.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host[1:-1] if bracketed else host)
    except ValueError:
        address = None
    if (colon and not host) or host == "*" or (address is not None and _every_network(address)):
        raise UsageError(
            f"listen {listen}: that would answer on every network that this machine is in; name one address of it, "
            "such as 127.0.0.1:8080. In Kubernetes: $(POD_IP):8080, with POD_IP from status.podIP by the downward API"
        )
    numbered = port.isascii() and port.isdigit() and int(port) <= 65535
    if not colon or not numbered or address is None or address.is_multicast:
        raise UsageError(f"listen {listen}: write an IP address or localhost, and a port, such as 127.0.0.1:8080")
    if isinstance(address, IPv6Address) is not bracketed:
        raise UsageError(f"listen {listen}: write an IPv6 address in brackets, and only that, such as [::1]:8080")
    return str(address), int(port)


def _every_network(address: object) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return bool(getattr(mapped or address, "is_unspecified", False))
