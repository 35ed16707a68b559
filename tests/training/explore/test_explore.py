"""Test exploring a data folder: figures, every kind of fault, the page, the tutorial's files."""

from __future__ import annotations

import html
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from support.samples import Ended, run_program

from steeldefect.errors import DataError, SettingsError, StoreError
from steeldefect.pictures import run_lengths
from training.data.dataset import read_dataset
from training.explore import statistics
from training.explore.faults import RULES, FaultKind
from training.explore.findings import Findings, find
from training.explore.run import explore
from training.explore.source import ExploreOptions, read_shape, read_source


def _find(folder: Any, **options: Any) -> Findings:
    return find(read_source(ExploreOptions(folder.path, **options)))


def _kinds(findings: Findings) -> dict[FaultKind, list[str]]:
    kinds: dict[FaultKind, list[str]] = {}
    for fault in findings.faults:
        kinds.setdefault(fault.kind, []).append(fault.name)
    return kinds


# -- figures --------------------------------------------------------------------------------------


def test_figures_of_a_sound_folder(small_folder: Any) -> None:
    findings = _find(small_folder)
    head = statistics.headline(findings)
    assert (head.pictures, head.defective, head.clean, head.mask_rows) == (3, 2, 1, 3)
    assert head.empty_share == pytest.approx(0.5)  # 3 of 6 pairs of picture and class
    classes = statistics.classes(findings)
    assert classes["rows"].tolist() == [1, 2]
    assert classes["pictures"].tolist() == [1, 2]
    assert classes["area_median"].tolist() == [144, 144]
    pixels = 3 * small_folder.shape[0] * small_folder.shape[1]
    assert classes["share_of_all_pixels"].tolist() == pytest.approx([144 / pixels, 288 / pixels])
    assert statistics.classes_per_picture(findings)["pictures"].tolist() == [1, 1, 1]
    assert statistics.combinations(findings)["ClassIds"].tolist() == ["1+2", "2"]
    assert statistics.sizes(findings).to_numpy().tolist() == [[64, 32, 3]]
    assert findings.faults == []
    assert findings.duplicates == []


def test_a_mask_is_measured(small_folder: Any) -> None:
    mask = statistics.masks(_find(small_folder)).iloc[0]
    assert mask["ImageId"] == "a.png"
    assert mask[["left", "top", "right", "bottom", "regions"]].tolist() == [3, 2, 15, 14, 1]
    assert mask["share"] == pytest.approx(144 / (32 * 64))


def test_regions_are_counted_apart(folder: Any) -> None:
    mask = np.zeros(folder.shape, bool)
    mask[2:6, 5:9] = mask[20:30, 5:9] = mask[2:6, 40:50] = True
    folder.picture("a.png", {1: run_lengths.encode(mask)})
    folder.masks_table()
    assert statistics.masks(_find(folder))["regions"].tolist() == [3]


def test_heat_map_is_the_share_of_masks_at_each_place(folder: Any) -> None:
    folder.picture("a.png", {1: folder.square(0, 0, 16)})
    folder.picture("b.png", {1: folder.square(0, 0, 32)})
    folder.masks_table()
    heat = _find(folder).masks.places[1]
    assert heat.shape == (64, 128)  # cells outnumber the pixels twice
    np.testing.assert_allclose(heat[:32, :32], 1.0)
    np.testing.assert_allclose(heat[32:, :64], 0.5)
    np.testing.assert_allclose(heat[:, 64:], 0.0)


def test_heat_map_of_a_large_picture_averages(folder: Any) -> None:
    mask = np.zeros((256, 1600), bool)
    mask[:, :800] = True
    folder.path.mkdir()
    folder.table(
        "train.csv", "ImageId,ClassId,EncodedPixels", [("a.jpg", 3, run_lengths.encode(mask))]
    )
    heat = _find(folder, shape=(256, 1600)).masks.places[3]
    assert heat.shape == (20, 128)
    np.testing.assert_allclose(heat[:, :64], 1.0)
    np.testing.assert_allclose(heat[:, 64:], 0.0)


def test_rows_without_run_lengths_are_no_masks(small_folder: Any) -> None:
    small_folder.masks.append(("c.png", 1, ""))
    small_folder.masks_table()
    findings = _find(small_folder)
    assert findings.masks.empty == 1
    assert len(findings.masks.sound) == 3
    assert findings.verdicts["c.png"].defective is False


