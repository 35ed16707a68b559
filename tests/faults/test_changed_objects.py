"""Objects that are deleted or replaced after a run has listed them."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.conftest import BuildPlant
from support.archives import rows
from support.faulted_runs import Plant
from support.samples import bright_picture, plain_picture, save

from steeldefect.tables.schema import TableName


@pytest.fixture
def plant(build: BuildPlant) -> Plant:
    return build()


def versions(plant: Plant) -> dict[str, str]:
    """The ETags of the archive, by key."""
    listed = plant.server.client().list_objects_v2(Bucket=plant.bucket, Prefix="archive/")
    return {
        one["Key"].removeprefix("archive/"): one["ETag"].strip('"') for one in listed["Contents"]
    }


def put(plant: Plant, name: str, data: bytes) -> None:
    plant.server.client().put_object(Bucket=plant.bucket, Key=f"archive/{name}", Body=data)


def scored(plant: Plant, *columns: str) -> list[tuple[object, ...]]:
    found = rows(plant.output, TableName.IMAGES, "key", *columns)
    return [tuple(row.values()) for row in found]


def when_first_asked_for(plant: Plant, name: str, act: object, nth: int = 1) -> None:
    """Act when a picture is requested for the n-th time, before the server gets the request."""
    asked = 0

    def look(method: str, target: str) -> None:
        nonlocal asked
        if method == "GET" and target.endswith(f"/archive/{name}"):
            asked += 1
            if asked == nth:
                act()  # type: ignore[operator]

    plant.proxy.on_request = look


def test_a_listed_object_is_gone(plant: Plant) -> None:
    plant.deliver(6)
    name = "p004.png"
    content = (plant.pictures[0].parent / name).read_bytes()
    client = plant.server.client()
    when_first_asked_for(
        plant, name, lambda: client.delete_object(Bucket=plant.bucket, Key=f"archive/{name}")
    )
    ended = plant.run()
    assert ended.code == 0, ended.err
    (failed,) = plant.failures()
    assert (failed["key"], failed["stage"], failed["transient"]) == (name, "fetch", True)
    assert "there is no such object" in failed["message"]
    put(plant, name, content)
    plant.check_end()


def test_an_inventory_names_objects_that_are_gone(plant: Plant, tmp_path: Path) -> None:
    plant.deliver(3)
    inventory = tmp_path / "inventory.csv"
    inventory.write_text(
        "key,etag,size\n"
        + "".join(f"{name},{etag},0\n" for name, etag in versions(plant).items())
        + "gone.png,0123456789abcdef0123456789abcdef,100\n",
        encoding="utf-8",
    )
    ended = plant.run("--inventory", str(inventory))
    assert ended.code == 0, ended.err
    (failed,) = plant.failures()
    assert (failed["key"], failed["transient"], failed["given_up"]) == ("gone.png", True, False)
    assert len(scored(plant)) == 6


def test_an_object_is_replaced_between_listing_and_reading(plant: Plant, tmp_path: Path) -> None:
    plant.deliver(3)
    name = "p003.png"  # it is plain; the new one is not
    new = save(bright_picture(99), tmp_path / name).read_bytes()
    when_first_asked_for(plant, name, lambda: put(plant, name, new))
    ended = plant.run()
    assert ended.code == 0, ended.err
    now = versions(plant)
    assert (name, now[name], "defect") in scored(plant, "etag", "verdict")
    assert len(scored(plant)) == 6
    again = plant.run()
    assert "nothing new" in again.out, "the row carries the version that was read"


@pytest.mark.parametrize("mended", [pytest.param(True, marks=pytest.mark.slow), False])
def test_an_object_is_replaced_while_its_failure_is_proven(
    plant: Plant, tmp_path: Path, mended: bool
) -> None:
    """The bytes that are read first are not a picture; the store then holds other bytes."""
    plant.deliver(3)
    name = "p005.png"
    whole = save(plain_picture(7), tmp_path / name).read_bytes()
    client = plant.server.client()
    parts = client.create_multipart_upload(Bucket=plant.bucket, Key=f"archive/{name}")
    where = {"Bucket": plant.bucket, "Key": f"archive/{name}", "UploadId": parts["UploadId"]}
    sent = client.upload_part(**where, PartNumber=1, Body=whole[:-500])
    done = [{"PartNumber": 1, "ETag": sent["ETag"]}]
    client.complete_multipart_upload(**where, MultipartUpload={"Parts": done})  # states no MD5
    other = whole if mended else whole[:-400]
    when_first_asked_for(plant, name, lambda: put(plant, name, other), nth=2)
    ended = plant.run()
    assert ended.code == 0, ended.err
    (failed,) = plant.failures()
    assert (failed["key"], failed["error"], failed["transient"]) == (name, "UnprovenError", True)

    ended = plant.run()
    assert ended.code == 0, ended.err
    assert ((name,) in scored(plant)) is mended
    finals = [row for row in plant.failures() if row["given_up"]]
    assert [row["error"] for row in finals] == ([] if mended else ["DecodeError"])
