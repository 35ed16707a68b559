"""The model bundle: one changed byte anywhere, one missing file, one unknown format is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import threading
import zipfile
from pathlib import Path

import pytest

from steeldefect.bundle.files import (
    MANDATORY_FORMS,
    MANIFEST_NAME,
    SEAL_NAME,
    Bundle,
    ModelForm,
    ModelName,
    describe_files,
    open_bundle,
    seal_bundle,
    selected_files,
)
from steeldefect.bundle.packed import pack, unpack
from steeldefect.errors import BundleError

FILES = (
    MANIFEST_NAME,
    SEAL_NAME,
    "keras/gate.keras",
    "keras/segmenter.keras",
    "openvino/gate.xml",
    "openvino/gate.bin",
    "openvino/segmenter.xml",
    "openvino/segmenter.bin",
    "selftest.json",
)
INT8_FILES = tuple(
    f"openvino_int8/{model}.{suffix}"
    for model in ("gate", "segmenter")
    for suffix in ("xml", "bin")
)
every_file = pytest.mark.parametrize("name", FILES)


@pytest.fixture
def copied(rule_bundle: Bundle, tmp_path: Path) -> Path:
    """A copy of the bundle, to be damaged."""
    return Path(shutil.copytree(rule_bundle.folder, tmp_path / "copied"))


def seal(folder: Path, content: bytes) -> None:
    """Write a manifest and a seal that fits it, as an attacker might."""
    digest = hashlib.sha256(content).hexdigest()
    (folder / MANIFEST_NAME).write_bytes(content)
    (folder / SEAL_NAME).write_text(f"{digest}  {MANIFEST_NAME}\n")


def test_a_whole_bundle_opens(rule_bundle: Bundle, copied: Path) -> None:
    opened = open_bundle(copied)
    assert opened.manifest == rule_bundle.manifest
    assert opened.digest == rule_bundle.digest
    assert opened.digest == hashlib.sha256((copied / MANIFEST_NAME).read_bytes()).hexdigest()
    assert opened.folder == copied


def test_the_files_are_these(rule_bundle: Bundle) -> None:
    found = {
        path.relative_to(rule_bundle.folder).as_posix()
        for path in rule_bundle.folder.rglob("*")
        if path.is_file()
    }
    assert found == set(FILES)
    assert {*rule_bundle.manifest.files, MANIFEST_NAME, SEAL_NAME} == found


def test_models_and_their_paths(rule_bundle: Bundle) -> None:
    assert rule_bundle.models == (ModelName.GATE, ModelName.SEGMENTER)
    for model in ModelName:
        for form in MANDATORY_FORMS:
            assert rule_bundle.model_path(model, form).is_file()


def test_sha256sum_checks_the_seal_by_hand(copied: Path) -> None:
    check = ["sha256sum", "--check", "--strict", SEAL_NAME]
    assert subprocess.run(check, cwd=copied, capture_output=True, check=False).returncode == 0
    (copied / MANIFEST_NAME).write_bytes((copied / MANIFEST_NAME).read_bytes() + b" ")
    assert subprocess.run(check, cwd=copied, capture_output=True, check=False).returncode != 0


@every_file
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_one_flipped_bit_is_refused(copied: Path, name: str, place: str) -> None:
    data = bytearray((copied / name).read_bytes())
    data[{"first": 0, "middle": len(data) // 2, "last": -1}[place]] ^= 1
    (copied / name).write_bytes(data)
    with pytest.raises(BundleError) as caught:
        open_bundle(copied)
    named = MANIFEST_NAME if name == SEAL_NAME else name
    assert f"{named} does not match" in str(caught.value)
    assert str(copied) in str(caught.value)


@every_file
def test_a_byte_too_many_or_too_few_is_refused(copied: Path, name: str) -> None:
    whole = (copied / name).read_bytes()
    for altered in (whole + b"\n", whole[:-1], b""):
        (copied / name).write_bytes(altered)
        with pytest.raises(BundleError, match="does not match"):
            open_bundle(copied)


@every_file
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(BundleError, match=f"no such file: .*/{name}"):
        open_bundle(copied)


@every_file
def test_a_folder_in_a_files_place_is_refused(copied: Path, name: str) -> None:
    (copied / name).unlink()
    (copied / name).mkdir()
    with pytest.raises(BundleError, match=f"cannot read .*/{name}: Is a directory"):
        open_bundle(copied)


def test_no_folder_at_all_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no such file: .*/none/bundle.json; a bundle is"):
        open_bundle(tmp_path / "none")


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("format_version", 8, "format_version: .*format 8, this version of steeldefect reads"),
        ("format_version", 99, "format_version: .*format 99"),
        ("classes", [], "classes: "),
        ("unheard", 1, "unheard: "),
        ("files", {}, "it has no keras/gate.keras"),
    ],
)
def test_a_sealed_manifest_of_another_kind_is_refused(
    copied: Path, field: str, value: object, problem: str
) -> None:
    stated = json.loads((copied / MANIFEST_NAME).read_bytes())
    seal(copied, json.dumps(stated | {field: value}).encode())
    with pytest.raises(BundleError, match=problem):
        open_bundle(copied)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"not JSON", b"\xff"])
def test_a_sealed_manifest_that_is_none_is_refused(copied: Path, content: bytes) -> None:
    seal(copied, content)
    with pytest.raises(BundleError, match=MANIFEST_NAME):
        open_bundle(copied)


def test_a_changed_threshold_that_is_sealed_anew_is_another_bundle(
    rule_bundle: Bundle, copied: Path
) -> None:
    gate = rule_bundle.manifest.gate
    assert gate is not None
    changed = rule_bundle.manifest.model_copy(
        update={"gate": gate.model_copy(update={"threshold": 0.25})}
    )
    digest = seal_bundle(copied, changed)
    assert open_bundle(copied).digest == digest != rule_bundle.digest


@pytest.mark.parametrize("form", MANDATORY_FORMS)
def test_only_the_wanted_form_has_to_be_there(copied: Path, form: ModelForm) -> None:
    other = next(one for one in MANDATORY_FORMS if one is not form)
    shutil.rmtree(copied / other.value)
    open_bundle(copied, [form])
    for wanted in ([other], MANDATORY_FORMS, None):
        with pytest.raises(BundleError, match="no such file"):
            open_bundle(copied, wanted)


@pytest.mark.parametrize("form", MANDATORY_FORMS)
def test_a_wanted_form_that_the_manifest_does_not_know_is_missed(
    copied: Path, form: ModelForm
) -> None:
    shutil.rmtree(copied / form.value)
    whole = open_bundle(copied, [one for one in MANDATORY_FORMS if one is not form])
    seal_bundle(copied, whole.manifest.model_copy(update={"files": describe_files(copied)}))
    for wanted in ([form], None):
        with pytest.raises(BundleError, match=f"it has no {form.value}/gate"):
            open_bundle(copied, wanted)


def test_a_bundle_with_int8_forms_has_to_have_them_whole(
    int8_bundle: Bundle, tmp_path: Path
) -> None:
    assert set(int8_bundle.manifest.files) == {*FILES[2:], *INT8_FILES}
    copied = Path(shutil.copytree(int8_bundle.folder, tmp_path / "copied"))
    open_bundle(copied)
    (copied / "openvino_int8/segmenter.xml").unlink()
    open_bundle(copied, MANDATORY_FORMS)
    for wanted in ([ModelForm.OPENVINO_INT8], None):
        with pytest.raises(BundleError, match=r"no such file: .*/openvino_int8/segmenter\.xml"):
            open_bundle(copied, wanted)
    listed = int8_bundle.manifest.model_copy(update={"files": describe_files(copied)})
    seal_bundle(copied, listed)
    with pytest.raises(BundleError, match=r"it has no openvino_int8/segmenter\.xml"):
        open_bundle(copied)


def test_a_default_of_int8_needs_the_form(int8_bundle: Bundle, copied: Path) -> None:
    stated = open_bundle(copied).manifest.model_copy(
        update={"compiled": int8_bundle.manifest.compiled}
    )
    seal_bundle(copied, stated)
    with pytest.raises(BundleError, match=r"it has no openvino_int8/gate\.xml; set precision=auto"):
        open_bundle(copied)


def test_a_bundle_of_format_1_opens(rule_bundle: Bundle, copied: Path) -> None:
    (copied / "selftest.json").unlink()
    stated = rule_bundle.manifest.model_dump(mode="json")
    stated |= {"format_version": 1}
    stated["files"].pop("selftest.json")
    for section, fields in {
        "gate": ("mode", "temperature", "soft_area"),
        "segmenter": ("mirrors",),
    }.items():
        for field in fields:
            del stated[section][field]
    del stated["calibration"], stated["compiled"]
    seal(copied, json.dumps(stated).encode())
    opened = open_bundle(copied)
    assert opened.manifest.compiled is None
    with pytest.raises(BundleError, match=r"no openvino_int8/gate\.xml; set precision=auto, or"):
        opened.require([ModelForm.OPENVINO_INT8])


def test_selected_files(rule_bundle: Bundle, int8_bundle: Bundle) -> None:
    manifest = rule_bundle.manifest
    assert set(selected_files(manifest, None)) == set(FILES[2:])
    assert set(selected_files(manifest, [ModelForm.KERAS])) == set(FILES[2:4])
    assert set(selected_files(manifest, [ModelForm.OPENVINO])) == set(FILES[4:8])
    assert selected_files(manifest, [ModelForm.OPENVINO_INT8]) == []
    assert set(selected_files(int8_bundle.manifest, [ModelForm.OPENVINO_INT8])) == set(INT8_FILES)
    assert selected_files(manifest, []) == []


def test_every_file_below_a_folder_is_described(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c.bin").write_bytes(b"123")
    (tmp_path / "note.txt").write_bytes(b"")
    (tmp_path / MANIFEST_NAME).write_bytes(b"x")
    (tmp_path / SEAL_NAME).write_bytes(b"x")
    described = describe_files(tmp_path)
    assert {name: one.size for name, one in described.items()} == {"a/b/c.bin": 3, "note.txt": 0}
    assert described["a/b/c.bin"].sha256 == hashlib.sha256(b"123").hexdigest()


@pytest.mark.parametrize("forms", [(ModelForm.KERAS,), (ModelForm.OPENVINO,), MANDATORY_FORMS])
def test_packed_and_unpacked_it_is_the_same_bundle(
    rule_bundle: Bundle, tmp_path: Path, forms: tuple[ModelForm, ...]
) -> None:
    target = tmp_path / "deep/er/unpacked"
    unpack(pack(rule_bundle, forms), target)
    opened = open_bundle(target, forms)
    assert opened.digest == rule_bundle.digest
    assert set(describe_files(target)) == set(selected_files(rule_bundle.manifest, forms))
    assert [path.name for path in target.parent.iterdir()] == ["unpacked"], "nothing is left over"


def zipped(entries: dict[str, bytes], **about: int) -> bytes:
    """Zip files as an attacker might; `about`: fields of all entries but manifest and seal."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            for field, value in about.items() if name not in (MANIFEST_NAME, SEAL_NAME) else ():
                setattr(entry, field, value)
            archive.writestr(entry, content)
    return buffer.getvalue()


