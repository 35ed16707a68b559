"""Where the morning page goes: folders, S3, one file for mail; and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.examples import defect, finish, image, origin, prediction
from support.morning import Plant, files_of, report_without_spark, undated
from support.page_reader import read_page
from support.reviewing import Night
from support.s3_servers import Server, run_moto
from support.steel import steel

from steeldefect.pictures import run_lengths
from steeldefect.stores import open_store
from steeldefect.tables.schema import TableName

Pages = dict[str, bytes]


# -- wrong arguments ------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run the command, which must fail; return the exit code and its only line."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COLUMNS", "200")
        try:
            code = report_without_spark(*words)
        except SystemExit as ended:
            code = int(str(ended.code))
    lines = [
        one
        for one in capsys.readouterr().err.splitlines()
        if one.startswith("error: ") or ": error: " in one
    ]
    (line,) = lines
    return code, line


def test_wrong_arguments_are_one_line(
    plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to, file = str(tmp_path / "pages"), tmp_path / "file"
    file.write_text("something else")
    code, line = refused(capsys, plant.output, to, "--run", "nosuch")
    assert (code, "no scoring run begins with nosuch" in line) == (10, True)
    code, line = refused(capsys, plant.output, to, "--run", plant.runs[0][:2])
    assert (code, "3 scoring runs begin with" in line) == (10, True)
    for words in (("--nights", "0"), ("--pictures", "201"), ("--pictures", "-1")):
        code, line = refused(capsys, plant.output, to, *words)
        assert code == 2, words
        assert words[1] in line
    code, line = refused(capsys, str(tmp_path / "nothing"), to)
    assert (code, str(tmp_path / "nothing") in line) == (10, True)
    assert not Path(to).exists()
    for single in ((), ("--single-file",)):
        code, line = refused(capsys, plant.output, f"{file}/pages", "--pictures", "0", *single)
        assert (code, str(file) in line) == (4, True)
        code, line = refused(capsys, plant.output, str(file), "--pictures", "0", *single)
        assert (code, str(file) in line) == (4, True)
    assert file.read_text() == "something else"


def test_nothing_is_reported_without_a_scoring_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(str(tmp_path / "output"))
    finish(store, origin(), job="evaluate")
    code, line = refused(capsys, store.uri, str(tmp_path / "pages"))
    assert (code, "no scoring run in these tables yet" in line) == (10, True)


# -- S3, and one file -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from run_moto(tmp_path_factory.mktemp("moto"))


def to_s3(server: Server) -> tuple[str, ...]:
    return ("--set", f"s3.endpoint_url={server.endpoint}", "--set", "s3.region=us-east-1")


def test_pages_in_s3_open_in_a_browser(
    plant: Plant, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket, run = server.bucket(), plant.runs[1]
    client = server.client()
    client.put_object(Bucket=bucket, Key=f"site/pictures/{run}/0999.jpg", Body=b"stale")
    asked = (plant.output, f"s3://{bucket}/site", "--run", run, *to_s3(server))
    assert report_without_spark(*asked) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"s3://{bucket}/site/index.html"
    listed = client.list_objects_v2(Bucket=bucket)["Contents"]
    keys = {one["Key"].removeprefix("site/") for one in listed}
    kinds = {".html": "text/html; charset=utf-8", ".jpg": "image/jpeg"}
    linked = set()
    for key in keys:
        found = client.get_object(Bucket=bucket, Key=f"site/{key}")
        assert found["ContentType"] == kinds[Path(key).suffix], key
        if key.endswith(".html"):
            page = read_page(found["Body"].read().decode())
            for one in (*page.all("a"), *page.all("img")):
                address = one.attributes.get("src", one.attributes.get("href", ""))
                if not address.startswith("#"):
                    target = (Path("/") / key).parent / address
                    linked.add(str(target.resolve().relative_to("/")))
    assert linked == keys


@pytest.mark.parametrize("single", [(), ("--single-file",)])
def test_a_destination_that_refuses_is_one_line(
    plant: Plant, server: Server, capsys: pytest.CaptureFixture[str], single: tuple[str, ...]
) -> None:
    asked = ("--pictures", "0", *single, *to_s3(server))
    code, line = refused(capsys, plant.output, "s3://nosuchbucket/site", *asked)
    assert code == 4
    assert "nosuchbucket" in line


def test_one_file_has_everything_inside(plant: Plant, server: Server, tmp_path: Path) -> None:
    run = plant.runs[1]
    asked = ("--single-file", "--run", run)
    assert report_without_spark(plant.output, tmp_path / "to/mail.html", *asked) == 0
    assert report_without_spark(plant.output, tmp_path / "folder", *asked) == 0
    bucket = server.bucket()
    remote = f"s3://{bucket}/mail/night.html"
    assert report_without_spark(plant.output, remote, *asked, *to_s3(server)) == 0
    answer = server.client().get_object(Bucket=bucket, Key="mail/night.html")
    assert answer["ContentType"] == "text/html; charset=utf-8"
    files = {
        "mail.html": (tmp_path / "to/mail.html").read_bytes(),
        "folder": (tmp_path / f"folder/night-{run}.html").read_bytes(),
        "s3": answer["Body"].read(),
    }
    assert len(files_of(tmp_path)) == 2
    assert len(set(undated(files).values())) == 1
    page = read_page(files["s3"].decode())
    ids = {one.attributes["id"] for one in page.walk() if "id" in one.attributes}
    pictures: set[str] = set()
    for one in page.walk():
        for address in (one.attributes.get("href"), one.attributes.get("src")):
            if address is not None and address.startswith("data:image/jpeg;base64,"):
                assert address not in pictures, "a picture is in the file twice"
                pictures.add(address)
            elif address is not None:
                assert (address[0], address[1:] in ids) == ("#", True), address
    assert len(pictures) > 30


def test_one_file_with_40_large_pictures_can_be_sent_by_mail(tmp_path: Path) -> None:
    store, night = open_store(str(tmp_path / "output")), Night(tmp_path / "archive")
    shape = (256, 1600)
    mask = np.zeros(shape, bool)
    mask[100:180, 700:900] = True
    found = {"run_lengths": run_lengths.encode(mask), "area": int(mask.sum())}
    found |= {"box_left": 700, "box_top": 100, "box_right": 900, "box_bottom": 180}
    for number in range(45):
        key = f"p{number:02d}.png"
        night.keep(key, steel(number, shape))
        size = {"height": shape[0], "width": shape[1], "etag": "", "coil": f"coil {number % 5}"}
        night.add(TableName.IMAGES, image(key, **size))
        night.add(TableName.PREDICTIONS, prediction(key, **found))
        night.add(TableName.DEFECTS, defect(key, **found, coil=f"coil {number % 5}"))
    night.end(store, scored=45, defective=45)
    to = tmp_path / "mail.html"
    assert report_without_spark(store.uri, to, "--single-file") == 0
    text = to.read_text()
    assert text.count("data:image/jpeg") == 40
    assert text.count("<use") > 2 * 40
    assert 1_000_000 < len(text) < 10_000_000
