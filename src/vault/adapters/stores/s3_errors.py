"""What an S3 store's answers mean for us; what is told never holds a key, an address or the store's own words.

| the store | we |
|---|---|
| has no such object, or a shorter one | ObjectTampered |
| refuses: no bucket, no permission, wrong key, clock | StoreUnavailable, saying what an operator must do |
| answers 5xx or nonsense, breaks off, does not answer | StoreUnavailable |
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from xml.etree.ElementTree import ParseError

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3 import exceptions as http

from vault.adapters.stores.s3_http import is_stuck
from vault.errors import ObjectTampered, StoreUnavailable, VaultError

MISSING: Final = "the stored object is missing"
SHORTER: Final = "the stored object is shorter than it was"

_DAMAGED: Final = {"NoSuchKey": MISSING, "NoSuchVersion": MISSING, "InvalidRange": SHORTER}
_TO_DO: Final = {
    "NoSuchBucket": "there is no such bucket: create it, or mend the setting store",
    "AccessDenied": (
        "access is refused: let this access key list the bucket and its uploads, and read, write and delete in it"
    ),
    "InvalidAccessKeyId": "the access key is not known: mend the setting store_access_key",
    "SignatureDoesNotMatch": "the secret key is wrong: mend the setting store_secret_key",
    "AuthorizationHeaderMalformed": "the region is wrong: name the one in which the bucket lies",
    "RequestTimeTooSkewed": "this machine's clock differs from the store's: set the clocks",
    "QuotaExceeded": "the quota is used up: raise it",
}


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn whatever the SDK and the connection raise into the vault's errors."""
    try:
        yield
    except S3Error as error:
        raise _refusal(error) from None
    except ServerError as error:
        raise unavailable(f"it answered with status {error.status_code}") from None
    except InvalidResponseError:
        raise unavailable("it answered with what is not S3: is the setting store right?") from None
    except http.HTTPError as error:
        raise unavailable(_broken(error)) from None
    except OSError:
        raise unavailable("the connection broke") from None
    except (MinioException, ParseError, ValueError, AttributeError, TypeError):
        # What the SDK raises when an answer lacks what it must hold.
        raise unavailable("its answer was not understood") from None


def unavailable(why: str) -> StoreUnavailable:
    return StoreUnavailable(f"the object store failed: {why}")


def _refusal(error: S3Error) -> VaultError:
    code = error.code or ""
    if code in _DAMAGED:
        return ObjectTampered(_DAMAGED[code])
    return unavailable(_TO_DO.get(code, f"it answered with status {error.response.status}"))


def _broken(error: http.HTTPError) -> str:
    cause = error.reason if isinstance(error, http.MaxRetryError) else error
    if isinstance(cause, http.SSLError):
        return "its certificate is not trusted by this machine"
    if isinstance(cause, http.NewConnectionError):
        return "it cannot be reached"
    if isinstance(cause, http.TimeoutError) or is_stuck(cause):
        return "it did not answer in time"
    return "the connection broke"
