"""What each holder of an output took over from the holders before it: one object a holder.

    _waves/claims/000000007.json    written once, by the holder with the number 7

A claim lists the wave records that its holder found and carries out. It settles what becomes of
every record of an earlier holder: one that the newest claim lists counts; one that it does not list
arrived after the holder had looked, so that its pictures have been planned again since, and it is
never carried out. Numbers only grow, and the greatest one counts, so that a holder that wakes up
late changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from steeldefect.errors import AlreadyExistsError, StoreError, TableError
from steeldefect.stores import Store

RECORDS = "_waves/"
CLAIMS = f"{RECORDS}claims/"
_BEFORE_CLAIMS = f"{RECORDS}recovered-by"  # versions before 0.2: a number alone


@dataclass(frozen=True)
class Claim:
    """What one holder took over.

    Attributes:
        holder: number of its lease; 0 stands for "nobody has claimed anything yet".
        records: keys of the wave records that it carries out.
        token: tells this claim from another process's under the same number.
    """

    holder: int
    records: list[str] = field(default_factory=list)
    token: str = ""

    def covers(self, key: str, holder: int) -> bool:
        """Tell whether a record counts, given that this is the newest claim.

        Args:
            key: of the record.
            holder: number of the lease under which the record was written.
        """
        return holder >= self.holder or key in self.records


_CLAIM = TypeAdapter(Claim)


def newest_claim(store: Store) -> Claim:
    """Read the claim with the greatest number.

    Raises:
        TableError: it is not a claim as this version writes it.
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
            continue  # a newer holder has tidied it away
        try:
            return _CLAIM.validate_json(content)
        except ValidationError:
            raise TableError(
                f"{store.uri}/{_key(number)} is not a claim as this version writes it; use the "
                "newer program that wrote it, or, if it is empty or damaged, `steeldefect maintain "
                "--repair` sets it aside, and the waves that it may name are scored again"
            ) from None


def newest_number(store: Store) -> int:
    """Find the number of the newest claim; 0 for none."""
    return _newest_written(store) or _number_before_claims(store)


def write_claim(store: Store, claim: Claim) -> bool:
    """Write a claim; False where another process has claimed under the same number."""
    try:
        store.write_new(_key(claim.holder), _CLAIM.dump_json(claim))
    except AlreadyExistsError:
        return False
    return True


def tidy(store: Store, holder: int) -> None:
    """Delete the claims of earlier holders, which nothing refers to any more."""
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
    """Number of the newest holder that an older version noted; 0 for none."""
    if not any(found.key == _BEFORE_CLAIMS for found in store.scan(_BEFORE_CLAIMS)):
        return 0
    try:
        digits = store.read(_BEFORE_CLAIMS).decode(errors="replace").strip()
    except StoreError:
        return 0  # tidied away since
    return int(digits) if digits.isdecimal() else 0
