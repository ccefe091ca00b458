"""aws-cli v1 and v2, as people type it: cp, mv, sync, ls, rm, presign, mb, rb."""

import json
import os
import time
import urllib.error
import urllib.request

import pytest

import differences
from payloads import KEYS, SIZES, MIB, body, digest, multipart_etag

# Every key can be named in an s3:// address but these: `aws s3` reads a trailing slash as "into this folder"
# (s3api, below, does not).
CLI_KEYS = {name: key for name, key in KEYS.items() if not key.endswith("/")}


@pytest.fixture(params=["v1", "v2"])
def aws(request, server, tool):
    made = tool(f"CK_AWS_{request.param.upper()}", "--endpoint-url", server.endpoint)
    version = made.text("--version")
    assert version.startswith(f"aws-cli/{'1' if request.param == 'v1' else '2'}."), version
    return made


def listed(aws, bucket, *args):
    """`aws s3 ls` as {name: size}."""
    lines = aws.text("s3", "ls", f"s3://{bucket}", *args).splitlines()
    return {line[31:]: int(line[20:30]) for line in lines if not line.lstrip().startswith("PRE ")}


@pytest.mark.parametrize("size", SIZES)
def test_cp_up_and_down(aws, bucket, payloads, size, tmp_path):
    payload = payloads[size]
    aws("s3", "cp", "--quiet", payload.path, f"s3://{bucket}/{size}")
    assert listed(aws, bucket) == {size: payload.size}
    aws("s3", "cp", "--quiet", f"s3://{bucket}/{size}", tmp_path / "back")
    assert digest(tmp_path / "back") == digest(payload.path)

    head = json.loads(aws.text("s3api", "head-object", "--bucket", bucket, "--key", size))
    expected = payload.md5 if payload.size < 8 * MIB else multipart_etag(payload.data, 8 * MIB)
    assert head["ETag"].strip('"') == expected
    assert head["ContentLength"] == payload.size


