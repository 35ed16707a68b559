"""S3 as a store, beyond the common contract: servers that fail, and secrets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from support.examples import BUCKET, SECRET

from steeldefect.errors import (
    AlreadyExistsError,
    SettingsError,
    StoreError,
    StoreUnavailableError,
    TableError,
)
from steeldefect.settings import load_settings
from steeldefect.stores import S3Settings, open_store
from steeldefect.stores.s3 import S3Store
from steeldefect.stores.s3_client import AddressingStyle, Encryption, open_client
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName

CONTENT = b"0123456789" * 1000

pytestmark = pytest.mark.usefixtures("s3")  # credentials

Answer = Callable[[BaseHTTPRequestHandler, int], None]


class FailingServer(ThreadingHTTPServer):
    """A server that counts requests and answers them by a function of the test."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests = 0
        self.answer: Answer = whole
        Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def store(self, answer: Answer, max_attempts: int) -> S3Store:
        """Open a store at this server, which from now on calls `answer` for each request."""
        self.answer, self.requests = answer, 0
        settings = S3Settings(
            endpoint_url=f"http://127.0.0.1:{self.server_port}",
            region="us-east-1",
            max_attempts=max_attempts,
            read_timeout_seconds=0.5,
        )
        return S3Store("bucket", "prefix", settings)


class _Handler(BaseHTTPRequestHandler):
    server: FailingServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests += 1
        self.server.answer(self, self.server.requests)

    do_PUT = do_GET

    def log_message(self, *_: Any) -> None:
        """Write no log."""


def send(
    handler: BaseHTTPRequestHandler, status: int, body: bytes, missing: int = 0, etag: str = '"e-2"'
) -> None:
    """Answer with a body; its stated length is `missing` bytes too large."""
    handler.send_response(status)
    if etag:
        handler.send_header("ETag", etag)
    handler.send_header("Content-Length", str(len(body) + missing))
    handler.end_headers()
    handler.wfile.write(body)


def whole(handler: BaseHTTPRequestHandler, _: int) -> None:
    send(handler, 200, CONTENT)


def broken_off(handler: BaseHTTPRequestHandler, _: int) -> None:
    send(handler, 200, CONTENT, missing=1)
    handler.close_connection = True


def refused(status: int, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    return lambda handler, _: send(handler, status, body)


def in_turn(*answers: Answer) -> Answer:
    """Return an answer that gives the first answer to the first request, and so on."""
    return lambda handler, request: answers[request - 1](handler, request)


def page(names: Sequence[str], token: str = "") -> Answer:
    """Return an answer with one page of a listing; `token` leads to the next page."""
    contents = "".join(
        f"<Contents><Key>prefix/{name}</Key><ETag>&quot;e&quot;</ETag><Size>1</Size>"
        "<LastModified>2026-03-04T05:06:07.000Z</LastModified></Contents>"
        for name in names
    )
    body = (
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<IsTruncated>{str(bool(token)).lower()}</IsTruncated>"
        f"<NextContinuationToken>{token}</NextContinuationToken>{contents}</ListBucketResult>"
    )
    return lambda handler, _: send(handler, 200, body.encode())


@pytest.fixture(scope="module")
def server() -> Iterator[FailingServer]:
    with FailingServer() as server:
        yield server
        server.shutdown()


def test_a_body_that_breaks_off_is_asked_for_again(server: FailingServer) -> None:
    store = server.store(in_turn(broken_off, broken_off, whole), max_attempts=3)
    assert store.read("key") == CONTENT
    assert server.requests == 3


def test_a_body_that_always_breaks_off_is_given_up(server: FailingServer) -> None:
    store = server.store(broken_off, max_attempts=3)
    with pytest.raises(
        StoreUnavailableError, match=r"s3://bucket/prefix/key: no answer .* 3 tries"
    ):
        store.read("key")
    assert server.requests == 3


@pytest.mark.parametrize("etag", ['"0123456789abcdef0123456789abcdef"', ""])
def test_bytes_that_are_not_those_of_their_etag_are_asked_for_again(
    server: FailingServer, etag: str
) -> None:
    """Half a body with a length that fits it, or a page of a proxy, which has no ETag."""

    def other(handler: BaseHTTPRequestHandler, _: int) -> None:
        send(handler, 200, CONTENT[:10], etag=etag)

    store = server.store(in_turn(other, whole, other, other), max_attempts=2)
    assert store.read("key") == CONTENT
    with pytest.raises(StoreUnavailableError, match="10 bytes that are not those of ETag"):
        store.read("key")


def test_a_page_is_not_a_listing_of_nothing(server: FailingServer) -> None:
    def page(handler: BaseHTTPRequestHandler, _: int) -> None:
        send(handler, 200, b"<!DOCTYPE html><html><body>Sign in</body></html>")

    store = server.store(page, max_attempts=1)
    with pytest.raises(StoreUnavailableError, match="not a listing"):
        list(store.scan())


def test_a_server_that_is_busy_once_is_asked_again(server: FailingServer) -> None:
    store = server.store(in_turn(refused(503, "SlowDown"), whole), max_attempts=3)
    assert store.read("key") == CONTENT
    assert server.requests == 2


def test_a_server_that_stalls_is_given_up(server: FailingServer) -> None:
    store = server.store(lambda *_: time.sleep(3), max_attempts=1)
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="ReadTimeout"):
        store.read("key")
    assert time.monotonic() - began < 2.5


