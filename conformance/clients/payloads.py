"""What the suites store: sizes around every boundary of the format and of the clients, and keys that break weak servers."""

import hashlib
import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

KIB, MIB = 1 << 10, 1 << 20

# 16384 is the format's segment; 8 MiB is where aws-cli and boto3 turn to multipart and ranged reads, 5 MiB where S3's parts begin.
SIZES = {
    "0B": 0,
    "1B": 1,
    "16383B": 16383,
    "16384B": 16384,
    "16385B": 16385,
    "5MiB-1": 5 * MIB - 1,
    "8MiB+1": 8 * MIB + 1,
    "100MiB": 100 * MIB,
}

# name -> key. Each suite takes those that its client can express, and says why not the others.
KEYS = {
    "spaces": "a key  with spaces.txt",
    "percent": "100%25 of %41%zz.txt",
    "plus": "a+b+ c.txt",
    "double_slash": "dir//inner//file.txt",
    "leading_slash": "/leading/file.txt",
    "dot_segments": "up/../down/./here.txt",
    "only_dots": "x/..",
    "trailing_slash": "folder/marker/",
    "beside_folder": "folder",
    "unicode": "žluťoučký/日本語/😀 e\u0301.txt",
    "reserved": "q?a=1&b=2#f;p:@!$'()*,[]{}|\\^~`<>\"=.txt",
    "long": "long/" + "k" * 250 + "/" + "é" * 300 + "/" + "z" * 167,
}
assert len(KEYS["long"].encode()) == 1024


@dataclass(frozen=True)
class Payload:
    """Bytes that do not compress and are the same in every run, as a file."""

    name: str
    path: Path
    size: int

    @cached_property
    def data(self) -> bytes:
        return self.path.read_bytes()

    @cached_property
    def md5(self) -> str:
        return hashlib.md5(self.data).hexdigest()


def body(seed: str, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def write_payloads(folder: Path) -> dict:
    made = {}
    for name, size in SIZES.items():
        path = folder / f"{name}.bin"
        path.write_bytes(body(f"payload {name}", size))
        made[name] = Payload(name, path, size)
    return made


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def multipart_etag(data: bytes, part: int) -> str:
    """S3's ETag of a multipart object: the MD5 of its parts' MD5s, and how many."""
    parts = [data[at:at + part] for at in range(0, len(data), part)] or [b""]
    whole = hashlib.md5(b"".join(hashlib.md5(p).digest() for p in parts)).hexdigest()
    return f"{whole}-{len(parts)}"
