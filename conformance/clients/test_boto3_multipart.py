"""boto3 with its defaults: multipart uploads by hand."""

import base64
import hashlib

import pytest
from botocore.exceptions import ClientError

import differences
from payloads import MIB, body
from test_boto3_objects import DIGESTS, code_of, status_of


@pytest.fixture
def s3(server):
    return server.boto3()


class Upload:
    """A multipart upload in flight and what it should become."""

    def __init__(self, s3, bucket, key="o", **create):
        self.s3, self.at = s3, {"Bucket": bucket, "Key": key}
        self.at["UploadId"] = s3.create_multipart_upload(Bucket=bucket, Key=key, **create)["UploadId"]
        self.parts, self.data = {}, {}

    def part(self, number, data, **arguments):
        self.parts[number] = self.s3.upload_part(PartNumber=number, Body=data, **self.at, **arguments)
        self.data[number] = data
        return self.parts[number]

    def complete(self, numbers=None, **arguments):
        fields = ("ETag", *(f"Checksum{a}" for a in DIGESTS))
        chosen = sorted(self.parts) if numbers is None else numbers
        listed = [{"PartNumber": n, **{f: self.parts[n][f] for f in fields if f in self.parts[n]}} for n in chosen]
        return self.s3.complete_multipart_upload(MultipartUpload={"Parts": listed}, **self.at, **arguments)

    def etag(self, numbers):
        md5s = b"".join(hashlib.md5(self.data[n]).digest() for n in numbers)
        return f'"{hashlib.md5(md5s).hexdigest()}-{len(numbers)}"'


def test_parts_in_any_order_with_gaps_and_a_small_tail(s3, bucket):
    upload = Upload(s3, bucket, Metadata={"k": "v"}, ContentType="text/x")
    for number in (7, 1, 10000, 3):
        upload.part(number, body(str(number), 5 * MIB + number if number != 10000 else 10))
    done = upload.complete()
    whole = b"".join(upload.data[n] for n in (1, 3, 7, 10000))
    got = s3.get_object(Bucket=bucket, Key="o")
    assert got["Body"].read() == whole
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert done["ETag"] == got["ETag"] == listed["ETag"] == upload.etag((1, 3, 7, 10000))
    assert listed["Size"] == len(whole) == got["ContentLength"]
    assert (got["Metadata"], got["ContentType"]) == ({"k": "v"}, "text/x")
    # A range over two boundaries of parts.
    edge = len(upload.data[1])
    ranged = s3.get_object(Bucket=bucket, Key="o", Range=f"bytes={edge - 3}-{edge + len(upload.data[3]) + 2}")
    assert ranged["Body"].read() == whole[edge - 3:edge + len(upload.data[3]) + 3]


def test_the_listed_attempt_of_a_part_counts(s3, bucket):
    upload = Upload(s3, bucket)
    upload.part(1, body("first attempt", 5 * MIB))
    old = dict(upload.parts[1])
    upload.part(1, body("second attempt", 5 * MIB))
    upload.part(2, b"tail, first attempt")
    upload.part(2, b"tail")
    new, upload.parts[1] = upload.parts[1], old
    with pytest.raises(ClientError) as refused:
        upload.complete()
    assert code_of(refused) == "InvalidPart"
    upload.parts[1] = new
    upload.complete()
    assert s3.get_object(Bucket=bucket, Key="o")["Body"].read() == body("second attempt", 5 * MIB) + b"tail"


def test_part_by_number(s3, bucket):
    upload = Upload(s3, bucket)
    upload.part(1, body("1", 5 * MIB))
    upload.part(2, b"tail")
    upload.complete()
    for number in (1, 2):
        got = s3.get_object(Bucket=bucket, Key="o", PartNumber=number)
        assert got["Body"].read() == upload.data[number]
        assert (got["ResponseMetadata"]["HTTPStatusCode"], got["PartsCount"]) == (206, 2)
        head = s3.head_object(Bucket=bucket, Key="o", PartNumber=number)
        assert (head["ContentLength"], head["PartsCount"]) == (len(upload.data[number]), 2)
    with pytest.raises(ClientError) as beyond:
        s3.get_object(Bucket=bucket, Key="o", PartNumber=3)
    assert status_of(beyond) == 416


def test_list_parts_and_uploads_show_what_the_client_sent(s3, bucket):
    upload = Upload(s3, bucket, key="dir/o")
    upload.part(2, b"small")
    upload.part(1, body("1", 5 * MIB))
    listed = s3.list_parts(**upload.at)["Parts"]
    assert [(p["PartNumber"], p["Size"], p["ETag"]) for p in listed] == [
        (n, len(upload.data[n]), upload.parts[n]["ETag"]) for n in (1, 2)
    ]
    first = s3.list_parts(MaxParts=1, **upload.at)
    assert first["IsTruncated"] and first["NextPartNumberMarker"] == 1
    assert [p["PartNumber"] for p in s3.list_parts(PartNumberMarker=1, **upload.at)["Parts"]] == [2]
    uploads = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [(u["Key"], u["UploadId"]) for u in uploads] == [("dir/o", upload.at["UploadId"])]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    s3.abort_multipart_upload(**upload.at)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    for call in (lambda: s3.list_parts(**upload.at), lambda: upload.part(3, b"late"), upload.complete):
        with pytest.raises(ClientError) as gone:
            call()
        assert (status_of(gone), code_of(gone)) == (404, "NoSuchUpload")


