"""Two buckets of one proxy on two upstreams: a MinIO, and a directory."""

import os
import subprocess

import pytest

from conftest import client_path
from payloads import MIB, body, digest
from server import Server

pytestmark = pytest.mark.backend("minio", reason="one of the two upstreams is a service")

MORE = """
[upstream.archive]
kind = "local"
path = {archive}
[bucket.on-directory]
upstream = "archive"
etag = "opaque"
"""


@pytest.fixture
def two(tmp_path):
    server = Server(tmp_path / "two" / "data", tmp_path / "two-server.log")
    archive = tmp_path / "two" / "archive"
    server.backend.more = MORE.format(archive=f'"{archive}"')
    server.start()
    for name in ("on-service", "on-directory"):
        server.boto3().create_bucket(Bucket=name)
    yield server, archive
    server.close()


def stored_bytes(archive) -> int:
    return sum(path.stat().st_size for path in archive.rglob("*") if path.is_file())


def test_aws_cli_and_rclone_between_two_upstreams(two, tmp_path):
    server, archive = two
    tree = tmp_path / "tree"
    for name, size in {"a b+c%": 1, "d/é": 16385, "d/large": 12 * MIB}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(body(name, size))
    run = runner(server, tmp_path)
    aws = [client_path("CK_AWS_V1"), "--endpoint-url", server.endpoint, "s3"]
    rclone = [client_path("CK_RCLONE"), "--config", os.devnull, "--s3-provider", "Other", "--s3-env-auth",
              "--s3-endpoint", server.endpoint]
    before = stored_bytes(archive)
    run(*aws, "sync", "--quiet", tree, "s3://on-service/t")
    assert stored_bytes(archive) == before, "what belongs to the service is in the directory"
    run(*rclone, "sync", ":s3:on-service/t", ":s3:on-directory/t")
    assert stored_bytes(archive) > before + 12 * MIB
    run(*rclone, "check", "--download", ":s3:on-service/t", ":s3:on-directory/t")
    run(*aws, "cp", "--quiet", "s3://on-directory/t/d/large", "s3://on-service/copied")
    run(*aws, "cp", "--quiet", "s3://on-service/copied", tmp_path / "down")
    assert digest(tmp_path / "down") == digest(tree / "d" / "large")
    keys = {bucket: [o["Key"] for o in server.boto3().list_objects_v2(Bucket=bucket)["Contents"]]
            for bucket in ("on-service", "on-directory")}
    assert keys["on-service"] == ["copied", *keys["on-directory"]]
    behind = server.backend.boto3()
    assert "on-directory" not in [b["Name"] for b in behind.list_buckets()["Buckets"]]


def runner(server, folder):


    def run(*words):
        done = subprocess.run(list(map(str, words)), env=server.aws_environment(folder), cwd=folder,
                              capture_output=True, timeout=300)
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]!r} {done.stderr[-4000:]!r}"

    return run
