"""Fetching a bundle from a folder or from S3, and the copy that a host keeps."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from steeldefect.bundle.fetch import (
    cached_folder,
    fetch_bundle,
    find_bundle,
    host_copy,
    open_published,
)
from steeldefect.bundle.files import (
    MANDATORY_FORMS,
    MANIFEST_NAME,
    SEAL_NAME,
    Bundle,
    ModelForm,
    open_bundle,
    seal_bundle,
)
from steeldefect.bundle.packed import pack, unpack
from steeldefect.errors import BundleError, StoreUnavailableError
from steeldefect.stores import S3Settings, open_store


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of this host's own for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def published(rule_bundle: Bundle, s3: S3Settings, s3_address: str) -> str:
    """The bundle in S3."""
    store = open_store(s3_address, s3)
    for name in (MANIFEST_NAME, SEAL_NAME, *rule_bundle.manifest.files):
        store.write(name, (rule_bundle.folder / name).read_bytes())
    return s3_address


def at_once(count: int, act: Callable[[], object]) -> list[Exception]:
    """Run the same call in many threads, and return the errors."""
    failures: list[Exception] = []
    ready = threading.Barrier(count)

    def run() -> None:
        ready.wait()
        try:
            act()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_a_folder_is_opened_where_it_lies(rule_bundle: Bundle, cache: Path) -> None:
    for uri in (str(rule_bundle.folder), f"file://{rule_bundle.folder}"):
        fetched = fetch_bundle(uri, S3Settings())
        assert fetched.folder == rule_bundle.folder
        assert fetched.digest == rule_bundle.digest
    assert not any(cache.iterdir())


def test_what_was_found_and_then_exchanged_is_refused(rule_bundle: Bundle, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(rule_bundle.folder, tmp_path / "exchanged"))
    found = find_bundle(str(folder), S3Settings())
    digest = seal_bundle(folder, rule_bundle.manifest.model_copy(update={"gate": None}))
    with pytest.raises(BundleError, match=f"it is {digest}, not {rule_bundle.digest}"):
        open_published(found)


@pytest.mark.parametrize("name", ["../../escaped", "/escaped", "keras/../../escaped", "a\\b"])
def test_a_manifest_in_s3_cannot_name_a_file_outside(
    rule_bundle: Bundle, s3: S3Settings, s3_address: str, cache: Path, name: str
) -> None:
    content = b"escaped"
    stated = rule_bundle.manifest.model_dump(mode="json")
    stated["files"] |= {name: {"sha256": hashlib.sha256(content).hexdigest(), "size": 7}}
    manifest = json.dumps(stated).encode()
    store = open_store(s3_address, s3)
    store.write(MANIFEST_NAME, manifest)
    seal = f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST_NAME}\n"
    store.write(SEAL_NAME, seal.encode())
    with pytest.raises(BundleError, match="is not a path inside the bundle"):
        fetch_bundle(s3_address, s3)
    assert not list(cache.parent.rglob("*escaped*"))


def test_from_s3_it_is_copied_here_once(
    rule_bundle: Bundle, published: str, s3: S3Settings
) -> None:
    fetched = fetch_bundle(published, s3)
    assert fetched.digest == rule_bundle.digest
    assert fetched.manifest == rule_bundle.manifest
    assert fetched.folder == cached_folder(rule_bundle.digest, None)
    before = {path: path.stat().st_ino for path in fetched.folder.rglob("*")}
    assert fetch_bundle(f"{published}/", s3).folder == fetched.folder
    assert {path: path.stat().st_ino for path in fetched.folder.rglob("*")} == before


def test_the_copy_is_this_users_alone(published: str, s3: S3Settings) -> None:
    folder = fetch_bundle(published, s3).folder.parent
    assert folder.stat().st_mode & 0o077 == 0


def test_a_damaged_copy_is_fetched_again(
    rule_bundle: Bundle, published: str, s3: S3Settings
) -> None:
    copy = fetch_bundle(published, s3).folder
    for damage in (
        lambda: (copy / "keras/gate.keras").write_bytes(b"altered"),
        (copy / SEAL_NAME).unlink,
        partial(shutil.rmtree, copy),
    ):
        damage()
        assert fetch_bundle(published, s3).digest == rule_bundle.digest


def test_a_copy_that_was_altered_and_sealed_anew_is_not_taken(
    rule_bundle: Bundle, published: str, s3: S3Settings
) -> None:
    copy = fetch_bundle(published, s3).folder
    seal_bundle(copy, rule_bundle.manifest.model_copy(update={"gate": None}))
    assert open_bundle(copy).digest != rule_bundle.digest
    assert fetch_bundle(published, s3).digest == rule_bundle.digest


@pytest.mark.parametrize(
    "name", [MANIFEST_NAME, SEAL_NAME, "keras/gate.keras", "openvino/gate.bin"]
)
def test_an_altered_or_incomplete_bundle_in_s3_is_refused(
    published: str, s3: S3Settings, cache: Path, name: str
) -> None:
    store = open_store(published, s3)
    whole = store.read(name)
    store.write(name, whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BundleError, match="does not match"):
        fetch_bundle(published, s3)
    store.delete(name)
    with pytest.raises(BundleError, match=f"no bundle at {published}: .*/{name}: there is no such"):
        fetch_bundle(published, s3)
    left = [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left == []


def test_no_bundle_is_named(tmp_path: Path, s3: S3Settings, s3_address: str) -> None:
    with pytest.raises(BundleError, match=f"no bundle at {s3_address}"):
        fetch_bundle(s3_address, s3)
    with pytest.raises(BundleError, match="No such file"):
        fetch_bundle(str(tmp_path / "none"), s3)


def test_a_store_that_does_not_answer_is_no_missing_bundle() -> None:
    nowhere = S3Settings(endpoint_url="http://127.0.0.1:9", max_attempts=1)
    with pytest.raises(StoreUnavailableError):
        fetch_bundle("s3://bucket/bundle", nowhere)


def test_many_that_fetch_at_once_all_get_the_bundle(published: str, s3: S3Settings) -> None:
    assert at_once(6, partial(fetch_bundle, published, s3)) == []


def test_many_that_need_the_hosts_copy_at_once_all_get_it(rule_bundle: Bundle) -> None:
    forms = (ModelForm.OPENVINO,)
    payload = pack(rule_bundle, forms)
    filled: list[Path] = []

    def fill(folder: Path) -> None:
        filled.append(folder)
        unpack(payload, folder)

    for _ in range(20):
        shutil.rmtree(cached_folder(rule_bundle.digest, forms), ignore_errors=True)
        filled.clear()
        assert at_once(8, lambda: host_copy(rule_bundle.digest, forms, fill)) == []
        assert len(filled) == 1


def test_what_is_shipped_must_be_the_bundle_that_was_named(rule_bundle: Bundle) -> None:
    forms = (ModelForm.OPENVINO,)
    payload = pack(rule_bundle, forms)
    with pytest.raises(BundleError, match=f"it is {rule_bundle.digest}, not {'0' * 64}"):
        host_copy("0" * 64, forms, lambda folder: unpack(payload, folder))


def test_each_choice_of_forms_has_its_own_copy() -> None:
    digest = "ab" * 32
    choices = [None, MANDATORY_FORMS, *((form,) for form in ModelForm)]
    folders = {cached_folder(digest, forms) for forms in choices}
    assert len(folders) == len(choices)
    assert all(folder.name.startswith(digest[:32]) for folder in folders)


def test_a_folder_that_others_may_write_to_is_not_used(
    published: str, s3: S3Settings, cache: Path
) -> None:
    folder = fetch_bundle(published, s3).folder.parent
    assert folder.parent == cache
    folder.chmod(0o777)
    with pytest.raises(BundleError, match="others may write to it; remove it, or set TMPDIR"):
        fetch_bundle(published, s3)
