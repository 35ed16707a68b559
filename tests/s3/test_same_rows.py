"""A run against S3 writes the same rows as a run against folders; on every server."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.archives import answers, rows, salt
from support.s3_servers import SECRET_KEY, Server
from support.samples import fill_archive, run_program, score_arguments

from jobs import evaluate as evaluate_job
from jobs import score as score_job
from steeldefect.bundle.files import Bundle
from steeldefect.cli import main as steeldefect
from steeldefect.pictures import run_lengths
from steeldefect.stores.s3_client import open_client
from steeldefect.tables.schema import TableName

pytestmark = pytest.mark.spark

MORE = ("--set", "max_failure_share=0.5", "--set", "wave_pictures=20")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = fill_archive(tmp_path_factory.mktemp("archive") / "line 1 ä", 25)
    salt(folder)
    return folder.parent


@pytest.fixture(scope="module")
def local(archive: Path, rule_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("local") / "output"
    assert score_job.main([*score_arguments(archive, rule_bundle.folder, output), *MORE]) == 0
    return output


def counts(output: object, labels: str) -> list[tuple[object, ...]]:
    """Return the pixel counts of one label file."""
    columns = ("key", "class_id", "tp", "fp", "fn", "tn")
    found = rows(output, TableName.CONFUSIONS)
    return sorted(tuple(row[name] for name in columns) for row in found if row["labels"] == labels)


def test_the_same_rows_as_from_folders(
    server: Server,
    archive: Path,
    local: Path,
    rule_bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bucket = server.bucket()
    source = server.upload(archive, bucket, "archive")
    bundle = server.upload(rule_bundle.folder, bucket, "models/first")
    output = f"s3://{bucket}/tables"
    arguments = [*score_arguments(source, bundle, output), *MORE]
    ended = run_program("jobs/score.py", *arguments, **server.environment)
    assert ended.code == 0, ended.err
    assert "scored 25 pictures" in ended.out
    assert SECRET_KEY not in ended.out + ended.err

    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    open_client.cache_clear()
    assert answers(output) == answers(local)
    stored = "".join(str(row) for table in TableName for row in rows(output, table))
    assert SECRET_KEY not in stored

    assert score_job.main(arguments) == 0
    assert "nothing new" in capsys.readouterr().out
    assert answers(output) == answers(local)

    truth = tmp_path / "train.csv"
    square = run_lengths.to_text(run_lengths.parse("1 5"))
    truth.write_text(f"ImageId,ClassId,EncodedPixels\np000.png,1,{square}\n", encoding="utf-8")
    server.client().put_object(Bucket=bucket, Key="truth/train.csv", Body=truth.read_bytes())
    labels = f"s3://{bucket}/truth/train.csv"
    for place, file in ((output, labels), (str(local), str(truth))):
        assert evaluate_job.main(["--output", place, "--labels", file]) == 0
    assert counts(output, labels) == counts(local, str(truth))
    assert len(counts(output, labels)) == 50
    capsys.readouterr()
    assert steeldefect(["sql", "--output", output, "--format", "csv", "select 1 + 1 as two"]) == 0
    assert capsys.readouterr().out == "two\n2\n"
