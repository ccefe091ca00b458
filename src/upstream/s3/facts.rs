//! What an answer says of an object, checked before it is believed.

use crate::base::Timestamp;
use crate::upstream::{StoredFacts, UpstreamError, UpstreamEtag, VersionId};

use super::http::AnswerHead;

/// S3's ETags have up to 38 characters; some services sign theirs.
const MAX_ETAG_BYTES: usize = 256;
/// S3's version ids and upload ids have up to 1024.
pub(super) const MAX_ID_BYTES: usize = 2048;

/// An ETag without its quotes. It goes back into headers and into XML, so it must be able to.
pub(super) fn etag(text: &str) -> Result<UpstreamEtag, UpstreamError> {
    let text = text.trim();
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let legal = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'&' | b'\\');
    if bare.is_empty() || bare.len() > MAX_ETAG_BYTES || !bare.bytes().all(legal) || text.starts_with("W/") {
        return Err(UpstreamError::Broken("an ETag is weak, empty or not text".to_owned()));
    }
    Ok(UpstreamEtag(bare.into()))
}

/// An ETag as it stands in a condition.
pub(super) fn quoted(etag: &UpstreamEtag) -> String {
    format!("\"{etag}\"")
}

/// The ETag of an answer that must have one.
pub(super) fn etag_of(head: &AnswerHead) -> Result<UpstreamEtag, UpstreamError> {
    etag(head.etag.as_deref().ok_or_else(|| UpstreamError::Broken("an answer has no ETag".to_owned()))?)
}

/// The version of an answer. `null` is what an unversioned object is called: no version.
pub(super) fn version_of(head: &AnswerHead) -> Option<VersionId> {
    let named = head.version_id.as_deref().filter(|id| !id.is_empty() && *id != "null" && id.len() <= MAX_ID_BYTES)?;
    Some(VersionId(named.into()))
}

/// Facts of an object that an answer is about.
pub(super) fn facts_of(head: &AnswerHead, stored_bytes: u64) -> Result<StoredFacts, UpstreamError> {
    let last_modified = head.last_modified.ok_or_else(|| UpstreamError::Broken("an object has no date".to_owned()))?;
    Ok(StoredFacts {
        etag: etag_of(head)?,
        stored_bytes,
        last_modified,
        version: version_of(head),
        tag_count: head.tag_count,
    })
}

/// When something was stored that has just been: answers to PUT do not say it, their date is as near as it gets.
pub(super) fn stored_at(head: &AnswerHead, now: Timestamp) -> Timestamp {
    Timestamp::from_unix_seconds(head.last_modified.or(head.date).unwrap_or(now).unix_seconds())
}

#[cfg(test)]
mod tests {
    use super::{etag, quoted};

    #[test]
    fn etags_come_and_go_without_and_with_quotes() {
        for text in ["\"abc-2\"", "abc-2", " \"abc-2\" "] {
            let etag = etag(text).expect("an ETag");
            assert_eq!((&*etag.0, quoted(&etag).as_str()), ("abc-2", "\"abc-2\""));
        }
    }

    #[test]
    fn what_could_not_go_back_is_refused() {
        for text in ["", "\"\"", "W/\"abc\"", "a\"b", "a b", "a\r\nb", "<a>", "\u{e9}", &"x".repeat(257)] {
            assert!(etag(text).is_err(), "{text:?}");
        }
    }
}
