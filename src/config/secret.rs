//! Secrets come from the environment or from a file, never from the configuration itself: that one is shared,
//! committed and printed.

use std::fs;
use std::path::Path;

use toml::de::DeValue;

use super::raw::{Value, kind_of};
use super::{Environment, under};
use crate::base::SecretText;
use crate::keys::SecretSource;

/// The shortest secret that is accepted: anything shorter is a typing slip or can be guessed.
const MIN_SECRET_BYTES: usize = 8;
/// The longest: a whole file of another kind, given by mistake, is refused.
const MAX_SECRET_BYTES: usize = 4096;

/// Reads `{ env = "NAME" }` or `{ file = "PATH" }`; a relative path starts at `base`.
pub(super) fn secret(value: &Value<'_>, base: &Path, env: Environment<'_>) -> Result<SecretText, String> {
    let table = match value {
        DeValue::Table(table) => table,
        DeValue::String(_) => {
            return Err("a secret must not stand in this file; write { env = \"NAME\" } or { file = \"PATH\" }".into());
        }
        other => return Err(format!("must be {{ env = .. }} or {{ file = .. }}, not {}", kind_of(other))),
    };
    let mut entries = table.iter().map(|(name, value)| (name.get_ref().as_ref(), value.get_ref()));
    match (entries.next(), entries.next()) {
        (Some(("env", DeValue::String(name))), None) => from_environment(name, env),
        (Some(("file", DeValue::String(path))), None) => from_file(&under(base, path)),
        _ => Err("must be exactly one of { env = \"NAME\" } and { file = \"PATH\" }".to_owned()),
    }
}

/// The same, where a file is read again whenever the secret is needed; now it is only tried.
pub(super) fn secret_source(value: &Value<'_>, base: &Path, env: Environment<'_>) -> Result<SecretSource, String> {
    let given = secret(value, base, env)?;
    let file = match value {
        DeValue::Table(table) => table.get("file").map(|path| path.get_ref()),
        _ => None,
    };
    match file {
        Some(DeValue::String(path)) => Ok(SecretSource::File(under(base, path))),
        // It goes into a header as it is.
        _ if given.expose().bytes().all(|byte| byte.is_ascii_graphic()) => Ok(SecretSource::Given(given)),
        _ => Err("must be printable ASCII without spaces".to_owned()),
    }
}

/// The value of an environment variable.
pub(super) fn from_environment(name: &str, env: Environment<'_>) -> Result<SecretText, String> {
    let value = env(name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
    let value = value.into_string().map_err(|_| format!("the environment variable {name} is not UTF-8"))?;
    checked(value, &format!("the environment variable {name}"))
}

fn from_file(path: &Path) -> Result<SecretText, String> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("the secret file {shown} cannot be read: {error}"))?;
    // Editors and `echo` end a file with a newline; no secret does.
    checked(text.trim_end_matches(['\r', '\n']).to_owned(), &format!("the secret file {shown}"))
}

fn checked(secret: String, source: &str) -> Result<SecretText, String> {
    let fault = match secret.len() {
        0 => Some("is empty".to_owned()),
        len if len < MIN_SECRET_BYTES => Some(format!("holds fewer than {MIN_SECRET_BYTES} bytes")),
        len if len > MAX_SECRET_BYTES => Some(format!("holds more than {MAX_SECRET_BYTES} bytes")),
        _ if secret.chars().any(char::is_control) => Some("holds control characters".to_owned()),
        _ => None,
    };
    let secret = SecretText::new(secret);
    fault.map_or(Ok(secret), |fault| Err(format!("{source} {fault}")))
}