def test_kaggles_two_columns(small_folder: Any) -> None:
    rows = [(f"{name}_{number}", text) for name, number, text in small_folder.masks]
    small_folder.table("train.csv", "ImageId_ClassId,EncodedPixels", rows)
    assert statistics.classes(_find(small_folder))["rows"].tolist() == [1, 2]


def test_label_rows_and_pictures_are_counted_apart(small_folder: Any) -> None:
    rows = [("a.png", 1), ("a.png", 1), ("b.png", 1), ("c.png", 0)]
    small_folder.table("labels.csv", "ImageID,label", rows)
    labels = statistics.labels(_find(small_folder))
    assert labels["rows"].tolist() == [3, 1]
    assert labels["pictures"].tolist() == [2, 1]


# -- faults ---------------------------------------------------------------------------------------


def test_every_kind_has_a_rule() -> None:
    assert set(RULES) == set(FaultKind)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (("c.png", 1, "5 3 7"), FaultKind.MASK_MALFORMED),
        (("c.png", 1, "5 x"), FaultKind.MASK_MALFORMED),
        (("c.png", 1, "5 9 6 9"), FaultKind.MASK_MALFORMED),  # overlaps itself
        (("c.png", 1, "2040 10"), FaultKind.MASK_OUT_OF_BOUNDS),  # 32 x 64 is 2048
        (("c.png", "zero", "5 30"), FaultKind.CLASS_ID_MALFORMED),
        (("c.png", 0, "5 30"), FaultKind.CLASS_ID_MALFORMED),
        (("a.png", 1, "5 30"), FaultKind.MASK_REPEATED),
        (("A.png", 1, "5 30"), FaultKind.MASK_WITHOUT_PICTURE),  # another row spells it a.png
        (("c.png", 1, "5 2"), FaultKind.MASK_TINY),
        (("gone.png", 1, "5 30"), FaultKind.MASK_WITHOUT_PICTURE),
    ],
)
def test_faults_of_mask_rows(small_folder: Any, row: tuple[Any, ...], kind: FaultKind) -> None:
    small_folder.masks.append(row)
    small_folder.masks_table()
    findings = _find(small_folder)
    assert _kinds(findings) == {kind: [row[0]]}
    assert findings.faults[0].line == 5


def test_a_row_that_is_there_twice_counts_once(small_folder: Any) -> None:
    small_folder.masks.append(small_folder.masks[0])
    small_folder.masks_table()
    findings = _find(small_folder)
    assert _kinds(findings) == {FaultKind.ROW_REPEATED: ["a.png"]}
    assert findings.faults[0].line == 5
    assert len(findings.masks.sound) == 3
    assert not RULES[FaultKind.ROW_REPEATED].stops_fit
    read_dataset(small_folder.path)


def test_names_find_pictures_as_in_a_fit(small_folder: Any) -> None:
    rows = [(f"images/{name.upper()}", *rest) for name, *rest in small_folder.masks]
    small_folder.table("train.csv", "ImageId,ClassId,EncodedPixels", rows)
    findings = _find(small_folder)
    assert findings.faults == []
    assert statistics.masks(findings)["ImageId"].tolist() == ["a.png", "a.png", "b.png"]


@pytest.mark.parametrize("row", [("c.jpg", 1, "5 30"), ("c.png", 0, "5 30"), ("c.png", 1, "5 x")])
def test_a_picture_that_a_faulty_row_may_mean_is_not_clean(
    small_folder: Any, row: tuple[Any, ...]
) -> None:
    small_folder.masks.append(row)
    small_folder.masks_table()
    findings = _find(small_folder)
    assert findings.verdicts["c.png"].defective is not False
    assert findings.faults[0].line == 5
    if row[0] == "c.jpg":
        assert findings.faults[0].detail == "not in images/; is 'c.png' meant?"


def test_classes_that_overlap(small_folder: Any) -> None:
    small_folder.picture("d.png", {1: small_folder.square(4, 4), 2: small_folder.square(10, 10)})
    small_folder.masks_table()
    findings = _find(small_folder)
    assert _kinds(findings) == {FaultKind.CLASSES_OVERLAP: ["d.png"]}
    assert "share 36 pixels, 25.0%" in findings.faults[0].detail


