"""s5cmd: parallel copies, sync, ls, cat, mv, rm with wildcards."""

import os

import pytest

import differences
from payloads import KEYS, MIB, SIZES, body, digest

# s5cmd joins paths, which takes `//` and dots away, reads `*` and `?` as wildcards, and a trailing slash as a folder.
S5CMD_KEYS = {name: KEYS[name] for name in ("spaces", "percent", "plus", "beside_folder", "unicode")}


@pytest.fixture
def s5cmd(tool, server):
    return tool("CK_S5CMD", "--endpoint-url", server.endpoint)


@pytest.mark.parametrize("size", SIZES)
def test_cp_both_ways(s5cmd, bucket, payloads, size, tmp_path):
    """Everything above 50 MiB goes in parts."""
    payload = payloads[size]
    s5cmd("cp", payload.path, f"s3://{bucket}/{size}")
    s5cmd("cp", f"s3://{bucket}/{size}", tmp_path / "down")
    assert digest(tmp_path / "down") == digest(payload.path)


@pytest.mark.parametrize("name", differences.keys(S5CMD_KEYS))
def test_strange_keys(s5cmd, bucket, name, tmp_path):
    key, data = S5CMD_KEYS[name], body(name, 300)
    (tmp_path / "up").write_bytes(data)
    s5cmd("--no-verify-ssl", "cp", "--raw", tmp_path / "up", f"s3://{bucket}/{key}")
    assert s5cmd("cat", "--raw", f"s3://{bucket}/{key}").stdout == data
    assert key in s5cmd.text("ls", f"s3://{bucket}/*")


def test_sync_settles_and_rm(s5cmd, bucket, tmp_path):
    tree = tmp_path / "tree"
    for name, size in {"a": 0, "d/b": 16385, "d/c": 9 * MIB, "e": 60 * MIB}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(body(name, size))
        os.utime(tree / name, (1_700_000_000, 1_700_000_000))  # what was uploaded within the second of its making looks older than it
    assert s5cmd.text("sync", f"{tree}/", f"s3://{bucket}/t/").count("cp ") == 4
    assert s5cmd.text("sync", f"{tree}/", f"s3://{bucket}/t/") == "", "sizes and times agree"
    s5cmd("mv", f"s3://{bucket}/t/e", f"s3://{bucket}/moved")
    s5cmd("cp", f"s3://{bucket}/moved", tmp_path / "down")
    assert digest(tmp_path / "down") == digest(tree / "e")
    s5cmd("rm", f"s3://{bucket}/*")
    assert s5cmd("ls", f"s3://{bucket}/*", check=False).stdout == b""
