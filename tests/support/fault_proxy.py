"""A proxy in front of an S3 server that injects faults by rules, and records each fault.

It runs in threads of the process of the test. Requests are passed on unchanged, with the `Host`
header that the client signed, so that servers that check signatures accept them.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from support.s3_servers import LOOPBACK

_NOT_PASSED_ON = {"connection", "expect", "keep-alive", "transfer-encoding"}
_PAGE = b"<!DOCTYPE html><html><body><h1>Please sign in to the plant's network</h1></body></html>"
_BYTES_A_SECOND = 1024
_SHARES = 4  # writes a second of a slow body


class Fault(str, Enum):
    """Faults that a client can meet.

    In the first group the server does not get the request. In the second group the server has
    served the request, and its answer is lost or changed.
    """

    SLOW_DOWN = "503"
    INTERNAL_ERROR = "500"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    RESET = "reset"
    STALL = "stall"
    ACKNOWLEDGED = "200 for a request that was not served"

    ANSWER_LOST = "reset after the request was served"
    ANSWER_STALLS = "stall after the request was served"
    RESET_IN_BODY = "reset in the body"
    TRUNCATED = "closed before the stated length"
    SHORTENED = "half a body under a length that fits"
    SLOW = "1 KB a second"
    WRONG_ETAG = "another ETag"
    PAGE = "HTML page with 200"
    EMPTY = "empty body with 200"

    def __str__(self) -> str:
        """Return the name that tests print."""
        return str(self.value)


_CODES = {
    Fault.SLOW_DOWN: (503, "SlowDown"),
    Fault.INTERNAL_ERROR: (500, "InternalError"),
    Fault.FORBIDDEN: (403, "AccessDenied"),
    Fault.NOT_FOUND: (404, "NoSuchKey"),
}


@dataclass
class Rule:
    """A rule that selects the requests that meet a fault.

    Attributes:
        fault: the fault.
        method: regular expression that matches the whole method.
        key: regular expression that is found anywhere in the unquoted path and query.
        after: number of matching requests that pass before the first fault.
        times: number of requests that meet the fault; None: no limit.
        share: share of the matching requests that meet the fault. The choice depends on `seed`, the
            request and how often it came, not on the order of different requests.
        seed: seed of that choice.
        since: the rule begins with the first request whose method and target match this regular
            expression; empty: it begins at once.
        seconds: length of a stall.
        injected: number of requests that have met the fault.
    """

    fault: Fault
    method: str = ".*"
    key: str = ""
    after: int = 0
    times: int | None = None
    share: float = 1.0
    seed: int = 0
    since: str = ""
    seconds: float = 60.0
    injected: int = 0
    _fitting: int = 0
    _asked: Counter[str] = field(default_factory=Counter)

    def notice(self, method: str, target: str) -> None:
        """Start the rule if it begins with this request."""
        if self.since and re.search(self.since, f"{method} {target}"):
            self.since = ""

    def decides(self, method: str, target: str) -> bool:
        """Count a request, and return whether it meets the fault."""
        if self.since or not re.fullmatch(self.method, method) or not re.search(self.key, target):
            return False
        request = f"{method} {target}"
        self._asked[request] += 1
        chosen = zlib.crc32(f"{self.seed} {request} {self._asked[request]}".encode())
        self._fitting += 1
        if self._fitting <= self.after or chosen >= self.share * 2**32:
            return False
        if self.times is not None and self.injected >= self.times:
            return False
        self.injected += 1
        return True


class Injected(NamedTuple):
    """One fault that a request met."""

    fault: Fault
    method: str
    target: str


class _Answer(NamedTuple):
    """An answer of the server."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


class FaultProxy:
    """A running proxy; see `fault_proxy`.

    Attributes:
        endpoint: address of the proxy.
        injected: faults that requests met since the last `heal`.
        requests: number of requests by method.
        on_request: function that is called with method and target before a request is served.
    """

    def __init__(self, upstream: str, address: str) -> None:
        """Listen on a free port of an address."""
        self.upstream = str(urlsplit(upstream).netloc)
        self.injected: list[Injected] = []
        self.requests: Counter[str] = Counter()
        self.closing = threading.Event()
        self.on_request: Callable[[str, str], None] = lambda method, target: None
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._server = _Server(self, address)
        self.endpoint = f"http://{address}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def inject(self, *rules: Rule) -> None:
        """Replace all rules; the first rule that selects a request decides."""
        with self._lock:
            self._rules = list(rules)

    def heal(self) -> list[Injected]:
        """Remove all rules; return the faults that were injected since the last call."""
        with self._lock:
            self._rules = []
            injected, self.injected = self.injected, []
            return injected

    def fault_for(self, method: str, target: str) -> Rule | None:
        """Count a request, and return the rule whose fault it meets, if any."""
        with self._lock:
            self.requests[method] += 1
            for rule in self._rules:
                rule.notice(method, target)
            for rule in self._rules:
                if rule.decides(method, target):
                    self.injected.append(Injected(rule.fault, method, target))
                    return rule
        return None

    def stop(self) -> None:
        """End stalls and connections, and stop listening."""
        self.closing.set()
        self._server.shutdown()
        self._server.drop_connections()
        self._server.server_close()
        self._thread.join()


