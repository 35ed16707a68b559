"""Read and write a registry in a folder or an object store: bundles and records of aliases."""

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
    """The record of a promotion.

    Attributes:
        record_id: random id, so that no two promotions write equal records.
        promoted_by: user name of the operating system.
        note: note of the user.
        replaced: digest of the previous bundle; None if there was none.
        forced: whether `objections` were overridden.
        objections: objections to the promotion.
        pictures: number of held-out pictures of the comparison; None without a comparison.
        figures: comparison with `replaced`: first is `replaced`, second is this bundle.
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
    """Bundles and aliases under one address; the package's docstring shows the layout."""

    def __init__(self, uri: str, s3: S3Settings) -> None:
        """Open the store; nothing is read or written yet.

        Raises:
            SettingsError: `uri` is neither a local folder nor `s3://bucket/prefix`.
        """
        self._s3 = s3
        self._store = open_store(uri, s3)
        self.uri = self._store.uri

    def address_of(self, bundle: str) -> str:
        """Return the address of a bundle, given as an address or as the start of its digest.

        Args:
            bundle: address, or the first 8 or more hex digits of a digest in the registry.

        Raises:
            BundleError: no digest begins with these digits, or more than one does.
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
        """Return the address of the bundle with this full digest."""
        return f"{self.uri}/{BUNDLES}/{digest}"

    def home_of(self, digest: str) -> Store:
        """Open the store of the bundle with this full digest."""
        return open_store(self.bundle_address(digest), self._s3)

    def scan(self) -> list[ObjectInfo]:
        """List all objects of the registry."""
        return list(self._store.scan())

    def standing(self, alias: str) -> tuple[int, PromotionRecord | None]:
        """Return the number and the newest record of an alias; (0, None) for a new alias.

        Raises:
            SettingsError: `alias` is not a valid name of an alias.
            BundleError: the record is malformed.
        """
        check_alias(alias)
        home = open_store(f"{self.uri}/{alias}", self._s3)
        number = newest_number(home)
        return number, None if number == 0 else self._record(alias, record_key(number))

    def begin(self) -> None:
        """Create the registry if there is none, and check that its store can hold a registry.

        Raises:
            StoreError: the store ignores conditional writes: one promotion could silently undo
                another.
        """
        with suppress(AlreadyExistsError):
            self._store.write_new(MARKER, _MARKER_TEXT)
        require_conditional_writes(
            self._store,
            MARKER,
            "one promotion could undo another; keep the registry in another store",
        )

    def put(self, bundle: Bundle) -> None:
        """Write a bundle to the registry; files that are already there unchanged are skipped.

        The manifest is written last: without it, readers see no bundle.

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
        """Write a record; the alias then stands for its bundle.

        Raises:
            AlreadyExistsError: another promotion has written this number.
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
    """Check the name of an alias.

    Raises:
        SettingsError: the name has characters other than letters, digits, - and _, is too long,
            or is the folder of the bundles.
    """
    if not ALIAS_NAME.fullmatch(name) or name == BUNDLES:
        raise SettingsError(
            f"{name!r} cannot be an alias: letters, digits, - and _ only, and not {BUNDLES!r}"
        )
