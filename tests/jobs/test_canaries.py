"""Canary keys: a run gets secrets, and the tests search for them in everything that it leaves.

The runs are real processes against an S3 server: one that scores, and others that fail in the
stores, in Delta, in Spark's workers, and before they start. The tests search standard output and
error, every object of the bucket (tables decoded), Spark's event log, and the pages of Spark's web
interface.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.s3_servers import Server, free_port, run_moto
from support.samples import ROOT, fill_archive, score_arguments

from steeldefect.bundle.files import Bundle

pytestmark = pytest.mark.spark

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "canary/secret+Vq7Zz9",
    "AWS_SESSION_TOKEN": "canary/token+Vq7Zz9==",
    "HTTPS_PROXY": "http://plant:canary-proxy-Vq7Zz9@127.0.0.1:9",
    "DATABASE_PASSWORD": "canary-database-Vq7Zz9",
    "STEELDEFECT_KEY_PASSPHRASE": "canary-passphrase-Vq7Zz9",
}
CANARY = "Vq7Zz9"  # a part of each that survives quoting of any kind
SPARK = f"""
spark.hadoop.fs.s3a.access.key   canary-s3a-access-{CANARY}
spark.hadoop.fs.s3a.secret.key   canary-s3a-secret-{CANARY}
spark.executorEnv.HTTPS_PROXY    http://plant:canary-executor-{CANARY}@127.0.0.1:9
spark.executorEnv.DB_PASSWORD    canary-executor-{CANARY}
spark.ssl.keyStorePassword       canary-store-{CANARY}
spark.ui.enabled                 true
spark.eventLog.enabled           true
spark.eventLog.compress          false
"""
_PAGES = (
    "environment/",
    "executors/",
    "jobs/",
    "stages/",
    "SQL/",
    "SQL/execution/?id=0",
    "storage/",
)
_ANSWERS = ("environment", "executors", "jobs", "stages", "sql?details=true&planDescription=true")


@dataclass
class Ran:
    """What a run left: texts, by the place where they were found."""

    code: int
    texts: dict[str, str]


@dataclass
class Watcher:
    """Reader of the pages of Spark's web interface while a run lasts."""

    port: int
    texts: dict[str, str] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        base = f"http://127.0.0.1:{self.port}"
        while not self.stopped.wait(0.3):
            with contextlib.suppress(urllib.error.URLError, OSError, ValueError):
                self._read(base)

    def _read(self, base: str) -> None:
        for page in _PAGES:
            self._keep(page, f"{base}/{page}")
        found = json.loads(self._keep("applications", f"{base}/api/v1/applications"))
        for answer in _ANSWERS:
            name = found[0]["id"]
            with contextlib.suppress(urllib.error.HTTPError):
                self._keep(answer, f"{base}/api/v1/applications/{name}/{answer}")

    def _keep(self, name: str, address: str) -> str:
        with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310
            text: str = answer.read().decode()
        self.texts[name] = self.texts.get(name, "") + text
        return text


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from run_moto(tmp_path_factory.mktemp("moto"))


