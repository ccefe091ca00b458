//! Faults with their places, secrets by name only, and the example that ships.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::upstream::s3::{Addressing, PayloadMode};

use super::*;

mod keyrings;
mod upstreams;

const SOUND: &str = r#"listen = "127.0.0.1:9000"
[root]
access_key_id = "AKIAROOT"
secret_access_key = { env = "CK_ROOT_SECRET" }
[store]
url = "sqlite:state.db"
[upstream.default]
kind = "local"
path = "objects"
[keyring]
kind = "local"
path = "/keys/keyring"
"#;

fn env(name: &str) -> Option<OsString> {
    match name {
        "CK_ROOT_SECRET" => Some("correct horse battery".into()),
        "CK_UPSTREAM_SECRET" | "CK_UPSTREAM_TOKEN" => Some("battery staple".into()),
        "CK_VAULT_SECRET" | "CK_VAULT_SECRET_ID" => Some("battery-staple".into()),
        "SHORT" => Some("abc".into()),
        _ => None,
    }
}

fn load(text: &str) -> Result<Config, Vec<Fault>> {
    resolve::resolve(text, Path::new("/etc/ck"), &env)
}

/// The faults as `line key: message`.
fn faults(text: &str) -> Vec<String> {
    let faults = load(text).expect_err("it has faults");
    Faults::new(None, faults).faults.iter().map(|f| format!("{} {}: {}", f.line, f.key, f.message)).collect()
}

#[test]
fn smallest_configuration_resolves_with_defaults() {
    let config = load(SOUND).unwrap();
    assert_eq!(config.admin_listen, "127.0.0.1:9001".parse().unwrap());
    assert_eq!(config.region, Region::Any);
    assert_eq!(config.limits, Limits::default());
    // Relative paths start at the file's directory, absolute ones stay.
    assert_eq!(config.store.state_path, Path::new("/etc/ck/state.db"));
    assert_eq!(config.store.index_path, Path::new("/etc/ck/index.db"));
    let [upstream] = &config.upstreams[..] else { panic!("one") };
    assert!(matches!(&upstream.kind, UpstreamKind::Local { path } if path == Path::new("/etc/ck/objects")));
    assert_eq!((upstream.name.as_str(), upstream.internal_bucket.as_str()), ("default", "crypt-keeper-internal"));
    assert_eq!((upstream.adopt, upstream.foreign), (AdoptBuckets::Never, ForeignObjects::Refuse));
    assert_eq!(config.keyring.path(), Some(Path::new("/keys/keyring")));
    let RootCredential::Given { access_key_id, secret } = &config.root else { panic!("given") };
    assert_eq!((access_key_id.as_str(), secret.expose()), ("AKIAROOT", "correct horse battery"));
    assert!(!format!("{config:?}").contains("correct horse"), "no secret shows in Debug");
}

#[test]
fn every_fault_is_reported_in_one_run_with_its_line() {
    let text = r#"listen = "localhost"
colour = "red"
domains = ["https://x"]
[root]
access_key_id = "a/b"
secret_access_key = "in clear"
[store]
url = "mysql://x"
[upstream.default]
kind = "local"
pth = "objects"
[keyring]
path = 3
[tls]
certificate_file = ""
[limits]
max_connections = 0
idle_timeout_seconds = "60"
"#;
    let found = faults(text);
    let starts = [
        "1 listen: must be an IP address",
        "2 colour: is not a known key here (known: admin_listen, bucket, domains, keyring,",
        "3 domains: \"https://x\" is not a domain name",
        "5 root.access_key_id: must be 3 to 128",
        "6 root.secret_access_key: a secret must not stand in this file",
        "8 store.url: must start with \"sqlite:\"",
        "9 upstream.default.path: is missing",
        "11 upstream.default.pth: is not a known key here (known: adopt,",
        "12 keyring.kind: is missing",
        "14 tls.private_key_file: is missing",
        "15 tls.certificate_file: must not be empty",
        "17 limits.max_connections: must be from 1 to",
        "18 limits.idle_timeout_seconds: must be an integer, not a string",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{found} should start with {start}");
    }
}

#[test]
fn faults_of_syntax_and_of_meaning_come_together() {
    let text = SOUND.replace("\"objects\"", "\"objects").replace("sqlite:", "sqlte:");
    let found = faults(&text);
    assert!(found.iter().any(|f| f.starts_with("9 :")), "{found:#?}");
    assert!(found.iter().any(|f| f.starts_with("6 store.url")), "{found:#?}");
}

