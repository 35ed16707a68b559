"""Mask secrets in everything that this project prints, raises or records.

These texts are secrets:

- the secrets that this process holds: values of environment variables with names such as
  AWS_SECRET_ACCESS_KEY, passwords of proxies, and credentials passed to `remember`;
- texts that look like secrets: `secret=...`, `"password": "..."`, `--token ...`, credentials in an
  address, private keys.

The message of each error of this project is masked when the error is created. So no copy of it
holds a secret: not in the tables, not on Spark's pages, not in a log. `program.messages` masks the
log records of libraries, and `program.tracebacks` masks the reports of crashes.
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
"""Value of `spark.redaction.regex`: Spark's default, more names, and credentials in addresses."""

_NAMES_A_PLACE = re.compile(r"(?i)(file|path|dir|uri|url|arn|id|provider)$")
_SHORTEST = 8  # shorter values, such as "test", are part of harmless words

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

_remembered: deque[str] = deque(maxlen=64)  # limited, because credentials may rotate


def masked(text: str) -> str:
    """Return a text in which every secret is replaced by `***`."""
    # longest first: a secret may be part of another one
    for value in sorted({*_remembered, *_of_environment()}, key=len, reverse=True):
        for form in (value, quote(value, safe=""), json.dumps(value)[1:-1]):
            text = text.replace(form, MASK)
    for pattern, replacement in _LOOKS_SECRET:
        text = pattern.sub(replacement, text)
    return text


def remember(value: str | None) -> None:
    """Remember a secret that did not come from an environment variable, so that it is masked."""
    if value and len(value) >= _SHORTEST and value not in _remembered:
        _remembered.append(value)


def names_secret(name: str) -> bool:
    """Return whether a variable or setting of this name probably holds a secret."""
    return _SECRET_NAME.search(name) is not None and _NAMES_A_PLACE.search(name) is None


def without_value(text: str) -> str:
    """Return `name=value` with its value masked if the name stands for a secret."""
    name, equals, _ = text.partition("=")
    return f"{name}={MASK}" if equals and names_secret(name) else masked(text)


def _of_environment() -> Iterator[str]:
    """Yield the secrets in the environment variables of this process."""
    for name, value in os.environ.items():
        secret = value if names_secret(name) else _password_in(value)
        if len(secret) >= _SHORTEST:
            yield secret


def _password_in(value: str) -> str:
    """Return the password in an address, such as that of a proxy; empty if there is none."""
    if "@" not in value or "://" not in value:
        return ""
    try:
        return unquote(urlsplit(value).password or "")
    except ValueError:  # not an address
        return ""
