"""boto3 with its defaults: buckets, listings and their pages, presigned addresses, other ways to connect."""

import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

import differences
from payloads import body


@pytest.fixture
def s3(server):
    return server.boto3()


def code_of(caught) -> str:
    return caught.value.response["Error"]["Code"]


def test_life_of_a_bucket(s3, bucket):
    name = f"{bucket}.x"
    s3.create_bucket(Bucket=name)
    assert name in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    s3.head_bucket(Bucket=name)
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] in (None, "us-east-1")
    assert "Status" not in s3.get_bucket_versioning(Bucket=name)
    s3.put_object(Bucket=name, Key="o", Body=b"")
    with pytest.raises(ClientError) as refused:
        s3.delete_bucket(Bucket=name)
    assert code_of(refused) == "BucketNotEmpty"
    s3.delete_object(Bucket=name, Key="o")
    s3.delete_bucket(Bucket=name)
    with pytest.raises(ClientError) as gone:
        s3.list_objects_v2(Bucket=name)
    assert code_of(gone) == "NoSuchBucket"


def test_pages_show_every_key_once(s3, bucket):
    keys = sorted(f"{d}/{n:02}" for d in "abc" for n in range(7)) + ["z"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    for operation in ("list_objects", "list_objects_v2"):
        for size in (1, 2, 7, 1000):
            pages = s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
            assert [o["Key"] for page in pages for o in page.get("Contents", [])] == keys
            pages = s3.get_paginator(operation).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size})
            shown = [e.get("Key") or e.get("Prefix") for p in pages for e in p.get("CommonPrefixes", []) + p.get("Contents", [])]
            assert shown == ["a/", "b/", "c/", "z"]


def test_list_options(s3, bucket):
    nested = "b/-3" if differences.is_refused("b//3") else "b//3"
    for key in ("a", "b/1", "b/2", nested, "c"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    keys = lambda **a: [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, **a).get("Contents", [])]
    assert keys(StartAfter="b/1") == ["b/2", "c"]
    assert keys(Prefix="b/") == [nested, "b/1", "b/2"]
    assert keys(Prefix="nothing") == []
    assert keys(MaxKeys=0) == []
    page = s3.list_objects_v2(Bucket=bucket, Delimiter=nested[1:3])
    assert page["CommonPrefixes"] == [{"Prefix": nested[:3]}]
    assert "Owner" in s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]
    assert "Owner" not in s3.list_objects_v2(Bucket=bucket)["Contents"][0]


def test_presigned_get_and_put(server, bucket):
    # By itself boto3 presigns for us-east-1 with the signature of 2006 (next test).
    s3, data, key = server.boto3(signature_version="s3v4"), body("presigned", 20000), "a+b c%/é.bin"
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=60)
    with urllib.request.urlopen(urllib.request.Request(put, data=data, method="PUT"), timeout=30) as reply:
        assert reply.status == 200
    get = s3.generate_presigned_url(
        "get_object", ExpiresIn=60,
        Params={"Bucket": bucket, "Key": key, "ResponseContentType": "text/x-given", "ResponseCacheControl": "no-store"},
    )
    with urllib.request.urlopen(get, timeout=30) as reply:
        assert reply.read() == data
        assert (reply.headers["Content-Type"], reply.headers["Cache-Control"]) == ("text/x-given", "no-store")
    # One that was made for reading does not write.
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(get, data=b"other", method="PUT"), timeout=30)
    assert refused.value.code == 403
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == data


def test_signature_version_2_is_refused_with_the_way_out(s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"1")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "o"}, ExpiresIn=60)
    assert "AWSAccessKeyId=" in url, "boto3 has changed its default: drop this test"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=30)
    answer = refused.value.read().decode()
    assert refused.value.code == 400 and "InvalidRequest" in answer and "AWS4-HMAC-SHA256" in answer


def test_wrong_secret_and_unknown_key_are_refused(server, bucket):
    for access, secret, code in (
        (server.access_key, "wrong" * 8, "SignatureDoesNotMatch"),
        ("AKNOSUCHKEY000000000", server.secret_key, "InvalidAccessKeyId"),
    ):
        other = type(server)(server.data, server.log)
        other.endpoint, other.access_key, other.secret_key = server.endpoint, access, secret
        with pytest.raises(ClientError) as refused:
            other.boto3().put_object(Bucket=bucket, Key="o", Body=b"1")
        assert code_of(refused) == code
    assert server.boto3().list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("config", [
    {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"},
    {"s3": {"payload_signing_enabled": False}},
    {"s3": {"payload_signing_enabled": True}},
    {"s3": {"addressing_style": "path"}},
], ids=["old-checksums", "unsigned-payload", "signed-payload", "path-style"])
def test_other_client_settings(server, bucket, config):
    s3, data = server.boto3(**config), body("settings", 9000)
    s3.put_object(Bucket=bucket, Key="o", Body=data)
    assert s3.get_object(Bucket=bucket, Key="o")["Body"].read() == data


def test_what_is_not_offered_says_so(s3, bucket):
    """501 is an answer; silence would not be."""
    for call, arguments in (
        (s3.put_bucket_versioning, {"VersioningConfiguration": {"Status": "Enabled"}}),
        (s3.get_bucket_policy, {}),
        (s3.put_object, {"Key": "o", "Body": b"", "ACL": "public-read"}),
        (s3.put_object, {"Key": "o", "Body": b"", "StorageClass": "GLACIER"}),
    ):
        with pytest.raises(ClientError) as refused:
            call(Bucket=bucket, **arguments)
        assert code_of(refused) == "NotImplemented", call.__name__
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
