//! Bodies that break off before their declared length. A store that publishes them would show half of an object whose
//! sender was still to be refused, and lose what was there before.

use std::time::Duration;

use crate::upstream::{UploadRef, UpstreamError, WriteCondition};

use super::uploads::pattern;
use super::workspace::{Checked, Source, Workspace, lacks};

/// What is declared, and what comes: more than sockets and libraries hold back, so that the upstream has seen it.
const DECLARED_BYTES: u64 = 512 << 10;
const SENT_BYTES: u64 = 320 << 10;
/// An upstream learns of the broken connection, and publishes if it does, within this.
const SETTLE: Duration = Duration::from_millis(1500);
const WHOLE: &[u8] = b"an object that was there before";

/// PutObject: over an object, and where there is none.
pub(super) async fn put(w: &Workspace<'_>) -> Checked {
    let (over, fresh) = ("short/over", "short/fresh");
    w.put(over, WHOLE).await?;
    let pattern = pattern();
    for name in [over, fresh] {
        let mut source = Source::broken_after(&pattern, SENT_BYTES);
        broken(w.put_from(name, DECLARED_BYTES, &mut source, WriteCondition::None).await, "PUT")?;
    }
    tokio::time::sleep(SETTLE).await;
    w.unchanged(over, WHOLE, "takes a PUT that broke off").await?;
    match w.head(fresh).await {
        Err(UpstreamError::NoSuchKey) => Ok(()),
        Ok(_) => Err(lacks("publishes a PUT that broke off")),
        Err(error) => Err(error.into()),
    }
}

/// UploadPart: over a part, and where there is none. The list of parts may say what it likes: the object decides.
pub(super) async fn part(w: &Workspace<'_>) -> Checked {
    let name = "short/upload";
    let upload = w.begin(name).await?;
    let whole = w.part(&upload, 1, WHOLE).await?;
    let pattern = pattern();
    for number in [1, 2] {
        send_broken(w, &upload, number, &pattern).await?;
    }
    tokio::time::sleep(SETTLE).await;
    let parts = w.parts(&upload).await?;
    if parts.iter().any(|part| part.number == 2) {
        return Err(lacks("keeps a part that broke off"));
    }
    if parts.iter().any(|part| part.stored_bytes != WHOLE.len() as u64) {
        return Err(lacks("replaces a part by one that broke off"));
    }
    match w.complete(&upload, &[(1, whole.etag)], WriteCondition::None).await {
        Ok(_) => w.unchanged(name, WHOLE, "takes a part that broke off").await,
        Err(UpstreamError::InvalidPart { .. }) => Err(lacks("replaces a part by one that broke off")),
        Err(error) => Err(error.into()),
    }
}

async fn send_broken(w: &Workspace<'_>, upload: &UploadRef, number: u16, pattern: &[u8]) -> Checked {
    let mut source = Source::broken_after(pattern, SENT_BYTES);
    broken(w.part_from(upload, number, DECLARED_BYTES, &mut source).await, "part")
}

/// Any refusal will do, but it must have got that far.
fn broken<T>(outcome: Result<T, UpstreamError>, what: &str) -> Checked {
    match outcome {
        Ok(_) => Err(lacks(format!("answers 200 to a {what} that broke off"))),
        Err(error @ UpstreamError::Unavailable(_)) => Err(error.into()),
        Err(_) => Ok(()),
    }
}
