"""What git is told by its environment. Nothing that a user or a host set for their own git decides what ours does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# What a process needs to run and to reach the network. Everything else of ours stays ours: secrets are in there.
_PASSED_ON = frozenset(
    {"PATH", "TMPDIR", "LD_LIBRARY_PATH", "USER", "LOGNAME", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR"}
    | {name for proxy in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") for name in (proxy, proxy.upper())}
)
_CONFIG = (
    ("core.hooksPath", os.devnull),
    ("core.attributesFile", os.devnull),
    ("core.excludesFile", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.autocrlf", "false"),
    ("core.quotePath", "false"),
    ("credential.helper", ""),
    ("protocol.ext.allow", "never"),
    # Its own background work would outlive us.
    ("gc.auto", "0"),
    ("gc.autoDetach", "false"),
    ("maintenance.auto", "false"),
    # What was fetched stays one pack: packs can be counted, and a commit is cheaper to read from one.
    ("fetch.unpackLimit", "1"),
    ("fetch.recurseSubmodules", "false"),
    ("submodule.recurse", "false"),
    # A connection on which nothing arrives for a minute is dead; without this, curl waits for ever.
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
    # A volume may belong to another user than this process; which repository is meant is said by full path.
    ("safe.directory", "*"),
)


def without_git(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for git on the user's own working copy: their configuration, but none of their GIT_* variables.

    A GIT_DIR, as hooks have it, would lead to another repository. A status that refreshes the index would wake
    whoever watches it.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
    return kept | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def own(environ: Mapping[str, str], config: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """The environment for git on repositories of ours: no configuration but ours, ``config`` after what always holds.

    HOME leads nowhere, so that no .netrc signs in. ssh does not go by HOME: its own configuration still counts.
    """
    settings = (*_CONFIG, *config)
    told = {
        "HOME": os.devnull,
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ADVICE": "0",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (key, value) in enumerate(settings):
        told |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {name: value for name, value in environ.items() if name in _PASSED_ON} | told