def test_a_listing_of_several_pages(server: FailingServer) -> None:
    first = page(["a", "b"], "1")  # read again: there may be folders for the threads to share
    pages = in_turn(first, first, page([], "2"), page(["c"]))
    store = server.store(pages, max_attempts=1)
    assert [found.key for found in store.scan()] == ["a", "b", "c"]
    assert server.requests == 4


def test_a_listing_that_breaks_off_is_no_short_listing(server: FailingServer) -> None:
    first = page(["a", "b"], "1")
    pages = in_turn(first, first, refused(503, "SlowDown"))
    listing = server.store(pages, max_attempts=1).scan()
    assert [next(listing).key, next(listing).key] == ["a", "b"]
    with pytest.raises(StoreUnavailableError):
        next(listing)


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (503, "SlowDown", StoreUnavailableError, "overloaded or failing (SlowDown)"),
        (503, "ServiceUnavailable", StoreUnavailableError, "overloaded or failing"),
        (500, "InternalError", StoreUnavailableError, "overloaded or failing"),
        (502, "BadGateway", StoreUnavailableError, "overloaded or failing"),
        (429, "TooManyRequests", StoreUnavailableError, "overloaded or failing"),
        (400, "RequestTimeout", StoreUnavailableError, "overloaded or failing"),
        (403, "AccessDenied", StoreError, "access was denied; check the credentials' rights"),
        (403, "InvalidAccessKeyId", StoreError, "the store does not know the access key"),
        (403, "SignatureDoesNotMatch", StoreError, "the secret key does not match"),
        (404, "NoSuchKey", StoreError, "there is no such object"),
        (404, "NoSuchBucket", StoreError, "there is no such bucket"),
        (400, "ExpiredToken", StoreError, "the store refused the request (ExpiredToken)"),
        (412, "PreconditionFailed", AlreadyExistsError, "exists"),
    ],
)
def test_what_each_answer_means(
    server: FailingServer, status: int, code: str, kind: type[StoreError], words: str
) -> None:
    store = server.store(refused(status, code), max_attempts=1)
    for act in (
        lambda: store.read("a"),
        lambda: store.write("a", b"x"),
        lambda: list(store.scan()),
    ):
        with pytest.raises(StoreError) as caught:
            act()
        assert type(caught.value) is kind
        assert words in str(caught.value)
        assert str(caught.value).startswith("s3://bucket/prefix/")


def test_nobody_at_the_endpoint_is_found_out_quickly() -> None:
    store = S3Store("b", "p", S3Settings(endpoint_url="http://127.0.0.1:9", max_attempts=2))
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError) as caught:
        store.read("key")
    assert time.monotonic() - began < 5
    assert "no answer from http://127.0.0.1:9 after 2 tries" in str(caught.value)
    assert "s3.endpoint_url" in str(caught.value)
    for act in (lambda: list(store.scan()), lambda: store.write_new("key", b"")):
        with pytest.raises(StoreUnavailableError):
            act()


