//! `[upstream.NAME]` and `[bucket.NAME]`: where ciphertext goes, and what single buckets want.

use std::collections::HashMap;
use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::raw::{Section, Value, choice, integer, nonempty_text, text};
use super::resolve::MAX_SECONDS;
use super::secret::secret;
use super::{Environment, UpstreamConfig, UpstreamKind, access_key_id, under};
use crate::base::BucketName;
use crate::base::limits::INTERNAL_BUCKET;
use crate::objects::{AdoptBuckets, BucketSettings, DEFAULT_UPSTREAM, EtagPolicy, ForeignObjects};
use crate::upstream::s3::{
    Addressing, CredentialsSource, Endpoint, PayloadMode, S3Settings, Scheme, StaticCredentials,
};

/// More idle connections than any service lets one client keep.
const MAX_IDLE_CONNECTIONS: u64 = 1 << 16;
/// The profile of a credentials file where none is named, as AWS has it.
const DEFAULT_PROFILE: &str = "default";

/// What `[upstream.NAME]` tables there are.
pub(super) struct Found {
    /// Their names, the faulty ones among them.
    pub(super) names: Vec<String>,
    /// All of them, where all are sound.
    pub(super) sound: Option<Vec<UpstreamConfig>>,
}

/// Every `[upstream.NAME]`, by name. Faults of one do not hide those of another.
pub(super) fn upstreams(section: &Section<'_, '_>, base: &Path, env: Environment<'_>) -> Found {
    let named = section.named_sections();
    if named.is_empty() {
        section.fault("NAME", "there must be an upstream, such as [upstream.default]");
    }
    if named.len() > 1 && !named.iter().any(|(name, _)| name == DEFAULT_UPSTREAM) {
        section.fault(DEFAULT_UPSTREAM, "is missing: one of several upstreams must have this name, for new buckets");
    }
    let names: Vec<String> = named.iter().map(|(name, _)| name.clone()).collect();
    let (mut resolved, mut is_sound) = (Vec::new(), !named.is_empty());
    for (name, section) in named {
        let Some(upstream) = upstream(name, &section, base, env) else {
            is_sound = false;
            continue;
        };
        if let UpstreamKind::Local { path } = &upstream.kind {
            let lies_with = |other: &&UpstreamConfig| match &other.kind {
                UpstreamKind::Local { path: taken } => path.starts_with(taken) || taken.starts_with(path),
                UpstreamKind::S3(_) => false,
            };
            if let Some(other) = resolved.iter().find(lies_with) {
                section.fault("path", format!("must not be, hold or lie in the directory of upstream.{}", other.name));
            }
        }
        resolved.push(upstream);
    }
    Found { names, sound: is_sound.then_some(resolved) }
}

fn upstream(name: String, section: &Section<'_, '_>, base: &Path, env: Environment<'_>) -> Option<UpstreamConfig> {
    let internal_bucket = match section.optional("internal_bucket", bucket_name) {
        Some(name) => Some(name),
        None => BucketName::parse(INTERNAL_BUCKET),
    };
    let adopt = section.optional("adopt", |value| {
        choice(value, &[("never", AdoptBuckets::Never), ("first-use", AdoptBuckets::FirstUse)])
    });
    let foreign = section.optional("foreign_objects", foreign_objects);
    let kind = match section.required("kind", nonempty_text)?.as_str() {
        "local" => section.required("path", nonempty_text).map(|path| UpstreamKind::Local { path: under(base, &path) }),
        "s3" => s3(section, base, env).map(|settings| UpstreamKind::S3(Box::new(settings))),
        _ => {
            section.fault("kind", "must be \"local\" or \"s3\"");
            return None;
        }
    };
    section.finish();
    Some(UpstreamConfig {
        name,
        kind: kind?,
        internal_bucket: internal_bucket?,
        adopt: adopt.unwrap_or_default(),
        foreign: foreign.unwrap_or_default(),
    })
}

/// Every key is read before any `?`, so that all faults are found.
fn s3(section: &Section<'_, '_>, base: &Path, env: Environment<'_>) -> Option<S3Settings> {
    let endpoint =
        section.required("endpoint", |value| Endpoint::parse(text(value)?).map_err(|fault| fault.to_string()));
    let region = section.optional("region", region);
    let addressing = section.optional("addressing", |value| {
        choice(value, &[("path", Addressing::Path), ("virtual-host", Addressing::VirtualHost)])
    });
    let addressing = addressing.unwrap_or(Addressing::Path);
    let ca_file = section.optional("ca_file", |value| readable(value, base));
    let payload = section.optional("payload", |value| {
        choice(value, &[("unsigned", PayloadMode::Unsigned), ("trailer-checksum", PayloadMode::TrailerChecksum)])
    });
    let seconds = |key, default| {
        let given = section.optional(key, |value| integer(value, 1, MAX_SECONDS));
        given.map_or(default, Duration::from_secs)
    };
    let connect_timeout = seconds("connect_timeout_seconds", S3Settings::DEFAULT_CONNECT_TIMEOUT);
    let idle_timeout = seconds("idle_timeout_seconds", S3Settings::DEFAULT_IDLE_TIMEOUT);
    let max_idle_connections = section
        .optional("max_idle_connections", |value| integer(value, 1, MAX_IDLE_CONNECTIONS))
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or(S3Settings::DEFAULT_MAX_IDLE_CONNECTIONS);
    let credentials = credentials(section, base, env);
    let endpoint = endpoint?;
    check_endpoint(section, &endpoint, addressing);
    // TLS protects the body; without it a checksum finds at least what changed on the way by itself.
    let payload = payload.unwrap_or(match endpoint.scheme {
        Scheme::Https => PayloadMode::Unsigned,
        Scheme::Http => PayloadMode::TrailerChecksum,
    });
    Some(S3Settings {
        endpoint,
        region: region.unwrap_or_else(|| S3Settings::DEFAULT_REGION.to_owned()),
        addressing,
        credentials: credentials?,
        ca_file,
        connect_timeout,
        idle_timeout,
        max_idle_connections,
        payload,
    })
}