#[test]
fn empty_file_names_all_that_is_missing() {
    let found = faults("");
    for key in ["listen", "root", "store", "upstream", "keyring"] {
        assert!(found.contains(&format!("1 {key}: is missing")), "{found:#?}");
    }
}

#[test]
fn unknown_keys_are_faults_in_every_table() {
    for table in ["[root]", "[store]", "[upstream.default]", "[keyring]"] {
        let text = SOUND.replace(table, &format!("{table}\nsurprise = 1"));
        let found = faults(&text);
        assert!(found.len() == 1 && found[0].contains("surprise: is not a known key"), "{table}: {found:#?}");
    }
    for table in ["[log]", "[limits]", "[other]"] {
        let found = faults(&format!("{SOUND}{table}\nsurprise = 1\n"));
        assert!(found.len() == 1 && found[0].contains("is not a known key"), "{table}: {found:#?}");
    }
}

#[test]
fn later_kinds_are_known_and_refused() {
    let found = faults(&SOUND.replace("sqlite:state.db", "postgres://db/ck"));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("store.url") && found[0].contains("not in this version yet"), "{found:#?}");
}

#[test]
fn secrets_come_from_environment_or_file_only() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    fs::write(&file, "from a file\n").unwrap();
    let with = |value: &str| SOUND.replace("{ env = \"CK_ROOT_SECRET\" }", value);
    let config = load(&with(&format!("{{ file = {file:?} }}"))).unwrap();
    let RootCredential::Given { secret, .. } = config.root else { panic!("given") };
    assert_eq!(secret.expose(), "from a file", "without the newline");
    for (value, message) in [
        ("{ env = \"NOT_SET\" }", "the environment variable NOT_SET is not set"),
        ("{ env = \"SHORT\" }", "the environment variable SHORT holds fewer than 8 bytes"),
        ("{ file = \"/does/not/exist\" }", "the secret file /does/not/exist cannot be read"),
        ("{ env = \"CK_ROOT_SECRET\", file = \"x\" }", "must be exactly one of"),
        ("{ value = \"x\" }", "must be exactly one of"),
        ("7", "must be { env = .. } or { file = .. }, not an integer"),
    ] {
        let found = faults(&with(value));
        assert!(found.len() == 1 && found[0].contains(message), "{value}: {found:#?}");
        assert!(!found[0].contains("abc"), "no secret in a message");
    }
}

#[test]
fn keys_and_state_do_not_lie_inside_the_upstream() {
    let found = faults(&SOUND.replace("/keys/keyring", "objects/keyring").replace("state.db", "objects/state.db"));
    assert_eq!(found.len(), 2, "{found:#?}");
}

#[test]
fn admin_address_defaults_to_loopback_on_the_next_port() {
    let admin = |listen: &str| load(&SOUND.replace("127.0.0.1:9000", listen)).unwrap().admin_listen.to_string();
    assert_eq!(admin("0.0.0.0:80"), "127.0.0.1:81");
    assert_eq!(admin("[::]:80"), "[::1]:81");
    assert_eq!(admin("127.0.0.1:0"), "127.0.0.1:0");
    let found = faults(&SOUND.replace(":9000", ":65535"));
    assert!(found.len() == 1 && found[0].contains("admin_listen"), "{found:#?}");
}

#[test]
fn example_that_ships_loads_and_shows_the_defaults() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/crypt-keeper.toml");
    let config = Config::load(&file, &env).unwrap();
    assert_eq!(config.limits, Limits::default(), "the example's limits are the defaults");
    assert_eq!(config.log, resolve::default_log(), "the example's log is the default");
    assert_eq!(Some(config.admin_listen), default_admin_listen(config.listen));
    // What it shows as comments is accepted too.
    let is_setting =
        |line: &str| line.starts_with('#') && line[1..].starts_with(|c: char| c == '[' || c.is_lowercase());
    let text = fs::read_to_string(&file).unwrap();
    let uncommented: Vec<&str> = text.lines().map(|line| if is_setting(line) { &line[1..] } else { line }).collect();
    let config = load(&uncommented.join("\n")).unwrap();
    assert_eq!(config.tls.unwrap().private_key_file, Path::new("/etc/crypt-keeper/tls.key"));
    assert_eq!(config.limits.max_requests, Some(512));
    assert_eq!(config.region, Region::Only("us-east-1".to_owned()));
    assert_eq!(config.domains, ["s3.example.net"]);
    let UpstreamKind::S3(s3) = &config.upstreams[0].kind else { panic!("the archive is S3") };
    assert_eq!(s3.connect_timeout, S3Settings::DEFAULT_CONNECT_TIMEOUT);
    assert_eq!(s3.idle_timeout, S3Settings::DEFAULT_IDLE_TIMEOUT);
    assert_eq!(s3.max_idle_connections, S3Settings::DEFAULT_MAX_IDLE_CONNECTIONS);
    assert_eq!(s3.region, S3Settings::DEFAULT_REGION);
    assert_eq!(config.buckets.len(), 1);
}

