"""minio-py: signed chunks over plain HTTP (STREAMING-AWS4-HMAC-SHA256-PAYLOAD is not what it sends: it hashes whole parts)."""

import io

import pytest
from minio import Minio
from minio.commonconfig import CopySource
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

import differences
from payloads import KEYS, MIB, body


@pytest.fixture
def client(server):
    return Minio(endpoint=server.endpoint.removeprefix("http://"), access_key=server.access_key,
                 secret_key=server.secret_key, secure=False, region=server.region)


# The client itself refuses keys with `.` and `..` segments.
MINIO_PY_KEYS = {name: key for name, key in KEYS.items() if name not in ("dot_segments", "only_dots")}


@pytest.mark.parametrize("size", [0, 1, 16384, 6 * MIB])
def test_put_and_get(client, bucket, size):
    data = body(f"minio-py {size}", size)
    put = client.put_object(bucket_name=bucket, object_name="o", data=io.BytesIO(data), length=size)
    assert client.get_object(bucket_name=bucket, object_name="o").read() == data
    stat = client.stat_object(bucket_name=bucket, object_name="o")
    assert (stat.size, stat.etag) == (size, put.etag)


def test_stream_of_unknown_length(client, bucket):
    data = body("minio-py stream", 12 * MIB)
    client.put_object(bucket_name=bucket, object_name="o", data=io.BytesIO(data), length=-1, part_size=5 * MIB)
    assert client.get_object(bucket_name=bucket, object_name="o").read() == data
    part = client.get_object(bucket_name=bucket, object_name="o", offset=5 * MIB - 3, length=7).read()
    assert part == data[5 * MIB - 3:5 * MIB + 4]


@pytest.mark.parametrize("name", differences.keys(MINIO_PY_KEYS))
def test_strange_keys(client, bucket, name):
    key, data = KEYS[name], body(name, 100)
    client.put_object(bucket_name=bucket, object_name=key, data=io.BytesIO(data), length=len(data))
    assert client.get_object(bucket_name=bucket, object_name=key).read() == data
    assert [o.object_name for o in client.list_objects(bucket_name=bucket, recursive=True)] == [key]


def test_copy_compose_and_remove(client, bucket):
    one, two = body("one", 5 * MIB), body("two", 1000)
    for name, data in (("one", one), ("two", two)):
        client.put_object(bucket_name=bucket, object_name=name, data=io.BytesIO(data), length=len(data))
    client.copy_object(bucket_name=bucket, object_name="copy", source=CopySource(bucket_name=bucket, object_name="one"))
    assert client.get_object(bucket_name=bucket, object_name="copy").read() == one
    errors = client.remove_objects(
        bucket_name=bucket, delete_object_list=[DeleteObject(name) for name in ("one", "two", "copy")])
    assert list(errors) == []
    with pytest.raises(S3Error) as missing:
        client.stat_object(bucket_name=bucket, object_name="one")
    assert missing.value.code == "NoSuchKey"
