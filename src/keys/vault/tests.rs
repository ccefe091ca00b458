//! What needs no server; the rest is shown on a real one (conformance/clients/test_vault.py).

use vaultrs::error::ClientError;

use super::{VaultFault, VaultSettings, ciphertext, wrapped_key};
use crate::keys::{KeyringError, WrappedKey};

#[test]
fn the_version_is_read_out_of_the_wrap() {
    for (text, version) in [("vault:v1:AAAA", 1), ("vault:v12:AAAA", 12), ("bao:key-v3:AAAA", 3)] {
        let wrapped = wrapped_key(text.to_owned()).expect("a wrap");
        assert_eq!((wrapped.version, ciphertext(&wrapped).expect("text")), (version, text));
    }
    for text in ["", "AAAA", "vault:AAAA", "vault:v:AAAA", "vault:v0:AAAA", "vault:v99999999999:AAAA"] {
        assert!(matches!(wrapped_key(text.to_owned()), Err(KeyringError::Unavailable { .. })), "{text}");
    }
    assert!(ciphertext(&WrappedKey { version: 1, bytes: vec![0xff] }).is_err());
}

#[test]
fn names_stand_in_paths_as_they_are() {
    for name in ["transit", "kv/transit", "a.b-c_d"] {
        assert!(VaultSettings::is_name(name), "{name}");
    }
    for name in ["", "/", "a/", "a//b", "..", "a/../b", ".", "a b", "a?b", "a%2fb", "\u{e4}"] {
        assert!(!VaultSettings::is_name(name), "{name}");
    }
}

#[test]
fn keys_cross_the_network_in_tls_only() {
    for address in [
        "https://vault.example.net:8200",
        "https://10.0.0.1:8200/",
        "http://127.0.0.1:8200",
        "http://[::1]:8200",
        "http://[::1]",
    ] {
        assert!(VaultSettings::check_address(address).is_ok(), "{address}");
    }
    for address in [
        "http://vault.example.net:8200",
        "http://127.0.0.1.example.net:8200",
        "http://localhost.example.net",
        "https://",
        "https://host/v1",
        "https://token@host",
        "ftp://host",
        "host:8200",
        "https://vault:82000",
        "https://vault:abc",
        "https://:8200",
        "https://a:1:2",
    ] {
        assert!(VaultSettings::check_address(address).is_err(), "{address}");
    }
}

/// Vault's texts may name what was sent: none is passed on.
#[test]
fn answers_are_told_apart() {
    let of = |code, text: &str| VaultFault::from(ClientError::APIError { code, errors: vec![text.to_owned()] });
    for (fault, expected, passing) in [
        (of(503, "Vault is sealed"), VaultFault::Sealed, true),
        (of(429, "request limit"), VaultFault::RateLimited, true),
        (of(473, ""), VaultFault::Standby, true),
        (of(403, "permission denied"), VaultFault::Denied, false),
        (of(404, ""), VaultFault::NoSuchKey, false),
        (of(400, "ciphertext or signature version is disallowed by policy (too old)"), VaultFault::TooOld, false),
        (of(400, "cipher: message authentication failed: secret-marker"), VaultFault::Refused(400), false),
        (of(502, "secret-marker"), VaultFault::Failed(502), true),
    ] {
        assert_eq!((fault.is_passing(), &fault), (passing, &expected));
        assert!(!fault.to_string().contains("secret-marker") && !format!("{fault:?}").contains("secret-marker"));
    }
    let clients_come_again = |fault| matches!(KeyringError::from(fault), KeyringError::Unavailable { .. });
    assert!(clients_come_again(VaultFault::Sealed) && clients_come_again(VaultFault::Denied));
    assert!(!clients_come_again(VaultFault::TooOld) && !clients_come_again(VaultFault::Refused(400)));
}
