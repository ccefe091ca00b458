"""Clients over TLS, and a certificate that changes under them; and a service behind the proxy that is reached by TLS."""

import json
import os
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import boto3
import pytest
import trustme
from botocore.config import Config
from botocore.exceptions import ClientError

from backend import Minio, text
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

    def issue(self, *names):
        """A new certificate in place of the old one."""
        issued = self.authority.issue_cert(*names or ("127.0.0.1", "localhost"))
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


class TlsMinio(Minio):
    """With the certificate of an authority, which the proxy trusts by `ca_file` where it is told to."""

    scheme = "https"

    def __init__(self, data, authority):
        super().__init__(data)
        self.authority = authority

    def trusted(self, bundle):
        self.settings = "" if bundle is None else f"ca_file = {text(bundle)}"

    def command(self):
        certificates = self.folder.with_name("minio-certs")
        certificates.mkdir(exist_ok=True)
        (certificates / "public.crt").write_bytes(self.authority.certificate.read_bytes())
        (certificates / "private.key").write_bytes(self.authority.key.read_bytes())
        words, environment = super().command()
        return [*words, "--certs-dir", str(certificates)], environment

    def is_ready(self) -> bool:
        trust = ssl.create_default_context(cafile=str(self.authority.bundle))
        trust.check_hostname = False  # one test gives it a certificate of another name
        return urllib.request.urlopen(f"{self.endpoint}/minio/health/ready", timeout=2, context=trust).status == 200


@pytest.fixture
def over_tls(tmp_path, authority):
    server = Server(tmp_path / "over" / "data", tmp_path / "over-server.log")
    server.backend = TlsMinio(server.data, authority)
    server.listen_for_health()
    yield server
    server.close()


@pytest.mark.backend("minio", reason="a directory is reached by nothing")
def test_a_service_over_tls(over_tls, authority):
    server = over_tls
    server.backend.trusted(authority.bundle)
    s3 = server.start().boto3()
    assert server.health("/readyz")[0] == 200
    s3.create_bucket(Bucket="tls")
    data = body("service over tls", 12 * MIB)
    for size in (0, 1, 100_000, 12 * MIB):
        s3.put_object(Bucket="tls", Key="o", Body=data[:size])
        assert s3.get_object(Bucket="tls", Key="o")["Body"].read() == data[:size]
    at = {"Bucket": "tls", "Key": "parts"}
    upload = at | {"UploadId": s3.create_multipart_upload(**at)["UploadId"]}
    parts = [{"PartNumber": number, "ETag": s3.upload_part(PartNumber=number, Body=part, **upload)["ETag"]}
             for number, part in enumerate((data[:6 * MIB], data[6 * MIB:]), 1)]
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    assert s3.get_object(**at)["Body"].read() == data
    stored = server.backend.boto3(verify=str(authority.bundle)).get_object(**at)["Body"].read()
    assert len(stored) > len(data) and data[:64] not in stored, "it is there, and not as it was sent"


@pytest.mark.backend("minio", reason="a directory is reached by nothing")
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("wrong", ["no_authority", "another_authority", "another_name"])
def test_a_service_that_cannot_prove_itself(over_tls, authority, tmp_path, wrong):
    """It is not used: the service is right, but nothing says so."""
    server, bundle = over_tls, authority.bundle
    if wrong == "no_authority":
        bundle = None
    elif wrong == "another_authority":
        (tmp_path / "other").mkdir()
        bundle = Authority(tmp_path / "other").bundle
    else:
        authority.issue("elsewhere.example")
    server.backend.trusted(bundle)
    s3 = server.start().boto3()
    with pytest.raises(ClientError) as refused:
        s3.create_bucket(Bucket="tls")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    status, said = server.health("/readyz")
    assert status == 503 and "upstream.default: it is not in use yet" in said, said
    log = server.log.read_text()
    assert "certificate" in log, f"the reason is told:\n{log[-2000:]}"
    # Past the proxy, which is why the wrong name does not matter here.
    verify = wrong != "another_name" and str(authority.bundle)
    assert server.backend.boto3(verify=verify).list_buckets()["Buckets"] == [], "nothing has come to it"
