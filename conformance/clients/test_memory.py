"""How much memory the server takes: 64 large bodies at a time each way, beside 1,000 connections that do nothing.

The peak must depend on how many streams there are, not on what they carry.
"""

import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from payloads import MIB
from raw import Raw

STREAMS = 64
SIZES = [16 * MIB, 256 * MIB]
IDLE_CONNECTIONS = 1000
PEAK_LIMIT = 256 * MIB
# Buffers are handed back late, and not every stream meets every other: noise, not growth with the size.
FLAT_WITHIN = 1.5
BUCKET = "memory"


def put(server, path: str, body) -> int:
    """PUT of a file, which the kernel sends: 64 of these must not keep the machine busy with Python."""
    raw = Raw(server)
    headers = raw.sign("PUT", path)
    body.seek(0, 2)
    size = body.tell()
    with socket.create_connection(raw.address, timeout=600) as stream:
        stream.sendall(head("PUT", path, headers | {"content-length": str(size), "connection": "close"}))
        stream.sendfile(body, 0)
        return status(stream)


def get(server, path: str) -> tuple:
    """The status, and how many bytes of a body came: they are compared elsewhere."""
    raw = Raw(server)
    block, count = bytearray(MIB), 0
    with socket.create_connection(raw.address, timeout=600) as stream:
        stream.sendall(head("GET", path, raw.sign("GET", path) | {"connection": "close"}))
        received = b""
        while b"\r\n\r\n" not in received:
            received += stream.recv(65536)
        first, rest = received.split(b"\r\n\r\n", 1)
        count = len(rest)
        while (more := stream.recv_into(block)) > 0:
            count += more
    return int(first.split()[1]), count


def head(method: str, path: str, headers: dict) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


def status(stream) -> int:
    received = b""
    while b"\r\n" not in received:
        more = stream.recv(65536)
        assert more, "no answer"
        received += more
    return int(received.split()[1])


@pytest.mark.slow
def test_many_large_bodies_and_idle_connections(own_server, tmp_path, report):
    server = own_server
    needed = STREAMS * SIZES[-1] * 5 // 4
    if shutil.disk_usage(tmp_path).free < needed:
        pytest.skip(f"needs {needed // MIB} MiB of disk")
    server.boto3().create_bucket(Bucket=BUCKET)
    address = Raw(server).address
    idle = [socket.create_connection(address, timeout=60) for _ in range(IDLE_CONNECTIONS)]
    time.sleep(1)
    at_rest = server.peak_rss_bytes()
    peaks = []
    for size in SIZES:
        with open(tmp_path / "body", "wb") as file:
            file.truncate(size)
        with ThreadPoolExecutor(STREAMS) as pool:
            server.reset_peak_rss()
            start = time.monotonic()
            answers = pool.map(lambda n: put(server, f"/{BUCKET}/{n}", open(tmp_path / "body", "rb")), range(STREAMS))
            assert list(answers) == [200] * STREAMS
            up, up_peak = time.monotonic() - start, server.peak_rss_bytes()
            server.reset_peak_rss()
            start = time.monotonic()
            answers = pool.map(lambda n: get(server, f"/{BUCKET}/{n}"), range(STREAMS))
            assert list(answers) == [(200, size)] * STREAMS
            down, down_peak = time.monotonic() - start, server.peak_rss_bytes()
        peaks.append(max(up_peak, down_peak))
        report(f"{STREAMS} streams of {size // MIB} MiB: up {up:.0f} s with {up_peak / MIB:.0f} MiB, down {down:.0f} s "
               f"with {down_peak / MIB:.0f} MiB; {IDLE_CONNECTIONS} idle connections before them: {at_rest / MIB:.0f} MiB")
    for connection in idle:
        connection.close()
    assert max(peaks) < PEAK_LIMIT
    assert peaks[-1] < peaks[0] * FLAT_WITHIN
