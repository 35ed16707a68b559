"""Open connections to S3: a client of boto3, and options for the Delta library.

Credentials, region, endpoint and profile are found as AWS's own tools find them: in the
environment, in a profile, by a role, or by a role that a profile assumes. AWS_CA_BUNDLE names the
file of a private certificate authority, also for the Delta library. Settings may name endpoint,
region and profile, but never a secret.
"""

from __future__ import annotations

import functools
import os
from enum import Enum
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from steeldefect.errors import SettingsError
from steeldefect.secrets import remember


class AddressingStyle(str, Enum):
    """Where an address has the bucket's name: in the path (most stores but AWS) or in the host."""

    AUTO = "auto"
    PATH = "path"
    VIRTUAL = "virtual"


class Encryption(str, Enum):
    """Key by which the store encrypts written objects: the store's own, or a KMS key."""

    STORE = "AES256"
    KMS = "aws:kms"

    def __str__(self) -> str:
        """Return the value in the form that S3 expects."""
        return str(self.value)


class S3Settings(BaseModel):
    """Settings of S3. Secrets are not among them; see the module's docstring."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    addressing_style: AddressingStyle = AddressingStyle.AUTO
    anonymous: bool = False
    server_side_encryption: Encryption | None = None
    kms_key_id: str | None = None
    connect_timeout_seconds: float = Field(default=5.0, gt=0)
    read_timeout_seconds: float = Field(default=30.0, gt=0)
    max_attempts: int = Field(default=4, ge=1)

    @field_validator("endpoint_url")
    @classmethod
    def _holds_no_secret(cls, url: str | None) -> str | None:
        if url is not None and _may_hold_credentials(url):
            raise ValueError("an endpoint holds no credentials; use a profile or the environment")
        return url

    @model_validator(mode="after")
    def _key_needs_kms(self) -> S3Settings:
        if self.kms_key_id is not None and self.server_side_encryption is not Encryption.KMS:
            raise ValueError("kms_key_id needs server_side_encryption: aws:kms")
        return self

    @property
    def encryption(self) -> dict[str, str]:
        """Encryption options of every write request; empty to use the bucket's default."""
        named = {
            "ServerSideEncryption": self.server_side_encryption,
            "SSEKMSKeyId": self.kms_key_id,
        }
        return {name: str(value) for name, value in named.items() if value is not None}


def _may_hold_credentials(url: str) -> bool:
    """Return whether an address has parts in which credentials may be written."""
    return any(mark in url for mark in "@?#")


@functools.lru_cache(maxsize=16)
def open_client(settings: S3Settings) -> tuple[Any, Any]:
    """Open a boto3 session and its S3 client, once for each process and settings.

    A client is expensive to open, and threads may share it.

    Raises:
        SettingsError: the profile is unknown, or the endpoint is malformed or holds credentials.
    """
    config = Config(
        signature_version=UNSIGNED if settings.anonymous else None,
        s3={"addressing_style": settings.addressing_style.value},
        connect_timeout=settings.connect_timeout_seconds,
        read_timeout=settings.read_timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": settings.max_attempts},
        max_pool_connections=64,  # largest fetch_threads that settings allow
        # several S3-compatible stores refuse the newer checksums that botocore adds by default
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        session = boto3.Session(profile_name=settings.profile, region_name=settings.region)
        region = session.region_name or "us-east-1"
        client = session.client(
            "s3", endpoint_url=settings.endpoint_url, region_name=region, config=config
        )
    except BotoCoreError as error:
        raise SettingsError(f"s3 settings: {error}") from None
    except ValueError:  # its text repeats the endpoint, which may hold a secret
        raise SettingsError(
            "s3 settings: Invalid endpoint (s3.endpoint_url or AWS_ENDPOINT_URL); expected "
            "https://host or http://host:port"
        ) from None
    if authority := os.environ.get("AWS_CA_BUNDLE"):
        os.environ.setdefault("SSL_CERT_FILE", authority)  # where the Delta library looks
    if _may_hold_credentials(client.meta.endpoint_url):
        raise SettingsError("AWS_ENDPOINT_URL: an endpoint holds no credentials; remove them")
    return session, client


def delta_options(bucket: str, settings: S3Settings, session: Any, client: Any) -> dict[str, str]:
    """Return the same settings for the Delta library, with the current credentials.

    Args:
        bucket: bucket of the store.
        settings: S3 settings of the store.
        session: session of boto3.
        client: S3 client of boto3.
    """
    endpoint = client.meta.endpoint_url
    options = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": client.meta.region_name,
        "AWS_CONDITIONAL_PUT": "etag",
        "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower(),
        "connect_timeout": _milliseconds(settings.connect_timeout_seconds),
        "timeout": _milliseconds(settings.read_timeout_seconds),
        "max_retries": str(settings.max_attempts - 1),
    }
    if settings.addressing_style is AddressingStyle.VIRTUAL:
        scheme, host = endpoint.split("://", 1)
        options["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"] = "true"
        options["AWS_ENDPOINT_URL"] = f"{scheme}://{bucket}.{host}"  # it wants the whole host
    if settings.server_side_encryption is not None:
        options["AWS_SERVER_SIDE_ENCRYPTION"] = settings.server_side_encryption.value
    if settings.kms_key_id is not None:
        options["AWS_SSE_KMS_KEY_ID"] = settings.kms_key_id
    if settings.anonymous:
        return options | {"AWS_SKIP_SIGNATURE": "true"}
    credentials = session.get_credentials()
    if credentials is not None:
        frozen = credentials.get_frozen_credentials()
        options["AWS_ACCESS_KEY_ID"] = frozen.access_key
        options["AWS_SECRET_ACCESS_KEY"] = frozen.secret_key
        remember(frozen.secret_key)
        remember(frozen.token)
        if frozen.token:
            options["AWS_SESSION_TOKEN"] = frozen.token
    return options


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(1000 * seconds))}ms"
