"""Gigabytes through aws-cli and boto3, and how much memory the server needs for it."""

import os
import subprocess
import time

import pytest

from conftest import client_path
from payloads import MIB

GIB = 1 << 30
# What goes through MinIO is written once more, and its disk reads it once more.
SIZE = (6 if os.environ.get("CK_BACKEND", "local") == "local" else 2) * GIB
# Buffers of a few dozen streams and the caches; a server that holds bodies would need gigabytes.
PEAK_LIMIT = 128 * MIB
# Not every byte is a zero, or exchanged parts would look right: a mark of its own every so often.
MARK_EVERY = 8 * MIB - 12345


def mark_at(offset: int) -> bytes:
    return b"mark at %016d" % offset


@pytest.fixture
def sparse(tmp_path):
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(SIZE)
        for offset in range(0, SIZE - 64, MARK_EVERY):
            file.seek(offset)
            file.write(mark_at(offset))
    yield path
    path.unlink()


class Checker:
    """A file to write to, that compares and forgets."""

    def __init__(self):
        self.at, self.zeros = 0, bytes(MIB)

    def write(self, block: bytes) -> int:
        expected, end, done = self.at, self.at + len(block), 0
        first = (expected - 64) // MARK_EVERY * MARK_EVERY
        for offset in range(max(0, first), end, MARK_EVERY):
            if offset >= SIZE - 64:
                break
            mark = mark_at(offset)
            for place, byte in enumerate(mark, offset):
                if self.at <= place < end:
                    assert block[place - self.at] == byte, f"another byte at {place}"
                    done += byte != 0
        assert len(block) - block.count(0) == done, f"bytes that are not zero between {self.at} and {end}"
        self.at = end
        return len(block)


@pytest.mark.slow
def test_round_trip_with_flat_memory(own_server, sparse, tmp_path, report):
    server = own_server
    s3 = server.boto3(read_timeout=300)
    s3.create_bucket(Bucket="large")
    aws = [client_path("CK_AWS_V1"), "--endpoint-url", server.endpoint, "s3", "cp", "--quiet"]
    server.reset_peak_rss()
    start = time.monotonic()
    subprocess.run([*aws, str(sparse), "s3://large/o"], env=server.aws_environment(tmp_path), check=True, timeout=900)
    up, up_peak = time.monotonic() - start, server.peak_rss_bytes()

    head = s3.head_object(Bucket="large", Key="o")
    assert head["ContentLength"] == SIZE
    assert head["ETag"] == s3.list_objects_v2(Bucket="large")["Contents"][0]["ETag"]
    server.reset_peak_rss()
    start, checker = time.monotonic(), Checker()
    for block in s3.get_object(Bucket="large", Key="o")["Body"].iter_chunks(4 * MIB):
        checker.write(block)
    assert checker.at == SIZE
    down, down_peak = time.monotonic() - start, server.peak_rss_bytes()

    start = time.monotonic()
    tail = s3.get_object(Bucket="large", Key="o", Range=f"bytes={SIZE - 1000}-")["Body"].read()
    assert len(tail) == 1000
    report(f"{SIZE // GIB} GiB: up {up:.0f} s with {up_peak / MIB:.0f} MiB, down {down:.0f} s with {down_peak / MIB:.0f} MiB, "
           f"its last 1000 bytes in {1000 * (time.monotonic() - start):.0f} ms")
    assert max(up_peak, down_peak) < PEAK_LIMIT