def test_a_write_that_finds_its_own_first_try_counts_as_done(
    s3: S3Settings, s3_address: str
) -> None:
    store = open_store(s3_address, s3)
    store.write_new("record", b"same")
    store.write_new("record", b"same")  # as a retried request does
    with pytest.raises(AlreadyExistsError):
        store.write_new("record", b"other")


def test_folder_markers_of_consoles_are_no_objects(s3: S3Settings, s3_address: str) -> None:
    store = open_store(s3_address, s3)
    prefix = s3_address.removeprefix(f"s3://{BUCKET}/")
    client = boto3.client("s3", endpoint_url=s3.endpoint_url, region_name=s3.region)
    client.put_object(Bucket=BUCKET, Key=f"{prefix}/folder/", Body=b"")
    store.write("folder/a.png", b"x")
    assert [found.key for found in store.scan()] == ["folder/a.png"]


def test_another_prefix_that_begins_alike_is_another_store(s3: S3Settings, s3_address: str) -> None:
    open_store(f"{s3_address}-more", s3).write("a.png", b"x")
    assert list(open_store(s3_address, s3).scan()) == []


def test_no_such_bucket_is_named(s3: S3Settings) -> None:
    store = open_store("s3://no-such-bucket/p", s3)
    for act in (lambda: list(store.scan()), lambda: store.write("a", b"")):
        with pytest.raises(StoreError, match=r"s3://no-such-bucket/p.*: there is no such bucket"):
            act()


