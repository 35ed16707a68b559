"""Several hosts on this one machine: network namespaces with their own addresses, on a bridge.

If the machine does not allow that, has no `ip`, or lets no packets through between them, every host
is this host, on the loopback address.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

_BRIDGE = f"sd{os.getpid() % 100_000}"
_SUBNET = f"10.207.{os.getpid() % 250}"


@dataclass(frozen=True)
class Host:
    """A host on which processes can be started.

    Attributes:
        address: IPv4 address of the host.
        inside: words before a command that make it run on the host.
    """

    address: str
    inside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Network:
    """This host, as the other hosts see it, and the other hosts."""

    here: Host
    others: Sequence[Host]

    @property
    def separate(self) -> bool:
        """Whether the hosts have separate addresses."""
        return bool(self.others[0].inside)


@contextmanager
def network(count: int) -> Iterator[Network]:
    """Create hosts, and delete them when the block ends."""
    loopback = Host("127.0.0.1")
    names = [f"{_BRIDGE}w{number}" for number in range(count)]
    try:
        others = _join(names)
        for host in others:
            _reach(f"{_SUBNET}.1", host)
    except (OSError, subprocess.SubprocessError):
        _take_away(names)
        yield Network(loopback, [loopback] * count)
        return
    try:
        yield Network(Host(f"{_SUBNET}.1"), others)
    finally:
        _take_away(names)


def _join(names: Sequence[str]) -> list[Host]:
    if shutil.which("ip") is None:
        raise FileNotFoundError("ip")
    _ip("link", "add", _BRIDGE, "type", "bridge")
    _ip("address", "add", f"{_SUBNET}.1/24", "dev", _BRIDGE)
    _ip("link", "set", _BRIDGE, "up")
    hosts = []
    for number, name in enumerate(names):
        address = f"{_SUBNET}.{10 + number}"
        _ip("netns", "add", name)
        _ip("link", "add", f"{name}o", "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", f"{name}o", "master", _BRIDGE, "up")
        inside = ("ip", "netns", "exec", name)
        _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        hosts.append(Host(address, inside))
    return hosts


def _reach(here: str, host: Host) -> None:
    """Connect from a host to this host.

    Raises:
        subprocess.SubprocessError: no connection is possible.
    """
    with closing(socket.create_server((here, 0))) as server:
        place = server.getsockname()
        program = f"import socket; socket.create_connection({place!r}, 20)"
        command = [*host.inside, sys.executable, "-c", program]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


def _take_away(names: Sequence[str]) -> None:
    for command in (*(("netns", "delete", name) for name in names), ("link", "delete", _BRIDGE)):
        with suppress(OSError, subprocess.CalledProcessError):
            _ip(*command)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
