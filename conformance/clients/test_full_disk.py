"""A full disk, on a small tmpfs of the server's own: writes are refused, reads and deletes go on, nothing is half-written."""

import shutil
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from payloads import MIB, body
from server import Server

pytestmark = pytest.mark.backend("local", reason="it fills the disk under the directory upstream")

DISK_BYTES = 64 * MIB


@pytest.fixture
def small(tmp_path):
    """A server whose data directory is a small tmpfs that only its mount namespace sees."""
    namespaces = ("unshare", "--map-root-user", "--mount")
    if not shutil.which("unshare") or subprocess.run([*namespaces, "true"], capture_output=True).returncode != 0:
        pytest.skip("this system lets nobody make a mount namespace")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o size={DISK_BYTES} tmpfs "$0" && exec "$@"'
    server = Server(disk / "data", tmp_path / "full.log", (*namespaces, "sh", "-c", script, str(disk)))
    # No configuration of its own, which would be under the mount.
    server.backend.keyring = None
    server.start()
    # The disk as the server sees it.
    yield server, Path(f"/proc/{server.process.pid}/root") / str(disk).lstrip("/")
    if server.alive():
        server.kill()


def refused(call, **arguments) -> int:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_full_disk_refuses_writes_only(small):
    server, disk = small
    s3 = server.boto3(retries={"total_max_attempts": 1})
    s3.create_bucket(Bucket="full")
    held = {f"k{number}": body(f"k{number}", MIB) for number in range(20)}
    for key, content in held.items():
        s3.put_object(Bucket="full", Key=key, Body=content)
    upload = s3.create_multipart_upload(Bucket="full", Key="parts")["UploadId"]
    s3.upload_part(Bucket="full", Key="parts", UploadId=upload, PartNumber=1, Body=body("part", 5 * MIB))

    # What cannot fit is refused before its body is asked for, and leaves what was there.
    assert refused(s3.put_object, Bucket="full", Key="k0", Body=body("large", DISK_BYTES)) == 507
    # Somebody else takes the rest.
    with open(disk / "filler", "wb", buffering=0) as filler, pytest.raises(OSError):
        while True:
            filler.write(bytes(MIB))
    with open(disk / "filler", "ab", buffering=0) as filler, pytest.raises(OSError):
        while True:
            filler.write(bytes(4096))
    assert refused(s3.put_object, Bucket="full", Key="new", Body=b"one byte more") == 507
    part = dict(Bucket="full", Key="parts", UploadId=upload, PartNumber=2, Body=body("part two", 5 * MIB))
    assert refused(s3.upload_part, **part) == 507

    # Reads go on.
    for key, content in held.items():
        assert s3.get_object(Bucket="full", Key=key)["Body"].read() == content
    listed = {entry["Key"]: entry["Size"] for entry in s3.list_objects_v2(Bucket="full")["Contents"]}
    assert listed == {key: len(content) for key, content in held.items()}

    # Deletes go on, and what they free can be written again.
    s3.delete_object(Bucket="full", Key="k0")
    doomed = [{"Key": f"k{number}"} for number in range(1, 12)]
    assert len(s3.delete_objects(Bucket="full", Delete={"Objects": doomed})["Deleted"]) == 11
    s3.abort_multipart_upload(Bucket="full", Key="parts", UploadId=upload)
    s3.put_object(Bucket="full", Key="new", Body=b"room again")
    assert s3.get_object(Bucket="full", Key="new")["Body"].read() == b"room again"
    assert s3.list_objects_v2(Bucket="full")["KeyCount"] == len(held) - 12 + 1
