"""A standalone cluster of Spark: a master on this host, workers on others, each one a process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyspark
from hosts import Host, Network
from support.s3_servers import free_port

_OPENED = ("java.lang", "java.lang.invoke", "java.net", "java.nio", "java.util", "sun.nio.ch")
_NOBODY = 65534


def copy_spark(folder: Path) -> Path:
    """Copy Spark to a folder that every user can read, as on a cluster's hosts."""

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    home = Path(pyspark.__file__).parent
    for name in ("jars", "bin", "python"):
        shutil.copytree(home / name, folder / name, copy_function=link)
    folder.chmod(0o755)
    return folder


@dataclass
class Cluster:
    """A cluster.

    Attributes:
        spark: home folder of the Spark that the cluster runs.
        folder: folder for logs, and for the folders of workers.
        hosts: this host, and the hosts of workers.
        environment: environment variables of a worker's processes; without PATH unless it is here.
    """

    spark: Path
    folder: Path
    hosts: Network
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start with no processes."""
        self._processes: list[subprocess.Popen[bytes]] = []
        self._port = free_port(self.here.address)
        self._page = free_port(self.here.address)

    @property
    def here(self) -> Host:
        """This host, with the address that workers use for it."""
        return self.hosts.here

    @property
    def url(self) -> str:
        """The master's address."""
        return f"spark://{self.here.address}:{self._port}"

    def start_master(self) -> None:
        """Start the master, and wait until it answers."""
        place = ("--host", self.here.address, "--port", str(self._port))
        page = ("--webui-port", str(self._page))
        self._start("master.Master", self.here, (*place, *page), as_user=None)
        _wait(lambda: self._status() is not None, 60)

    def start_worker(
        self,
        host: Host,
        *,
        cores: int = 1,
        settings: Mapping[str, str] | None = None,
        stranger: bool = True,
    ) -> subprocess.Popen[bytes]:
        """Start a worker, and wait until the master knows it.

        Args:
            host: host of the worker.
            cores: number of cores that the worker offers.
            settings: Spark's settings for the worker.
            stranger: whether it runs as another user, who cannot read this project's folders.
        """
        port = free_port(self.here.address)
        number = len(self._processes)
        folder = self.folder / f"worker-{number}"
        folder.mkdir()
        folder.chmod(0o777)
        properties = self.folder / f"worker-{number}.conf"
        properties.write_text("".join(f"{k} {v}\n" for k, v in (settings or {}).items()))
        arguments = (
            *("--host", host.address, "--port", str(port)),
            *("--webui-port", str(free_port(self.here.address)), "--cores", str(cores)),
            *("--memory", "2g", "--work-dir", str(folder)),
            *("--properties-file", str(properties), self.url),
        )
        user = _NOBODY if stranger and os.getuid() == 0 else None
        worker = self._start("worker.Worker", host, arguments, as_user=user)
        _wait(lambda: (host.address, port) in self._alive(), 60)
        return worker

    def executors_ran(self) -> int:
        """Count the executors that ran: each one has left a folder with its worker."""
        return len(list(self.folder.glob("worker-*/app-*/*/stderr")))

    def stop(self) -> None:
        """Stop all processes."""
        for process in reversed(self._processes):
            kill_family(process)

    def _start(
        self, name: str, host: Host, arguments: Sequence[str], as_user: int | None
    ) -> subprocess.Popen[bytes]:
        opened = [f"--add-opens=java.base/{one}=ALL-UNNAMED" for one in _OPENED]
        java = shutil.which("java") or "java"
        if home := os.environ.get("JAVA_HOME"):
            java = f"{home}/bin/java"
        command = [
            *(java, "-Xmx512m", "-XX:TieredStopAtLevel=1", *opened, "-cp", f"{self.spark}/jars/*"),
            *(f"org.apache.spark.deploy.{name}", *arguments),
        ]
        if as_user is not None:
            user = (f"--reuid={as_user}", f"--regid={as_user}", "--clear-groups")
            command = ["setpriv", *user, *command]
        log = (self.folder / f"{len(self._processes)}-{name}.log").open("wb")
        process = subprocess.Popen(
            [*host.inside, *command],
            cwd="/",
            env={
                "SPARK_HOME": str(self.spark),
                "SPARK_SCALA_VERSION": "2.13",  # else it is looked for in a build's folders
                "SPARK_LOCAL_IP": host.address,
                **self.environment,
            },
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def _alive(self) -> set[tuple[str, int]]:
        """Return address and port of the workers that the master reports as alive."""
        workers = (self._status() or {}).get("workers", ())
        return {(one["host"], one["port"]) for one in workers if one["state"] == "ALIVE"}

    def _status(self) -> dict[str, Any] | None:
        address = f"http://{self.here.address}:{self._page}/json/"
        with suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
            return dict(json.load(answer))
        return None


def kill_family(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all processes that it has started, as when a host fails."""
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGKILL)
    process.kill()
    process.wait()


def _wait(ready: Callable[[], bool], seconds: float) -> None:
    ended = time.monotonic() + seconds
    while time.monotonic() < ended:
        if ready():
            return
        time.sleep(0.3)
    raise TimeoutError(f"not ready within {seconds} s")
