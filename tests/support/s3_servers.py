"""Start real S3 servers for tests: moto's server and Ceph's object gateway."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from moto.server import ThreadedMotoServer

LOOPBACK = "127.0.0.1"
ACCESS_KEY = "plant-key"
SECRET_KEY = "plant-secret-that-no-log-shows"
_PROGRAMS = (
    "ceph-mon",
    "ceph-osd",
    "ceph-authtool",
    "monmaptool",
    "radosgw",
    "radosgw-admin",
    "ceph",
)


@dataclass(frozen=True)
class Server:
    """A running S3 server."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables with which AWS's tools use this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def client(self) -> Any:
        """Create a boto3 client for this server."""
        config = Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=config,
        )

    def bucket(self) -> str:
        """Create a bucket that no other test uses, and return its name."""
        name = f"plant-{uuid.uuid4().hex[:8]}"
        self.client().create_bucket(Bucket=name)
        return name

    def upload(self, folder: Path, bucket: str, prefix: str) -> str:
        """Copy a folder into a bucket, and return its address."""
        client = self.client()
        for path in folder.rglob("*"):
            if path.is_file():
                key = f"{prefix}/{path.relative_to(folder).as_posix()}"
                client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
        return f"s3://{bucket}/{prefix}"


def run_moto(folder: Path, address: str = LOOPBACK) -> Iterator[Server]:
    """Run moto's server in a thread, and yield it."""
    del folder
    server = ThreadedMotoServer(ip_address=address, port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield Server(f"http://{host}:{port}")
    server.stop()


def missing_of_ceph() -> list[str]:
    """Return the programs of Ceph that are not installed."""
    return [program for program in _PROGRAMS if shutil.which(program) is None]


def run_ceph(folder: Path, address: str = LOOPBACK) -> Iterator[Server]:
    """Run one monitor, one object daemon in memory and the gateway, and yield the server."""
    if missing := missing_of_ceph():
        pytest.skip(f"not installed: {', '.join(missing)} (make ceph)")
    cluster = _Cluster(folder, address)
    try:
        yield cluster.start()
    finally:
        cluster.stop()


class _Cluster:
    """A Ceph cluster of one node in one folder, on free ports; the gateway listens at `address`."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder = folder
        self._address = address
        self._keys = folder / "keyring"
        self._conf = folder / "ceph.conf"
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._log = (folder / "daemons.log").open("wb")

    def start(self) -> Server:
        monitor, gateway = free_port(), free_port()
        self._configure(monitor)
        self._make_keys()
        monitors, address = self._folder / "monmap", f"v2:127.0.0.1:{monitor}"
        fsid = ("--fsid", self._fsid)
        self._run("monmaptool", "--create", "--addv", "a", f"[{address}]", *fsid, str(monitors))
        paths = ("--monmap", str(monitors), "--keyring", str(self._keys))
        self._run("ceph-mon", *self._common, "--mkfs", "-i", "a", *paths)
        self._spawn("ceph-mon", *self._common, "-i", "a")
        self._run("ceph", *self._admin, "auth", "import", "-i", str(self._keys))
        identity = str(uuid.uuid4())
        self._run("ceph", *self._admin, "osd", "new", identity)
        self._run("ceph-osd", *self._common, "-i", "0", "--mkfs", "--osd-uuid", identity)
        self._spawn("ceph-osd", *self._common, "-i", "0")
        keys = (f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}")
        user = ("user", "create", "--uid=plant", "--display-name=plant", *keys)
        self._run("radosgw-admin", *self._admin, *user)
        frontend = f"beast endpoint={self._address}:{gateway}"
        self._spawn("radosgw", *self._admin, "-n", "client.rgw", "--rgw-frontends", frontend)
        server = Server(f"http://{self._address}:{gateway}")
        wait_until(lambda: server.client().list_buckets(), 60)
        return server

    def stop(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.kill()
            daemon.wait()
        self._log.close()

    @property
    def _common(self) -> tuple[str, ...]:
        return ("-c", str(self._conf))

    @property
    def _admin(self) -> tuple[str, ...]:
        return (*self._common, "--keyring", str(self._keys))

    def _configure(self, monitor: int) -> None:
        self._fsid = str(uuid.uuid4())
        settings = {
            "fsid": self._fsid,
            "mon_initial_members": "a",
            "mon_host": f"[v2:127.0.0.1:{monitor}]",
            "osd_objectstore": "memstore",
            "memstore_device_bytes": str(2 * 2**30),
            "osd_pool_default_size": "1",
            "osd_pool_default_min_size": "1",
            "osd_pool_default_pg_num": "4",
            "osd_crush_chooseleaf_type": "0",
            "mon_allow_pool_size_one": "true",
            "mon_max_pg_per_osd": "1000",
            "mon_data_avail_crit": "1",
            "auth_allow_insecure_global_id_reclaim": "false",
            "run_dir": str(self._folder),
            "admin_socket": f"{self._folder}/$name.asok",
            "log_file": f"{self._folder}/$name.log",
            "mon_data": f"{self._folder}/mon",
            "osd_data": f"{self._folder}/osd",
            "keyring": str(self._keys),
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        self._conf.write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
        (self._folder / "osd").mkdir()

    def _make_keys(self) -> None:
        rights = {
            "mon.": ("mon",),
            "client.admin": ("mon", "osd", "mgr"),
            "osd.0": ("mon", "osd", "mgr"),
            "client.rgw": ("mon", "osd", "mgr"),
        }
        self._run("ceph-authtool", "--create-keyring", str(self._keys))
        for name, services in rights.items():
            allowed = [word for service in services for word in ("--cap", service, "allow *")]
            self._run("ceph-authtool", str(self._keys), "--gen-key", "-n", name, *allowed)

    def _run(self, *command: str) -> None:
        """Run a command, and repeat it while the daemons are still starting."""
        wait_until(
            lambda: subprocess.run(
                command, check=True, timeout=20, stdout=self._log, stderr=self._log
            ),
            60,
        )

    def _spawn(self, *command: str) -> None:
        daemon = subprocess.Popen([*command, "-f"], stdout=self._log, stderr=self._log)
        self._daemons.append(daemon)


def wait_until(act: Callable[[], object], seconds: float) -> None:
    """Call `act` until it succeeds, because the daemons may still be starting."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            act()
            return
        except (subprocess.SubprocessError, BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def free_port(address: str = LOOPBACK) -> int:
    """Return a free port."""
    with socket.socket() as listener:
        listener.bind((address, 0))
        port: int = listener.getsockname()[1]
        return port
