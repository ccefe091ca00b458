//! SigV4 for the load: header signatures over a path and a query that are canonical as they stand.

use std::fmt::Write;
use std::time::SystemTime;

use aws_lc_rs::{digest, hmac};
use time::OffsetDateTime;
use time::macros::format_description;

/// The bytes behind an UNSIGNED-PAYLOAD are not signed; TLS or trust protects them.
pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Who signs. Every part of the bench has the same credentials, so that one request fits all of them.
#[derive(Clone)]
pub(crate) struct Signer {
    access_key: &'static str,
    key: hmac::Key,
    day: String,
    time: String,
}

impl Signer {
    /// Signatures of now; good for fifteen minutes.
    pub(crate) fn new(access_key: &'static str, secret_key: &str) -> Self {
        let now = now();
        let time = now.format(format_description!("[year][month][day]T[hour][minute][second]Z")).expect("a time");
        let day = time[..8].to_owned();
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret_key}").as_bytes());
        for step in [day.as_str(), "us-east-1", "s3", "aws4_request"] {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, step.as_bytes()).as_ref());
        }
        Self { access_key, key, day, time }
    }

    /// The headers that sign a request: `extra` in lower case, sorted, and after `x-amz-date` in the alphabet.
    pub(crate) fn headers(
        &self,
        (method, path, query): (&str, &str, &str),
        host: &str,
        payload: &str,
        extra: &[(&str, &str)],
    ) -> String {
        let (day, time) = (&self.day, &self.time);
        let mut names = String::from("host;x-amz-content-sha256;x-amz-date");
        let mut lines = format!("x-amz-content-sha256:{payload}\nx-amz-date:{time}\n");
        for (name, value) in extra {
            let _ = write!(names, ";{name}");
            let _ = writeln!(lines, "{name}:{value}");
        }
        let canonical = format!("{method}\n{path}\n{query}\nhost:{host}\n{lines}\n{names}\n{payload}");
        let hash = hex::encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{day}/us-east-1/s3/aws4_request\n{hash}");
        let signature = hex::encode(hmac::sign(&self.key, text.as_bytes()));
        let access_key = self.access_key;
        format!(
            "host: {host}\r\nauthorization: AWS4-HMAC-SHA256 Credential={access_key}/{day}/us-east-1/s3/aws4_request,\
             SignedHeaders={names},Signature={signature}\r\n{}",
            lines.replace('\n', "\r\n")
        )
    }
}

/// The time of this machine.
#[expect(clippy::disallowed_methods, reason = "a client and a backend have clocks of their own")]
pub(crate) fn now() -> OffsetDateTime {
    SystemTime::now().into()
}
