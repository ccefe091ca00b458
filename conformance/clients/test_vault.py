"""The keyring on a real Vault: logins, what is cached, and what happens when Vault is away."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import client_path
from payloads import body
from raw import Raw
from server import Server
from vault import KEY, MOUNT, Vault

# Promised: found again within five seconds of its return; the rest is for a busy machine.
RECOVERY_SECONDS = 15.0


@pytest.fixture
def vault(tmp_path):
    vault = Vault(tmp_path / "vault", client_path("CK_VAULT"))
    try:
        yield vault.start()
    finally:
        vault.kill()


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts a proxy with a keyring; more than one after the other on the same data."""
    servers = []

    def start(keyring: str) -> Server:
        # The most that anybody can make it say.
        monkeypatch.setenv("RUST_LOG", "trace")
        server = Server(tmp_path / "proxy" / "data", tmp_path / "proxy.log")
        server.backend.keyring = keyring
        server.listen_for_health()
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.close()
        # Tokens of Vault's begin with this.
        assert b"hvs." not in server.log.read_bytes()


def with_approle(vault, tmp_path, **role):
    if role:
        vault.ask("POST", "auth/approle/role/crypt-keeper", role)
    made = vault.secret_id()
    file = tmp_path / "secret_id"
    file.write_text(made["secret_id"] + "\n")
    return vault.keyring(vault.approle(file)), file, made


def test_no_call_of_vault_in_the_steady_state(vault, start, tmp_path):
    keyring, _, _ = with_approle(vault, tmp_path)
    server = start(keyring)
    s3 = server.boto3()
    s3.create_bucket(Bucket="one")
    s3.put_object(Bucket="one", Key="first", Body=b"1")
    count = lambda: vault.calls(f"{MOUNT}/decrypt") + vault.calls(f"{MOUNT}/encrypt")
    before = count()
    for n in range(50):
        s3.put_object(Bucket="one", Key=f"k{n}", Body=body("vault", 20_000))
        assert s3.get_object(Bucket="one", Key=f"k{n}")["Body"].read() == body("vault", 20_000)
    assert len(s3.list_objects_v2(Bucket="one")["Contents"]) == 51
    assert count() == before > 0
    server.kill()
    server.start()
    unwraps = vault.calls(f"{MOUNT}/decrypt")
    assert server.boto3().get_object(Bucket="one", Key="first")["Body"].read() == b"1"
    assert vault.calls(f"{MOUNT}/decrypt") == unwraps + 1, "the bucket key, once"


def test_a_short_token_is_renewed_and_made_anew(vault, start, tmp_path):
    keyring, _, _ = with_approle(vault, tmp_path, token_ttl="3s", token_max_ttl="9s")
    server = start(keyring)
    s3 = server.boto3()
    for n in range(8):
        s3.create_bucket(Bucket=f"bucket-{n}")
        s3.put_object(Bucket=f"bucket-{n}", Key="k", Body=b"a new bucket key each time")
        time.sleep(2)
    assert vault.calls("auth/token/renew-self") >= 2
    assert vault.calls("auth/approle/login") >= 2


def test_a_revoked_token_costs_one_login(vault, start, tmp_path):
    keyring, _, _ = with_approle(vault, tmp_path)
    server = start(keyring)
    s3 = server.boto3()
    s3.create_bucket(Bucket="one")
    logins = vault.calls("auth/approle/login")
    vault.revoke_logins()
    s3.put_object(Bucket="one", Key="k", Body=b"1")
    assert vault.calls("auth/approle/login") == logins + 1