@dataclass(frozen=True)
class Plant:
    """A bucket with pictures and a bundle."""

    server: Server
    bucket: str
    folder: Path

    def uri(self, prefix: str) -> str:
        return f"s3://{self.bucket}/{prefix}"

    def run(self, *more: str, environment: dict[str, str] | None = None) -> Ran:
        """Score with every canary set; `more` overrides the other settings."""
        port = free_port()
        conf = self.folder / f"conf-{port}"
        events = self.folder / f"events-{port}"
        for made in (conf, events):
            made.mkdir()
        lines = f"{SPARK}\nspark.ui.port {port}\nspark.eventLog.dir file://{events}\n"
        (conf / "spark-defaults.conf").write_text(lines)
        arguments = score_arguments(self.uri("archive"), self.uri("model"), self.uri("tables"))
        given = {**self.server.environment, **SECRETS, "SPARK_CONF_DIR": str(conf)}
        watcher = Watcher(port)
        thread = threading.Thread(target=watcher.watch)
        thread.start()
        try:
            done = subprocess.run(
                [sys.executable, "jobs/score.py", *arguments, *more],
                cwd=ROOT,
                env={**os.environ, **given, **(environment or {})},
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        finally:
            watcher.stopped.set()
            thread.join()
        texts = {f"page {name}": text for name, text in watcher.texts.items()}
        texts |= {"stdout": done.stdout, "stderr": done.stderr}
        for path in events.rglob("*"):
            if path.is_file():
                texts[f"event log {path.name}"] = path.read_text(encoding="utf-8")
        return Ran(done.returncode, texts)

    def objects(self) -> dict[str, str]:
        """Read every object of the bucket; tables become the text of their rows."""
        client, found = self.server.client(), {}
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        for item in (one for page in pages for one in page.get("Contents", [])):
            key = item["Key"]
            if key.startswith(("archive/", "model/")):
                continue
            content = client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            if key.endswith(".parquet"):
                table = pq.read_table(io.BytesIO(content))
                found[key] = f"{table.to_pylist()} {table.schema.metadata}"
            else:
                found[key] = content.decode()
        return found


@pytest.fixture
def plant(server: Server, rule_bundle: Bundle, tmp_path: Path) -> Plant:
    bucket = server.bucket()
    server.upload(fill_archive(tmp_path / "archive", 4), bucket, "archive")
    server.upload(rule_bundle.folder, bucket, "model")
    return Plant(server, bucket, tmp_path)


def leaks(texts: dict[str, str]) -> list[str]:
    """List where a canary was found, with the text around it."""
    return [
        f"{place}: ...{text[max(0, text.index(CANARY) - 150) : text.index(CANARY) + 50]}..."
        for place, text in texts.items()
        if CANARY in text
    ]


def test_a_run_leaves_no_secret_behind(plant: Plant) -> None:
    ran = plant.run()
    assert ran.code == 0, ran.texts["stderr"]
    written = plant.objects()
    assert not leaks(ran.texts | written)
    # and what was searched is what there is to see
    assert any("runs/" in key and "'settings'" in text for key, text in written.items())
    assert any("_delta_log/" in key for key in written)
    assert any("_lock/" in key for key in written)
    pages = {place for place in ran.texts if place.startswith("page ")}
    assert {"page environment/", "page jobs/", "page SQL/"} <= pages
    assert "fs.s3a.secret.key" in ran.texts["page environment"]
    assert "executorEnv.HTTPS_PROXY" in ran.texts["page environment"]
    assert "MapInArrow" in ran.texts["page sql?details=true&planDescription=true"]
    events = [text for place, text in ran.texts.items() if place.startswith("event log ")]
    assert any("fs.s3a.secret.key" in text for text in events)


def test_a_failure_in_the_workers_shows_no_secret(plant: Plant) -> None:
    ran = plant.run("--set", "device=gpu")
    assert ran.code == 11, ran.texts["stderr"]
    written = plant.objects()
    assert not leaks(ran.texts | written)
    assert any("device=gpu, but TensorFlow sees no GPU" in text for text in written.values())


def test_a_failure_of_delta_shows_no_secret(plant: Plant) -> None:
    place = "tables/images/_delta_log/00000000000000000000.json"
    plant.server.client().put_object(Bucket=plant.bucket, Key=place, Body=b"{no log")
    ran = plant.run()
    assert ran.code == 10, ran.texts["stderr"]
    assert not leaks(ran.texts | plant.objects())


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--bundle", "s3://no-such-bucket/model"), 3),
        (("--input", "s3://no-such-bucket/archive"), 4),
        (("--output", "s3://no-such-bucket/tables"), 4),
        (("--set", "s3.endpoint_url=https://127.0.0.1:9", "--set", "s3.max_attempts=1"), 4),
        (("--set", f"s3.endpoint_url=http://me:canary-{CANARY}@host"), 2),
        (("--set", f"s3.secret_access_key=canary-{CANARY}"), 2),
        (("--set", f"s3.secret_access_key=canary-{CANARY}: ["), 2),
        (("--set", f"wave_pictures.password=canary-{CANARY}", "--set", "wave_pictures=0"), 2),
        (("--config", "CONFIG"), 2),
        (("--secret-key", f"canary-{CANARY}"), 2),
        (("--set", f"trusted_keys=['-----BEGIN PRIVATE KEY-----\\ncanary-{CANARY}']"), 2),
    ],
)
def test_errors_at_the_door_show_no_secret(
    plant: Plant, more: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    config = tmp_path / "score.yaml"
    config.write_text(f"s3:\n  secret_access_key: canary-{CANARY}\n  region: canary {CANARY}: [\n")
    ran = plant.run(*(str(config) if word == "CONFIG" else word for word in more))
    assert ran.code == code, ran.texts["stderr"]
    assert ran.texts["stderr"].startswith("error: ")
    assert len(ran.texts["stderr"].strip().splitlines()) == 1
    assert not leaks(ran.texts | plant.objects())


def test_an_endpoint_in_the_environment_with_a_password_is_refused_without_it(
    plant: Plant,
) -> None:
    endpoint = plant.server.endpoint.replace("http://", f"http://me:canary-{CANARY}@")
    ran = plant.run(environment={"AWS_ENDPOINT_URL": endpoint})
    assert ran.code == 2
    assert "AWS_ENDPOINT_URL: an endpoint holds no credentials" in ran.texts["stderr"]
    assert not leaks(ran.texts)


@pytest.mark.slow
def test_credentials_of_a_profile_are_masked_as_well(plant: Plant, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text(
        f"[plant]\naws_access_key_id = plant-key\naws_secret_access_key = canary/of/{CANARY}\n"
    )
    environment = {"AWS_SHARED_CREDENTIALS_FILE": str(credentials), "AWS_PROFILE": "plant"}
    unset = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), "")
    ran = plant.run(environment=environment | unset)
    assert ran.code == 0, ran.texts["stderr"]
    assert not leaks(ran.texts | plant.objects())
