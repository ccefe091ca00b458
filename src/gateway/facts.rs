//! An object's facts in the words of answers: one way from the manifest to headers, for GET and HEAD, whole objects,
//! ranges and parts alike, so that no two answers differ.

use http::HeaderMap;

use crate::base::PartNumber;
use crate::envelope::ContentHeader;
use crate::objects::ObjectFacts;
use crate::s3::answer::{self, ObjectAnswer, Served};
use crate::s3::content::{ContentHeaders, UserMetadata};
use crate::s3::request::{ChecksumMode, ResponseOverrides};

/// The headers of GET and HEAD.
pub(super) fn object_headers(
    facts: &ObjectFacts,
    served: &Served,
    mode: ChecksumMode,
    overrides: &ResponseOverrides,
) -> HeaderMap {
    let (content, metadata) = (content(facts), metadata(facts));
    answer::object_headers(&object(facts, &content, &metadata), served, mode, overrides)
}

/// The headers of "not modified".
pub(super) fn not_modified_headers(facts: &ObjectFacts) -> HeaderMap {
    let (content, metadata) = (content(facts), UserMetadata::default());
    answer::not_modified_headers(&object(facts, &content, &metadata))
}

/// The bytes of a part, by the number that the client gave it, with the part's own checksum. An object that was put
/// whole is its own part 1.
pub(super) fn part(facts: &ObjectFacts, number: PartNumber) -> Option<Served> {
    let whole = facts.checksum();
    let mut start: u64 = 0;
    for part in &facts.manifest.parts {
        let range = start..start.saturating_add(part.plaintext_bytes);
        if part.number == 0 && number.get() == 1 {
            let checksum = whole.map(|whole| whole.digest);
            return Some(Served::Part { range, parts_count: facts.parts_count(), checksum });
        }
        if part.number == number.get() {
            let kept = |whole: crate::base::ObjectChecksum| {
                part.digests.iter().find(|digest| digest.algorithm() == whole.digest.algorithm()).copied()
            };
            return Some(Served::Part { range, parts_count: facts.parts_count(), checksum: whole.and_then(kept) });
        }
        start = range.end;
    }
    None
}

fn object<'a>(facts: &ObjectFacts, content: &'a ContentHeaders, metadata: &'a UserMetadata) -> ObjectAnswer<'a> {
    ObjectAnswer {
        etag: facts.etag(),
        last_modified: facts.last_modified,
        size_bytes: facts.plaintext_bytes(),
        content,
        metadata,
        checksum: facts.checksum(),
        tag_count: facts.tag_count,
    }
}

fn content(facts: &ObjectFacts) -> ContentHeaders {
    let mut content = ContentHeaders::default();
    for (header, value) in &facts.manifest.content_headers {
        let slot = match header {
            ContentHeader::ContentType => &mut content.content_type,
            ContentHeader::ContentEncoding => &mut content.content_encoding,
            ContentHeader::ContentLanguage => &mut content.content_language,
            ContentHeader::ContentDisposition => &mut content.content_disposition,
            ContentHeader::CacheControl => &mut content.cache_control,
            ContentHeader::Expires => &mut content.expires,
            // There are no websites here; the format has a place for it, and no request can fill it.
            ContentHeader::WebsiteRedirectLocation => continue,
        };
        *slot = Some(value.clone());
    }
    content
}

fn metadata(facts: &ObjectFacts) -> UserMetadata {
    let pairs = facts.manifest.user_metadata.iter();
    let pairs = pairs.filter_map(|(name, value)| Some((String::from_utf8(name.clone()).ok()?, value.clone())));
    UserMetadata::from_pairs(pairs.collect())
}
