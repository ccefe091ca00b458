//! `[upstream.NAME]` and `[bucket.NAME]`.

use std::time::Duration;

use super::{SOUND, env, faults, load};
use crate::base::BucketName;
use crate::config::{Config, UpstreamKind};
use crate::objects::{AdoptBuckets, BucketSettings, EtagPolicy, ForeignObjects};
use crate::upstream::s3::{Addressing, CredentialsSource, PayloadMode, S3Settings};

const S3: &str = r#"[upstream.cloud]
kind = "s3"
endpoint = "https://s3.example.net"
access_key_id = "AKIAUP"
secret_access_key = { env = "CK_UPSTREAM_SECRET" }
"#;

/// A sound configuration with `upstream` (and more) behind it.
fn with(more: &str) -> String {
    format!("{SOUND}{more}")
}

fn s3_of(config: &Config) -> &S3Settings {
    let found = config.upstreams.iter().find_map(|upstream| match &upstream.kind {
        UpstreamKind::S3(settings) => Some(&**settings),
        UpstreamKind::Local { .. } => None,
    });
    found.expect("an S3 upstream")
}

fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).unwrap()
}

#[test]
fn smallest_s3_upstream_has_defaults() {
    let config = load(&with(S3)).unwrap();
    let s3 = s3_of(&config);
    assert_eq!((s3.endpoint.to_string().as_str(), s3.region.as_str()), ("https://s3.example.net", "us-east-1"));
    assert_eq!((s3.addressing, s3.payload), (Addressing::Path, PayloadMode::Unsigned));
    assert_eq!((s3.connect_timeout, s3.idle_timeout), (Duration::from_secs(5), Duration::from_secs(60)));
    let CredentialsSource::Static(given) = &s3.credentials else { panic!("static") };
    assert_eq!((given.access_key_id.as_str(), given.secret_access_key.expose()), ("AKIAUP", "battery staple"));
    assert!(given.session_token.is_none() && s3.ca_file.is_none() && config.warnings.is_empty());
    assert!(!format!("{config:?}").contains("battery"), "no secret shows in Debug");
}

#[test]
fn everything_can_be_said_of_an_upstream() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, file) = (dir.path().join("ca.pem"), dir.path().join("credentials"));
    std::fs::write(&ca, "pem").unwrap();
    std::fs::write(&file, "[ck]").unwrap();
    let text = with(&format!(
        "[upstream.cloud]\nkind = \"s3\"\nendpoint = \"https://h:8443/\"\nregion = \"garage\"\n\
         addressing = \"virtual-host\"\ncredentials_file = {file:?}\nprofile = \"ck\"\nca_file = {ca:?}\n\
         connect_timeout_seconds = 1\nidle_timeout_seconds = 2\nmax_idle_connections = 3\n\
         payload = \"trailer-checksum\"\ninternal_bucket = \"ours-4711\"\nadopt = \"first-use\"\n\
         foreign_objects = \"pass\"\n"
    ));
    let config = load(&text).unwrap();
    let cloud = &config.upstreams[0];
    assert_eq!((cloud.name.as_str(), cloud.internal_bucket.as_str()), ("cloud", "ours-4711"));
    assert_eq!((cloud.adopt, cloud.foreign), (AdoptBuckets::FirstUse, ForeignObjects::Pass));
    let s3 = s3_of(&config);
    assert_eq!((s3.endpoint.to_string().as_str(), s3.region.as_str()), ("https://h:8443", "garage"));
    assert_eq!((s3.addressing, s3.payload), (Addressing::VirtualHost, PayloadMode::TrailerChecksum));
    assert_eq!((s3.connect_timeout, s3.idle_timeout), (Duration::from_secs(1), Duration::from_secs(2)));
    assert_eq!((s3.max_idle_connections, s3.ca_file.as_deref()), (3, Some(ca.as_path())));
    let CredentialsSource::File { path, profile } = &s3.credentials else { panic!("a file") };
    assert_eq!((path, profile.as_str()), (&file, "ck"));
}

#[test]
fn faults_of_an_upstream_come_in_one_run() {
    let found = faults(&with(
        r#"[upstream.cloud]
kind = "s3"
endpoint = "https://user:secret@h/path"
addressing = "dns"
region = "eu west"
ca_file = "/does/not/exist"
idle_timeout_seconds = 0
payload = "signed"
internal_bucket = "Crypt_Keeper"
adopt = "always"
foreign_objects = "let"
secret_access_key = "in clear"
colour = "red"
path = "/objects"
"#,
    ));
    let parts = [
        "13 upstream.cloud.access_key_id: is missing",
        "15 upstream.cloud.endpoint: must be like",
        "16 upstream.cloud.addressing: must be one of \"path\", \"virtual-host\"",
        "17 upstream.cloud.region: must be the service's name of a region",
        "18 upstream.cloud.ca_file: /does/not/exist cannot be read",
        "19 upstream.cloud.idle_timeout_seconds: must be from 1 to",
        "20 upstream.cloud.payload: must be one of",
        "21 upstream.cloud.internal_bucket: must be a bucket's name",
        "22 upstream.cloud.adopt: must be one of \"never\", \"first-use\"",
        "23 upstream.cloud.foreign_objects: must be one of \"refuse\", \"pass\"",
        "24 upstream.cloud.secret_access_key: a secret must not stand in this file",
        "25 upstream.cloud.colour: is not a known key here",
        "26 upstream.cloud.path: is not a known key here",
    ];
    assert_eq!(found.len(), parts.len(), "{found:#?}");
    for (found, start) in found.iter().zip(parts) {
        assert!(found.starts_with(start), "{found} should start with {start}");
        assert!(!found.contains("user:secret"), "no credentials in a message");
    }
}

