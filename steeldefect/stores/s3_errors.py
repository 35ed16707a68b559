"""What errors of boto3 mean: the store refused, did not answer, or holds an object already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ResponseStreamingError,
    SSLError,
    SSOError,
)
from urllib3.exceptions import HTTPError

from steeldefect.errors import (
    AlreadyExistsError,
    SettingsError,
    StoreError,
    StoreUnavailableError,
)

_BROKEN_BODY = (IncompleteReadError, ResponseStreamingError, HTTPClientError, ConnectionError)
_OVERLOADED = {"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "InternalError"}
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}
_HINTS = {
    "NoSuchBucket": "there is no such bucket",
    "NoSuchKey": "there is no such object",
    "404": "there is no such object or bucket",
    "403": "access was denied; check the credentials' rights",
    "AccessDenied": "access was denied; check the credentials' rights",
    "InvalidAccessKeyId": "the store does not know the access key; check the key and the endpoint",
    "SignatureDoesNotMatch": "the secret key does not match the access key; check the credentials",
}


class BrokenBodyError(Exception):
    """The body of an answer broke off, did not end in time, or does not match its ETag."""


@contextmanager
def body_errors() -> Iterator[None]:
    """Raise `BrokenBodyError` for network errors in a body: resets, TLS errors, short answers."""
    try:
        yield
    except (*_BROKEN_BODY, HTTPError, OSError) as error:
        raise BrokenBodyError(type(error).__name__) from error


@contextmanager
def translated_errors(where: str, endpoint: str, attempts: int) -> Iterator[None]:
    """Raise the errors of boto3 in a block as errors of this project.

    Args:
        where: address of the object or prefix, for the message.
        endpoint: of the store.
        attempts: number of tries that boto3 makes.

    Raises:
        AlreadyExistsError: a conditional write found an object.
        StoreError: the store refused, or there are no credentials.
        StoreUnavailableError: the store is overloaded, or did not answer.
        SettingsError: the address is not an address in S3.
    """
    try:
        yield
    except ClientError as error:
        raise _refusal(error, where) from None
    except (NoCredentialsError, PartialCredentialsError):
        raise StoreError(
            f"{where}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a "
            "profile or a role"
        ) from None
    except (CredentialRetrievalError, SSOError) as error:
        raise StoreError(
            f"{where}: the source of the credentials failed ({type(error).__name__}); check "
            "the profile, the role or the sign-in"
        ) from None
    except ParamValidationError:
        raise SettingsError(f"{where} is not an address in S3") from None
    except SSLError:
        raise StoreUnavailableError(
            f"{where}: the certificate of {endpoint} is not trusted, or "
            "names another host; for your own certificate authority, set AWS_CA_BUNDLE to its "
            "file on every host"
        ) from None
    except (BotoCoreError, BrokenBodyError) as error:
        detail = str(error) if isinstance(error, BrokenBodyError) else type(error).__name__
        raise StoreUnavailableError(
            f"{where}: no answer from {endpoint} after {attempts} tries "
            f"({detail}); check the endpoint (s3.endpoint_url or "
            "AWS_ENDPOINT_URL) and the network"
        ) from None


def _refusal(error: ClientError, where: str) -> StoreError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _TAKEN or status == 412:
        return AlreadyExistsError(f"{where} exists")
    if code in _OVERLOADED or status >= 500 or status == 429:
        return StoreUnavailableError(f"{where}: the store is overloaded or failing ({code})")
    return StoreError(f"{where}: {_HINTS.get(code, f'the store refused the request ({code})')}")