def test_a_class_that_the_classes_file_does_not_name(small_folder: Any) -> None:
    small_folder.classes({1: "pit"})
    findings = _find(small_folder)
    assert _kinds(findings) == {FaultKind.CLASS_UNNAMED: ["a.png", "b.png"]}
    assert findings.class_names == {1: "pit", 2: "class_2"}


_SOUND = [("a.png", 1), ("b.png", 1), ("c.png", 0)]


@pytest.mark.parametrize(
    ("rows", "kinds"),
    [
        (_SOUND, {}),
        ([*_SOUND[:2], ("c.png", 2)], {FaultKind.LABEL_MALFORMED: ["c.png"],
                                       FaultKind.PICTURE_WITHOUT_LABEL: ["c.png"]}),
        ([*_SOUND, ("b.png", 1)], {FaultKind.ROW_REPEATED: ["b.png"]}),
        ([*_SOUND, ("b.png", 0)], {FaultKind.LABEL_REPEATED: ["b.png"],
                                   FaultKind.LABELS_CONTRADICT: ["b.png"]}),
        ([*_SOUND, ("gone.png", 0)], {FaultKind.LABEL_WITHOUT_PICTURE: ["gone.png"]}),
        (_SOUND[:2], {FaultKind.PICTURE_WITHOUT_LABEL: ["c.png"]}),
        ([("a.png", 0), *_SOUND[1:]], {FaultKind.CLEAN_WITH_MASK: ["a.png"]}),
        ([*_SOUND[:2], ("c.png", 1)], {FaultKind.DEFECTIVE_WITHOUT_MASK: ["c.png"]}),
    ],
)  # fmt: skip
def test_faults_of_label_rows(
    small_folder: Any, rows: list[tuple[object, ...]], kinds: dict[FaultKind, list[str]]
) -> None:
    small_folder.table("labels.csv", "ImageId,label", rows)
    assert _kinds(_find(small_folder)) == kinds


def test_faults_of_files(small_folder: Any) -> None:
    small_folder.table("labels.csv", "ImageId,label", _SOUND)
    small_folder.table("defect_and_no_defect.csv", "ImageId,label", _SOUND)
    groups = [("a.png", "x"), ("a.png", "y"), ("gone.png", "x")]
    small_folder.table("groups.csv", "ImageId,group", groups)
    (small_folder.path / "images" / "notes.txt").write_text("", encoding="utf-8")
    (small_folder.path / "images" / "half.png").write_bytes(b"\x89PNG\r\n")
    kinds = _kinds(_find(small_folder))
    assert kinds == {
        FaultKind.PICTURE_UNREADABLE: ["half.png"],
        FaultKind.PICTURE_WITHOUT_LABEL: ["half.png"],
        FaultKind.GROUP_REPEATED: ["a.png"],
        FaultKind.GROUP_WITHOUT_PICTURE: ["gone.png"],
        FaultKind.SECOND_LABELS_FILE: ["defect_and_no_defect.csv"],
        FaultKind.STRAY_FILE: ["notes.txt"],
    }


def test_entries_that_are_no_pictures(small_folder: Any) -> None:
    images = small_folder.path / "images"
    (images / "._a.png").write_bytes(b"\0\5\x16\7")
    (images / "d.png").mkdir()
    os.mkfifo(images / "p.png")
    (images / os.fsdecode(b"pr\xfcf.png")).touch()
    assert _kinds(_find(small_folder)) == {
        FaultKind.PICTURE_UNREADABLE: [r"pr\udcfcf.png"],
        FaultKind.STRAY_FILE: ["._a.png", "d.png", "p.png"],
    }


def _copy(folder: Any, name: str, copy: str) -> None:
    gray = cv2.imread(str(folder.path / "images" / name), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(folder.path / "images" / copy), gray)


def test_duplicates_that_disagree_or_may_be_torn_apart(small_folder: Any) -> None:
    _copy(small_folder, "a.png", "copy.png")  # without a mask: clean
    assert _kinds(_find(small_folder)) == {
        FaultKind.DUPLICATES_DISAGREE: ["a.png"],
        FaultKind.DUPLICATES_IN_GROUPS: ["a.png"],
    }
    small_folder.table("groups.csv", "ImageId,group", [("a.png", "x"), ("copy.png", "x")])
    assert _kinds(_find(small_folder)) == {FaultKind.DUPLICATES_DISAGREE: ["a.png"]}


