"""Which bundles are trusted: signatures, what they cover, and the errors if one is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.keys import new_key, new_signer, public_pem

from steeldefect.bundle.aliases import BUNDLES, RecordSignature, record_key
from steeldefect.bundle.fetch import cached_folder, fetch_bundle, find_bundle
from steeldefect.bundle.files import MANIFEST_NAME, SEAL_NAME, Bundle, open_bundle, seal_bundle
from steeldefect.bundle.packed import pack
from steeldefect.bundle.signatures import (
    alias_message,
    bundle_message,
    read_public_key,
    signature_name,
)
from steeldefect.errors import BundleError, SettingsError, StoreUnavailableError
from steeldefect.settings import load_settings
from steeldefect.stores import S3Settings, Store, open_store
from training.registry.signing import Signer, put_signature

SIGNER, OTHER = new_signer(), new_signer()
TRUSTED = [SIGNER.public.text]


@pytest.fixture
def settings(any_store: Store, request: pytest.FixtureRequest) -> S3Settings:
    """The S3 settings of `any_store`."""
    on_s3 = any_store.uri.startswith("s3://")
    found: S3Settings = request.getfixturevalue("s3") if on_s3 else S3Settings()
    return found


@pytest.fixture
def home(any_store: Store, settings: S3Settings, rule_bundle: Bundle) -> Store:
    """The bundle in a registry, not signed."""
    place = open_store(f"{any_store.uri}/{BUNDLES}/{rule_bundle.digest}", settings)
    for name in (*rule_bundle.manifest.files, SEAL_NAME, MANIFEST_NAME):
        place.write(name, (rule_bundle.folder / name).read_bytes())
    return place


def promote(
    registry: Store,
    digest: str,
    signer: Signer | None,
    number: int = 1,
    message: bytes | None = None,
) -> None:
    """Write an alias's record by hand; `message`: what is signed, if it is not this record."""
    record: dict[str, object] = {"alias": "production", "promoted_at": "2026-03-04T05:06:07Z"}
    record |= {"digest": digest}
    if signer is not None:
        signature = signer.sign(message or alias_message("production", number, digest))
        record |= {"signature": RecordSignature.of(signer.public.key_id, signature).model_dump()}
    registry.write(f"production/{record_key(number)}", json.dumps(record).encode())


def test_a_signed_bundle_is_taken(home: Store, settings: S3Settings, rule_bundle: Bundle) -> None:
    put_signature(home, rule_bundle.digest, OTHER)
    put_signature(home, rule_bundle.digest, SIGNER)
    for trusted in (TRUSTED, [OTHER.public.text, new_signer().public.text]):
        assert fetch_bundle(home.uri, settings, trusted).digest == rule_bundle.digest


def test_without_trusted_keys_no_signature_is_asked_for(
    home: Store, settings: S3Settings, rule_bundle: Bundle
) -> None:
    assert fetch_bundle(home.uri, settings).digest == rule_bundle.digest


def test_an_unsigned_bundle_is_refused_before_its_files_are_read(
    home: Store, settings: S3Settings, rule_bundle: Bundle
) -> None:
    home.delete("keras/gate.keras")
    shutil.rmtree(cached_folder(rule_bundle.digest, None), ignore_errors=True)
    with pytest.raises(BundleError, match="it is not signed; trusted_keys has") as caught:
        fetch_bundle(home.uri, settings, TRUSTED)
    message = str(caught.value)
    assert SIGNER.public.key_id in message
    assert "python -m training sign BUNDLE --key KEY.pem" in message
    assert "\n" not in message
    assert not cached_folder(rule_bundle.digest, None).exists()


def test_the_signers_that_are_not_trusted_are_named(
    home: Store, settings: S3Settings, rule_bundle: Bundle
) -> None:
    put_signature(home, rule_bundle.digest, OTHER)
    home.write("signatures/notes.txt", b"no signature")
    with pytest.raises(BundleError, match=f"signatures are there by {OTHER.public.key_id}\\)"):
        fetch_bundle(home.uri, settings, TRUSTED)


@pytest.mark.parametrize("length", [0, 10, 64, 65, 10_000])
def test_a_signature_that_does_not_fit_is_refused(
    home: Store, settings: S3Settings, length: int
) -> None:
    home.write(signature_name(SIGNER.public.key_id), bytes(length))
    with pytest.raises(BundleError, match=f"by {SIGNER.public.key_id} is not one of this bundle"):
        fetch_bundle(home.uri, settings, TRUSTED)


