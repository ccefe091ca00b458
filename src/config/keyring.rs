//! `[keyring]`: what wraps bucket keys.

use std::path::Path;

use super::raw::{Section, Value, boolean, choice, nonempty_text, text};
use super::secret::secret_source;
use super::upstream::readable;
use super::{Environment, KeyringConfig, under};
use crate::keys::{SecretSource, VaultAuth, VaultSettings};

/// Every key is read before any `?`, so that all faults are found.
pub(super) fn keyring(section: &Section<'_, '_>, base: &Path, env: Environment<'_>) -> Option<KeyringConfig> {
    let kind = section.required("kind", |value| choice(value, &[("local", Kind::Local), ("vault", Kind::Vault)]))?;
    let keyring = match kind {
        Kind::Local => {
            section.required("path", nonempty_text).map(|path| KeyringConfig::Local { path: under(base, &path) })
        }
        Kind::Vault => vault(section, base, env).map(|settings| KeyringConfig::Vault(Box::new(settings))),
    };
    section.finish();
    keyring
}

#[derive(Clone, Copy)]
enum Kind {
    Local,
    Vault,
}

fn vault(section: &Section<'_, '_>, base: &Path, env: Environment<'_>) -> Option<VaultSettings> {
    let address = section.required("address", |value| {
        let address = text(value)?;
        VaultSettings::check_address(address).map(|()| address.to_owned())
    });
    let namespace = section.optional("namespace", name);
    let mount = section.optional("mount", name).unwrap_or_else(|| VaultSettings::DEFAULT_MOUNT.to_owned());
    let key = section.required("key", |value| name(value).and_then(one_segment));
    let ca_file = section.optional("ca_file", |value| readable(value, base));
    if !section.has("auth") {
        section.fault("auth", "is missing");
    }
    let auth = section.section("auth").and_then(|section| auth(&section, base, env));
    Some(VaultSettings { address: address?, namespace, mount, key: key?, ca_file, auth: auth? })
}

#[derive(Clone, Copy)]
enum Method {
    Token,
    AppRole,
    Certificate,
    Kubernetes,
}

fn auth(section: &Section<'_, '_>, base: &Path, env: Environment<'_>) -> Option<VaultAuth> {
    let methods = [
        ("token", Method::Token),
        ("approle", Method::AppRole),
        ("cert", Method::Certificate),
        ("kubernetes", Method::Kubernetes),
    ];
    let method = section.required("method", |value| choice(value, &methods))?;
    let mounted = |default: &str| section.optional("mount", name).unwrap_or_else(|| default.to_owned());
    let source = |key| section.required(key, |value| secret_source(value, base, env));
    let auth = match method {
        Method::Token => source("token").map(VaultAuth::Token),
        Method::AppRole => {
            let mount = mounted("approle");
            let role_id = section.required("role_id", nonempty_text);
            let secret_id = source("secret_id");
            let wrapped = section.optional("wrapped", boolean).unwrap_or(false);
            if wrapped && matches!(secret_id, Some(SecretSource::Given(_))) {
                section.fault("secret_id", "a wrapping token is good for one use: give it as { file = \"..\" }");
            }
            role_id.zip(secret_id).map(|(role_id, secret_id)| VaultAuth::AppRole { mount, role_id, secret_id, wrapped })
        }
        Method::Certificate => {
            let mount = mounted("cert");
            let role = section.optional("role", name);
            let certificate = section.required("certificate_file", |value| readable(value, base));
            let private_key = section.required("private_key_file", |value| readable(value, base));
            certificate.zip(private_key).map(|(certificate_file, private_key_file)| VaultAuth::Certificate {
                mount,
                role,
                certificate_file,
                private_key_file,
            })
        }
        Method::Kubernetes => {
            let mount = mounted("kubernetes");
            let role = section.required("role", name);
            let jwt_file = section.optional("jwt_file", nonempty_text);
            let jwt_file = under(base, jwt_file.as_deref().unwrap_or(VaultAuth::KUBERNETES_JWT_FILE));
            role.map(|role| VaultAuth::Kubernetes { mount, role, jwt_file })
        }
    };
    section.finish();
    auth
}

/// What stands in paths of Vault's API as it is.
fn name(value: &Value<'_>) -> Result<String, String> {
    let given = text(value)?;
    let given = given.trim_matches('/');
    match VaultSettings::is_name(given) {
        true => Ok(given.to_owned()),
        false => Err("must be of letters, digits, `_`, `.`, `-`, and `/` between them".to_owned()),
    }
}

fn one_segment(name: String) -> Result<String, String> {
    if name.contains('/') { Err("must not contain `/`".to_owned()) } else { Ok(name) }
}
