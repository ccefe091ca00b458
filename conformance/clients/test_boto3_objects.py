"""boto3 with its defaults (a CRC32 of every upload, every download validated): single objects."""

import base64
import hashlib
import zlib

import pytest
from awscrt import checksums
from botocore.exceptions import ClientError

import differences
from payloads import KEYS, MIB, SIZES, body, digest, multipart_etag


@pytest.fixture
def s3(server):
    return server.boto3()


def code_of(caught) -> str:
    return caught.value.response["Error"]["Code"]


def status_of(caught) -> int:
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("size", [s for s in SIZES if s != "100MiB"])
def test_put_get_head_list_agree(s3, bucket, payloads, size):
    payload = payloads[size]
    put = s3.put_object(Bucket=bucket, Key="o", Body=payload.data)
    got = s3.get_object(Bucket=bucket, Key="o")
    head = s3.head_object(Bucket=bucket, Key="o")
    entry = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert got["Body"].read() == payload.data
    etag = f'"{payload.md5}"'
    assert [put["ETag"], got["ETag"], head["ETag"], entry["ETag"]] == [etag] * 4
    assert [got["ContentLength"], head["ContentLength"], entry["Size"]] == [payload.size] * 3
    assert got["LastModified"] == head["LastModified"] == entry["LastModified"].replace(microsecond=0)


def test_empty_and_large_bodies_on_one_connection(s3, bucket, payloads):
    """boto3 sends Expect with both; an answer to the first without a 100 must not be taken for the second's."""
    for n in range(5):
        s3.put_object(Bucket=bucket, Key=f"empty {n}", Body=b"")
        put = s3.put_object(Bucket=bucket, Key="large", Body=payloads["5MiB-1"].data)
        assert put["ETag"] == f'"{payloads["5MiB-1"].md5}"'


@pytest.mark.parametrize("size", SIZES)
def test_transfer_manager(s3, bucket, payloads, size, tmp_path):
    """upload_file and download_file: multipart and ranged reads with If-Match above 8 MiB."""
    payload = payloads[size]
    s3.upload_file(str(payload.path), bucket, "o", ExtraArgs={"Metadata": {"size": size}})
    s3.download_file(bucket, "o", str(tmp_path / "down"))
    assert digest(tmp_path / "down") == digest(payload.path)
    head = s3.head_object(Bucket=bucket, Key="o")
    expected = payload.md5 if payload.size < 8 * MIB else multipart_etag(payload.data, 8 * MIB)
    assert (head["ETag"], head["Metadata"]) == (f'"{expected}"', {"size": size})
    s3.copy({"Bucket": bucket, "Key": "o"}, bucket, "copied")
    s3.download_file(bucket, "copied", str(tmp_path / "copied"))
    assert digest(tmp_path / "copied") == digest(payload.path)


@pytest.mark.parametrize("name", differences.keys(KEYS))
def test_every_legal_key(s3, bucket, name):
    """boto3 can express them all."""
    key, data = KEYS[name], body(name, 100)
    s3.put_object(Bucket=bucket, Key=key, Body=data)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == data
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert [o["Key"] for o in s3.list_objects(Bucket=bucket)["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key="copy of " + key[:500], CopySource={"Bucket": bucket, "Key": key})
    assert s3.get_object(Bucket=bucket, Key="copy of " + key[:500])["Body"].read() == data
    s3.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(ClientError) as gone:
        s3.head_object(Bucket=bucket, Key=key)
    assert status_of(gone) == 404


@pytest.mark.parametrize("name", differences.refused_keys(KEYS))
def test_keys_that_the_backend_refuses(s3, bucket, name):
    """Not the proxy's to change; but a clean refusal that no client repeats, and nothing is stored."""
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key=KEYS[name], Body=b"x")
    assert status_of(refused) in (400, 501)
    with pytest.raises(ClientError) as missing:
        s3.get_object(Bucket=bucket, Key=KEYS[name])
    assert status_of(missing) in (404, 501)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_all_keys_side_by_side(s3, bucket):
    """`folder` beside `folder/marker/` and `/leading`: none hides another, and the order is that of the bytes."""
    kept = {name: key for name, key in KEYS.items() if key in differences.kept(list(KEYS.values()))}
    for name, key in kept.items():
        s3.put_object(Bucket=bucket, Key=key, Body=name.encode())
    listed = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(kept.values(), key=str.encode)
    for name, key in kept.items():
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == name.encode()
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    whole = {k for k in kept.values() if "/" not in k}
    assert {o["Key"] for o in page["Contents"]} == whole
    assert {p["Prefix"] for p in page["CommonPrefixes"]} == {k.split("/")[0] + "/" for k in kept.values() if k not in whole}


def test_a_key_over_1024_bytes_is_refused(s3, bucket):
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="k" * 1025, Body=b"")
    assert code_of(refused) == "KeyTooLongError"