@pytest.mark.parametrize("away", ["sealed", "killed"])
def test_cached_keys_serve_while_vault_is_away(vault, start, tmp_path, away):
    keyring, _, _ = with_approle(vault, tmp_path)
    server = start(keyring)
    s3 = server.boto3()
    for name in ("warm", "cold"):
        s3.create_bucket(Bucket=name)
    s3.put_object(Bucket="warm", Key="k", Body=b"1")
    vault.seal() if away == "sealed" else vault.kill()
    s3.put_object(Bucket="warm", Key="k", Body=b"2")
    assert s3.get_object(Bucket="warm", Key="k")["Body"].read() == b"2"
    refused = Raw(server)("PUT", "/cold/k", body=b"1")
    assert refused.status == 503 and refused.headers["retry-after"], refused.body
    status, says = server.health("/readyz")
    assert status == 503 and "keyring" in says, says
    vault.unseal() if away == "sealed" else vault.start()
    back = time.monotonic()
    until(lambda: Raw(server)("PUT", "/cold/k", body=b"1").status == 200)
    assert time.monotonic() - back < RECOVERY_SECONDS
    assert s3.get_object(Bucket="cold", Key="k")["Body"].read() == b"1"


def test_a_revoked_secret_id_is_not_tried_again_and_again(vault, start, tmp_path):
    """Five failures would lock the role for a quarter of an hour, for every proxy that has it."""
    keyring, file, made = with_approle(vault, tmp_path)
    server = start(keyring)
    server.boto3().create_bucket(Bucket="one")
    vault.revoke(made)
    before, deadline = vault.calls("auth/approle/login"), time.monotonic() + 12
    while time.monotonic() < deadline:
        refused = Raw(server)("PUT", "/one/k", body=b"1")
        assert refused.status == 503 and refused.headers["retry-after"]
        time.sleep(0.5)
    assert vault.calls("auth/approle/login") == before + 1
    file.write_text(vault.secret_id()["secret_id"])
    until(lambda: Raw(server)("PUT", "/one/k", body=b"1").status == 200)


def test_a_wrapped_secret_id_is_unwrapped_once_and_kept(vault, start, tmp_path):
    vault.ask("POST", "auth/approle/role/crypt-keeper", {"token_ttl": "2s", "token_max_ttl": "4s"})
    file = tmp_path / "wrapped"
    file.write_text(vault.wrapped_secret_id())
    server = start(vault.keyring(vault.approle(file, wrapped=True)))
    s3 = server.boto3()
    for n in range(5):
        s3.create_bucket(Bucket=f"bucket-{n}")
        s3.put_object(Bucket=f"bucket-{n}", Key="k", Body=b"a new bucket key each time")
        time.sleep(2)
    assert vault.calls("sys/wrapping/unwrap") == 1
    assert vault.calls("auth/approle/login") >= 2


def test_a_token_in_a_file_is_read_again(vault, start, tmp_path):
    file, old = tmp_path / "token", vault.token(ttl="1h")
    file.write_text(old + "\n")
    server = start(vault.keyring(f'{{ method = "token", token = {{ file = "{file}" }} }}'))
    server.boto3().create_bucket(Bucket="one")
    vault.ask("POST", "auth/token/revoke", {"token": old})
    refused = Raw(server)("PUT", "/one/k", body=b"1")
    assert refused.status == 503 and refused.headers["retry-after"], refused.body
    file.write_text(vault.token(ttl="1h"))
    until(lambda: Raw(server)("PUT", "/one/k", body=b"1").status == 200)
    searched(server, tmp_path, old, file.read_text())


def test_a_token_without_the_right_is_no_reason_to_log_in(vault, start, tmp_path):
    keyring, _, _ = with_approle(vault, tmp_path)
    server = start(keyring)
    server.boto3().create_bucket(Bucket="one")
    logins = vault.calls("auth/approle/login")
    vault.ask("PUT", "sys/policies/acl/crypt-keeper", {"policy": 'path "transit/keys/crypt-keeper" { capabilities = ["read"] }'})
    for _ in range(5):
        assert Raw(server)("PUT", "/one/k", body=b"1").status == 503
    assert vault.calls("auth/approle/login") == logins
    vault.allow()
    assert Raw(server)("PUT", "/one/k", body=b"1").status == 200, "permission is nothing that Vault is not asked again for"


