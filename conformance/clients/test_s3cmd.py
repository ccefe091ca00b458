"""s3cmd: put, get, sync, ls, info, cp, mv, del. It checks the MD5 of every upload against the ETag."""

import pytest

import differences
from payloads import KEYS, MIB, SIZES, body, digest

# s3cmd takes any key it is given, but a trailing slash, which it reads as "into this folder".
S3CMD_KEYS = {name: key for name, key in KEYS.items() if not key.endswith("/")}


@pytest.fixture
def s3cmd(tool, server, tmp_path):
    host = server.endpoint.removeprefix("http://")
    config = tmp_path / "s3cfg"
    config.write_text(f"""[default]
access_key = {server.access_key}
secret_key = {server.secret_key}
host_base = {host}
host_bucket = {host}
bucket_location = {server.region}
use_https = False
max_retries = 1
""")
    return tool("CK_S3CMD", "--config", str(config), "--no-progress")


@pytest.mark.parametrize("size", SIZES)
def test_put_and_get(s3cmd, bucket, payloads, size, tmp_path):
    """Above 15 MB it uploads in parts."""
    payload = payloads[size]
    s3cmd("put", payload.path, f"s3://{bucket}/{size}")
    s3cmd("get", f"s3://{bucket}/{size}", tmp_path / "down")
    assert digest(tmp_path / "down") == digest(payload.path)
    info = s3cmd.text("info", f"s3://{bucket}/{size}")
    assert f"File size: {payload.size}\n" in info
    assert f"MD5 sum:   {payload.md5}\n" in info


@pytest.mark.parametrize("name", differences.keys(S3CMD_KEYS))
def test_strange_keys(s3cmd, bucket, name, tmp_path):
    key, data = S3CMD_KEYS[name], body(name, 300)
    (tmp_path / "up").write_bytes(data)
    s3cmd("put", tmp_path / "up", f"s3://{bucket}/{key}")
    assert f"s3://{bucket}/{key}" in s3cmd.text("ls", "-r", f"s3://{bucket}")
    s3cmd("get", f"s3://{bucket}/{key}", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == data
    s3cmd("del", f"s3://{bucket}/{key}")
    assert s3cmd.text("ls", "-r", f"s3://{bucket}") == ""


def test_sync_settles(s3cmd, bucket, tmp_path):
    tree = tmp_path / "tree"
    for name, size in {"a": 0, "d/b b": 16385, "d/c": 9 * MIB, "e": 20 * MIB}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(body(name, size))
    assert s3cmd.text("sync", f"{tree}/", f"s3://{bucket}/t/").count("upload:") == 4
    assert "upload:" not in s3cmd.text("sync", f"{tree}/", f"s3://{bucket}/t/")
    (tmp_path / "down").mkdir()
    assert s3cmd.text("sync", f"s3://{bucket}/t/", f"{tmp_path}/down/").count("download:") == 4
    assert "download:" not in s3cmd.text("sync", f"s3://{bucket}/t/", f"{tmp_path}/down/")
    for name in ("a", "d/b b", "d/c", "e"):
        assert digest(tmp_path / "down" / name) == digest(tree / name)


def test_copy_move_and_buckets(s3cmd, bucket, tmp_path):
    (tmp_path / "f").write_bytes(body("cp", 20 * MIB))
    s3cmd("put", "--add-header=x-amz-meta-colour:blue", "--mime-type=text/x-test", tmp_path / "f", f"s3://{bucket}/f")
    s3cmd("cp", f"s3://{bucket}/f", f"s3://{bucket}/g h")
    s3cmd("mv", f"s3://{bucket}/g h", f"s3://{bucket}/i")
    info = s3cmd.text("info", f"s3://{bucket}/i")
    assert "text/x-test" in info and "x-amz-meta-colour: blue" in info
    s3cmd("get", f"s3://{bucket}/i", tmp_path / "back")
    assert digest(tmp_path / "back") == digest(tmp_path / "f")
    s3cmd("mb", f"s3://{bucket}-new")
    assert f"s3://{bucket}-new" in s3cmd.text("ls")
    s3cmd("rb", f"s3://{bucket}-new")
    s3cmd("del", "--recursive", "--force", f"s3://{bucket}")
    assert s3cmd.text("ls", "-r", f"s3://{bucket}") == ""