/// `config/examples`, and what compose starts: one configuration for each kind of store, with what that store needs.
#[test]
fn examples_of_stores_load() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let examples = fs::read_dir(config.join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for file in examples.chain([config.join("compose.toml")]) {
        let loaded = Config::load(&file, &env).unwrap_or_else(|faults| panic!("{faults}"));
        let [UpstreamConfig { kind: UpstreamKind::S3(s3), .. }] = &loaded.upstreams[..] else { panic!("{file:?}") };
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        found.push((name, s3.endpoint.to_string(), s3.region.clone(), s3.addressing, s3.payload));
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let found: Vec<_> = found.iter().map(|(a, b, c, d, e)| (a.as_str(), b.as_str(), c.as_str(), *d, *e)).collect();
    let account = "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com";
    let (unsigned, trailer) = (PayloadMode::Unsigned, PayloadMode::TrailerChecksum);
    let (path, host) = (Addressing::Path, Addressing::VirtualHost);
    let expected = [
        ("aws-s3", "https://s3.eu-central-1.amazonaws.com", "eu-central-1", host, unsigned),
        ("backblaze-b2", "https://s3.us-west-004.backblazeb2.com", "us-west-004", path, unsigned),
        ("ceph-rgw", "https://rgw.example.net", "us-east-1", path, unsigned),
        ("cloudflare-r2", account, "auto", path, unsigned),
        ("compose", "http://minio:9000", "us-east-1", path, trailer),
        ("garage", "http://127.0.0.1:3900", "garage", path, trailer),
        ("minio", "https://minio.internal:9000", "us-east-1", path, unsigned),
    ];
    assert_eq!(found, expected);
}

/// What its configuration reads from the environment, compose sets; where it asks for MinIO, MinIO is.
#[test]
fn compose_gives_its_configuration_what_it_needs() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let compose = fs::read_to_string(config.join("compose.yaml")).unwrap();
    let wanted = RefCell::new(Vec::new());
    let noting = |name: &str| {
        wanted.borrow_mut().push(name.to_owned());
        Some("battery staple".into())
    };
    let loaded = Config::load(&config.join("compose.toml"), &noting).unwrap_or_else(|faults| panic!("{faults}"));
    let wanted = wanted.into_inner();
    assert!(wanted.len() >= 2);
    for name in wanted {
        assert!(compose.contains(&format!("      {name}: ${{{name}:-")), "{name} is not set in compose.yaml");
    }
    let [UpstreamConfig { kind: UpstreamKind::S3(s3), .. }] = &loaded.upstreams[..] else { panic!("one upstream") };
    assert!(compose.contains(&format!("\n  {}:\n", s3.endpoint.host)), "no service {}", s3.endpoint.host);
    let user = "MINIO_ROOT_USER: crypt-keeper\n";
    assert!(compose.contains(user) && compose.contains("MINIO_ROOT_PASSWORD: ${CK_UPSTREAM_SECRET:-"));
}

#[test]
fn missing_file_is_one_clear_fault() {
    let faults = Config::load(Path::new("/does/not/exist.toml"), &env).unwrap_err();
    assert!(faults.to_string().starts_with("/does/not/exist.toml: the configuration cannot be read"));
}

#[test]
fn dev_takes_root_credentials_from_both_variables_or_neither() {
    let dev = |id: Option<&str>, secret: Option<&str>| {
        let lookup = |name: &str| match name {
            ROOT_ACCESS_KEY_VARIABLE => id.map(OsString::from),
            ROOT_SECRET_KEY_VARIABLE => secret.map(OsString::from),
            _ => None,
        };
        Config::dev(Path::new("/data"), "127.0.0.1:9000".parse().unwrap(), None, &lookup)
    };
    assert!(matches!(dev(None, None).unwrap().root, RootCredential::Generated));
    assert!(matches!(dev(Some("me-too"), Some("long enough")).unwrap().root, RootCredential::Given { .. }));
    assert!(dev(Some("me-too"), None).unwrap_err().to_string().contains(ROOT_SECRET_KEY_VARIABLE));
    assert!(dev(None, Some("long enough")).unwrap_err().to_string().contains(ROOT_ACCESS_KEY_VARIABLE));
    assert_eq!(dev(Some("a b"), Some("short")).unwrap_err().faults.len(), 2);
}
