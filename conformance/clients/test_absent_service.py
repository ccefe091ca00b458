"""The proxy starts while the service behind it is not there: it says so, answers 503, and serves once it is."""

import time

import pytest
from botocore.exceptions import ClientError

from payloads import MIB, body
from server import Server

pytestmark = pytest.mark.backend("minio", "garage", reason="a directory is there, or the proxy does not start")

# Claimed again every 5 s and probed 5 s after that; the rest is for a busy machine.
SERVES_SECONDS = 60.0


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path / "absent" / "data", tmp_path / "absent-server.log")
    server.listen_for_health()
    yield server
    server.close()


def assert_unavailable(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    answer = refused.value.response
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    assert status == 503, f"{call.__name__}: {status} {answer['Error']}"


def assert_not_ready(server):
    status, said = server.health("/readyz")
    assert status == 503 and said.startswith("not ready\n"), said
    lines = dict(line.split(": ", 1) for line in said.splitlines()[1:])
    assert lines.pop("upstream.default") == "it is not in use yet; the log says why"
    assert lines and set(lines.values()) == {"ok"}, "nothing else is missing"
    assert server.health("/healthz")[0] == 200
    assert "its buckets answer 503 until it does" in server.log.read_text()


def await_ready(server):
    deadline = time.monotonic() + SERVES_SECONDS
    while (found := server.health("/readyz"))[0] != 200:
        assert time.monotonic() < deadline, f"not ready: {found}; log:\n{server.tail()}"
        time.sleep(0.2)
    assert found[1].startswith("ready\n") and "upstream.default: ok\n" in found[1]


def test_the_first_start(server):
    """Nothing is there yet: neither a bucket of clients nor our own."""
    server.start(with_backend=False)
    process, s3 = server.process, server.boto3()
    assert_not_ready(server)
    assert_unavailable(s3.create_bucket, Bucket="new")
    server.backend.start()
    await_ready(server)
    s3.create_bucket(Bucket="new")
    data = body("absent", 6 * MIB)
    s3.put_object(Bucket="new", Key="o", Body=data)
    assert s3.get_object(Bucket="new", Key="o")["Body"].read() == data
    assert server.process is process and server.alive(), "without a restart"


def test_a_start_with_buckets(server):
    """What was acknowledged before is neither served nor taken for lost meanwhile."""
    data = body("absent", 100_000)
    server.start()
    server.boto3().create_bucket(Bucket="old")
    server.boto3().put_object(Bucket="old", Key="o", Body=data)
    assert server.stop() == 0
    server.backend.stop()

    server.start(with_backend=False)
    process, s3 = server.process, server.boto3()
    assert_not_ready(server)
    at = {"Bucket": "old", "Key": "o"}
    assert_unavailable(s3.get_object, **at)
    assert_unavailable(s3.head_object, **at)
    assert_unavailable(s3.put_object, Body=b"x", **at)
    assert_unavailable(s3.delete_object, **at)
    assert_unavailable(s3.create_multipart_upload, **at)
    assert_unavailable(s3.list_objects_v2, Bucket="old")
    server.backend.start()
    await_ready(server)
    assert s3.get_object(**at)["Body"].read() == data, "nothing of the refused requests was carried out"
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="old")["Contents"]] == ["o"]
    s3.put_object(Body=b"x", **at)
    assert s3.get_object(**at)["Body"].read() == b"x"
    assert server.process is process and server.alive(), "without a restart"