@contextmanager
def fault_proxy(upstream: str, address: str = LOOPBACK) -> Iterator[FaultProxy]:
    """Run a proxy in front of the server at an endpoint until the block ends."""
    proxy = FaultProxy(upstream, address)
    try:
        yield proxy
    finally:
        proxy.stop()


class _Server(ThreadingHTTPServer):
    """An HTTP server that knows its connections, and which of them end with a reset."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy, address: str) -> None:
        self.proxy = proxy
        self.to_reset: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        super().__init__((address, 0), _Handler)

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        self._open.discard(request)
        if request in self.to_reset:
            self.to_reset.discard(request)
            request.close()  # with `SO_LINGER` of 0 s, closing sends a reset
        else:
            super().shutdown_request(request)

    def drop_connections(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors: clients that give up close their connections."""


class _Handler(BaseHTTPRequestHandler):
    """Handler of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    _upstream: HTTPConnection | None = None

    def do_GET(self) -> None:
        self._handle()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def finish(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        with suppress(OSError):
            super().finish()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = unquote(self.path)
        self.server.proxy.on_request(self.command, target)
        rule = self.server.proxy.fault_for(self.command, target)
        if rule is None:
            self._send(self._asked(body))
        elif rule.fault in _CODES:
            self._send(_refusal(*_CODES[rule.fault]))
        elif rule.fault is Fault.RESET:
            self._reset()
        elif rule.fault is Fault.STALL:
            self._stall(rule.seconds)
        elif rule.fault is Fault.ACKNOWLEDGED:
            self._send(_Answer(200, [], b""))
        else:
            self._spoil(rule, self._asked(body))

    def _asked(self, body: bytes) -> _Answer:
        """Pass a request on unchanged, and return the answer."""
        if self._upstream is None:
            self._upstream = HTTPConnection(self.server.proxy.upstream, timeout=60)
        upstream = self._upstream
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _NOT_PASSED_ON:
                upstream.putheader(name, value)
        try:
            upstream.endheaders(body)
            answer = upstream.getresponse()
            return _Answer(answer.status, answer.getheaders(), answer.read())
        except (HTTPException, OSError):
            upstream.close()
            self._upstream = None
            return _refusal(502, "InternalError")

    def _spoil(self, rule: Rule, answer: _Answer) -> None:
        if rule.fault is Fault.ANSWER_LOST:
            self._reset()
        elif rule.fault is Fault.ANSWER_STALLS:
            self._stall(rule.seconds)
        elif rule.fault in (Fault.RESET_IN_BODY, Fault.TRUNCATED):
            self._send_head(answer, max(1, len(answer.body)))
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
            if rule.fault is Fault.RESET_IN_BODY:
                self._reset()
        elif rule.fault is Fault.SLOW:
            self._send_slowly(answer)
        else:
            self._send(_altered(answer, rule.fault))

    def _send(self, answer: _Answer) -> None:
        self._send_head(answer, len(answer.body))
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _send_head(self, answer: _Answer, length: int) -> None:
        self.send_response_only(answer.status)
        stated = None
        for name, value in answer.headers:
            if name.lower() == "content-length":
                stated = value
            elif name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        if answer.status != 204:
            head = self.command == "HEAD" and stated is not None
            self.send_header("Content-Length", str(stated) if head else str(length))
        self.end_headers()

    def _send_slowly(self, answer: _Answer) -> None:
        """Send a body in small pieces; wait before an empty body, so that it is slow too."""
        step = _BYTES_A_SECOND // _SHARES
        if not answer.body:
            self.server.proxy.closing.wait(2 / _SHARES)
        self._send_head(answer, len(answer.body))
        for begin in range(0, len(answer.body), step):
            self.wfile.write(answer.body[begin : begin + step])
            if self.server.proxy.closing.wait(1 / _SHARES):
                break

    def _stall(self, seconds: float) -> None:
        """Send nothing until the client gives up, the time is over, or the proxy stops."""
        waited = 0.0
        while waited < seconds and not self.server.proxy.closing.wait(0.1) and self._is_there():
            waited += 0.1
        self.close_connection = True

    def _is_there(self) -> bool:
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.to_reset.add(self.connection)
        self.close_connection = True


def _altered(answer: _Answer, fault: Fault) -> _Answer:
    """Return the answer that the client gets instead of the server's answer."""
    if fault is Fault.SHORTENED:
        return answer._replace(body=answer.body[: len(answer.body) // 2])
    if fault is Fault.WRONG_ETAG:
        others = [one for one in answer.headers if one[0].lower() != "etag"]
        return answer._replace(headers=[*others, ("ETag", f'"{"0" * 32}"')])
    if fault is Fault.PAGE:
        return _Answer(200, [("Content-Type", "text/html")], _PAGE)
    return _Answer(200, [], b"")


def _refusal(status: int, code: str) -> _Answer:
    text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code></Error>'
    return _Answer(status, [("Content-Type", "application/xml")], text.encode())
