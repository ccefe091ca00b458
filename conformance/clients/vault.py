"""A real Vault for the tests: its storage in a folder of its own, so that it can be sealed, killed and started again."""

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from backend import free_port, text

MOUNT, KEY, ROLE = "transit", "crypt-keeper", "crypt-keeper"
START_SECONDS = 60.0
POLICY = Path(__file__).parents[2] / "config" / "vault" / "serve.hcl"


_shared = []


def shared_keyring() -> str:
    """The keyring of a run with CK_KEYRING=vault: one Vault for all its servers, until the run ends."""
    if not _shared:
        folder = Path(tempfile.mkdtemp(prefix="ck-vault-"))
        vault = Vault(folder, os.environ["CK_VAULT"])
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        atexit.register(vault.kill)
        vault.start()
        secret_id = folder / "secret_id"
        secret_id.write_text(vault.secret_id()["secret_id"])
        _shared.append(vault.keyring(vault.approle(secret_id)))
    return _shared[0]


class Vault:
    def __init__(self, folder: Path, program: str):
        self.program = program
        self.folder, self.port, self.cluster_port, self.process = folder, free_port(), free_port(), None
        self.address = f"http://127.0.0.1:{self.port}"
        self.audit, self.log = folder / "audit.log", folder / "vault.log"
        self.unseal_key = self.root_token = None

    def start(self):
        """Started, initialised once, unsealed."""
        storage = self.folder / "storage"
        storage.mkdir(parents=True, exist_ok=True)
        config = self.folder / "vault.hcl"
        config.write_text(f"""\
storage "raft" {{
  path = {text(storage)}
  node_id = "one"
  performance_multiplier = 1
}}
cluster_addr = "http://127.0.0.1:{self.cluster_port}"
listener "tcp" {{
  address = "127.0.0.1:{self.port}"
  tls_disable = true
}}
api_addr = {text(self.address)}
disable_mlock = true
""")
        env = {k: v for k, v in os.environ.items() if not k.startswith("VAULT_")}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.program, "server", f"-config={config}"], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=env | {"HOME": str(self.folder)})
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.address}/v1/sys/seal-status", timeout=2).read()
                break
            except OSError:
                time.sleep(0.1)
        else:
            self.kill()
            raise AssertionError(f"Vault did not come up; log:\n{self.log.read_text()[-2000:]}")
        if self.root_token is None:
            made = self.ask("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, token="")
            self.unseal_key, self.root_token = made["keys"][0], made["root_token"]
            self.unseal()
            self.prepare()
        else:
            self.unseal()
        return self

    def unseal(self):
        self.ask("PUT", "sys/unseal", {"key": self.unseal_key}, token="")
        self.until_active()

    def until_active(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                if urllib.request.urlopen(f"{self.address}/v1/sys/health", timeout=2).status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError("Vault is not active")

    def prepare(self):
        """What an operator does: the engine, the key, the policy, the role. And an audit log, by which calls are counted."""
        self.ask("POST", f"sys/mounts/{MOUNT}", {"type": "transit"})
        self.ask("POST", f"{MOUNT}/keys/{KEY}", {"derived": True})
        self.allow()
        self.ask("POST", "sys/auth/approle", {"type": "approle"})
        self.ask("POST", f"auth/approle/role/{ROLE}", {"token_policies": [ROLE], "token_ttl": "1h", "token_max_ttl": "24h"})
        self.ask("PUT", "sys/audit/file", {"type": "file", "options": {"file_path": str(self.audit)}})

    def allow(self):
        self.ask("PUT", f"sys/policies/acl/{ROLE}", {"policy": POLICY.read_text()})

    def revoke_logins(self):
        self.ask("PUT", "sys/leases/revoke-prefix/auth/approle/login", {})

    def revoke(self, secret_id: dict):
        """A secret_id, and the tokens that it was good for."""
        self.ask("POST", f"auth/approle/role/{ROLE}/secret-id-accessor/destroy", {"secret_id_accessor": secret_id["secret_id_accessor"]})
        self.revoke_logins()

    def role_id(self) -> str:
        return self.ask("GET", f"auth/approle/role/{ROLE}/role-id")["data"]["role_id"]

    def secret_id(self) -> dict:
        """With its accessor."""
        return self.ask("POST", f"auth/approle/role/{ROLE}/secret-id", {})["data"]

    def wrapped_secret_id(self) -> str:
        """A token that is good for one unwrapping."""
        made = self.ask("POST", f"auth/approle/role/{ROLE}/secret-id", {}, headers={"X-Vault-Wrap-TTL": "60s"})
        return made["wrap_info"]["token"]

    def token(self, **more) -> str:
        return self.ask("POST", "auth/token/create", {"policies": [ROLE], "no_default_policy": False, **more})["auth"]["client_token"]

    def calls(self, path: str) -> int:
        """Requests for a path that Vault has answered, by its audit log."""
        return sum(line["request"]["path"].startswith(path) for line in self.answers())

    def granted(self, path: str) -> int:
        """Those that were not refused."""
        return sum(line["request"]["path"].startswith(path) and "error" not in line for line in self.answers())

    def answers(self) -> list:
        if not self.audit.exists():
            return []
        lines = (json.loads(line) for line in self.audit.read_text().splitlines())
        return [line for line in lines if line["type"] == "response"]

    def ask(self, method: str, path: str, body=None, token: str = None, headers: dict = None):
        headers = (headers or {}) | {"X-Vault-Token": self.root_token if token is None else token, "X-Vault-Request": "true"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/v1/{path}", data=data, headers=headers, method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=20).read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error
        return json.loads(answer) if answer else None

    def seal(self):
        self.ask("PUT", "sys/seal")

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def keyring(self, auth: str) -> str:
        """For the proxy's configuration."""
        return f"""\
kind = "vault"
address = {text(self.address)}
mount = {text(MOUNT)}
key = {text(KEY)}
auth = {auth}
"""

    def approle(self, secret_id_file: Path, wrapped: bool = False) -> str:
        return (f'{{ method = "approle", role_id = {text(self.role_id())}, secret_id = {{ file = {text(secret_id_file)} }}, '
                f"wrapped = {str(wrapped).lower()} }}")
