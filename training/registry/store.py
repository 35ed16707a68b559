"""The registry in a folder or an object store: bundles put there, records of aliases written."""

from __future__ import annotations

import re
from contextlib import suppress
from uuid import uuid4

from pydantic import Field, ValidationError

from steeldefect.bundle.aliases import BUNDLES, AliasRecord, newest_number, record_key
from steeldefect.bundle.files import MANIFEST_NAME, SEAL_NAME, Bundle, check_file
from steeldefect.errors import AlreadyExistsError, BundleError, SettingsError
from steeldefect.labels.label_files import listed
from steeldefect.stores import ObjectInfo, S3Settings, Store, open_store
from steeldefect.stores.conditional_writes import require_conditional_writes
from training.registry.comparison import Figure

MARKER = "registry.json"
ALIAS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")

_MARKER_TEXT = b'{"registry_format": 1}\n'
_DIGEST_START = re.compile(r"[0-9a-f]{8,64}")


class PromotionRecord(AliasRecord):
    """All that is noted of a promotion.

    Attributes:
        record_id: random; no two promotions write the same record, whatever else is the same.
        promoted_by: name of the user, as the operating system knows it.
        replaced: digest of the bundle that stood before; None where none did.
        forced: whether `objections` were overridden.
        objections: what spoke against it.
        pictures: held-out pictures on which the two were compared; None where they were not.
        figures: the comparison with `replaced`: first is that one, second this bundle.
    """

    record_id: str = Field(default_factory=lambda: uuid4().hex)
    promoted_by: str
    note: str = ""
    replaced: str | None
    forced: bool
    objections: tuple[str, ...] = ()
    pictures: int | None = None
    figures: tuple[Figure, ...] = ()


class Registry:
    """Bundles and aliases under one address; see the package for what lies where."""

    def __init__(self, uri: str, s3: S3Settings) -> None:
        """Name the place; nothing is read or written yet.

        Raises:
            SettingsError: neither a local folder nor `s3://bucket/prefix`.
        """
        self._s3 = s3
        self._store = open_store(uri, s3)
        self.uri = self._store.uri

    def address_of(self, bundle: str) -> str:
        """Give the address of a bundle that is named by its own address or by its digest.

        Args:
            bundle: address, or at least 8 hex digits with which the digest of one of the
                registry's bundles begins.

        Raises:
            BundleError: no bundle's digest begins so, or more than one does.
        """
        if not _DIGEST_START.fullmatch(bundle):
            return bundle
        suffix = f"/{MANIFEST_NAME}"
        keys = (found.key for found in self._store.scan(f"{BUNDLES}/{bundle}"))
        found = [key.removesuffix(suffix) for key in keys if key.endswith(suffix)]
        if len(found) != 1:
            many = f"more than one: {listed([key.split('/')[-1] for key in found])}; give more"
            raise BundleError(
                f"{self.uri}: {many if found else 'no bundle here has a digest that'} begins with "
                f"{bundle}; `python -m training list` shows all (a folder of that name: ./{bundle})"
            )
        return f"{self.uri}/{found[0]}"

    def bundle_address(self, digest: str) -> str:
        """Give the address of a bundle by its whole digest."""
        return f"{self.uri}/{BUNDLES}/{digest}"

    def home_of(self, digest: str) -> Store:
        """Open the place of a bundle by its whole digest."""
        return open_store(self.bundle_address(digest), self._s3)

    def scan(self) -> list[ObjectInfo]:
        """List everything that lies here."""
        return list(self._store.scan())

    def standing(self, alias: str) -> tuple[int, PromotionRecord | None]:
        """Read the record that an alias stands on, and its number; (0, None) where it is new.

        Raises:
            SettingsError: `alias` cannot be the name of one.
            BundleError: the record is malformed.
        """
        check_alias(alias)
        home = open_store(f"{self.uri}/{alias}", self._s3)
        number = newest_number(home)
        return number, None if number == 0 else self._record(alias, record_key(number))

    def begin(self) -> None:
        """Make the registry where there is none, and make sure that its store can keep one.

        Raises:
            StoreError: the store replaces objects although told not to, so that one promotion
                could undo another unseen.
        """
        with suppress(AlreadyExistsError):
            self._store.write_new(MARKER, _MARKER_TEXT)
        require_conditional_writes(
            self._store,
            MARKER,
            "one promotion could undo another; keep the registry in another store",
        )

    def put(self, bundle: Bundle) -> None:
        """Put a bundle here; what lies here already, and is whole, is not written again.

        The manifest comes last: until it is there, there is no bundle.

        Raises:
            BundleError: a file was altered since the bundle was opened.
        """
        place = f"{BUNDLES}/{bundle.digest}/"
        sizes = {found.key: found.size for found in self._store.scan(place)}
        for name in (*bundle.manifest.files, SEAL_NAME, MANIFEST_NAME):
            content = (bundle.folder / name).read_bytes()
            if name in bundle.manifest.files:
                check_file(name, bundle.manifest.files[name], content, str(bundle.folder))
            key = place + name
            if sizes.get(key) != len(content) or self._store.read(key) != content:
                self._store.write(key, content)

    def add_record(self, number: int, record: PromotionRecord) -> None:
        """Write a record; from then on the alias stands for its bundle.

        Raises:
            AlreadyExistsError: another promotion took the number.
        """
        content = record.model_dump_json(indent=2).encode() + b"\n"
        self._store.write_new(f"{record.alias}/{record_key(number)}", content)

    def _record(self, alias: str, key: str) -> PromotionRecord:
        try:
            return PromotionRecord.model_validate_json(self._store.read(f"{alias}/{key}"))
        except ValidationError as error:
            raise BundleError(
                f"{self.uri}: {alias}/{key}: {error.errors()[0]['msg']}; it is not a record that "
                "`python -m training promote` wrote"
            ) from None


def check_alias(name: str) -> None:
    """Refuse what cannot name an alias.

    Raises:
        SettingsError: other than letters, digits, - and _, or the folder of the bundles.
    """
    if not ALIAS_NAME.fullmatch(name) or name == BUNDLES:
        raise SettingsError(
            f"{name!r} cannot be an alias: letters, digits, - and _ only, and not {BUNDLES!r}"
        )
