//! The second stage: from the raw tree to a [`Config`], one function per table of the file.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use toml::de::DeTable;
use tracing_subscriber::EnvFilter;

use super::fault::Fault;
use super::keyring::keyring;
use super::raw::{Reader, Section, Value, integer, nonempty_text, text, texts};
use super::secret::secret;
use super::upstream::{buckets, upstreams};
use super::{
    Config, Environment, Limits, LogConfig, LogFormat, Region, RootCredential, StoreConfig, TlsConfig, UpstreamKind,
    access_key_id, default_admin_listen, under,
};

/// Where an address is expected.
const ADDRESS: &str = "must be an IP address and a port, like \"127.0.0.1:9000\" or \"[::1]:9000\"";
/// A timeout of more than a day is a slip of units.
pub(super) const MAX_SECONDS: u64 = 86_400;
/// More sockets than one process can have open on any system that we know.
const MAX_CONNECTIONS: u64 = 1 << 20;

/// Resolves the text of a configuration file that stands in the directory `base`.
pub(super) fn resolve(text: &str, base: &Path, env: Environment<'_>) -> Result<Config, Vec<Fault>> {
    let reader = Reader::new(text);
    // Recovering: the faults of syntax and those of meaning come out together.
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        reader.fault_at(error.span().map_or(0, |span| span.start), "", error.message());
    }
    let config = top(&Section::top(&reader, document.get_ref()), base, env);
    let (faults, warnings) = reader.into_faults_and_warnings();
    match config {
        Some(config) if faults.is_empty() => Ok(Config { warnings, ..config }),
        _ => Err(faults),
    }
}

/// `None` only where a fault has been noted; every table is read before any `?`, so that all faults are.
fn top(top: &Section<'_, '_>, base: &Path, env: Environment<'_>) -> Option<Config> {
    let listen = top.required("listen", address);
    let admin_listen = top.optional("admin_listen", address).or_else(|| {
        let default = default_admin_listen(listen?);
        if default.is_none() {
            top.fault("admin_listen", "must be given: there is no port after that of `listen`");
        }
        default
    });
    if let (Some(listen), Some(admin)) = (listen, admin_listen)
        && listen == admin
        && listen.port() != 0
    {
        top.fault("admin_listen", "must not be the address of `listen`");
    }
    let region = top.optional("region", nonempty_text).map_or(Region::Any, Region::Only);
    let domains = top.optional("domains", domains).unwrap_or_default();
    let root = required_section(top, "root").and_then(|section| root(section, base, env));
    let store = required_section(top, "store").and_then(|section| store(section, base));
    let upstreams = required_section(top, "upstream").map(|section| upstreams(&section, base, env));
    let names = upstreams.as_ref().map(|found| found.names.as_slice()).unwrap_or_default();
    let buckets = top.section("bucket").map(|section| buckets(&section, names)).unwrap_or_default();
    let keyring = required_section(top, "keyring").and_then(|section| keyring(&section, base, env));
    let log = top.section("log").map_or_else(|| Some(default_log()), log);
    let tls = top.section("tls").map(|section| tls(section, base));
    let limits = top.section("limits").map_or_else(|| Some(Limits::default()), limits);
    top.finish();

    let config = Config {
        listen: listen?,
        // Outside: whether there is such a table. Inside: whether it is sound.
        tls: tls.map_or(Some(None), |tls| tls.map(Some))?,
        admin_listen: admin_listen?,
        region,
        domains,
        root: root?,
        store: store?,
        upstreams: upstreams?.sound?,
        buckets,
        keyring: keyring?,
        log: log?,
        limits: limits?,
        data_dir: None,
        warnings: Vec::new(),
    };
    keep_apart(top, &config);
    Some(config)
}

fn required_section<'a, 'i>(top: &Section<'a, 'i>, key: &'static str) -> Option<Section<'a, 'i>> {
    if !top.has(key) {
        top.fault(key, "is missing");
    }
    top.section(key)
}

fn root(section: Section<'_, '_>, base: &Path, env: Environment<'_>) -> Option<RootCredential> {
    let access_key_id = section.required("access_key_id", |value| access_key_id(text(value)?));
    let secret = section.required("secret_access_key", |value| secret(value, base, env));
    section.finish();
    Some(RootCredential::Given { access_key_id: access_key_id?, secret: secret? })
}

