"""A proxy in front of an S3 server that injects faults by rule, and notes each of them.

It runs in threads of the test's own process. Requests go on as they came, with the `Host` header
that their sender signed, so that servers that check signatures accept them.
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
    """What the client meets.

    The first group is answered without the server; in the second one the server has served the
    request, and its answer is spoilt.
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
        """Name it as tests print it."""
        return str(self.value)


_CODES = {
    Fault.SLOW_DOWN: (503, "SlowDown"),
    Fault.INTERNAL_ERROR: (500, "InternalError"),
    Fault.FORBIDDEN: (403, "AccessDenied"),
    Fault.NOT_FOUND: (404, "NoSuchKey"),
}


@dataclass
class Rule:
    """Which requests meet a fault.

    Attributes:
        fault: that they meet.
        method: regular expression of the whole method.
        key: regular expression, found anywhere in the unquoted path and query.
        after: so many fitting requests pass unharmed first.
        times: so many then meet the fault; None: all.
        share: of the fitting requests that meet it. Which ones, follows from `seed`, the request
            and how often it came, whatever the order of different requests is.
        seed: of that choice.
        since: the rule holds from the first request on in whose method and target this is found.
        seconds: that a stall lasts.
        injected: requests that have met the fault.
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
        """Look whether the rule holds from this request on."""
        if self.since and re.search(self.since, f"{method} {target}"):
            self.since = ""

    def decides(self, method: str, target: str) -> bool:
        """Tell whether a request meets the fault; counts it."""
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
    """What the server answered."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


class FaultProxy:
    """A running proxy; see `fault_proxy`.

    Attributes:
        endpoint: its address.
        injected: faults that requests met, since `heal`.
        requests: counted by method.
        on_request: is told method and target of each request before it is served.
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
        """Follow these rules from now on, instead of those before; the first that fits decides."""
        with self._lock:
            self._rules = list(rules)

    def heal(self) -> list[Injected]:
        """Inject nothing more; give what was injected since the last time."""
        with self._lock:
            self._rules = []
            injected, self.injected = self.injected, []
            return injected

    def fault_for(self, method: str, target: str) -> Rule | None:
        """Count a request, and find the rule that it falls under."""
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
    """Run a proxy in front of the server at an endpoint, while the block runs."""
    proxy = FaultProxy(upstream, address)
    try:
        yield proxy
    finally:
        proxy.stop()


class _Server(ThreadingHTTPServer):
    """Knows its connections, and which of them are to end by a reset."""

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
            request.close()  # no goodbye: with `SO_LINGER` of 0 s this is a reset
        else:
            super().shutdown_request(request)

    def drop_connections(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that give up close their connections."""


class _Handler(BaseHTTPRequestHandler):
    """Serves one connection."""

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
        """Pass a request on as it came."""
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
        """Send a body in drops, the first one after a wait: empty bodies are slow as well."""
        step = _BYTES_A_SECOND // _SHARES
        if not answer.body:
            self.server.proxy.closing.wait(2 / _SHARES)
        self._send_head(answer, len(answer.body))
        for begin in range(0, len(answer.body), step):
            self.wfile.write(answer.body[begin : begin + step])
            if self.server.proxy.closing.wait(1 / _SHARES):
                break

    def _stall(self, seconds: float) -> None:
        """Say nothing until the client gives up, the time is over, or the proxy stops."""
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
    """Give another answer in the place of the server's."""
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
