//! `crypt-keeper doctor`: beside a running server, before the first start, and in front of nobody.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Server, binary, refusal, run, snapshot};

/// Long and unlike anything else: it is searched for in what is printed.
const SECRET: &str = "conformance-doctor-secret/7c31+9e";

/// A directory with a configuration file: a local upstream `default`, and more where `more` names them.
struct Site {
    dir: tempfile::TempDir,
    config: PathBuf,
}

impl Site {
    fn new(more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = dir.path().join("ck.toml");
        let text = format!(
            "listen = \"127.0.0.1:0\"\n[root]\naccess_key_id = \"AKIADOCTOR\"\n\
             secret_access_key = {{ env = \"CK_TEST_SECRET\" }}\n[store]\nurl = \"sqlite:state.db\"\n\
             [keyring]\nkind = \"local\"\npath = \"keyring\"\n\
             [upstream.default]\nkind = \"local\"\npath = \"objects\"\n{more}"
        );
        fs::write(&config, text).expect("the configuration");
        Self { dir, config }
    }

    /// With an S3 service where nobody listens.
    fn with_absent_service() -> Self {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("its address");
        drop(taken);
        Self::new(&format!(
            "[upstream.archive]\nkind = \"s3\"\nendpoint = \"http://{address}\"\naccess_key_id = \"AKIAUPSTREAM\"\n\
             secret_access_key = {{ env = \"CK_TEST_SECRET\" }}\n"
        ))
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = binary();
        command.args([name, "--config"]).arg(&self.config).args(arguments).env("CK_TEST_SECRET", SECRET);
        command
    }

    /// Exit code, standard output and standard error.
    fn doctor(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = run(self.command("doctor", arguments));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(!stdout.contains(SECRET) && !stderr.contains(SECRET), "the secret is shown");
        (output.status.code(), stdout, stderr)
    }

    fn serve(&self) -> Server {
        Server::start(self.command("serve", &[]))
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A start that finds objects and no keyring would refuse: nothing may be made before it.
#[test]
fn before_the_first_start_it_makes_nothing() {
    let site = Site::new("");
    let (code, table, stderr) = site.doctor(&[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{table}");
    assert!(table.contains("upstream.default (local): it is not there; the first start makes it"), "{table}");
    assert_eq!(snapshot(site.dir.path()).len(), 1, "nothing but the configuration");
    assert_eq!(site.serve().stop(Signal::TERM).0, Some(0));
}

#[test]
fn beside_a_running_server_it_disturbs_nobody() {
    let site = Site::new("");
    let server = site.serve();
    let (code, table, stderr) = site.doctor(&[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{table}");
    assert!(table.contains("a running server holds it"), "{table}");
    assert_eq!(server.stop(Signal::TERM).0, Some(0));
}

#[test]
fn local_directory_is_sound_and_left_as_it_was() {
    let site = Site::new("");
    assert_eq!(site.serve().stop(Signal::TERM).0, Some(0));
    let blobs = |site: &Site| {
        let files = snapshot(&site.dir.path().join("objects/blobs"));
        files.into_iter().filter(|(path, _)| path.is_file()).collect::<Vec<_>>()
    };
    let before = blobs(&site);
    let (code, table, stderr) = site.doctor(&[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{table}");
    for line in ["conditional PUT", "conditional Complete", "suffix range", "If-Match on GET", "UploadPartCopy"] {
        let found = table.lines().find(|found| found.starts_with(line)).unwrap_or_else(|| panic!("{line}: {table}"));
        assert!(found.ends_with(" yes"), "{found}");
    }
    for line in ["trailer checksums", "versioning", "keys with //", "broken PUT", "clocks agree", "small requests take"]
    {
        assert!(table.contains(line), "{line} is not in:\n{table}");
    }
    assert!(blobs(&site) == before, "objects were left behind");
    assert_eq!(site.serve().stop(Signal::TERM).0, Some(0), "it starts again");
}

#[test]
fn json_is_for_programs() {
    let site = Site::new("");
    assert_eq!(site.serve().stop(Signal::TERM).0, Some(0));
    let (code, text, stderr) = site.doctor(&["--json"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let told = json(&text);
    let upstream = &told["upstreams"][0];
    assert_eq!(told["sound"], true);
    assert_eq!(
        (&upstream["name"], &upstream["kind"], &upstream["status"]),
        (&"default".into(), &"local".into(), &"probed".into())
    );
    assert!(upstream["latency"]["put_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{text}");
    assert!(upstream["clock_skew_ms"].is_i64(), "{text}");
    let findings = upstream["findings"].as_array().expect("findings");
    let finding = findings.iter().find(|finding| finding["name"] == "conditional PUT").expect("the finding");
    assert_eq!((&finding["answer"], &finding["verdict"]), (&"yes".into(), &"fine".into()));
}

#[test]
fn service_that_is_not_there() {
    let site = Site::with_absent_service();
    let (code, table, stderr) = site.doctor(&[]);
    assert_eq!(code, Some(1), "{table}");
    assert_eq!(stderr.lines().count(), 1, "one line says it all: {stderr}");
    assert!(stderr.starts_with("crypt-keeper: upstream.archive: "), "{stderr}");
    assert!(table.contains("upstream.archive (s3): ") && table.contains("upstream.default (local): "), "{table}");

    let (code, text, _) = site.doctor(&["--json"]);
    let told = json(&text);
    assert_eq!((code, &told["sound"]), (Some(1), &false.into()));
    assert_eq!(told["upstreams"][0]["status"], "failed", "{text}");

    let (code, table, stderr) = site.doctor(&["--upstream", "default"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(!table.contains("archive"), "{table}");
}

#[test]
fn upstream_that_is_not_configured() {
    let line = refusal(Site::new("").command("doctor", &["--upstream", "attic"]));
    assert!(line.contains("there is no [upstream.attic]") && line.contains("default"), "{line}");
}

#[test]
fn faulty_configuration() {
    let site = Site::new("colour = 1\n");
    let line = refusal(site.command("doctor", &[]));
    assert!(line.contains("ck.toml:") && line.contains("colour"), "{line}");
    let mut absent = binary();
    absent.args(["doctor", "--config"]).arg(Path::new("/nonexistent/ck.toml"));
    assert!(refusal(absent).contains("/nonexistent/ck.toml"));
}