fn store(section: Section<'_, '_>, base: &Path) -> Option<StoreConfig> {
    let store = section.required("url", |value| {
        let url = text(value)?;
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Err("PostgreSQL is not in this version yet; use \"sqlite:/path/to/state.db\"".to_owned());
        }
        let path = url.strip_prefix("sqlite:").ok_or("must start with \"sqlite:\"")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains(['?', '#', ':']) {
            return Err("must be \"sqlite:\" and a path, without parameters".to_owned());
        }
        let state_path = under(base, path);
        let index_path = state_path.with_file_name("index.db");
        if state_path == index_path || state_path.file_name().is_none() {
            return Err("must name a file, and not index.db: the index stands beside it under that name".to_owned());
        }
        Ok(StoreConfig { state_path, index_path })
    });
    section.finish();
    store
}

fn tls(section: Section<'_, '_>, base: &Path) -> Option<TlsConfig> {
    let certificate = section.required("certificate_file", nonempty_text);
    let private_key = section.required("private_key_file", nonempty_text);
    section.finish();
    Some(TlsConfig { certificate_file: under(base, &certificate?), private_key_file: under(base, &private_key?) })
}

fn log(section: Section<'_, '_>) -> Option<LogConfig> {
    let filter = section.optional("level", log_filter);
    let format = section.optional("format", |value| match text(value)? {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be \"text\" or \"json\"".to_owned()),
    });
    section.finish();
    let default = default_log();
    Some(LogConfig { filter: filter.unwrap_or(default.filter), format: format.unwrap_or(default.format) })
}

/// What is logged where nothing is said.
pub(super) fn default_log() -> LogConfig {
    LogConfig { filter: "info".to_owned(), format: LogFormat::Text }
}

fn log_filter(value: &Value<'_>) -> Result<String, String> {
    let filter = nonempty_text(value)?;
    EnvFilter::builder()
        .parse(&filter)
        .map(|_| filter)
        .map_err(|_| "must be a log level (error, warn, info, debug, trace) or a tracing filter".to_owned())
}

fn limits(section: Section<'_, '_>) -> Option<Limits> {
    let default = Limits::default();
    let seconds = |key, default| {
        let given = section.optional(key, |value| integer(value, 1, MAX_SECONDS));
        given.map_or(default, Duration::from_secs)
    };
    let limits = Limits {
        max_connections: section
            .optional("max_connections", |value| integer(value, 1, MAX_CONNECTIONS))
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(default.max_connections),
        max_requests: section
            .optional("max_requests", |value| integer(value, 1, MAX_CONNECTIONS))
            .and_then(|number| usize::try_from(number).ok()),
        header_read_timeout: seconds("header_read_timeout_seconds", default.header_read_timeout),
        idle_timeout: seconds("idle_timeout_seconds", default.idle_timeout),
        drain_timeout: seconds("drain_timeout_seconds", default.drain_timeout),
    };
    section.finish();
    Some(limits)
}

fn address(value: &Value<'_>) -> Result<SocketAddr, String> {
    text(value)?.parse().map_err(|_| ADDRESS.to_owned())
}

fn domains(value: &Value<'_>) -> Result<Vec<String>, String> {
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    texts(value)?
        .into_iter()
        .map(|domain| {
            let sound = domain.len() <= 253 && domain.split('.').all(label);
            let fault = || format!("{domain:?} is not a domain name (no scheme, port or wildcard)");
            sound.then(|| domain.to_ascii_lowercase()).ok_or_else(fault)
        })
        .collect()
}

/// Keys and state inside an upstream's directory would be in the hands of whoever holds, copies or cleans that one.
fn keep_apart(top: &Section<'_, '_>, config: &Config) {
    let keyring = config.keyring.path();
    for upstream in &config.upstreams {
        let UpstreamKind::Local { path: objects } = &upstream.kind else { continue };
        if keyring.is_some_and(|keyring| keyring.starts_with(objects)) {
            top.fault("keyring", "the keyring must not lie inside the upstream's directory");
        }
        if config.store.state_path.starts_with(objects) {
            top.fault("store", "the database must not lie inside the upstream's directory");
        }
    }
    if keyring.is_some_and(|keyring| keyring == config.store.state_path || keyring == config.store.index_path) {
        top.fault("keyring", "the keyring and the database must be files of their own");
    }
    for name in config.buckets.keys().filter(|name| config.upstreams.iter().any(|one| one.internal_bucket == **name)) {
        top.fault("bucket", format!("{name} is the internal bucket of an upstream: clients cannot use it"));
    }
}