def test_without_credentials_the_message_says_where_they_come_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    nothing = tmp_path_factory.mktemp("home") / "none"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nothing))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(nothing))
    # own settings, so that no client of an earlier test is used
    settings = S3Settings(endpoint_url="http://127.0.0.1:9", read_timeout_seconds=7.5)
    with pytest.raises(StoreError, match="no credentials; set AWS_ACCESS_KEY_ID") as caught:
        S3Store("b", "p", settings).read("key")
    assert not isinstance(caught.value, StoreUnavailableError)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"endpoint_url": "no address"}, "s3 settings: Invalid endpoint"),
        ({"endpoint_url": "localhost:9000"}, "s3 settings: "),
        ({"profile": "nobody"}, "s3 settings: The config profile .nobody. could not be found"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        S3Store("bucket", "", S3Settings(**settings))


def test_secrets_appear_in_no_text(s3: S3Settings, s3_address: str) -> None:
    store = open_store(s3_address, s3)
    assert SECRET in store.delta_options().values()
    lost = open_store(
        "s3://bucket/p", S3Settings(endpoint_url="http://127.0.0.1:9", max_attempts=1)
    )
    foreign = open_store("s3://no-such-bucket/p", s3)
    texts = [repr(store), str(store), store.uri, repr(s3), s3.model_dump_json(), repr(vars(store))]
    for act in (
        lambda: store.read("none"),
        lambda: lost.read("none"),
        lambda: Tables(foreign).open(TableName.IMAGES),
    ):
        with pytest.raises((StoreError, TableError)) as caught:
            act()
        texts += [str(caught.value), repr(caught.value)]
    assert not [text for text in texts if SECRET in text]


def test_delta_is_told_what_boto3_found(
    s3: S3Settings, s3_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = open_store(s3_address, s3).delta_options()
    assert options == {
        "AWS_ENDPOINT_URL": s3.endpoint_url,
        "AWS_REGION": "us-east-1",
        "AWS_CONDITIONAL_PUT": "etag",
        "AWS_ALLOW_HTTP": "true",
        "connect_timeout": f"{1000 * s3.connect_timeout_seconds:.0f}ms",
        "timeout": f"{1000 * s3.read_timeout_seconds:.0f}ms",
        "max_retries": str(s3.max_attempts - 1),
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    settings = S3Settings(endpoint_url="https://127.0.0.1:9", region="eu-west-1", max_attempts=1)
    options = S3Store("b", "", settings).delta_options()
    assert options["AWS_SESSION_TOKEN"] == "token"
    assert options["AWS_ALLOW_HTTP"] == "false"
    assert options["AWS_REGION"] == "eu-west-1"


def test_a_bucket_that_cannot_be_is_refused(s3: S3Settings) -> None:
    with pytest.raises(SettingsError, match="s3://no bucket!/p/key is not an address in S3"):
        S3Store("no bucket!", "p", s3).read("key")


def test_an_endpoint_with_credentials_is_refused_without_repeating_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint = "http://key:hush@host:9000"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    for act in (
        lambda: load_settings(None, [f"s3.endpoint_url={endpoint}"]),
        lambda: S3Store("bucket", "", S3Settings(connect_timeout_seconds=4.75)),
    ):
        with pytest.raises(SettingsError, match="an endpoint holds no credentials") as caught:
            act()
        assert "hush" not in str(caught.value)


def test_many_objects_are_listed_folder_by_folder(s3: S3Settings, s3_address: str) -> None:
    """More than one page: threads share the listing, and list every object exactly once."""
    store = open_store(s3_address, s3)
    names = [f"{n % 3}/line {n % 7}/{n:04d}.png" for n in range(1_010)]
    names += ["top.png", "0/a.png", "1/line 1/deep/er/and/deeper/still/so/far/down.png"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.write(name, b"x"), names))
    found = list(store.scan())
    assert sorted(one.key for one in found) == sorted(names)
    assert {one.size for one in found} == {1}
    assert sorted(one.key for one in store.scan("1/l")) == sorted(
        name for name in names if name.startswith("1/l")
    )


@pytest.mark.parametrize(
    ("style", "address"),
    [
        ("path", "http://store:9000/plant/tables/a"),
        ("virtual", "http://plant.store:9000/tables/a"),
    ],
)
def test_the_bucket_stands_where_the_store_wants_it(style: str, address: str) -> None:
    settings = S3Settings(endpoint_url="http://store:9000", addressing_style=AddressingStyle(style))
    _, client = open_client(settings)
    place = {"Bucket": "plant", "Key": "tables/a"}
    assert client.generate_presigned_url("get_object", place).split("?")[0] == address
    endpoint = S3Store("plant", "tables", settings).delta_options()["AWS_ENDPOINT_URL"]
    assert endpoint == address.removesuffix("/tables/a").removesuffix("/plant")


def test_unsigned_requests_carry_no_credentials(server: FailingServer) -> None:
    signed: list[bool] = []

    def note(handler: BaseHTTPRequestHandler, _: int) -> None:
        signed.append("Authorization" in handler.headers)
        send(handler, 200, CONTENT)

    store = server.store(note, max_attempts=1)
    assert store.read("a") == CONTENT
    endpoint = f"http://127.0.0.1:{server.server_port}"
    settings = S3Settings(endpoint_url=endpoint, region="us-east-1", anonymous=True)
    public = S3Store("bucket", "prefix", settings)
    assert public.read("a") == CONTENT
    assert signed == [True, False]
    assert public.delta_options()["AWS_SKIP_SIGNATURE"] == "true"
    assert SECRET not in public.delta_options().values()


def test_everything_that_is_written_is_encrypted_as_it_was_asked(
    s3: S3Settings, s3_address: str
) -> None:
    settings = s3.model_copy(update={"server_side_encryption": Encryption.STORE})
    store = open_store(s3_address, settings)
    store.write("a", b"x")
    store.write_new("b", b"x")
    Tables(store).create_all()
    client = boto3.client("s3", endpoint_url=s3.endpoint_url, region_name="us-east-1")
    prefix = s3_address.removeprefix(f"s3://{BUCKET}/")
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    assert len(listed) == 2 + len(TableName)
    for one in listed:
        head = client.head_object(Bucket=BUCKET, Key=one["Key"])
        assert head["ServerSideEncryption"] == "AES256", one["Key"]


def test_a_key_of_one_s_own_needs_the_service_that_holds_it() -> None:
    with pytest.raises(SettingsError, match="kms_key_id needs server_side_encryption: aws:kms"):
        load_settings(None, ["s3.kms_key_id=plant"])
    chosen = load_settings(None, ["s3.kms_key_id=plant", "s3.server_side_encryption=aws:kms"]).s3
    assert chosen.encryption == {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "plant"}
