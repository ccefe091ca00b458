"""Where a backend is not S3, and the proxy in front of it cannot be: each difference with its reason, in one place.

What a backend refuses must still be a clean answer of S3's kind; the suites assert that instead of leaving the case out.

MinIO:

- It keeps keys as paths. Empty, `.` and `..` segments and segments of more than 255 bytes are refused: 501 from the proxy,
  which found that out by its probe, or 400.
- An object `folder` hides `folder/…` in listings, though both can be read.
- It ignores If-Match of DELETE. The proxy found that out too, and answers 501 instead of deleting what changed meanwhile.
- A Complete first takes its parts apart and writes over the upload's own record, then publishes. When it is killed in
  between, or when who asked is (it stops where it is when its client goes away), it can never complete that upload: it
  answers InvalidPart, NoSuchUpload or XMinioObjectExistsAsDirectory, and the proxy the same, or 500 for the last. The
  key holds what it held before.
- LastModified has whole seconds, as S3's; the directory upstream has milliseconds.

Garage:

- It ignores conditions of PUT, Complete and DELETE, and would overwrite. The proxy found that out: 501, and nothing changes.
- It keeps no tags, and drops those of a PUT without a word. The proxy answers 501 to a write with tags; an object has none.
- It drops a slash at the beginning of a key. The proxy found that out, and answers 501 to keys with empty segments.
"""

import os

import pytest

BACKEND = os.environ.get("CK_BACKEND", "local")
MINIO = BACKEND == "minio"
LONGEST_SEGMENT_BYTES = 255

GARAGE = BACKEND == "garage"
CONDITIONAL_WRITES = not GARAGE
CONDITIONAL_DELETE = not MINIO and not GARAGE
TAGS = not GARAGE

LOSES_UPLOADS_HALF_COMPLETED = MINIO
CODES_OF_LOST_UPLOADS = ("InvalidPart", "NoSuchUpload", "InternalError")


def is_refused(key: str) -> bool:
    """A trailing slash is no empty segment."""
    segments = key.removesuffix("/").split("/")
    if GARAGE:
        return "" in segments
    return MINIO and any(s in ("", ".", "..") or len(s.encode()) > LONGEST_SEGMENT_BYTES for s in segments)


def kept(keys: list) -> list:
    """Those that this backend keeps and lists side by side."""
    keys = [key for key in keys if not is_refused(key)]
    return [key for key in keys if not MINIO or not any(key.startswith(f"{other.removesuffix('/')}/") for other in keys if other != key)]


def keys(names: dict) -> list:
    """Parameters of a test of strange keys, one at a time: the names of those that this backend keeps."""
    return [name for name, key in names.items() if not is_refused(key)]


def refused_keys(names: dict) -> list:
    """And those that it refuses, for the test that shows how."""
    refused = [name for name, key in names.items() if is_refused(key)]
    return refused or [pytest.param(None, marks=pytest.mark.skip(reason=f"{BACKEND} keeps every key"))]
