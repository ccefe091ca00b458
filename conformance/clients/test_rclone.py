"""rclone as an S3 remote: copy, sync --checksum, check, move, lsf."""

import json

import pytest

import differences
from payloads import KEYS, MIB, SIZES, body, digest

# rclone cleans paths before it sends them and writes `.` and `..` names in full width (its encoding for S3),
# so `//`, a leading or trailing `/` and dot segments are no keys of its making; long names break its own local side.
RCLONE_KEYS = {name: KEYS[name] for name in ("spaces", "percent", "plus", "beside_folder", "unicode", "reserved")}


@pytest.fixture
def rclone(tool, server, tmp_path):
    config = tmp_path / "rclone.conf"
    config.write_text(f"""[ck]
type = s3
provider = Other
endpoint = {server.endpoint}
region = {server.region}
access_key_id = {server.access_key}
secret_access_key = {server.secret_key}
""")
    return tool("CK_RCLONE", "--config", str(config), "--low-level-retries", "1", "--retries", "1")


def moved(done) -> int:
    """How many files a run transferred, from the JSON log's last statistics."""
    stats = [json.loads(line)["stats"] for line in done.stderr.decode().splitlines() if '"stats"' in line]
    return stats[-1]["transfers"]


REPORT = ("--use-json-log", "--stats-log-level", "NOTICE", "--stats", "1h")


@pytest.mark.parametrize("size", SIZES)
def test_copyto_up_and_down(rclone, bucket, payloads, size, tmp_path):
    payload = payloads[size]
    rclone("copyto", payload.path, f"ck:{bucket}/{size}")
    assert json.loads(rclone.text("lsjson", f"ck:{bucket}/{size}"))[0]["Size"] == payload.size
    rclone("copyto", f"ck:{bucket}/{size}", tmp_path / "down")
    assert digest(tmp_path / "down") == digest(payload.path)


@pytest.mark.parametrize("name", differences.keys(RCLONE_KEYS))
def test_strange_keys(rclone, bucket, name):
    key, data = RCLONE_KEYS[name], body(name, 500)
    rclone("rcat", f"ck:{bucket}/{key}", stdin=data)
    assert rclone("cat", f"ck:{bucket}/{key}").stdout == data
    assert rclone.text("lsf", "-R", "--files-only", f"ck:{bucket}") == key + "\n"
    rclone("deletefile", f"ck:{bucket}/{key}")
    assert rclone.text("lsf", "-R", f"ck:{bucket}") == ""


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    # 250 MiB is above rclone's upload cutoff of 200 MiB: a multipart upload, whose MD5 it keeps in the metadata.
    files = {"a": 0, "b b/c+%.bin": 16385, "b b/é": 1, "d/e/f": 5 * MIB, "g": 8 * MIB + 1, "cutoff": 250 * MIB}
    for name, size in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(body(name, size))
    return root, len(files)


def test_copy_check_sync_move(rclone, bucket, tree, tmp_path):
    root, count = tree
    assert moved(rclone("copy", *REPORT, root, f"ck:{bucket}/t")) == count
    rclone("check", root, f"ck:{bucket}/t")
    rclone("check", "--download", root, f"ck:{bucket}/t")
    # Twice: the second run finds every size and MD5 in LIST and HEAD, and transfers nothing.
    for _ in range(2):
        assert moved(rclone("sync", *REPORT, "--checksum", root, f"ck:{bucket}/t")) == 0
    (root / "g").write_bytes(body("changed", 8 * MIB + 1))
    assert moved(rclone("sync", *REPORT, "--checksum", root, f"ck:{bucket}/t")) == 1
    hashes = rclone.text("hashsum", "md5", f"ck:{bucket}/t")
    assert len([line for line in hashes.splitlines() if len(line.split()[0]) == 32]) == count
    assert moved(rclone("sync", *REPORT, f"ck:{bucket}/t", tmp_path / "down")) == count
    rclone("check", root, tmp_path / "down")
    rclone("move", f"ck:{bucket}/t", f"ck:{bucket}/moved")
    assert rclone.text("lsf", f"ck:{bucket}") == "moved/\n"
    rclone("check", root, f"ck:{bucket}/moved")
    rclone("purge", f"ck:{bucket}/moved")
    assert rclone.text("lsf", f"ck:{bucket}") == ""


def test_buckets(rclone, bucket):
    rclone("mkdir", f"ck:{bucket}-new")
    assert f"{bucket}-new/" in rclone.text("lsf", "ck:").splitlines()
    rclone("rmdir", f"ck:{bucket}-new")
    assert f"{bucket}-new/" not in rclone.text("lsf", "ck:").splitlines()
