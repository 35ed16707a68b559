"""A store in a prefix of a bucket, in S3 or any S3-compatible object store, through boto3."""

from __future__ import annotations

import hashlib
import mimetypes
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from tempfile import TemporaryFile
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote

from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    stop_any,
    wait_random_exponential,
)

from steeldefect.addresses import check_table_address
from steeldefect.errors import (
    AlreadyExistsError,
    FetchError,
    StoreUnavailableError,
)
from steeldefect.stores.base import Fetched, FetchLimits, ObjectInfo
from steeldefect.stores.listed_pages import ListedPages
from steeldefect.stores.s3_client import S3Settings, delta_options, open_client
from steeldefect.stores.s3_errors import BrokenBodyError, body_errors, translated_errors
from steeldefect.streams import read_ahead

Answer = TypeVar("Answer")

_LISTERS = 16  # threads; a page takes the store about as long as the answer takes to arrive
_DEEPEST = 8  # levels of folders that are opened to find as many folders as there are threads

_COPIED = 2**20  # bytes copied at once
_FIRST_CHUNK, _CHUNK = 1024, 16 * 1024  # bytes read between two checks of the deadline
_BACKOFF = wait_random_exponential(multiplier=0.2, max=10)
_MD5 = re.compile(r"[0-9A-Fa-f]{32}")


def _next_chunk(size: int) -> int:
    """Return how many bytes to read after `size` bytes: few, so that a slow body is noticed."""
    return min(_CHUNK, max(_FIRST_CHUNK, size))


def _etag_of(answer: Any) -> str:
    return str(answer.get("ETag") or "").strip('"')


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _stated_md5(etag: str, answer: Any) -> str | None:
    """Return the MD5 of an object's bytes, if its ETag is an MD5.

    The ETag is not the MD5 of an object that was written in parts, or encrypted by a KMS key or by
    a key of the caller (Amazon S3 API Reference, "Object": ETag).
    """
    encryption = str(answer.get("ServerSideEncryption") or "AES256")
    if encryption != "AES256" or answer.get("SSECustomerAlgorithm"):
        return None
    return etag.lower() if _MD5.fullmatch(etag) else None


