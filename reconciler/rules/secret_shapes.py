"""What secrets look like, by their shape or by the name they are kept under.

Shapes are those that their issuers publish (Microsoft Entra, Azure Storage, GitHub, Databricks and others) and that
secret scanners look for.
"""

from __future__ import annotations

import re
from functools import lru_cache

_SHAPES = {
    "private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?:[\s\S]*?-----END|[\s\S]*)",
    "storage or service bus key": r"(?i:(?:Account|SharedAccess|Access)Key)=(?P<k1>[A-Za-z0-9+/]{20,}={0,2})",
    "storage account key": r"(?<![A-Za-z0-9+])(?P<k2>[A-Za-z0-9+/]{86}==)",
    "SAS signature": r"[?&;](?i:sig)=(?P<k3>[A-Za-z0-9%+/]{16,}(?:=|%3[Dd])*)",
    "connection string password": r"(?i:\b(?:password|pwd)\s*=\s*)(?P<k4>[^;\s$<{][^;\s]{3,})",
    "JSON web token": r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.eyJ[A-Za-z0-9_-]{4,}\.?[A-Za-z0-9_-]*",
    "bearer token": r"(?i:\bbearer)\s+(?P<k5>[A-Za-z0-9._~+/-]{20,}=*)",
    "Microsoft Entra client secret": r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31,34}(?![\w~.-])",
    "Databricks token": r"\bdapi[0-9a-f]{32}(?:-\d+)?\b",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
    "AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "Azure DevOps token": r"\b[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}\b",
    "API key": r"\b(?:sk-(?:[a-z]+-)?[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{30,})",
    "address with credentials": r"://(?P<k6>[^\s/:@${<]*:[^\s/@${<]+|[A-Za-z0-9_~.-]{20,})@[^\s@]",
}
_VALUE = re.compile("|".join(f"(?P<s{number}>{shape})" for number, shape in enumerate(_SHAPES.values())))
# Every shape needs one of these: most texts are done after one quick search.
_HINT = re.compile(r"=|://|-----|earer |EARER |eyJ|Q~|dapi|gh[pousr]_|github_|AKIA|ASIA|AZDO|sk-|xox|hf_")
_NAMES = tuple(_SHAPES)

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ANNOUNCES = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|pwd|pw|secrets?|token|pat|sas|credentials?|conn(?:ection)?_?str(?:ing)?"
    r"|(?:api|access|account|private|storage|shared|primary|secondary|subscription|signing|encryption|master|auth"
    r"|secret|service)_?key)(?:_|$)"
)
# The last word says that the value only tells something about a secret.
_ABOUT = re.compile(
    r"(?:^|_)(?:names?|path|file|folder|dir|uri|url|id|version|type|header|ttl|limit|expiry|length|size|mode|enabled"
    r"|disabled|ref|reference|scope|source|provider|policy|count|max|min|rotation|required|field|column|vault|endpoint"
    r"|audience|issuer|timeout)$"
)
_HARMLESS_VALUE = re.compile(
    r"(?i)(?:true|false|yes|no|on|off|none|null|enabled|disabled|default|required|-?\d{1,4}(?:\.\d+)?|\*+|"
    r"[a-z][a-z0-9+.-]*://[^\s]*|(?:\.{0,2}|~)/[\w./-]*|[a-z][a-z0-9]*_identity|managed-identity|key-?vault|"
    r"key|aml_?token|aad_?token)?"
)


def in_text(text: str) -> list[tuple[str, str]]:
    """Kind and value of every secret in ``text`` whose shape is known."""
    if len(text) < 8 or not _HINT.search(text):
        return []
    return [_kind_and_value(match) for match in _VALUE.finditer(text)]


def _kind_and_value(match: re.Match[str]) -> tuple[str, str]:
    """The shape that matched, and the sensitive part of it: ``k`` groups where only a part is."""
    groups = {name: value for name, value in match.groupdict().items() if value is not None}
    number = next(int(name[1:]) for name in groups if name[0] == "s")
    return _NAMES[number], next((value for name, value in groups.items() if name[0] == "k"), match[0])


@lru_cache(maxsize=4096)
def announces(key: str) -> bool:
    """Whether the value under ``key`` must be a secret: ``DB_PASSWORD``, ``apiKey``; not ``token_url``."""
    words = "_".join(_WORDS.findall(key)).lower()
    return bool(_ANNOUNCES.search(words)) and not _ABOUT.search(words)


def harmless(value: str) -> bool:
    """Whether a value is plainly no secret, whatever its name: a switch, a small number, a path, a plain URL."""
    return bool(_HARMLESS_VALUE.fullmatch(value.strip()))