HEADERS = {
    "CacheControl": "max-age=60, private",
    "ContentDisposition": 'attachment; filename="rates 50%.csv"',
    "ContentEncoding": "gzip",
    "ContentLanguage": "cs-CZ",
    "ContentType": "text/csv; charset=utf-8",
}


def test_headers_and_metadata_come_back(s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"x", Metadata={"Owner-Name": "a  b", "empty": ""}, **HEADERS)
    for reply in (s3.head_object(Bucket=bucket, Key="o"), s3.get_object(Bucket=bucket, Key="o")):
        assert {name: reply[name] for name in HEADERS} == HEADERS
        assert reply["Metadata"]["owner-name"] == "a  b"
        assert reply["Metadata"].get("empty", "") == ""
    s3.copy_object(Bucket=bucket, Key="o", CopySource=f"{bucket}/o", MetadataDirective="REPLACE", Metadata={"new": "1"})
    head = s3.head_object(Bucket=bucket, Key="o")
    assert head["Metadata"] == {"new": "1"} and "CacheControl" not in head


def test_expires_comes_back(s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"x", Expires="Wed, 21 Oct 2037 07:28:00 GMT")
    assert s3.head_object(Bucket=bucket, Key="o")["ExpiresString"] == "Wed, 21 Oct 2037 07:28:00 GMT"


def encoded(value: int, width: int) -> str:
    return base64.b64encode(value.to_bytes(width, "big")).decode()


DIGESTS = {
    "CRC32": lambda d: encoded(zlib.crc32(d), 4),
    "CRC32C": lambda d: encoded(checksums.crc32c(d), 4),
    "CRC64NVME": lambda d: encoded(checksums.crc64nvme(d), 8),
    "SHA1": lambda d: base64.b64encode(hashlib.sha1(d).digest()).decode(),
    "SHA256": lambda d: base64.b64encode(hashlib.sha256(d).digest()).decode(),
}


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_checksum_is_stored_and_returned(s3, bucket, algorithm):
    data, field = body(algorithm, 20000), f"Checksum{algorithm}"
    value = DIGESTS[algorithm](data)
    put = s3.put_object(Bucket=bucket, Key="o", Body=data, ChecksumAlgorithm=algorithm)
    assert put[field] == value
    head = s3.head_object(Bucket=bucket, Key="o", ChecksumMode="ENABLED")
    assert (head[field], head["ChecksumType"]) == (value, "FULL_OBJECT")
    assert field not in s3.head_object(Bucket=bucket, Key="o"), "only when asked for"
    assert s3.get_object(Bucket=bucket, Key="o")["Body"].read() == data
    part = s3.get_object(Bucket=bucket, Key="o", Range="bytes=5-9", ChecksumMode="ENABLED")
    assert field not in part, "never the whole object's checksum on a 206"
    assert part["Body"].read() == data[5:10]
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ChecksumAlgorithm"] == [algorithm]


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_wrong_checksum_stores_nothing(s3, bucket, algorithm):
    wrong = {f"Checksum{algorithm}": DIGESTS[algorithm](b"something else")}
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="o", Body=b"this", **wrong)
    assert (status_of(refused), code_of(refused)) == (400, "BadDigest")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_wrong_content_md5_stores_nothing(s3, bucket):
    md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="o", Body=b"this", ContentMD5=md5)
    assert (status_of(refused), code_of(refused)) == (400, "BadDigest")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("size", [0, 1, 16384, 40000])
def test_ranges(s3, bucket, size):
    data = body("ranges", size)
    s3.put_object(Bucket=bucket, Key="o", Body=data)
    for first, last in [(0, 0), (0, 16383), (16383, 16384), (16384, 40500), (39999, 39999), (0, 10**9)]:
        if first >= size:
            with pytest.raises(ClientError) as refused:
                s3.get_object(Bucket=bucket, Key="o", Range=f"bytes={first}-{last}")
            assert (status_of(refused), code_of(refused)) == (416, "InvalidRange")
            continue
        got = s3.get_object(Bucket=bucket, Key="o", Range=f"bytes={first}-{last}")
        expected = data[first:last + 1]
        assert got["Body"].read() == expected
        assert got["ContentRange"] == f"bytes {first}-{first + len(expected) - 1}/{size}"
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    if size:
        assert s3.get_object(Bucket=bucket, Key="o", Range="bytes=-7")["Body"].read() == data[-7:]