def test_a_storm_of_cold_reads(vault, start, tmp_path, report):
    keyring, _, made = with_approle(vault, tmp_path)
    server = start(keyring)
    s3 = server.boto3()
    buckets = [f"bucket-{n}" for n in range(20)]
    for bucket in buckets:
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="k", Body=bucket.encode())
    server.kill()
    server.start()
    unwraps, logins = vault.calls(f"{MOUNT}/decrypt"), vault.calls("auth/approle/login")
    vault.revoke_logins()
    with ThreadPoolExecutor(100) as pool:
        read = pool.map(lambda n: Raw(server)("GET", f"/{buckets[n % 20]}/k"), range(1000))
        assert all(reply.status == 200 and reply.body.decode() == buckets[n % 20] for n, reply in enumerate(read))
    # Those who met the revoked token asked twice: the audit log has the refusals too.
    unwraps, logins = vault.granted(f"{MOUNT}/decrypt") - unwraps, vault.calls("auth/approle/login") - logins
    report(f"1,000 cold reads over 20 buckets with a revoked token: {unwraps} unwraps, {logins} login")
    assert (unwraps, logins) == (20, 1)
    searched(server, tmp_path, made["secret_id"])


def test_versions_that_no_longer_decrypt(vault, start, tmp_path):
    keyring, _, _ = with_approle(vault, tmp_path)
    server = start(keyring)
    s3 = server.boto3()
    for name in ("warm", "cold"):
        s3.create_bucket(Bucket=name)
    s3.put_object(Bucket="cold", Key="k", Body=b"1")
    vault.ask("POST", f"{MOUNT}/keys/{KEY}/rotate", {})
    s3.put_object(Bucket="warm", Key="k", Body=b"2")
    vault.ask("POST", f"{MOUNT}/keys/{KEY}/config", {"min_decryption_version": 2})
    server.kill()
    with pytest.raises(AssertionError, match="min_decryption_version"):
        server.start()
    vault.ask("POST", f"{MOUNT}/keys/{KEY}/config", {"min_decryption_version": 1})
    server.start()
    assert server.boto3().get_object(Bucket="cold", Key="k")["Body"].read() == b"1"


def test_a_deleted_key(vault, start, tmp_path):
    keyring, _, _ = with_approle(vault, tmp_path)
    server = start(keyring)
    s3 = server.boto3()
    s3.create_bucket(Bucket="one")
    vault.ask("POST", f"{MOUNT}/keys/{KEY}/config", {"deletion_allowed": True})
    vault.ask("DELETE", f"{MOUNT}/keys/{KEY}")
    refused = Raw(server)("PUT", "/one/k", body=b"1")
    assert refused.status == 503, refused.body
    status, says = server.health("/readyz")
    assert status == 503 and "no such" in says, says
    server.kill()
    with pytest.raises(AssertionError, match="no such mount or key"):
        server.start()


def test_every_kind_of_trouble_is_counted_apart(vault, start, tmp_path):
    keyring, _, _ = with_approle(vault, tmp_path)
    server = start(keyring)
    server.boto3().create_bucket(Bucket="one")
    vault.seal()
    assert Raw(server)("PUT", "/one/k", body=b"1").status == 503
    until(lambda: 'crypt_keeper_keyring_faults_total{kind="sealed"}' in server.health("/metrics")[1])
    vault.kill()
    until(lambda: Raw(server)("PUT", "/one/k", body=b"1").status == 503 and "unreachable" in server.health("/metrics")[1])


def searched(server, tmp_path, *secrets):
    """None of them is in anything that the proxy has written; the search finds what is planted."""
    (tmp_path / "proxy" / "planted").write_text(secrets[0])
    found = [path for path in [*tmp_path.glob("proxy*"), *tmp_path.glob("proxy/**/*")] if path.is_file()
             and any(secret.strip().encode() in path.read_bytes() for secret in secrets)]
    assert found == [tmp_path / "proxy" / "planted"]


def until(is_so):
    deadline = time.monotonic() + RECOVERY_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it did not recover"
        time.sleep(0.2)
