//! `[keyring]` of Vault: methods of login, and what is refused.

use std::fs;

use super::*;
use crate::keys::{SecretSource, VaultAuth};

const LOCAL: &str = "kind = \"local\"\npath = \"/keys/keyring\"\n";
const TABLE: &str = "[keyring]\n";

fn read(keyring: &str) -> Result<Config, Vec<String>> {
    let text = match keyring.contains(TABLE) {
        true => SOUND.replace(TABLE, "").replace(LOCAL, keyring),
        false => SOUND.replace(LOCAL, keyring),
    };
    resolve::resolve(&text, Path::new("/"), &env).map_err(|faults| faults.into_iter().map(|fault| fault.key).collect())
}

fn vault(more: &str) -> String {
    format!("kind = \"vault\"\naddress = \"https://vault.internal:8200\"\nkey = \"crypt-keeper\"\n{more}")
}

fn settings(keyring: &str) -> VaultSettings {
    match read(keyring).map(|config| config.keyring) {
        Ok(KeyringConfig::Vault(settings)) => *settings,
        Ok(KeyringConfig::Local { .. }) => panic!("a keyring of another kind"),
        Err(faults) => panic!("{faults:?}"),
    }
}

#[test]
fn every_method_of_login() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| {
        let path = dir.path().join(name);
        fs::write(&path, "a-secret-of-enough-bytes\n").expect("is written");
        path.display().to_string()
    };
    let token = settings(&vault("auth = { method = \"token\", token = { env = \"CK_VAULT_SECRET\" } }"));
    assert!(
        matches!(&token.auth, VaultAuth::Token(SecretSource::Given(secret)) if secret.expose() == "battery-staple")
    );
    assert_eq!((&*token.mount, token.namespace.as_deref()), ("transit", None));
    assert_eq!(token.identity(), "vault:transit/crypt-keeper");

    let file = at("secret_id");
    let approle = format!(
        "mount = \"/kv/transit/\"\nnamespace = \"team\"\nauth = {{ method = \"approle\", role_id = \"r\", secret_id = {{ file = \"{file}\" }}, wrapped = true }}"
    );
    let approle = settings(&vault(&approle));
    assert_eq!(approle.identity(), "vault:team/kv/transit/crypt-keeper");
    let VaultAuth::AppRole { mount, secret_id: SecretSource::File(_), wrapped: true, .. } = &approle.auth else {
        panic!("another login");
    };
    assert_eq!(mount, "approle");

    let (certificate, key) = (at("certificate"), at("key"));
    let cert =
        format!("auth = {{ method = \"cert\", certificate_file = \"{certificate}\", private_key_file = \"{key}\" }}");
    assert!(matches!(settings(&vault(&cert)).auth, VaultAuth::Certificate { role: None, .. }));

    let kubernetes = settings(&vault("auth = { method = \"kubernetes\", role = \"crypt-keeper\" }"));
    let VaultAuth::Kubernetes { jwt_file, .. } = kubernetes.auth else { panic!("another login") };
    assert_eq!(jwt_file, Path::new(VaultAuth::KUBERNETES_JWT_FILE));
}

#[test]
fn the_example_that_ships_loads() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/vault/keyring.toml");
    let text = fs::read_to_string(file).expect("is there");
    let given = settings(&text);
    assert!(matches!(&given.auth, VaultAuth::AppRole { mount, wrapped: false, .. } if mount == "approle"));
    let setting = |line: &str| {
        line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_lowercase())).map(str::to_owned)
    };
    let all: Vec<String> = text.lines().map(|line| setting(line).unwrap_or_else(|| line.to_owned())).collect();
    let given = settings(&all.join("\n"));
    assert_eq!((&*given.mount, given.namespace.as_deref()), (VaultSettings::DEFAULT_MOUNT, Some("team")));
}

#[test]
fn what_cannot_be_is_told_with_its_place() {
    let token = "auth = { method = \"token\", token = { env = \"CK_VAULT_SECRET\" } }";
    let sound = vault(token);
    for (from, to, key) in [
        ("https://vault.internal:8200", "http://vault.internal:8200", "keyring.address"),
        ("https://vault.internal:8200", "https://vault.internal:8200/v1", "keyring.address"),
        ("https://vault.internal:8200", "https://user@vault.internal:8200", "keyring.address"),
        ("https://vault.internal:8200", "vault.internal", "keyring.address"),
        ("\"crypt-keeper\"", "\"a/../b\"", "keyring.key"),
        ("\"crypt-keeper\"", "\"a b\"", "keyring.key"),
        ("\"crypt-keeper\"", "\"a/b\"", "keyring.key"),
        ("CK_VAULT_SECRET", "CK_UPSTREAM_SECRET", "keyring.auth.token"),
        ("key =", "mount = \"a//b\"\nkey =", "keyring.mount"),
        ("\"vault\"", "\"other\"", "keyring.kind"),
        ("key =", "skip_verify = true\nkey =", "keyring.skip_verify"),
        ("key =", "ca_file = \"/nowhere\"\nkey =", "keyring.ca_file"),
        (token, "", "keyring.auth"),
        ("\"token\"", "\"password\"", "keyring.auth.method"),
        ("token = { env", "secret = { env", "keyring.auth.token"),
        ("{ env = \"CK_VAULT_SECRET\" }", "\"s.in-the-clear\"", "keyring.auth.token"),
        (
            token,
            "auth = { method = \"approle\", role_id = \"r\", secret_id = { env = \"CK_VAULT_SECRET\" }, wrapped = true }",
            "keyring.auth.secret_id",
        ),
        (token, "auth = { method = \"kubernetes\" }", "keyring.auth.role"),
    ] {
        let faults = read(&sound.replacen(from, to, 1)).err().unwrap_or_default();
        assert!(faults.iter().any(|fault| fault == key), "{to}: {faults:?}, not {key}");
    }
    assert!(read(&sound.replace("https://vault.internal:8200", "http://127.0.0.1:8200")).is_ok(), "loopback");
}