class S3Store:
    """Objects below `s3://bucket/prefix`."""

    def __init__(self, bucket: str, prefix: str, settings: S3Settings) -> None:
        """Set the root and open a client; no request is sent yet.

        Raises:
            SettingsError: the profile is unknown, or the endpoint is malformed.
        """
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._settings = settings
        self._session, self._client = open_client(settings)
        self.uri = f"s3://{bucket}/{self._prefix}".rstrip("/")

    def scan(
        self, prefix: str = "", enters: Callable[[str], bool] | None = None
    ) -> Iterator[ObjectInfo]:
        """Yield objects; see `Store.scan`.

        If there is more than one page, the listing starts again, folder by folder in threads.
        """
        pages = self._pages(prefix)
        first = next(pages, {})
        if not first.get("IsTruncated"):
            yield from self._objects(first)
            return
        folders = [prefix]
        for _ in range(_DEEPEST):
            below: list[str] = []
            for page in chain.from_iterable(self._pages(one, Delimiter="/") for one in folders):
                yield from self._objects(page)
                below += [self._relative(one["Prefix"]) for one in page.get("CommonPrefixes", [])]
            folders = [one for one in below if enters is None or enters(one)]
            if not folders or len(folders) >= _LISTERS:
                break
        with ThreadPoolExecutor(_LISTERS, "list") as pool:
            for _, found in read_ahead(folders, self._list_folder, pool, _LISTERS):
                yield from found.objects()

    def _list_folder(self, prefix: str) -> ListedPages:
        return ListedPages(self._objects(page) for page in self._pages(prefix))

    def _pages(self, prefix: str, **options: str) -> Iterator[dict[str, Any]]:
        """Yield the pages of a listing, each of at most 1,000 objects."""
        name = self._prefix + prefix
        pages = iter(
            self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=name, **options
            )
        )
        while page := self._call(lambda: next(pages, None), name):
            if "IsTruncated" not in page:  # every listing has it; a page in HTML does not
                raise StoreUnavailableError(
                    f"s3://{self._bucket}/{name}: {self._client.meta.endpoint_url} answered with "
                    "something that is not a listing; check the endpoint, and any proxy before it"
                )
            yield page

    def _objects(self, page: dict[str, Any]) -> Iterator[ObjectInfo]:
        for item in page.get("Contents", []):
            key = item["Key"]
            if not key.endswith("/"):
                etag = item.get("ETag", "").strip('"')
                yield ObjectInfo(self._relative(key), etag, item["Size"], item["LastModified"])

    def _relative(self, name: str) -> str:
        return name[len(self._prefix) :]

    def read(self, key: str) -> bytes:
        """Read an object; retry if the body breaks off or does not match its ETag."""
        name = self._prefix + key
        return self._call(lambda: self._retrying()(self._read_once, name), name)

    def pieces(self, key: str, size: int) -> Iterator[bytes]:
        """Yield an object in pieces; see `Store.pieces`. It is copied to the disk first."""
        name = self._prefix + key
        with TemporaryFile() as file:
            self._call(lambda: self._retrying()(self._copy_once, name, file), name)
            file.seek(0)
            while piece := file.read(size):
                yield piece

    def fetch(self, key: str, limits: FetchLimits) -> Fetched:
        """Read an object within limits; see `Store.fetch`.

        This method retries by itself, without botocore, so that all tries together keep the
        deadline. They may exceed it by the time-out of one request.
        """
        name = self._prefix + key
        deadline = time.monotonic() + limits.seconds
        retrying = Retrying(
            stop=stop_any(
                stop_after_attempt(self._settings.max_attempts), stop_after_delay(limits.seconds)
            ),
            wait=_BACKOFF,
            retry=retry_if_exception_type(StoreUnavailableError),
            reraise=True,
        )
        once = self._settings.model_copy(
            update={
                "max_attempts": 1,
                "read_timeout_seconds": min(self._settings.read_timeout_seconds, limits.seconds),
            }
        )
        client = open_client(once)[1]
        return retrying(
            lambda: self._call(lambda: self._fetch_once(client, name, limits, deadline), name)
        )

    def write(self, key: str, data: bytes) -> None:
        """Write an object; see `Store.write`."""
        name = self._prefix + key
        self._call(lambda: self._put(name, data), name)

    def write_new(self, key: str, data: bytes) -> None:
        """Write an object with `If-None-Match: *`; see `Store.write_new`.

        A retried request can find the object that its own first try wrote. The contents are then
        equal, and the write counts as done.
        """
        name = self._prefix + key
        try:
            self._call(lambda: self._put(name, data, IfNoneMatch="*"), name)
        except AlreadyExistsError:
            if self.read(key) != data:
                raise

    def delete(self, key: str) -> None:
        """Delete an object; see `Store.delete`."""
        name = self._prefix + key
        self._call(lambda: self._client.delete_object(Bucket=self._bucket, Key=name), name)

    def shipped_settings(self) -> S3Settings:
        """Return settings for other hosts, with the endpoint and region that this host found."""
        endpoint = str(self._client.meta.endpoint_url)
        found: dict[str, object] = {"region": self._client.meta.region_name}
        if ".amazonaws.com" not in endpoint:
            found["endpoint_url"] = endpoint
        return self._settings.model_copy(update=found)

    def delta_uri(self, key: str) -> str:
        """Return the address of the folder `key`, percent-encoded; see `Store.delta_uri`."""
        check_table_address(self.uri)
        return f"s3://{self._bucket}/{quote(self._prefix + key)}"

    def delta_options(self) -> dict[str, str]:
        """Return boto3's endpoint, region and current credentials for the Delta library."""
        return delta_options(self._bucket, self._settings, self._session, self._client)

    def _put(self, name: str, data: bytes, **options: str) -> None:
        encryption = self._settings.encryption
        kind = mimetypes.guess_type(name)[0]
        if kind is not None:  # a browser shows a page only if the store calls it a page
            options["ContentType"] = f"{kind}; charset=utf-8" if kind == "text/html" else kind
        self._client.put_object(Bucket=self._bucket, Key=name, Body=data, **encryption, **options)

    def _retrying(self) -> Retrying:
        return Retrying(
            stop=stop_after_attempt(self._settings.max_attempts),
            wait=_BACKOFF,
            retry=retry_if_exception_type(BrokenBodyError),
            reraise=True,
        )

    def _copy_once(self, name: str, file: BinaryIO) -> None:
        answer = self._client.get_object(Bucket=self._bucket, Key=name)  # botocore retries this
        etag, stated, size = _etag_of(answer), answer.get("ContentLength"), 0
        seen = hashlib.md5(usedforsecurity=False)
        file.seek(0)
        file.truncate()
        while True:
            with body_errors():
                chunk = answer["Body"].read(_COPIED)
            if not chunk:
                break
            file.write(chunk)
            seen.update(chunk)
            size += len(chunk)
        if not etag or stated not in (None, size):
            raise BrokenBodyError(f"{size} bytes of {stated}")
        if _stated_md5(etag, answer) not in (None, seen.hexdigest()):
            raise BrokenBodyError(f"{size} bytes that are not those of ETag {etag!r}")

    def _read_once(self, name: str) -> bytes:
        answer = self._client.get_object(Bucket=self._bucket, Key=name)  # botocore retries this
        with body_errors():
            body: bytes = answer["Body"].read()
        etag = _etag_of(answer)
        if not etag or _stated_md5(etag, answer) not in (None, _md5(body)):
            raise BrokenBodyError(f"{len(body)} bytes that are not those of ETag {etag!r}")
        return body

    def _fetch_once(self, client: Any, name: str, limits: FetchLimits, deadline: float) -> Fetched:
        answer = client.get_object(Bucket=self._bucket, Key=name)
        stated = answer.get("ContentLength")
        body, chunks, size = answer["Body"], [], 0
        with closing(body), body_errors():
            while size <= limits.max_bytes and (chunk := body.read(_next_chunk(size))):
                chunks.append(chunk)
                size += len(chunk)
                if time.monotonic() > deadline:
                    raise BrokenBodyError(f"{size} bytes in {limits.seconds:g} s")
        if max(size, stated or 0) > limits.max_bytes:
            raise FetchError(
                f"too large: {max(size, stated or 0)} bytes, at most {limits.max_bytes} are read"
            )
        if stated is not None and size != stated:
            raise BrokenBodyError(f"{size} bytes of {stated}")
        etag = _etag_of(answer)
        return Fetched(b"".join(chunks), etag, _stated_md5(etag, answer))

    def _call(self, request: Callable[[], Answer], name: str) -> Answer:
        where = f"s3://{self._bucket}/{name}"
        endpoint = str(self._client.meta.endpoint_url)
        with translated_errors(where, endpoint, self._settings.max_attempts):
            return request()
