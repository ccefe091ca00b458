"""restic: a repository of many small and some large objects that notices every wrong byte by itself."""

import shutil

import pytest

from payloads import MIB, body, digest


@pytest.fixture
def restic(tool, server, bucket, tmp_path):
    run = tool("CK_RESTIC", "--repo", f"s3:{server.endpoint}/{bucket}/repository", "--no-cache")
    run.env["RESTIC_PASSWORD"] = "of the repository"
    return run


def test_backup_check_restore(restic, tmp_path):
    tree = tmp_path / "tree"
    for number in range(60):
        path = tree / f"d{number % 7}" / f"f {number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body(f"restic {number}", number * 1111))
    (tree / "large").write_bytes(body("restic large", 40 * MIB))
    restic("init")
    restic("backup", tree)
    (tree / "large").write_bytes(body("restic large", 40 * MIB)[:-1] + b"!")
    restic("backup", tree)
    restic("check", "--read-data")
    restic("restore", "latest", "--target", tmp_path / "restored")
    restored = tmp_path / "restored" / str(tree).lstrip("/")
    for path in (p for p in tree.rglob("*") if p.is_file()):
        assert digest(restored / path.relative_to(tree)) == digest(path), path
    restic("forget", "--keep-last", "1", "--prune")
    restic("check", "--read-data")
    shutil.rmtree(tmp_path / "restored")
    restic("restore", "latest", "--target", tmp_path / "restored")
    assert digest(restored / "large") == digest(tree / "large")
