"""Clients over TLS, and a certificate that changes under them."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request

import boto3
import pytest
import trustme
from botocore.config import Config

from conftest import client_path
from payloads import MIB, body, digest
from server import Server

CONFIG = """
listen = "127.0.0.1:0"
[tls]
certificate_file = {certificate}
private_key_file = {key}
"""


class Authority:
    def __init__(self, folder):
        self.authority, self.folder = trustme.CA(), folder
        self.bundle, self.certificate, self.key = (folder / name for name in ("ca.pem", "server.pem", "server.key"))
        self.authority.cert_pem.write_to_path(str(self.bundle))
        self.issue()

    def issue(self):
        """A new certificate in place of the old one."""
        issued = self.authority.issue_cert("127.0.0.1", "localhost")
        issued.private_key_pem.write_to_path(str(self.key))
        issued.cert_chain_pems[0].write_to_path(str(self.certificate))


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def server(tmp_path, authority):
    server = Server(tmp_path / "tls" / "data", tmp_path / "tls-server.log")
    server.backend.head = CONFIG.format(certificate=json.dumps(str(authority.certificate)), key=json.dumps(str(authority.key)))
    server.start()
    server.endpoint = server.endpoint.replace("http://", "https://")
    yield server
    server.close()


def client(server, authority):
    return boto3.client("s3", endpoint_url=server.endpoint, region_name=server.region, verify=str(authority.bundle),
                        aws_access_key_id=server.access_key, aws_secret_access_key=server.secret_key,
                        config=Config(retries={"max_attempts": 1, "mode": "standard"}))


def test_clients_over_tls(server, authority, tmp_path):
    s3 = client(server, authority)
    s3.create_bucket(Bucket="tls")
    (tmp_path / "up").write_bytes(body("tls", 20 * MIB))
    environment = server.aws_environment(tmp_path) | {"AWS_CA_BUNDLE": str(authority.bundle)}
    commands = [
        [client_path("CK_AWS_V1"), "--endpoint-url", server.endpoint, "s3", "cp", "--quiet", "up", "s3://tls/aws"],
        [client_path("CK_RCLONE"), "--config", os.devnull, "--ca-cert", str(authority.bundle), "--s3-provider", "Other",
         "--s3-env-auth", "--s3-endpoint", server.endpoint, "copyto", ":s3:tls/aws", "down"],
    ]
    for command in commands:
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
    assert digest(tmp_path / "down") == digest(tmp_path / "up")
    # boto3 over TLS sends its checksum behind an unsigned payload.
    s3.put_object(Bucket="tls", Key="o", Body=b"x" * 100_000)
    assert s3.get_object(Bucket="tls", Key="o")["Body"].read() == b"x" * 100_000
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "tls", "Key": "o"}, ExpiresIn=60)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=10)  # an authority that nobody trusts


def test_a_new_certificate_without_a_restart(server, authority):
    s3 = client(server, authority)
    s3.create_bucket(Bucket="tls")
    s3.put_object(Bucket="tls", Key="o", Body=b"1")
    other = Authority(authority.folder)  # another authority signs from now on
    deadline = time.monotonic() + 30
    while True:
        try:
            assert client(server, other).get_object(Bucket="tls", Key="o")["Body"].read() == b"1"
            break
        except Exception:
            assert time.monotonic() < deadline, f"the old certificate is still shown; log:\n{server.tail()}"
            time.sleep(0.5)
    # The connection that was open goes on.
    assert s3.get_object(Bucket="tls", Key="o")["Body"].read() == b"1"