# -- the folder's parts ---------------------------------------------------------------------------


def test_other_file_names_inside_the_folder_and_elsewhere(
    small_folder: Any, tmp_path: Path
) -> None:
    (small_folder.path / "train.csv").rename(small_folder.path / "runs.csv")
    small_folder.table("../said.csv", "ImageId,label", _SOUND)
    findings = _find(small_folder, masks=Path("runs.csv"), labels=tmp_path / "said.csv")
    assert statistics.headline(findings).mask_rows == 3
    assert findings.verdicts["a.png"].labels == (True,)


def test_nothing_but_masks_nothing_but_labels_nothing_but_pictures(
    small_folder: Any, tmp_path: Path
) -> None:
    for path in (small_folder.path / "images").iterdir():
        path.unlink()
    assert statistics.headline(_find(small_folder)).defective == 2
    explore(ExploreOptions(small_folder.path), tmp_path / "masks")
    (small_folder.path / "train.csv").unlink()
    small_folder.table("labels.csv", "ImageId,label", _SOUND)
    head = explore(ExploreOptions(small_folder.path), tmp_path / "labels").headline
    assert (head.defective, head.clean, head.empty_share) == (2, 1, None)
    (small_folder.path / "labels.csv").unlink()
    small_folder.picture("a.png")
    head = explore(ExploreOptions(small_folder.path), tmp_path / "pictures").headline
    assert pd.read_csv(tmp_path / "pictures" / "classes.csv").empty
    assert (head.pictures, head.unsaid) == (1, 1)