@pytest.mark.skipif(differences.CONDITIONAL_WRITES, reason="this backend has them")
def test_conditions_that_the_backend_ignores(s3, bucket):
    """Refused whether they hold or not: to overwrite what changed meanwhile would be worse."""
    first = s3.put_object(Bucket=bucket, Key="o", Body=b"1")
    for key, condition in (("o", {"IfNoneMatch": "*"}), ("o", {"IfMatch": first["ETag"]}), ("absent", {"IfNoneMatch": "*"})):
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket=bucket, Key=key, Body=b"2", **condition)
        assert (status_of(refused), code_of(refused)) == (501, "NotImplemented")
    with pytest.raises(ClientError) as refused:
        s3.delete_object(Bucket=bucket, Key="o", IfMatch=first["ETag"])
    assert status_of(refused) == 501
    assert s3.get_object(Bucket=bucket, Key="o")["Body"].read() == b"1"
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["o"]


@pytest.mark.skipif(not differences.CONDITIONAL_WRITES, reason="this backend has none: the test before")
def test_conditional_writes(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="o", Body=b"1", IfNoneMatch="*")
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"00000000000000000000000000000000"'}):
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket=bucket, Key="o", Body=b"2", **condition)
        assert (status_of(refused), code_of(refused)) == (412, "PreconditionFailed")
    s3.put_object(Bucket=bucket, Key="o", Body=b"3", IfMatch=first["ETag"])
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="absent", Body=b"4", IfMatch=first["ETag"])
    assert (status_of(refused), code_of(refused)) == (404, "NoSuchKey")
    with pytest.raises(ClientError) as refused:
        s3.delete_object(Bucket=bucket, Key="o", IfMatch=first["ETag"])
    assert status_of(refused) == (412 if differences.CONDITIONAL_DELETE else 501)
    assert s3.get_object(Bucket=bucket, Key="o")["Body"].read() == b"3"


def test_conditional_reads(s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="o", Body=b"1")
    assert s3.get_object(Bucket=bucket, Key="o", IfMatch=put["ETag"])["Body"].read() == b"1"
    for condition, status in (({"IfMatch": '"other"'}, 412), ({"IfNoneMatch": put["ETag"]}, 304)):
        for read in (s3.get_object, s3.head_object):
            with pytest.raises(ClientError) as refused:
                read(Bucket=bucket, Key="o", **condition)
            assert status_of(refused) == status


@pytest.mark.skipif(differences.TAGS, reason="this backend keeps them")
def test_tags_that_the_backend_drops(s3, bucket):
    """Refused, and never dropped without a word; what has none can be asked for them."""
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="o", Body=b"1", Tagging="team=blue")
    assert (status_of(refused), code_of(refused)) == (501, "NotImplemented")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket), "nothing was stored without them"
    s3.put_object(Bucket=bucket, Key="o", Body=b"1")
    with pytest.raises(ClientError) as refused:
        s3.put_object_tagging(Bucket=bucket, Key="o", Tagging={"TagSet": [{"Key": "k", "Value": ""}]})
    assert status_of(refused) == 501
    assert s3.get_object_tagging(Bucket=bucket, Key="o")["TagSet"] == []
    s3.delete_object_tagging(Bucket=bucket, Key="o")
    assert "TagCount" not in s3.get_object(Bucket=bucket, Key="o")


@pytest.mark.skipif(not differences.TAGS, reason="this backend drops them: the test before")
def test_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"1", Tagging="team=blue&a%20b=c%2Bd")
    tags = s3.get_object_tagging(Bucket=bucket, Key="o")["TagSet"]
    assert sorted((t["Key"], t["Value"]) for t in tags) == [("a b", "c+d"), ("team", "blue")]
    assert s3.get_object(Bucket=bucket, Key="o")["TagCount"] == 2
    s3.put_object_tagging(Bucket=bucket, Key="o", Tagging={"TagSet": [{"Key": "k", "Value": ""}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="o")["TagSet"] == [{"Key": "k", "Value": ""}]
    s3.delete_object_tagging(Bucket=bucket, Key="o")
    assert s3.get_object_tagging(Bucket=bucket, Key="o")["TagSet"] == []


def test_delete_objects(s3, bucket):
    for name in ("a", "b&<>", "c"):
        s3.put_object(Bucket=bucket, Key=name, Body=b"")
    reply = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in ("a", "b&<>", "never")]})
    assert {d["Key"] for d in reply["Deleted"]} == {"a", "b&<>", "never"} and "Errors" not in reply
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["c"]
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "c"}], "Quiet": True})
    assert "Deleted" not in quiet and "Errors" not in quiet