def test_every_bit_of_a_signature_counts(
    home: Store, settings: S3Settings, rule_bundle: Bundle
) -> None:
    whole = SIGNER.sign(bundle_message(rule_bundle.digest))
    for place in (0, 31, 32, 63):
        altered = bytearray(whole)
        altered[place] ^= 1
        home.write(signature_name(SIGNER.public.key_id), bytes(altered))
        with pytest.raises(BundleError, match="is not one of this bundle"):
            find_bundle(home.uri, settings, TRUSTED)


def test_a_signature_of_another_kind_of_message_is_none_of_a_bundle(
    home: Store, settings: S3Settings, rule_bundle: Bundle
) -> None:
    for message in (rule_bundle.digest.encode(), alias_message("a", 1, rule_bundle.digest)):
        home.write(signature_name(SIGNER.public.key_id), SIGNER.sign(message))
        with pytest.raises(BundleError, match="is not one of this bundle"):
            find_bundle(home.uri, settings, TRUSTED)


def test_a_bundle_that_was_altered_and_sealed_anew_has_no_valid_signature(
    rule_bundle: Bundle, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(rule_bundle.folder, tmp_path / "altered"))
    put_signature(open_store(str(folder)), rule_bundle.digest, SIGNER)
    assert fetch_bundle(str(folder), S3Settings(), TRUSTED).digest == rule_bundle.digest
    seal_bundle(folder, rule_bundle.manifest.model_copy(update={"gate": None}))
    assert open_bundle(folder)
    with pytest.raises(BundleError, match="is not one of this bundle"):
        fetch_bundle(str(folder), S3Settings(), TRUSTED)


def test_a_signature_is_no_part_of_the_bundle(rule_bundle: Bundle, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(rule_bundle.folder, tmp_path / "signed"))
    put_signature(open_store(str(folder)), rule_bundle.digest, SIGNER)
    opened = open_bundle(folder)
    assert opened.digest == rule_bundle.digest
    assert opened.manifest == rule_bundle.manifest
    assert pack(opened, []) == pack(rule_bundle, [])


def test_a_copy_in_the_cache_needs_a_signature_at_its_source(
    home: Store, settings: S3Settings, rule_bundle: Bundle
) -> None:
    assert fetch_bundle(home.uri, settings).digest == rule_bundle.digest
    with pytest.raises(BundleError, match="it is not signed"):
        fetch_bundle(home.uri, settings, TRUSTED)


def test_an_alias_has_to_be_signed_as_well(
    any_store: Store, home: Store, settings: S3Settings, rule_bundle: Bundle
) -> None:
    put_signature(home, rule_bundle.digest, SIGNER)
    alias = f"{any_store.uri}/production"
    promote(any_store, rule_bundle.digest, None)
    assert fetch_bundle(alias, settings).digest == rule_bundle.digest
    with pytest.raises(BundleError, match=r"its record 000001\.json is not signed; trusted_keys"):
        fetch_bundle(alias, settings, TRUSTED)
    promote(any_store, rule_bundle.digest, OTHER)
    with pytest.raises(BundleError, match="is not signed by a trusted key, or was altered"):
        fetch_bundle(alias, settings, TRUSTED)
    promote(any_store, rule_bundle.digest, SIGNER)
    assert fetch_bundle(f"{alias}/", settings, TRUSTED).digest == rule_bundle.digest
    with pytest.raises(BundleError, match=r"000001\.json is not signed by a trusted key"):
        fetch_bundle(alias, settings, [OTHER.public.text])


@pytest.mark.parametrize(
    ("alias", "number", "other"),
    [("production", 2, False), ("staging", 3, False), ("production", 3, True)],
)
def test_a_signed_record_counts_at_its_own_place_alone(
    rule_bundle: Bundle, tmp_path: Path, alias: str, number: int, other: bool
) -> None:
    registry = open_store(str(tmp_path))
    message = alias_message(alias, number, "a" * 64 if other else rule_bundle.digest)
    promote(registry, rule_bundle.digest, SIGNER, 3, message)
    with pytest.raises(BundleError, match=r"000003\.json is not signed by a trusted key, or was"):
        find_bundle(f"{tmp_path}/production", S3Settings(), TRUSTED)