def test_complete_refuses_what_s3_refuses(s3, bucket):
    upload = Upload(s3, bucket)
    upload.part(1, b"small and not last")
    upload.part(2, b"tail")
    for numbers, code in (((1, 2), "EntityTooSmall"), ((2, 1), "InvalidPartOrder"), ((), "MalformedXML")):
        with pytest.raises(ClientError) as refused:
            upload.complete(list(numbers))
        assert (status_of(refused), code_of(refused)) == (400, code)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    upload.complete([2])
    assert s3.get_object(Bucket=bucket, Key="o")["Body"].read() == b"tail"


def test_complete_twice_says_the_same(s3, bucket):
    upload = Upload(s3, bucket)
    upload.part(1, b"only")
    assert upload.complete()["ETag"] == upload.complete()["ETag"] == upload.etag((1,))


def test_conditional_complete(s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"here first")
    upload = Upload(s3, bucket)
    upload.part(1, b"late")
    with pytest.raises(ClientError) as refused:
        upload.complete(IfNoneMatch="*")
    assert status_of(refused) == (412 if differences.CONDITIONAL_WRITES else 501)
    assert s3.get_object(Bucket=bucket, Key="o")["Body"].read() == b"here first"
    held = {"IfMatch": s3.head_object(Bucket=bucket, Key="o")["ETag"]} if differences.CONDITIONAL_WRITES else {}
    upload.complete(**held)
    assert s3.get_object(Bucket=bucket, Key="o")["Body"].read() == b"late"


@pytest.mark.parametrize("algorithm,kind", [
    ("CRC32", "COMPOSITE"), ("CRC32", "FULL_OBJECT"), ("CRC32C", "FULL_OBJECT"), ("CRC64NVME", "FULL_OBJECT"),
    ("SHA1", "COMPOSITE"), ("SHA256", "COMPOSITE"),
])
def test_multipart_checksums(s3, bucket, algorithm, kind):
    upload, field = Upload(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType=kind), f"Checksum{algorithm}"
    for number, size in ((1, 5 * MIB), (2, 100)):
        upload.part(number, body(f"{algorithm} {number}", size), ChecksumAlgorithm=algorithm)
        assert upload.parts[number][field] == DIGESTS[algorithm](upload.data[number])
    done = upload.complete(ChecksumType=kind)
    whole = upload.data[1] + upload.data[2]
    if kind == "FULL_OBJECT":
        expected = DIGESTS[algorithm](whole)
    else:
        raw = b"".join(base64.b64decode(upload.parts[n][field]) for n in (1, 2))
        expected = DIGESTS[algorithm](raw) + "-2"
    head = s3.head_object(Bucket=bucket, Key="o", ChecksumMode="ENABLED")
    assert (done[field], done["ChecksumType"]) == (head[field], head["ChecksumType"]) == (expected, kind)
    assert s3.get_object(Bucket=bucket, Key="o")["Body"].read() == whole


def test_upload_part_copy(s3, bucket):
    source = body("copied", 12 * MIB)
    s3.put_object(Bucket=bucket, Key="source +%", Body=source)
    upload, from_here = Upload(s3, bucket), {"Bucket": bucket, "Key": "source +%"}
    etags = []
    for number, span in ((1, (1, 6 * MIB)), (2, (6 * MIB + 1, 12 * MIB - 1))):
        reply = s3.upload_part_copy(
            PartNumber=number, CopySource=from_here, CopySourceRange=f"bytes={span[0]}-{span[1]}", **upload.at)
        etags.append(reply["CopyPartResult"]["ETag"])
        assert etags[-1] == f'"{hashlib.md5(source[span[0]:span[1] + 1]).hexdigest()}"'
    parts = [{"PartNumber": n + 1, "ETag": e} for n, e in enumerate(etags)]
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload.at)
    assert s3.get_object(Bucket=bucket, Key="o")["Body"].read() == source[1:]


def test_copies_keep_etag_and_bytes(s3, bucket):
    upload = Upload(s3, bucket, Metadata={"a": "b"})
    upload.part(1, body("1", 5 * MIB))
    upload.part(2, b"tail")
    etag = upload.complete()["ETag"]
    copy = s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/o")
    head = s3.head_object(Bucket=bucket, Key="c")
    assert copy["CopyObjectResult"]["ETag"] == head["ETag"] == etag
    assert head["Metadata"] == {"a": "b"}
    assert s3.get_object(Bucket=bucket, Key="c")["Body"].read() == upload.data[1] + upload.data[2]
    for condition in ({"CopySourceIfNoneMatch": etag}, {"CopySourceIfMatch": '"other"'}):
        with pytest.raises(ClientError) as refused:
            s3.copy_object(Bucket=bucket, Key="d", CopySource=f"{bucket}/o", **condition)
        assert status_of(refused) == 412
    with pytest.raises(ClientError) as itself:
        s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/c")
    assert code_of(itself) == "InvalidRequest"
