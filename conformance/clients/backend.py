"""What holds the ciphertext: the proxy's own directory (`CK_BACKEND=local`, the default), or a MinIO (`minio`) or a Garage
(`garage`) behind it.

A backend says how the proxy is started, lives in a folder of the proxy's data directory (so that searches of that
directory see all that is stored), and outlives the proxy that it is behind.
"""

import json
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

# Made up for the tests; searched for, like the root's.
MINIO_USER, MINIO_PASSWORD = "conformance-minio", "Upstream+Secret/7gTq2vXc9pLw"
GARAGE_KEY, GARAGE_SECRET = "GK7d1e04b93c5af2680e91b4d7", "5b0c8e3fa97d1264" * 4
GARAGE_RPC_SECRET = "1f6e9a30c47db852" * 4
INTERNAL_BUCKET = "crypt-keeper-internal"
START_SECONDS = 30.0


def make_backend(data: Path):
    kind = os.environ.get("CK_BACKEND", "local")
    return {"local": Local, "minio": Minio, "garage": Garage}[kind](data)


def text(value) -> str:
    """As TOML writes it."""
    return json.dumps(str(value))


class Backend:
    """What all have: `crypt-keeper serve` by a configuration, to which a test may add at its head and its end."""

    head, more = 'listen = "127.0.0.1:0"', ""
    # Of the keyring; a file in the data directory where nothing is said.
    keyring = None

    def serve(self, access_key: str) -> list:
        config = self.data / "crypt-keeper.toml"
        config.write_text(f"""\
{self.head}
[root]
access_key_id = {text(access_key)}
secret_access_key = {{ env = "CRYPT_KEEPER_ROOT_SECRET_KEY" }}
[store]
url = {text(f"sqlite:{self.data}/state.db")}
[upstream.default]
{self.upstream()}
[keyring]
{self.keyring or f'kind = "local"{chr(10)}path = {text(self.data / "keyring")}'}
{self.more}
""")
        return ["serve", "--config", str(config)]


class Local(Backend):
    """`crypt-keeper dev`: blobs in the data directory."""

    name = "local"

    def __init__(self, data: Path):
        self.data = data

    def start(self):
        pass

    def stop(self):
        pass

    def environment(self) -> dict:
        return {}

    def arguments(self, access_key: str) -> list:
        if self.head is not Backend.head or self.more or self.keyring:
            return self.serve(access_key)
        return ["dev", "--data", str(self.data), "--listen", "127.0.0.1:0"]

    def upstream(self) -> str:
        return f"""\
kind = "local"
path = {text(self.data / "objects")}
"""

    def stored(self) -> set:
        """Everything that is stored, whatever names it."""
        return {path for path in (self.data / "objects" / "blobs").rglob("*") if path.is_file()}


class Service(Backend):
    """`crypt-keeper serve` before a service of its own: a process in a folder of its own, found and stopped by its pid."""

    scheme, region, access_key, secret_key = "http", "us-east-1", "", ""
    # What a test adds to the proxy's settings of it.
    settings = ""

    def __init__(self, data: Path):
        self.data, self.folder, self.log = data, data / self.name, data / f"{self.name}.log"
        self.process, self.port = None, free_port()

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def start(self):
        """Once; the port stays, also when it is started again after `kill`."""
        if self.process is not None and self.process.poll() is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MINIO_", "GARAGE_"))}
        command, more = self.command()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=env | more | {"HOME": str(self.folder)})
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.is_ready():
                    return
            except OSError:
                pass
            time.sleep(0.1)
        self.stop()
        raise AssertionError(f"{self.name} did not come up; log:\n{self.log.read_text()[-2000:]}")

    def kill(self):
        """SIGKILL, as a crash."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def environment(self) -> dict:
        return {"CK_TEST_UPSTREAM_SECRET": self.secret_key}

    def arguments(self, access_key: str) -> list:
        return self.serve(access_key)

    def upstream(self) -> str:
        return f"""\
kind = "s3"
endpoint = {text(self.endpoint)}
region = {text(self.region)}
addressing = "path"
access_key_id = {text(self.access_key)}
secret_access_key = {{ env = "CK_TEST_UPSTREAM_SECRET" }}
{self.settings}
"""

    def boto3(self, **more):
        """Past the proxy."""
        return boto3.client("s3", endpoint_url=self.endpoint, region_name=self.region, **more,
                            aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key,
                            config=Config(s3={"addressing_style": "path"}))

    def objects(self) -> set:
        """Every object, ours and the clients'."""
        s3, found = self.boto3(), set()
        for bucket in (b["Name"] for b in s3.list_buckets()["Buckets"]):
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                found |= {(bucket, o["Key"], o["ETag"]) for o in page.get("Contents", [])}
        return found


class Minio(Service):
    name, access_key, secret_key = "minio", MINIO_USER, MINIO_PASSWORD

    def command(self):
        words = [os.environ["CK_MINIO"], "server", "--quiet", "--address", f"127.0.0.1:{self.port}", str(self.folder)]
        return words, {"MINIO_ROOT_USER": MINIO_USER, "MINIO_ROOT_PASSWORD": MINIO_PASSWORD, "MINIO_BROWSER": "off",
                       "MINIO_UPDATE": "off"}

    def is_ready(self) -> bool:
        return urllib.request.urlopen(f"{self.endpoint}/minio/health/ready", timeout=2).status == 200

    def stored(self) -> set:
        """Every object and every part of an upload in flight."""
        # MinIO lists uploads only of a whole key, so its own folder is asked.
        uploads = self.folder / ".minio.sys" / "multipart"
        return self.objects() | {path for path in uploads.rglob("part.*") if path.is_file()}


class Garage(Service):
    name, region, access_key, secret_key = "garage", "garage", GARAGE_KEY, GARAGE_SECRET

    def __init__(self, data: Path):
        super().__init__(data)
        self.admin_port = free_port()

    def command(self):
        config = self.folder / "garage.toml"
        config.write_text(f"""\
metadata_dir = {text(self.folder / "meta")}
data_dir = {text(self.folder / "data")}
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{free_port()}"
rpc_secret = "{GARAGE_RPC_SECRET}"
[s3_api]
api_bind_addr = "127.0.0.1:{self.port}"
s3_region = {text(self.region)}
[admin]
api_bind_addr = "127.0.0.1:{self.admin_port}"
""")
        # One node, and a key that may make buckets.
        words = [os.environ["CK_GARAGE"], "-c", str(config), "server", "--single-node", "--default-access-key"]
        return words, {"GARAGE_DEFAULT_ACCESS_KEY": GARAGE_KEY, "GARAGE_DEFAULT_SECRET_KEY": GARAGE_SECRET}

    def is_ready(self) -> bool:
        return urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/health", timeout=2).status == 200

    def stored(self) -> set:
        """Every object and every upload in flight, whether it has parts or not."""
        s3, found = self.boto3(), set()
        for bucket in (b["Name"] for b in s3.list_buckets()["Buckets"]):
            for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
                found |= {(bucket, u["Key"], u["UploadId"]) for u in page.get("Uploads", [])}
        return self.objects() | found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
