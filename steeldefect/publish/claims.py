"""Claims: the wave records that each holder of an output took over from earlier holders.

    _waves/claims/000000007.json    written once, by the holder with the number 7

A holder writes at most one claim, before it publishes. The claim lists the wave records that the
holder found and carries out. The newest claim decides about every record of an earlier holder:

- A record that the newest claim lists counts: it is carried out.
- A record that the newest claim does not list was written too late: after the claim's holder, or a
  holder before it, had listed the records. The record's pictures have been planned again since, so
  the record is never carried out.

Numbers only grow, and the claim with the greatest number counts. So a holder that wakes up late
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from steeldefect.errors import AlreadyExistsError, StoreError, TableError
from steeldefect.stores import Store

RECORDS = "_waves/"
CLAIMS = f"{RECORDS}claims/"
_BEFORE_CLAIMS = f"{RECORDS}recovered-by"  # versions before 0.2 write only a number, to this key


@dataclass(frozen=True)
class Claim:
    """The wave records that one holder took over.

    Attributes:
        holder: number of the holder's lease; 0 if nobody has claimed anything yet.
        records: keys of the wave records that the holder carries out.
        token: random text that differs from that of another process with the same number.
    """

    holder: int
    records: list[str] = field(default_factory=list)
    token: str = ""

    def covers(self, key: str, holder: int) -> bool:
        """Return whether a wave record counts, if this is the newest claim.

        Args:
            key: key of the record.
            holder: number of the lease under which the record was written.
        """
        return holder >= self.holder or key in self.records


_CLAIM = TypeAdapter(Claim)


def newest_claim(store: Store) -> Claim:
    """Read the claim with the greatest number.

    Raises:
        TableError: the object is not a claim as this version writes it.
        StoreError: the store refused, or does not answer.
    """
    while True:
        number = _newest_written(store)
        if number == 0:
            return Claim(_number_before_claims(store))
        try:
            content = store.read(_key(number))
        except StoreError:
            if _newest_written(store) == number:
                raise
            continue  # a newer holder has deleted this claim
        try:
            return _CLAIM.validate_json(content)
        except ValidationError:
            raise TableError(
                f"{store.uri}/{_key(number)} is not a claim as this version writes it; use the "
                "newer program that wrote it; if it is empty or damaged, run `steeldefect maintain "
                "--repair`: it sets the claim aside, and the waves that the claim may list are "
                "scored again"
            ) from None


def newest_number(store: Store) -> int:
    """Return the number of the newest claim, or 0 if there is none."""
    return _newest_written(store) or _number_before_claims(store)


def write_claim(store: Store, claim: Claim) -> bool:
    """Write a claim; return False if another process has written a claim with the same number."""
    try:
        store.write_new(_key(claim.holder), _CLAIM.dump_json(claim))
    except AlreadyExistsError:
        return False
    return True


def tidy(store: Store, holder: int) -> None:
    """Delete the claims of earlier holders: only the newest claim is read."""
    for found in list(store.scan(CLAIMS)):
        if 0 < _number(found.key) < holder:
            store.delete(found.key)
    if any(found.key == _BEFORE_CLAIMS for found in store.scan(_BEFORE_CLAIMS)):
        store.delete(_BEFORE_CLAIMS)


def _newest_written(store: Store) -> int:
    return max((_number(found.key) for found in store.scan(CLAIMS)), default=0)


def _key(number: int) -> str:
    return f"{CLAIMS}{number:09d}.json"


def _number(key: str) -> int:
    digits = key.removeprefix(CLAIMS).removesuffix(".json")
    return int(digits) if digits.isdecimal() else 0


def _number_before_claims(store: Store) -> int:
    """Return the number of the newest holder that an older version wrote, or 0 if none did."""
    if not any(found.key == _BEFORE_CLAIMS for found in store.scan(_BEFORE_CLAIMS)):
        return 0
    try:
        digits = store.read(_BEFORE_CLAIMS).decode(errors="replace").strip()
    except StoreError:
        return 0  # a newer holder has deleted it
    return int(digits) if digits.isdecimal() else 0
