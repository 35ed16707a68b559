"""Test signing of bundles in folders, of promoted bundles, and of records of aliases."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.keys import new_key, new_signer
from support.published import Answers, publishable

from steeldefect.bundle.fetch import fetch_bundle
from steeldefect.bundle.files import Bundle
from steeldefect.bundle.signatures import bundle_message, read_public_key, signature_name
from steeldefect.errors import BundleError, SettingsError
from steeldefect.stores import S3Settings
from training.__main__ import main
from training.commands.sign import PASSPHRASE
from training.registry.promotion import PromoteOptions, Promotion, promote
from training.registry.signing import Signer, read_signer, sign_bundle

S3 = S3Settings()
SIGNER, OTHER = new_signer(), new_signer()
TRUSTED = [SIGNER.public.text]
ANSWERS, BETTER = Answers(0.75), Answers(0.85, seed=1)
Make = Callable[..., Bundle]


@pytest.fixture
def make(rule_bundle: Bundle, tmp_path: Path) -> Make:
    """Return a function that makes bundles by name with the given answers."""

    def publish(name: str, answers: Answers = ANSWERS) -> Bundle:
        return publishable(rule_bundle, tmp_path / "bundles" / name, answers)

    return publish


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return tmp_path / "registry"


def ask(bundle: Bundle, registry: Path, signer: Signer | None) -> Promotion:
    return promote(
        PromoteOptions(str(bundle.folder), str(registry), "production", signer=signer), S3
    )


def no_passphrase() -> str | None:
    return None


def test_promoted_with_a_key_bundle_and_alias_are_trusted(make: Make, registry: Path) -> None:
    bundle = make("first")
    promotion = ask(bundle, registry, SIGNER)
    assert promotion.number == 1
    for address in (f"{registry}/production", f"{registry}/bundles/{bundle.digest}"):
        assert fetch_bundle(address, S3, TRUSTED).digest == bundle.digest
        with pytest.raises(BundleError, match="trusted"):
            fetch_bundle(address, S3, [OTHER.public.text])
    assert fetch_bundle(f"{registry}/production", S3).digest == bundle.digest


def test_a_better_bundle_that_is_not_signed_stops_scoring_and_not_quietly(
    make: Make, registry: Path
) -> None:
    ask(make("first"), registry, SIGNER)
    ask(make("second", BETTER), registry, None)
    with pytest.raises(BundleError, match=r"000002\.json is not signed"):
        fetch_bundle(f"{registry}/production", S3, TRUSTED)


def test_the_alias_cannot_be_turned_back_by_who_has_no_key(make: Make, registry: Path) -> None:
    first, second = make("first"), make("second", BETTER)
    ask(first, registry, SIGNER)
    ask(second, registry, SIGNER)
    old = registry / "production/000001.json"
    shutil.copy(old, registry / "production/000003.json")
    assert fetch_bundle(f"{registry}/production", S3).digest == first.digest
    with pytest.raises(BundleError, match=r"000003\.json is not signed by a trusted key, or was"):
        fetch_bundle(f"{registry}/production", S3, TRUSTED)


def test_what_stands_unsigned_is_signed_by_promoting_it_again(make: Make, registry: Path) -> None:
    bundle = make("first")
    first = ask(bundle, registry, None)
    again = ask(bundle, registry, SIGNER)
    assert (first.number, again.number, again.new) == (1, 2, True)
    assert again.record.replaced == bundle.digest
    assert again.record.record_id != first.record.record_id
    assert fetch_bundle(f"{registry}/production", S3, TRUSTED).digest == bundle.digest
    once_more = ask(bundle, registry, SIGNER)
    assert (once_more.number, once_more.new) == (2, False)
    by_other = ask(bundle, registry, OTHER)
    assert (by_other.number, by_other.new) == (3, True)
    assert fetch_bundle(f"{registry}/production", S3, [OTHER.public.text]).digest == bundle.digest


def test_what_was_objected_to_stays_in_the_record(make: Make, registry: Path) -> None:
    ask(make("first", BETTER), registry, SIGNER)
    worse = make("worse", Answers(0.65, seed=2))
    forced = promote(PromoteOptions(str(worse.folder), str(registry), "production", force=True), S3)
    signed = ask(worse, registry, SIGNER)
    assert signed.record.objections == forced.record.objections != ()
    assert signed.record.forced


def test_a_damaged_signature_is_written_anew(make: Make, registry: Path) -> None:
    bundle = make("first")
    ask(bundle, registry, SIGNER)
    path = registry / "bundles" / bundle.digest / signature_name(SIGNER.public.key_id)
    path.write_bytes(b"damaged")
    ask(bundle, registry, SIGNER)
    assert path.read_bytes() == SIGNER.sign(bundle_message(bundle.digest))


def test_signatures_go_along_with_the_bundle(make: Make, registry: Path) -> None:
    bundle = make("first")
    sign_bundle(str(bundle.folder), OTHER, S3)
    (bundle.folder / "signatures/notes.txt").write_text("no signature")
    ask(bundle, registry, SIGNER)
    home = registry / "bundles" / bundle.digest
    found = {path.name for path in (home / "signatures").iterdir()}
    assert found == {f"{one.public.key_id}.sig" for one in (SIGNER, OTHER)}
    for signer in (SIGNER, OTHER):
        assert fetch_bundle(str(home), S3, [signer.public.text])


def test_a_folder_is_signed_where_it_lies(make: Make) -> None:
    bundle = make("first")
    assert sign_bundle(str(bundle.folder), SIGNER, S3).digest == bundle.digest
    assert fetch_bundle(str(bundle.folder), S3, TRUSTED).digest == bundle.digest


def test_an_altered_bundle_is_not_signed(make: Make) -> None:
    bundle = make("first")
    (bundle.folder / "openvino/gate.bin").write_bytes(b"altered")
    with pytest.raises(BundleError, match="does not match"):
        sign_bundle(str(bundle.folder), SIGNER, S3)
    assert not (bundle.folder / "signatures").exists()


# -- the commands ---------------------------------------------------------------------------------


def test_the_commands_say_what_to_set(
    make: Make, registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = new_key(tmp_path / "plant.pem")
    bundle = make("first")
    text = read_signer(key, no_passphrase).public.text
    assert main(["sign", str(bundle.folder), "--key", str(key)]) == 0
    assert f"trusted_keys: [{text}]" in capsys.readouterr().out
    assert fetch_bundle(str(bundle.folder), S3, [text])
    named = ("--registry", str(registry), "--as", "production", "--sign", str(key))
    assert main(["promote", str(bundle.folder), *named]) == 0
    assert f"; signed by key {read_public_key(text).key_id}" in capsys.readouterr().out
    assert fetch_bundle(f"{registry}/production", S3, [text])


def test_a_key_that_cannot_be_used_ends_with_2_before_anything_is_written(
    make: Make, registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = make("first")
    named = ("--registry", str(registry), "--as", "production")
    assert main(["promote", str(bundle.folder), *named, "--sign", str(tmp_path / "none")]) == 2
    assert "none: No such file or directory" in capsys.readouterr().err
    assert not registry.exists()


def test_a_passphrase_comes_from_the_environment(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = new_key(tmp_path / "plant.pem", "correct horse battery")
    folder = str(make("first").folder)
    monkeypatch.delenv(PASSPHRASE, raising=False)
    assert main(["sign", folder, "--key", str(key)]) == 2
    assert "is encrypted, and no passphrase was given" in capsys.readouterr().err
    monkeypatch.setenv(PASSPHRASE, "not the passphrase")
    assert main(["sign", folder, "--key", str(key)]) == 2
    shown = capsys.readouterr().err
    assert "the passphrase is wrong" in shown
    assert "not the passphrase" not in shown
    monkeypatch.setenv(PASSPHRASE, "correct horse battery")
    assert main(["sign", folder, "--key", str(key)]) == 0
    captured = capsys.readouterr()
    assert "correct horse battery" not in captured.out + captured.err


def test_a_private_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    key = new_key(tmp_path / "plant.pem")
    for mode in (0o640, 0o604, 0o660):
        key.chmod(mode)
        with pytest.raises(SettingsError, match=f"others may read .*; run chmod 600 {key}"):
            read_signer(key, no_passphrase)
    key.chmod(0o400)
    assert read_signer(key, no_passphrase)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("-algorithm", "x25519"), "of another kind than Ed25519"),
        (("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), "of another kind"),
    ],
)
def test_keys_of_other_kinds_are_refused(
    tmp_path: Path, arguments: tuple[str, ...], problem: str
) -> None:
    key = tmp_path / "other.pem"
    command = ["openssl", "genpkey", *arguments, "-out", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    key.chmod(0o600)
    with pytest.raises(SettingsError, match=problem):
        read_signer(key, no_passphrase)


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\n", b"\xff" * 9])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    key = tmp_path / "none.pem"
    key.write_bytes(content)
    key.chmod(0o600)
    with pytest.raises(SettingsError, match="no private key in PEM form"):
        read_signer(key, no_passphrase)


def test_openssl_makes_the_keys_and_checks_the_signatures(make: Make, tmp_path: Path) -> None:
    key, public = tmp_path / "plant.pem", tmp_path / "plant.pub.pem"

    def openssl(*arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    openssl("genpkey", "-algorithm", "ed25519", "-out", key)
    openssl("pkey", "-in", key, "-pubout", "-out", public)
    bundle = make("first")
    signer = read_signer(key, no_passphrase)
    sign_bundle(str(bundle.folder), signer, S3)
    assert read_public_key(str(public)) == signer.public
    assert fetch_bundle(str(bundle.folder), S3, [str(public)])
    message = tmp_path / "message"
    message.write_bytes(b"steeldefect bundle v1\n" + bundle.digest.encode() + b"\n")
    signature = bundle.folder / signature_name(signer.public.key_id)
    checked = ("-pubin", "-inkey", public, "-rawin", "-in", message, "-sigfile", signature)
    openssl("pkeyutl", "-verify", *checked)


def test_a_record_with_a_signature_holds_what_it_held(make: Make, registry: Path) -> None:
    ask(make("first"), registry, SIGNER)
    record = json.loads((registry / "production/000001.json").read_text(encoding="utf-8"))
    assert record["signature"]["key"] == SIGNER.public.key_id
    assert {"alias", "digest", "promoted_at", "promoted_by", "note"} <= record.keys()
