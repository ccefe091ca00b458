"""Nothing of what clients stored is on the disk: not in blobs, databases, their logs, or the server's own log."""

import os

import pytest
from botocore.exceptions import ClientError

from payloads import MIB, body
from raw import NoAnswer, Raw
from search import digests, search, spellings
from server import SECRET_KEY

# What clients say. Key names, tags and sizes are not among it: the store may see them (README, threat model).
MARKER = b"plaintext-marker-8d1f0c2ab7"
METADATA = "metadata-marker-55e1c9"
HEADERS = {
    "CacheControl": "max-age=60, marker-cache-control",
    "ContentDisposition": 'attachment; filename="marker-disposition.txt"',
    "ContentLanguage": "x-marker-language",
    "ContentType": "application/x-marker-type",
}


def places(server) -> list:
    return [server.data, server.log, server.log.with_suffix(".stdout")]


def needles_of(bodies: dict) -> dict:
    needles = spellings("root secret", SECRET_KEY.encode()) | spellings("marker in bodies", MARKER)
    needles |= spellings("metadata", METADATA.encode())
    for name, value in HEADERS.items():
        needles |= spellings(name, value.encode())
    for name, data in bodies.items():
        needles |= digests(name, data)
        if len(data) >= 32:
            needles[f"start of {name}"], needles[f"end of {name}"] = data[:32], data[-32:]
    return needles


def everything_clients_do(server) -> dict:
    """Stores marked bodies in every way, some of them refused, aborted or cut off; returns the bodies."""
    s3 = server.boto3()
    s3.create_bucket(Bucket="marked")
    marked = lambda seed, size: MARKER + body(seed, size) + MARKER
    about = {"Metadata": {"note": METADATA}, **HEADERS}
    bodies = {"small": marked("small", 100), "middle": marked("middle", 100_000), "large": marked("large", 9 * MIB)}
    for name, data in bodies.items():
        s3.put_object(Bucket="marked", Key=name, Body=data, ChecksumAlgorithm="SHA256", **about)
        s3.get_object(Bucket="marked", Key=name)["Body"].read()
    s3.put_object(Bucket="marked", Key="old", Body=bodies["small"])
    s3.delete_object(Bucket="marked", Key="old")
    s3.copy_object(Bucket="marked", Key="copy", CopySource="marked/middle")

    bodies |= {"part 1": marked("part 1", 5 * MIB), "tail": marked("tail", 1000), "open": marked("open", 2000)}
    finished = s3.create_multipart_upload(Bucket="marked", Key="mpu", **about)["UploadId"]
    parts = [{"PartNumber": n, "ETag": s3.upload_part(
        Bucket="marked", Key="mpu", UploadId=finished, PartNumber=n, Body=bodies[name])["ETag"]}
        for n, name in ((1, "part 1"), (2, "tail"))]
    s3.complete_multipart_upload(Bucket="marked", Key="mpu", UploadId=finished, MultipartUpload={"Parts": parts})
    still_open = s3.create_multipart_upload(Bucket="marked", Key="open", **about)["UploadId"]
    for number, name in ((1, "part 1"), (2, "open")):
        s3.upload_part(Bucket="marked", Key="open", UploadId=still_open, PartNumber=number, Body=bodies[name])

    bodies["refused"] = marked("refused", 200_000)
    with pytest.raises(ClientError):
        s3.put_object(Bucket="marked", Key="refused", Body=bodies["refused"], ChecksumCRC32="AAAAAA==")
    stranger = type(server)(server.data, server.log)
    stranger.endpoint, stranger.secret_key = server.endpoint, "wrong-secret"
    with pytest.raises(ClientError):
        stranger.boto3().put_object(Bucket="marked", Key="refused", Body=bodies["refused"], **about)
    # Cut off in the middle: what was stored of it waits on the disk for the sweep.
    bodies["cut off"] = marked("cut off", 3 * MIB)
    cut = Raw(server)
    real_send = cut.connection.send
    cut.connection.send = lambda data: (real_send(data[:len(data) // 2]), cut.connection.sock.shutdown(1)) if len(data) > MIB else real_send(data)
    try:
        reply = cut("PUT", "/marked/cut", body=bodies["cut off"])
        assert 400 <= reply.status < 500
    except NoAnswer:
        pass
    s3.list_objects_v2(Bucket="marked")
    return bodies


def test_the_search_would_find_it(own_server):
    """In every spelling, in any file, also in the middle of one: or the silence below would mean nothing."""
    bodies = {"small": MARKER + body("small", 100) + MARKER}
    assert search(places(own_server), needles_of(bodies)) == []
    for name, needle in needles_of(bodies).items():
        planted = own_server.data / "planted"
        planted.write_bytes(os.urandom(5000) + needle + os.urandom(5000))
        assert name in [found for found, _ in search(places(own_server), needles_of(bodies))], name
        planted.unlink()
    (own_server.data / MARKER.decode()).write_bytes(b"")
    assert search(places(own_server), needles_of(bodies))


def test_nothing_on_the_disk(own_server):
    """While it runs (with the databases' write-ahead logs), after a crash, and after an orderly end."""
    bodies = everything_clients_do(own_server)
    needles = needles_of(bodies)
    assert sum(p.stat().st_size for p in own_server.data.rglob("*") if p.is_file()) > 20 * MIB, "it did store something"
    assert search(places(own_server), needles) == []
    own_server.kill()
    assert search(places(own_server), needles) == []
    own_server.start()
    assert own_server.boto3().get_object(Bucket="marked", Key="large")["Body"].read() == bodies["large"]
    own_server.stop()
    assert search(places(own_server), needles) == []


@pytest.mark.last
def test_nothing_left_by_the_other_suites(session_server, payloads):
    """After all clients have been at it: the payloads that they stored, and the secret that they signed with."""
    needles = spellings("root secret", SECRET_KEY.encode())
    for name, payload in payloads.items():
        if payload.size >= 16383:
            middle = payload.size // 2
            needles[f"start of {name}"], needles[f"middle of {name}"] = payload.data[:32], payload.data[middle:middle + 32]
            needles[f"MD5 of {name}"] = bytes.fromhex(payload.md5)
    assert search(places(session_server), needles) == []
