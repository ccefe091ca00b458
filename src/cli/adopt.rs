//! `adopt`: a bucket that an upstream has becomes one of ours.

use std::io::{self, Write};

use tokio::runtime;

use crate::app::{AdoptReport, adopt};
use crate::base::BucketName;
use crate::config::Config;
use crate::objects::{Adopted, ForeignObjects};

/// Takes the bucket in and says what becomes of its objects. The message of a failure is one line.
pub(super) fn run(config: Config, upstream: Option<&str>, bucket: &str) -> Result<(), String> {
    let said = |message: String| format!("crypt-keeper: {}", message.replace(['\n', '\r'], " "));
    let name = BucketName::parse(bucket).ok_or_else(|| said(format!("{bucket:?} is not a name of an S3 bucket")))?;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| said(format!("no threads to run on: {error}")))?;
    let report = runtime.block_on(adopt(config, upstream, &name)).map_err(|error| said(error.to_string()))?;
    // Nobody who waits has closed the pipe; whoever has does not wait.
    let _ = io::stdout().lock().write_all(text(&report).as_bytes());
    Ok(())
}

fn text(report: &AdoptReport) -> String {
    let (row, what) = match &report.adopted {
        Adopted::Now(row) => (row, "adopted; it belongs to the root user, and new objects in it are encrypted"),
        Adopted::Before(row) => (row, "known already, nothing was changed"),
    };
    let foreign = match report.foreign {
        ForeignObjects::Refuse => {
            "objects that Crypt-Keeper did not write are listed, and reading them is refused (foreign_objects = \"refuse\")"
        }
        ForeignObjects::Pass => {
            "objects that Crypt-Keeper did not write are handed through as they are (foreign_objects = \"pass\")"
        }
    };
    format!("bucket {} at upstream {}: {what}\n{foreign}\n", row.name, row.upstream)
}