#[test]
fn endpoint_with_credentials_path_or_query_is_refused() {
    for endpoint in ["s3.example.net", "ftp://h", "https://h/bucket", "https://h?x=y", "https://u@h", "https://h:0"] {
        let found = faults(&with(&S3.replace("https://s3.example.net", endpoint)));
        assert!(found.len() == 1 && found[0].contains("upstream.cloud.endpoint"), "{endpoint}: {found:#?}");
    }
}

#[test]
fn plain_http_is_warned_about_but_on_loopback() {
    for (endpoint, warned) in [
        ("http://127.0.0.1:9000", 0),
        ("http://[::1]", 0),
        ("http://localhost:1", 0),
        ("http://10.0.0.1", 1),
        ("http://s3", 1),
    ] {
        let config = load(&with(&S3.replace("https://s3.example.net", endpoint))).unwrap();
        assert_eq!(config.warnings.len(), warned, "{endpoint}: {:?}", config.warnings);
        assert_eq!(s3_of(&config).payload, PayloadMode::TrailerChecksum, "without TLS a checksum protects the body");
    }
}

#[test]
fn addresses_and_authorities_must_go_together() {
    let found = faults(&with(&format!("{}addressing = \"virtual-host\"\n", S3.replace("s3.example.net", "10.0.0.1"))));
    assert!(found.len() == 1 && found[0].contains("addressing: \"virtual-host\" needs"), "{found:#?}");
    let authorities = format!("{}ca_file = \"/dev/null\"\n", S3.replace("https:", "http:"));
    let found = faults(&with(&authorities));
    assert!(found.len() == 1 && found[0].contains("ca_file: is of no use"), "{found:#?}");
}

#[test]
fn each_kind_of_credentials_has_its_own_keys() {
    let cloud = |keys: &str| with(&format!("[upstream.cloud]\nkind = \"s3\"\nendpoint = \"https://h\"\n{keys}"));
    let both = "credentials_file = \"/dev/null\"\naccess_key_id = \"AKIA\"\n";
    let found = faults(&cloud(both));
    assert!(found.len() == 1 && found[0].contains("access_key_id: is not a known key here"), "{found:#?}");
    let found = faults(&cloud("credentials = \"environment\"\n"));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("the environment variable AWS_ACCESS_KEY_ID is not set"), "{found:#?}");
    let aws = |name: &str| name.starts_with("AWS_").then(|| "set".into()).or_else(|| env(name));
    let text = cloud("credentials = \"environment\"\n");
    let config = crate::config::resolve::resolve(&text, std::path::Path::new("/"), &aws).unwrap();
    assert!(matches!(s3_of(&config).credentials, CredentialsSource::Environment));
    let found = faults(&cloud("credentials = \"file\"\n"));
    assert!(found.len() == 1 && found[0].contains("credentials_file: is missing"), "{found:#?}");
    let found = faults(&cloud("credentials = \"magic\"\n"));
    assert!(found.iter().any(|fault| fault.contains("credentials: must be one of")), "{found:#?}");
}

#[test]
fn several_upstreams_need_a_default_and_places_of_their_own() {
    let found = faults(&with(S3).replace("[upstream.default]", "[upstream.disk]"));
    assert!(found.len() == 1 && found[0].contains("upstream.default: is missing"), "{found:#?}");
    for path in ["objects", "objects/inside", "."] {
        let found = faults(&with(&format!("[upstream.second]\nkind = \"local\"\npath = {path:?}\n")));
        assert!(found.iter().any(|fault| fault.contains("in the directory of upstream.default")), "{found:#?}");
    }
    let two = format!("{S3}[upstream.same]\nkind = \"s3\"\nendpoint = \"https://s3.example.net\"\n");
    let two = format!("{two}access_key_id = \"OTHER\"\nsecret_access_key = {{ env = \"CK_UPSTREAM_SECRET\" }}\n");
    assert_eq!(load(&with(&two)).unwrap().upstreams.len(), 3, "one service by two credentials is sound");
}

#[test]
fn buckets_say_what_they_want() {
    let config = load(&with(&format!(
        "{S3}[bucket.\"a.b\"]\nupstream = \"cloud\"\netag = \"opaque\"\nforeign_objects = \"pass\"\n[bucket.plain]\n"
    )))
    .unwrap();
    let wanted = BucketSettings {
        upstream: Some("cloud".to_owned()),
        etag: Some(EtagPolicy::Opaque),
        foreign: Some(ForeignObjects::Pass),
    };
    assert_eq!(config.buckets.get(&bucket("a.b")), Some(&wanted));
    assert_eq!(config.buckets.get(&bucket("plain")), Some(&BucketSettings::default()));
}

#[test]
fn faults_of_buckets() {
    let found = faults(&with(
        r#"[bucket.logs]
upstream = "elsewhere"
etag = "sha256"
foreign_objects = 1
size = 3
[bucket.Logs]
[bucket.crypt-keeper-internal]
"#,
    ));
    for part in [
        "14 bucket.logs.upstream: there is no [upstream.elsewhere] (there are: default)",
        "15 bucket.logs.etag: must be one of \"md5\", \"opaque\"",
        "16 bucket.logs.foreign_objects: must be a string",
        "17 bucket.logs.size: is not a known key here (known: etag, foreign_objects, upstream)",
        "18 bucket.Logs: must be a bucket's name",
        "bucket: crypt-keeper-internal is the internal bucket of an upstream",
    ] {
        assert!(found.iter().any(|found| found.contains(part)), "{part} in {found:#?}");
    }
    assert_eq!(found.len(), 6, "{found:#?}");
}
