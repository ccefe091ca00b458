//! From the words of a request to those of `objects`: conditions, headers, metadata, ETags.

use crate::authn::Principal;
use crate::base::{ETag, Md5, PrincipalId};
use crate::envelope::ContentHeader;
use crate::objects::WriteGuard;
use crate::s3::conditions::{EtagMatch, Strength, WriteCondition, unquoted};
use crate::s3::content::{ContentHeaders, UserMetadata};
use crate::s3::request::VersionRef;
use crate::s3::xml::Owner;
use crate::store::BucketRow;

/// What must hold of the object that a write replaces or a delete removes.
pub(super) fn guard(condition: &WriteCondition) -> WriteGuard {
    match condition {
        WriteCondition::None => WriteGuard::None,
        WriteCondition::Absent => WriteGuard::Absent,
        WriteCondition::Present | WriteCondition::Matches(EtagMatch::Any) => WriteGuard::Exists,
        WriteCondition::Matches(EtagMatch::OneOf(tags)) => {
            // A weak ETag never matches a write; a text that is none of ours names no object that is here.
            let strong = tags.iter().filter(|tag| tag.strength == Strength::Strong);
            WriteGuard::Matches(strong.flat_map(|tag| etags(&tag.value)).collect())
        }
    }
}

/// The ETags that are written like this: none, one, or two (`...-1` is also how an opaque one looks).
fn etags(text: &str) -> Vec<ETag> {
    let (digest, parts) = match text.split_once('-') {
        Some((digest, parts)) => (digest, Some(parts)),
        None => (text, None),
    };
    let Some(digest) = md5_bytes(digest) else { return Vec::new() };
    match parts.map(str::parse::<u16>) {
        None => vec![ETag::Md5(Md5(digest))],
        Some(Ok(1)) => vec![ETag::Multipart(Md5(digest), 1), ETag::Opaque(digest)],
        Some(Ok(parts)) => vec![ETag::Multipart(Md5(digest), parts)],
        Some(Err(_)) => Vec::new(),
    }
}

/// A part's ETag as a client repeats it, quoted or not; `None` for one that cannot be ours.
pub(super) fn part_etag(text: &str) -> Option<ETag> {
    let text = unquoted(text.trim());
    match text.strip_suffix("-1") {
        Some(random) => md5_bytes(random).map(ETag::Opaque),
        None => md5_bytes(text).map(|md5| ETag::Md5(Md5(md5))),
    }
}

/// 32 hex digits.
fn md5_bytes(hex_digits: &str) -> Option<[u8; 16]> {
    let mut digest = [0; 16];
    hex::decode_to_slice(hex_digits, &mut digest).ok()?;
    Some(digest)
}

/// A version as authorisation sees it.
pub(super) const fn version_name(version: VersionRef) -> Option<&'static str> {
    match version {
        VersionRef::Current => None,
        VersionRef::Null => Some("null"),
    }
}

/// An owner as listings show it.
pub(super) struct OwnerText {
    id: String,
    name: String,
}

impl OwnerText {
    /// Somebody who is asking.
    pub(super) fn of(principal: &Principal) -> Self {
        Self::named(principal.id, principal)
    }

    /// A bucket's owner.
    pub(super) fn of_bucket(bucket: &BucketRow, asking: &Principal) -> Self {
        Self::named(bucket.owner, asking)
    }

    /// By its id; its name where it is the caller, else the id again (S3 itself has stopped to show names of others).
    pub(super) fn named(id: PrincipalId, asking: &Principal) -> Self {
        let text = id.to_string();
        let name = if id == asking.id { asking.name.clone() } else { text.clone() };
        Self { id: text, name }
    }

    /// For a listing.
    pub(super) fn as_xml(&self) -> Owner<'_> {
        Owner { id: &self.id, display_name: &self.name }
    }
}

/// Content headers, to be sealed.
pub(super) fn content_headers(content: ContentHeaders) -> Vec<(ContentHeader, Vec<u8>)> {
    let ContentHeaders {
        content_type,
        content_encoding,
        content_language,
        content_disposition,
        cache_control,
        expires,
    } = content;
    let all = [
        (ContentHeader::ContentType, content_type),
        (ContentHeader::ContentEncoding, content_encoding),
        (ContentHeader::ContentLanguage, content_language),
        (ContentHeader::ContentDisposition, content_disposition),
        (ContentHeader::CacheControl, cache_control),
        (ContentHeader::Expires, expires),
    ];
    all.into_iter().filter_map(|(header, value)| Some((header, value?))).collect()
}

/// User metadata, to be sealed.
pub(super) fn user_metadata(metadata: UserMetadata) -> Vec<(Vec<u8>, Vec<u8>)> {
    metadata.into_pairs().into_iter().map(|(name, value)| (name.into_bytes(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::{etags, guard, part_etag};
    use crate::base::{ETag, Md5};
    use crate::objects::WriteGuard;
    use crate::s3::conditions::{EtagMatch, WriteCondition};

    const HEX: &str = "000102030405060708090a0b0c0d0e0f";
    const BYTES: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    #[test]
    fn texts_of_etags() {
        assert_eq!(etags(HEX), [ETag::Md5(Md5(BYTES))]);
        assert_eq!(etags(&format!("{HEX}-7")), [ETag::Multipart(Md5(BYTES), 7)]);
        assert_eq!(etags(&format!("{HEX}-1")), [ETag::Multipart(Md5(BYTES), 1), ETag::Opaque(BYTES)]);
        for none in ["", "-1", "abc", "000102030405060708090a0b0c0d0e0f-x", "000102030405060708090a0b0c0d0e0f-1-1"] {
            assert!(etags(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn weak_and_unknown_etags_match_nothing() {
        let condition = |text: &str| guard(&WriteCondition::Matches(EtagMatch::parse(text)));
        assert_eq!(condition(&format!("W/\"{HEX}\", \"x\"")), WriteGuard::Matches(Vec::new()));
        assert_eq!(condition(&format!("\"x\", \"{HEX}\"")), WriteGuard::Matches(vec![ETag::Md5(Md5(BYTES))]));
        assert_eq!(condition("*"), WriteGuard::Exists);
    }

    #[test]
    fn a_parts_etag_comes_with_or_without_quotes() {
        assert_eq!(part_etag(HEX), Some(ETag::Md5(Md5(BYTES))));
        assert_eq!(part_etag(&format!(" \"{HEX}\" ")), Some(ETag::Md5(Md5(BYTES))));
        assert_eq!(part_etag(&format!("\"{HEX}-1\"")), Some(ETag::Opaque(BYTES)));
        assert_eq!(part_etag(&format!("{HEX}-2")), None);
        assert_eq!(part_etag("\"nonsense\""), None);
    }
}