@pytest.mark.parametrize("name", differences.keys(CLI_KEYS))
def test_cp_of_strange_keys(aws, bucket, name, tmp_path):
    key, data = CLI_KEYS[name], body(name, 1000)
    (tmp_path / "up").write_bytes(data)
    aws("s3", "cp", "--quiet", tmp_path / "up", f"s3://{bucket}/{key}")
    aws("s3", "cp", "--quiet", f"s3://{bucket}/{key}", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == data
    assert listed(aws, bucket, "--recursive") == {key: 1000}
    aws("s3", "rm", "--quiet", f"s3://{bucket}/{key}")
    assert aws("s3", "ls", f"s3://{bucket}", "--recursive", check=False).stdout == b""


def test_s3api_keeps_a_trailing_slash(aws, bucket, tmp_path):
    (tmp_path / "f").write_bytes(b"marker")
    key = KEYS["trailing_slash"]
    aws("s3api", "put-object", "--bucket", bucket, "--key", key, "--body", tmp_path / "f")
    aws("s3api", "get-object", "--bucket", bucket, "--key", key, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"marker"


def test_mb_ls_rb(aws, bucket):
    name = f"{bucket}-mb"
    aws("s3", "mb", f"s3://{name}")
    assert name in aws.text("s3", "ls")
    aws("s3", "cp", "-", f"s3://{name}/dir/x", stdin=b"from a pipe")
    assert aws.text("s3", "ls", f"s3://{name}").split() == ["PRE", "dir/"]
    refused = aws("s3", "rb", f"s3://{name}", check=False)
    assert refused.returncode != 0 and b"BucketNotEmpty" in refused.stderr
    assert aws("s3", "cp", f"s3://{name}/dir/x", "-").stdout == b"from a pipe"
    aws("s3", "rb", f"s3://{name}", "--force")
    assert name not in aws.text("s3", "ls")


def test_mv_moves_in_every_direction(aws, bucket, tmp_path):
    data = body("mv", 9 * MIB)
    (tmp_path / "local").write_bytes(data)
    aws("s3", "mv", "--quiet", tmp_path / "local", f"s3://{bucket}/one")
    assert not (tmp_path / "local").exists()
    aws("s3", "mv", "--quiet", f"s3://{bucket}/one", f"s3://{bucket}/two words")
    assert listed(aws, bucket) == {"two words": len(data)}
    aws("s3", "mv", "--quiet", f"s3://{bucket}/two words", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == data
    assert aws("s3", "ls", f"s3://{bucket}", check=False).stdout == b""


def test_copy_in_the_store_keeps_metadata_and_tags(aws, bucket, payloads):
    """Above 8 MiB this is UploadPartCopy; aws-cli v2 asks for the source's tags there."""
    source = f"s3://{bucket}/source"
    for size in ("16385B", "100MiB"):
        aws("s3", "cp", "--quiet", payloads[size].path, source, "--metadata", "colour=blue",
            "--content-type", "text/x-test", "--cache-control", "max-age=7")
        if differences.TAGS:
            aws("s3api", "put-object-tagging", "--bucket", bucket, "--key", "source",
                "--tagging", "TagSet=[{Key=team,Value=blue}]")
        aws("s3", "cp", "--quiet", source, f"s3://{bucket}/copy")
        head = json.loads(aws.text("s3api", "head-object", "--bucket", bucket, "--key", "copy"))
        assert head["ContentLength"] == payloads[size].size
        if size == "16385B" or aws.name == "CK_AWS_V2":  # v1 drops them itself where it copies by parts
            assert head["Metadata"] == {"colour": "blue"}
            assert (head["ContentType"], head["CacheControl"]) == ("text/x-test", "max-age=7")
        aws("s3", "cp", "--quiet", f"s3://{bucket}/copy", "copied")
        assert digest(aws.folder / "copied") == digest(payloads[size].path)


def test_sync_settles_and_deletes(aws, bucket, tmp_path):
    tree = tmp_path / "tree"
    for name, size in {"a.txt": 10, "dir/b.bin": 16385, "dir/sub dir/č+%.bin": 1, "empty": 0, "big": 9 * MIB}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(body(name, size))
        # S3's times are whole seconds: a file of this very second may look newer than what was made of it.
        os.utime(tree / name, (time.time() - 60,) * 2)
    first = aws.text("s3", "sync", "--no-progress", tree, f"s3://{bucket}/t")
    assert first.count("upload:") == 5
    # Sizes and times of LIST agree with the files, or everything would go up again, for ever.
    assert aws.text("s3", "sync", "--no-progress", tree, f"s3://{bucket}/t") == ""
    down = aws.text("s3", "sync", "--no-progress", f"s3://{bucket}/t", tmp_path / "down")
    assert down.count("download:") == 5
    assert aws.text("s3", "sync", "--no-progress", f"s3://{bucket}/t", tmp_path / "down") == ""
    for name in ("a.txt", "dir/b.bin", "dir/sub dir/č+%.bin", "empty", "big"):
        assert (tmp_path / "down" / name).read_bytes() == (tree / name).read_bytes()
    (tree / "a.txt").unlink()
    assert "delete:" in aws.text("s3", "sync", "--delete", tree, f"s3://{bucket}/t")
    assert "t/a.txt" not in listed(aws, bucket, "--recursive")


def test_rm_recursive_takes_only_its_prefix(aws, bucket, tmp_path):
    for name in ("p/1", "p/2", "p/d/3", "px"):
        aws("s3", "cp", "-", f"s3://{bucket}/{name}", stdin=name.encode())
    aws("s3", "rm", "--quiet", "--recursive", f"s3://{bucket}/p/")
    assert listed(aws, bucket, "--recursive") == {"px": 2}


def test_presign_is_good_for_one_key(aws, bucket):
    if aws.name == "CK_AWS_V1":  # its presign still makes the signature of 2006 unless told otherwise
        aws("configure", "set", "default.s3.signature_version", "s3v4")
    aws("s3", "cp", "-", f"s3://{bucket}/a key+%.txt", stdin=b"presigned")
    url = aws.text("s3", "presign", f"s3://{bucket}/a key+%.txt", "--expires-in", "60").strip()
    with urllib.request.urlopen(url, timeout=30) as reply:
        assert reply.read() == b"presigned"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.replace("a%20key", "b%20key"), timeout=30)
    assert refused.value.code == 403 and b"SignatureDoesNotMatch" in refused.value.read()


def test_more_keys_than_a_page(aws, bucket, server):
    client = server.boto3()
    for n in range(1005):
        client.put_object(Bucket=bucket, Key=f"k{n:04}", Body=b"")
    assert len(listed(aws, bucket)) == 1005