@pytest.fixture
def shipped(rule_bundle: Bundle) -> dict[str, bytes]:
    """The bundle as it is packed for executors."""
    names = [MANIFEST_NAME, SEAL_NAME, *selected_files(rule_bundle.manifest, [ModelForm.OPENVINO])]
    return {name: (rule_bundle.folder / name).read_bytes() for name in names}


@pytest.mark.parametrize(
    "name", ["../escaped", "/escaped", "a/../../escaped", "..\\escaped", "C:\\escaped", "unlisted"]
)
def test_a_packed_file_that_the_manifest_does_not_list_is_refused(
    shipped: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    with pytest.raises(BundleError, match="that its manifest does not describe"):
        unpack(zipped(shipped | {name: b"escaped"}), tmp_path / "cache" / "unpacked")
    assert not list(tmp_path.rglob("*escaped*"))
    assert not list(tmp_path.rglob("*unlisted*"))


def test_a_packed_link_is_not_followed(shipped: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"outside")
    name = "openvino/gate.xml"
    whole = shipped[name]
    linked = shipped | {name: b"../../outside".ljust(len(whole), b" ")}
    unpack(zipped(linked, external_attr=0o120777 << 16), tmp_path / "unpacked")
    assert not (tmp_path / "unpacked" / name).is_symlink()
    with pytest.raises(BundleError, match=f"{name} does not match"):
        open_bundle(tmp_path / "unpacked", [ModelForm.OPENVINO])


def test_a_packed_bomb_is_refused(shipped: dict[str, bytes], tmp_path: Path) -> None:
    bomb = {"openvino/gate.bin": bytes(50_000_000)}
    for payload in (
        zipped(shipped | bomb, compress_type=zipfile.ZIP_DEFLATED),
        zipped(shipped | bomb),
    ):
        with pytest.raises(BundleError, match=r"compressed files|does not describe"):
            unpack(payload, tmp_path / "unpacked")
    assert not any(tmp_path.iterdir())


def test_a_packed_bundle_that_is_damaged_is_refused(
    shipped: dict[str, bytes], tmp_path: Path
) -> None:
    whole = zipped(shipped)
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 1
    without = {name: content for name, content in shipped.items() if name != MANIFEST_NAME}
    for payload in (b"", b"no zip", whole[:-30], bytes(broken), zipped(without)):
        with pytest.raises(BundleError, match="the packed bundle is damaged"):
            unpack(payload, tmp_path / "unpacked")
    assert not any(tmp_path.iterdir())


@every_file
def test_a_link_that_leads_out_of_the_bundle_is_refused(
    copied: Path, tmp_path: Path, name: str
) -> None:
    outside = tmp_path / "outside"
    (copied / name).rename(outside)
    (copied / name).symlink_to(outside)
    with pytest.raises(BundleError, match=r"is a link that leads out of the bundle; copy"):
        open_bundle(copied)


def test_a_folder_that_leads_out_of_the_bundle_is_refused(copied: Path, tmp_path: Path) -> None:
    (copied / "keras").rename(tmp_path / "outside")
    (copied / "keras").symlink_to(tmp_path / "outside")
    with pytest.raises(BundleError, match="leads out of the bundle"):
        open_bundle(copied)


def test_links_inside_a_bundle_and_to_it_are_followed(copied: Path, tmp_path: Path) -> None:
    inside = copied / "openvino" / "gate.bin"
    inside.rename(copied / "stored")
    inside.symlink_to("../stored")
    (tmp_path / "current").symlink_to(copied)
    assert open_bundle(tmp_path / "current").digest == open_bundle(copied).digest


def test_links_in_circles_and_pipes_are_refused(copied: Path) -> None:
    path = copied / "openvino" / "gate.bin"
    path.unlink()
    path.symlink_to("gate.bin")
    with pytest.raises(BundleError, match=r"cannot read .*gate\.bin"):
        open_bundle(copied)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BundleError, match="is not a regular file"):
        open_bundle(copied)


def test_unpacking_over_a_folder_leaves_it_as_it_is(rule_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/kept.txt").write_text("first")
    unpack(pack(rule_bundle, [ModelForm.OPENVINO]), tmp_path / "there")
    assert [path.name for path in tmp_path.rglob("*")] == ["there", "kept.txt"]


def test_many_that_unpack_at_once_leave_one_whole_bundle(
    rule_bundle: Bundle, tmp_path: Path
) -> None:
    payload = pack(rule_bundle, [ModelForm.KERAS, ModelForm.OPENVINO])
    target = tmp_path / "unpacked"
    failures: list[Exception] = []
    ready = threading.Barrier(8)

    def unpack_and_open() -> None:
        ready.wait()
        try:
            unpack(payload, target)
            open_bundle(target, MANDATORY_FORMS)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=unpack_and_open) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [path.name for path in tmp_path.iterdir()] == ["unpacked"], "nothing is left over"