def test_a_signed_alias_does_not_vouch_for_the_bundle(
    any_store: Store, home: Store, settings: S3Settings, rule_bundle: Bundle
) -> None:
    assert home.uri
    promote(any_store, rule_bundle.digest, SIGNER)
    with pytest.raises(BundleError, match="it is not signed; trusted_keys"):
        fetch_bundle(f"{any_store.uri}/production", settings, TRUSTED)


def test_a_signed_bundle_that_was_copied_over_an_alias_does_not_stand_for_it(
    any_store: Store, home: Store, settings: S3Settings, rule_bundle: Bundle
) -> None:
    """Otherwise whoever can write, but not sign, could bring back any bundle once signed."""
    put_signature(home, rule_bundle.digest, SIGNER)
    promote(any_store, "b" * 64, SIGNER)
    for found in list(home.scan()):
        any_store.write(f"production/{found.key}", home.read(found.key))
    with pytest.raises(BundleError, match="holds the records of an alias and the files of a bun"):
        find_bundle(f"{any_store.uri}/production", settings, TRUSTED)


def test_a_signature_in_the_record_that_is_none_is_named(
    any_store: Store, home: Store, settings: S3Settings, rule_bundle: Bundle
) -> None:
    assert home.uri
    content = {"alias": "production", "digest": rule_bundle.digest, "signature": "none"}
    content |= {"promoted_at": "2026-03-04T05:06:07Z"}
    any_store.write("production/000001.json", json.dumps(content).encode())
    with pytest.raises(BundleError, match="promote the bundle again"):
        fetch_bundle(f"{any_store.uri}/production", settings, TRUSTED)


def test_a_store_that_does_not_answer_is_no_missing_signature() -> None:
    nowhere = S3Settings(endpoint_url="http://127.0.0.1:9", max_attempts=1)
    with pytest.raises(StoreUnavailableError):
        find_bundle("s3://bucket/bundle", nowhere, TRUSTED)


# -- keys in settings -----------------------------------------------------------------------------


def test_a_key_may_be_given_in_three_ways(tmp_path: Path) -> None:
    pem = public_pem(SIGNER)
    (tmp_path / "plant.pem").write_text(pem)
    for given in (pem, pem.splitlines()[1], str(tmp_path / "plant.pem"), f"\n{pem}\n"):
        assert read_public_key(given) == SIGNER.public
    assert pem.splitlines()[1] == SIGNER.public.text


def test_settings_hold_keys_and_not_the_names_of_files(tmp_path: Path) -> None:
    path = tmp_path / "plant.pem"
    path.write_text(public_pem(SIGNER))
    loaded = load_settings(None, [f"trusted_keys=[{path}, {OTHER.public.text}]"])
    assert loaded.trusted_keys == (SIGNER.public.text, OTHER.public.text)
    assert type(loaded).model_validate_json(loaded.model_dump_json()) == loaded


def test_every_key_that_is_none_is_reported_and_none_repeated(tmp_path: Path) -> None:
    private = new_key(tmp_path / "private.pem")
    elliptic = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li"
        "/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="
    )
    wrong = [str(tmp_path / "none.pem"), str(private), elliptic, "MCowBQYDK2VwAyEA", ""]
    with pytest.raises(SettingsError) as caught:
        load_settings(None, ["trusted_keys=" + json.dumps(wrong)])
    message = str(caught.value)
    for number in range(len(wrong)):
        assert f"trusted_keys.{number}: " in message
    assert "trusted_keys.1: this is a private key; give the public one" in message
    assert "trusted_keys.2: the key is not an Ed25519 key" in message
    assert private.read_text().splitlines()[1] not in message
    assert "received" not in message


def test_a_private_key_is_never_repeated(tmp_path: Path) -> None:
    text = new_key(tmp_path / "private.pem").read_text()
    for given in (text, text.splitlines()[1]):
        with pytest.raises(SettingsError) as caught:
            load_settings(None, ["trusted_keys=" + json.dumps([given])])
        assert text.splitlines()[1] not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        load_settings(None, ["trusted_keys=" + json.dumps(text)])
    assert text.splitlines()[1] not in str(caught.value)