def test_what_cannot_be_explored(small_folder: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such folder: .*nowhere; --data"):
        read_source(ExploreOptions(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"neither images/ nor train\.csv.*--masks FILE"):
        read_source(ExploreOptions(tmp_path / "empty"))
    with pytest.raises(DataError, match=r"no such file: absent\.csv"):
        read_source(ExploreOptions(small_folder.path, masks=Path("absent.csv")))
    with pytest.raises(DataError, match="no column label"):
        read_source(ExploreOptions(small_folder.path, labels=Path("train.csv")))
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot make"):
        explore(ExploreOptions(small_folder.path), tmp_path / "file")
    with pytest.raises(SettingsError, match="WIDTHxHEIGHT"):
        read_shape("1600*256")
    assert read_shape("1600x256") == (256, 1600)


# -- the page -------------------------------------------------------------------------------------


class _Links(HTMLParser):
    """Collector of a page's links and open tags."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("href", "src") and value]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("href", "src") and value]


def _faulty_and_rich(folder: Any) -> None:
    folder.classes({1: "pit & <b>hole</b>", 2: "scratch"})
    folder.masks.append(("<script>.png", 7, "5 x"))
    folder.masks_table()
    for number in range(3):
        _copy(folder, "a.png", f"copy{number}.png")


def test_page_needs_nothing_from_elsewhere(small_folder: Any, tmp_path: Path) -> None:
    _faulty_and_rich(small_folder)
    page = explore(ExploreOptions(small_folder.path), tmp_path / "out").page
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//cdn|@import|url\((?!#)", text)
    assert "<script" not in text
    assert "pit &amp; &lt;b&gt;hole" in text
    links = _Links()
    links.feed(text)
    assert links.open == []
    beside = [one for one in links.links if not one.startswith(("#", "data:"))]
    assert any(one.endswith(".csv") for one in beside)
    assert any(one.endswith(".jpg") for one in beside)
    for one in beside:
        assert (page.parent / one).is_file(), one
    anchors = {one[1:] for one in links.links if one.startswith("#")}
    assert anchors <= set(re.findall(r'id="([^"]+)"', text))


def test_names_of_pictures_are_escaped(small_folder: Any, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>.png"
    small_folder.picture(name, {1: small_folder.square(2, 3)})
    small_folder.masks_table()
    page = explore(ExploreOptions(small_folder.path), tmp_path / "out").page
    text = page.read_text(encoding="utf-8")
    assert "<img src=x" not in text
    assert html.escape(name) in text
    links = _Links()
    links.feed(text)
    assert links.open == []


def test_ids_are_not_used_twice(small_folder: Any, tmp_path: Path) -> None:
    page = explore(ExploreOptions(small_folder.path), tmp_path / "out").page
    ids = re.findall(r' id="([^"]+)"', page.read_text(encoding="utf-8"))
    assert len(ids) == len(set(ids))


def test_tables_lie_beside_the_page(small_folder: Any, tmp_path: Path) -> None:
    _faulty_and_rich(small_folder)
    explore(ExploreOptions(small_folder.path), tmp_path / "out")
    read = {path.stem: pd.read_csv(path) for path in (tmp_path / "out").glob("*.csv")}
    assert set(read) == set(statistics.tabulate(_find(small_folder)))
    assert read["pictures"]["ImageId"].tolist()[:2] == ["a.png", "b.png"]
    assert read["masks"]["area"].tolist() == [144, 144, 144]
    assert read["duplicates"]["group"].tolist() == ["a.png"] * 4
    assert "mask malformed" in set(read["faults"]["fault"])


def test_duplicates_table_serves_as_groups(small_folder: Any, tmp_path: Path) -> None:
    _copy(small_folder, "b.png", "copy.png")
    explore(ExploreOptions(small_folder.path), tmp_path / "out")
    (tmp_path / "out" / "duplicates.csv").rename(small_folder.path / "groups.csv")
    assert FaultKind.DUPLICATES_IN_GROUPS not in _kinds(_find(small_folder))


def test_the_same_folder_gives_the_same_page(small_folder: Any, tmp_path: Path) -> None:
    first = explore(ExploreOptions(small_folder.path), tmp_path / "one").page.read_bytes()
    assert explore(ExploreOptions(small_folder.path), tmp_path / "two").page.read_bytes() == first


def test_style_of_charts_stays_with_them(small_folder: Any, tmp_path: Path) -> None:
    before = mpl.rcParams["svg.fonttype"]
    explore(ExploreOptions(small_folder.path), tmp_path / "out")
    assert mpl.rcParams["svg.fonttype"] == before


# -- the command ----------------------------------------------------------------------------------


def _command(*arguments: object) -> Ended:
    return run_program("-m", "training", "explore", *map(str, arguments))


def test_command(small_folder: Any, tmp_path: Path) -> None:
    ended = _command("--data", small_folder.path, "--out", tmp_path / "out")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "3 pictures: 2 defective, 1 clean, 0 not stated; 3 masks; 0 faults",
        str(tmp_path / "out" / "index.html"),
    ]
    assert re.search(r"reading: 3/3 pictures \(100%\), [\d.]+ pictures/s, 00:00 left", ended.err)


def test_command_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    ended = _command("--data", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert ended.code == DataError.exit_code
    assert len(ended.err.splitlines()) == 1


# -- real data ------------------------------------------------------------------------------------


@pytest.mark.real
def test_the_tutorials_figures(real_data: Path, tmp_path: Path) -> None:
    options = ExploreOptions(
        real_data / "severstal_labels", Path("train_rle.csv"), None, (256, 1600)
    )
    explored = explore(options, tmp_path)
    assert explored.headline.label_rows == 12_997
    labels = pd.read_csv(tmp_path / "labels.csv")
    assert dict(zip(labels["meaning"], labels["rows"], strict=True)) == {
        "defective": 7_095,
        "clean": 5_902,
    }
    assert explored.headline.mask_rows == 5_305
    text = explored.page.read_text(encoding="utf-8")
    for figure in ("12,997", "7,095", "5,902"):
        assert figure in text
    classes = pd.read_csv(tmp_path / "classes.csv")
    assert classes.loc[classes["rows"].idxmax(), "ClassId"] == 3  # "the most common"


@pytest.mark.real
def test_real_pictures_without_duplicates(real_data: Path) -> None:
    findings = find(read_source(ExploreOptions(real_data / "severstal")))
    assert len(findings.pictures) == 42
    assert findings.duplicates == []
    assert findings.faults == []


@pytest.mark.real
def test_exposures_of_one_tile_are_found(real_data: Path) -> None:
    findings = find(read_source(ExploreOptions(real_data / "magnetic_tile")))
    tile = {"exp0_num_797.jpg", "exp1_num_824.jpg", "exp2_num_834.jpg", "exp4_num_889.jpg"}
    assert any(tile <= set(found.names) for found in findings.duplicates)
