"""The proxy under test as a process of its own: started on a free port, stopped by its pid."""

import os
import re
import select
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from backend import free_port, make_backend
from vault import shared_keyring

import boto3
from botocore.config import Config

# Made up for the tests; the suites search the disk for the secret, so it is long and unlike anything else.
ACCESS_KEY = "AKCONFORMANCEROOT001"
SECRET_KEY = "conformance-Root+Secret/4fQ9zWk1uT7yLr2m"
REGION = "us-east-1"
# A debug build on two busy cores needs a second or two; anything near this is a hang.
READY_SECONDS = 30.0


class Server:
    """The proxy on one data directory, over the backend of this run (`CK_BACKEND`, see backend.py). Start it again after
    `kill` or `stop`: the port changes, the data stay. The backend goes on until `close`."""

    def __init__(self, data: Path, log: Path, under: tuple = ()):
        # `under`: a command to run it under, which leaves it our direct child.
        self.data, self.log, self.under = Path(data), Path(log), under
        self.backend = make_backend(self.data)
        if os.environ.get("CK_KEYRING") == "vault":
            self.backend.keyring = shared_keyring()
        self.process = None
        self.endpoint, self.admin_port = "", None
        self.access_key, self.secret_key, self.region = ACCESS_KEY, SECRET_KEY, REGION

    def start(self, with_backend: bool = True):
        binary = os.environ["CK_BINARY"]
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CRYPT_KEEPER_"))}
        env["CRYPT_KEEPER_ROOT_ACCESS_KEY"] = self.access_key
        env["CRYPT_KEEPER_ROOT_SECRET_KEY"] = self.secret_key
        self.data.mkdir(parents=True, exist_ok=True)
        if with_backend:
            self.backend.start()
        env.update(self.backend.environment())
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.under, binary, *self.backend.arguments(self.access_key)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=env,
            )
        self.endpoint = self._await_ready()
        return self

    def _await_ready(self) -> str:
        seen, deadline = b"", time.monotonic() + READY_SECONDS
        out = self.process.stdout
        while time.monotonic() < deadline:
            if select.select([out], [], [], 0.2)[0]:
                block = os.read(out.fileno(), 65536)
                seen += block
                ready = re.search(rb"^ready\b.*?(?:https?://)?(127\.0\.0\.1:\d+).*\n", seen, re.M)
                if ready:
                    self._keep_stdout(seen)
                    return "http://" + ready.group(1).decode()
                if not block:
                    break
        self.kill()
        raise AssertionError(f"no line `ready ADDRESS` on stdout; stdout: {seen!r}; log:\n{self.tail()}")

    def _keep_stdout(self, seen: bytes):
        with open(self.log.with_suffix(".stdout"), "ab") as kept:
            kept.write(seen)

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL, as a crash."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, as a service manager does; the exit code. A drain that hangs is an error."""
        return self._end(signal.SIGTERM)

    def close(self):
        """The end of the test: the proxy, where it still runs, and its backend."""
        if self.alive():
            self.kill()
        self.backend.stop()

    def _end(self, sig) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(sig)
        try:
            code = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running 30 s after signal {sig}; log:\n{self.tail()}") from None
        finally:
            self.process.stdout.close()
        self.process = None
        return code

    def listen_for_health(self):
        """Before a start: the listener of health and metrics at a port that is known."""
        self.admin_port = free_port()
        self.backend.head = f'listen = "127.0.0.1:0"\nadmin_listen = "127.0.0.1:{self.admin_port}"'

    def health(self, path: str):
        """What `/readyz` or `/healthz` says: its status and its lines."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def peak_rss_bytes(self) -> int:
        """The highest resident size since the start or the last `reset_peak_rss`."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024

    def reset_peak_rss(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def boto3(self, **config):
        """A client with boto3's defaults, but for what `config` names."""
        config.setdefault("retries", {"max_attempts": 1, "mode": "standard"})
        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name=self.region,
            aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key,
            config=Config(**config),
        )

    def aws_environment(self, home: Path) -> dict:
        """The environment of a command-line client: nothing of the caller's own accounts gets in."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "RCLONE_", "PYTHON"))}
        env.update(
            HOME=str(home), LC_ALL="C.UTF-8",
            AWS_ACCESS_KEY_ID=self.access_key, AWS_SECRET_ACCESS_KEY=self.secret_key,
            AWS_DEFAULT_REGION=self.region, AWS_EC2_METADATA_DISABLED="true", AWS_PAGER="",
            AWS_MAX_ATTEMPTS="1",
        )
        return env
