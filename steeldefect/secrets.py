"""Masks secrets in everything that this project prints, raises or records.

What counts as one:

- the values of secrets that this process holds: those of environment variables with names such as
  AWS_SECRET_ACCESS_KEY, passwords of proxies, and credentials handed to `remember`;
- what looks like one, whoever it belongs to: `secret=...`, `"password": "..."`, `--token ...`,
  credentials inside an address, private keys.

Errors of this project are masked when they are made, so no copy of one holds a secret: not in the
tables, not on Spark's pages, not in a log. `program.messages` masks what libraries log, and
`steeldefect.program.tracebacks` the reports of crashes.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from collections.abc import Iterator
from urllib.parse import quote, unquote, urlsplit

MASK = "***"

SPARK_REDACTION = r"(?i)secret|passw|passphrase|token|access[.]?key|private.?key|://[^/\s]*@"
"""For `spark.redaction.regex`: Spark's own, more names, and addresses with credentials in them."""

_NAMES_A_PLACE = re.compile(r"(?i)(file|path|dir|uri|url|arn|id|provider)$")
_SHORTEST = 8  # a shorter value, such as "test", is part of many harmless words

_WORDS = "secret|passw|passphrase|token|credential|signature|private.?key|api.?key"
_SECRET_NAME = re.compile(rf"(?i){_WORDS}|access.?key$")
_NAME = rf"(?<![\w.-])[\w.-]*(?:{_WORDS})[\w.-]*"
_LOOKS_SECRET = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [^-]*-----|\Z)", re.DOTALL), MASK),
    (re.compile(r"(?<![\w+.-])(\w[\w+.-]*://)[^/\s'\"<>]*@"), rf"\1{MASK}@"),
    (re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?)[^\r\n'\"]+"), rf"\1{MASK}"),
    (re.compile(rf"(?i)({_NAME}\s?=\s?['\"]?)[^\s'\",;&)}}\]]+"), rf"\1{MASK}"),
    (re.compile(rf"(?i)(['\"]{_NAME}['\"]\s*:\s*['\"])[^'\"]*"), rf"\1{MASK}"),
    (re.compile(rf"(?i)((?<!\S)--?[\w.-]*(?:{_WORDS})[\w.-]*\s+)(?!-)[^\s;]+"), rf"\1{MASK}"),
)

_remembered: deque[str] = deque(maxlen=64)  # credentials that rotate do not pile up


def masked(text: str) -> str:
    """Return a text with every secret in it replaced by `***`."""
    # the longest first: one may be a part of another
    for value in sorted({*_remembered, *_of_environment()}, key=len, reverse=True):
        for form in (value, quote(value, safe=""), json.dumps(value)[1:-1]):
            text = text.replace(form, MASK)
    for pattern, replacement in _LOOKS_SECRET:
        text = pattern.sub(replacement, text)
    return text


def remember(value: str | None) -> None:
    """Note a secret that this process was given by other ways than its environment."""
    if value and len(value) >= _SHORTEST and value not in _remembered:
        _remembered.append(value)


def names_secret(name: str) -> bool:
    """Tell whether something of this name is likely a secret, going by the name alone."""
    return _SECRET_NAME.search(name) is not None and _NAMES_A_PLACE.search(name) is None


def without_value(text: str) -> str:
    """Return a text of the form `name=value` as it may be shown."""
    name, equals, _ = text.partition("=")
    return f"{name}={MASK}" if equals and names_secret(name) else masked(text)


def _of_environment() -> Iterator[str]:
    """Yield the secrets among this process's environment variables."""
    for name, value in os.environ.items():
        secret = value if names_secret(name) else _password_in(value)
        if len(secret) >= _SHORTEST:
            yield secret


def _password_in(value: str) -> str:
    """Return the password inside an address, such as a proxy's; empty where there is none."""
    if "@" not in value or "://" not in value:
        return ""
    try:
        return unquote(urlsplit(value).password or "")
    except ValueError:  # no address after all
        return ""