fn check_endpoint(section: &Section<'_, '_>, endpoint: &Endpoint, addressing: Addressing) {
    if addressing == Addressing::VirtualHost && !endpoint.takes_virtual_hosts() {
        section.fault("addressing", "\"virtual-host\" needs an endpoint with a host name, not an IP address");
    }
    if endpoint.scheme == Scheme::Http && section.has("ca_file") {
        section.fault("ca_file", "is of no use with an http endpoint");
    }
    if endpoint.scheme == Scheme::Http && !is_loopback(&endpoint.host) {
        section.warn("endpoint", "plain http: the network sees names, sizes and tags, and can change requests");
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Where credentials come from: as `credentials` says, else as the other keys let see.
#[derive(Clone, Copy)]
enum Source {
    Static,
    File,
    Environment,
    Aws,
}

fn credentials(section: &Section<'_, '_>, base: &Path, env: Environment<'_>) -> Option<CredentialsSource> {
    let named = section.optional("credentials", |value| {
        let sources = [
            ("static", Source::Static),
            ("file", Source::File),
            ("environment", Source::Environment),
            ("aws", Source::Aws),
        ];
        choice(value, &sources)
    });
    let implied = if section.has("credentials_file") { Source::File } else { Source::Static };
    match named.unwrap_or(implied) {
        Source::Static => {
            let access_key_id = section.required("access_key_id", |value| access_key_id(text(value)?));
            let secret_access_key = section.required("secret_access_key", |value| secret(value, base, env));
            let session_token = section.optional("session_token", |value| secret(value, base, env));
            Some(CredentialsSource::Static(StaticCredentials {
                access_key_id: access_key_id?,
                secret_access_key: secret_access_key?,
                session_token,
            }))
        }
        Source::File => {
            let path = section.required("credentials_file", |value| readable(value, base));
            let profile = section.optional("profile", nonempty_text);
            let profile = profile.unwrap_or_else(|| DEFAULT_PROFILE.to_owned());
            Some(CredentialsSource::File { path: path?, profile })
        }
        Source::Environment => {
            for variable in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
                if env(variable).is_none() {
                    section.fault("credentials", format!("the environment variable {variable} is not set"));
                }
            }
            Some(CredentialsSource::Environment)
        }
        Source::Aws => Some(CredentialsSource::Aws),
    }
}

/// Every `[bucket.NAME]`. `upstreams` are the names that there are.
pub(super) fn buckets(section: &Section<'_, '_>, upstreams: &[String]) -> HashMap<BucketName, BucketSettings> {
    let mut buckets = HashMap::new();
    for (name, bucket) in section.named_sections() {
        let settings = BucketSettings {
            upstream: bucket.optional("upstream", |value| one_of(value, upstreams)),
            etag: bucket
                .optional("etag", |value| choice(value, &[("md5", EtagPolicy::Md5), ("opaque", EtagPolicy::Opaque)])),
            foreign: bucket.optional("foreign_objects", foreign_objects),
        };
        bucket.finish();
        match BucketName::parse(&name) {
            Some(name) => drop(buckets.insert(name, settings)),
            None => section.fault(&name, NO_BUCKET_NAME),
        }
    }
    buckets
}

/// What a bucket's name must be.
const NO_BUCKET_NAME: &str = "must be a bucket's name: 3 to 63 of a-z, 0-9, '-' and '.'";

fn bucket_name(value: &Value<'_>) -> Result<BucketName, String> {
    BucketName::parse(text(value)?).ok_or_else(|| NO_BUCKET_NAME.to_owned())
}

fn foreign_objects(value: &Value<'_>) -> Result<ForeignObjects, String> {
    choice(value, &[("refuse", ForeignObjects::Refuse), ("pass", ForeignObjects::Pass)])
}

/// The name of an upstream. Where none was sound, that has been said already.
fn one_of(value: &Value<'_>, upstreams: &[String]) -> Result<String, String> {
    let name = nonempty_text(value)?;
    match upstreams.is_empty() || upstreams.contains(&name) {
        true => Ok(name),
        false => Err(format!("there is no [upstream.{name}] (there are: {})", upstreams.join(", "))),
    }
}

/// A region as it stands in a credential scope.
fn region(value: &Value<'_>) -> Result<String, String> {
    let region = nonempty_text(value)?;
    let sound = region.len() <= 64 && region.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    sound.then_some(region).ok_or_else(|| "must be the service's name of a region, like \"us-east-1\"".to_owned())
}

/// A file that can be opened.
pub(super) fn readable(value: &Value<'_>, base: &Path) -> Result<PathBuf, String> {
    let path = under(base, &nonempty_text(value)?);
    match File::open(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}
