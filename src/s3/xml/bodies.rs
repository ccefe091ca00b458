//! The bodies of requests that are XML.

use std::fmt;

use crate::base::limits::{MAX_DELETE_KEYS, MAX_PART_NUMBER};
use crate::base::{ChecksumAlgorithm, Digest, ObjectKey, PartNumber};

use crate::s3::checksum::parse_digest;
use crate::s3::conditions::{WriteCondition, unquoted};
use crate::s3::fault::S3Fault;
use crate::s3::listing::number;
use crate::s3::request::VersionRef;
use crate::s3::tagging::{MAX_TAGS, TagSet};
use crate::s3::target::object_key;

use super::reader::{Element, Limits, parse};

/// 10,000 parts with an ETag and a SHA-256 each, pretty-printed, are about 3 MB.
pub const MAX_COMPLETE_XML_BYTES: usize = 4 << 20;
/// S3: the body of DeleteObjects has at most 2 MB (AWS, DeleteObjects).
pub const MAX_DELETE_XML_BYTES: usize = 2 << 20;
/// Ten tags of the longest kind, escaped.
pub const MAX_TAGGING_XML_BYTES: usize = 64 << 10;
/// A location is a word.
pub const MAX_CREATE_BUCKET_XML_BYTES: usize = 64 << 10;

/// A part that a client lists to complete an upload.
#[derive(Clone, PartialEq, Eq)]
pub struct CompletedPart {
    /// Its number.
    pub number: PartNumber,
    /// Its client-visible ETag, without quotes.
    pub etag: String,
    /// The checksums that the client names; each must be the stored one.
    pub checksums: Vec<Digest>,
}

/// An ETag is a digest of plaintext.
impl fmt::Debug for CompletedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompletedPart({}, ..)", self.number.get())
    }
}

/// Parses CompleteMultipartUpload: at least one part, strictly ascending. Elements that we do not know say nothing
/// that could be broken by passing them over; checksums that we do not know are refused.
pub fn complete_multipart_upload(body: &[u8]) -> Result<Vec<CompletedPart>, S3Fault> {
    // A part and up to nine elements in it.
    let limits = Limits { bytes: MAX_COMPLETE_XML_BYTES, elements: usize::from(MAX_PART_NUMBER) * 10 + 1 };
    let root = parse(body, "CompleteMultipartUpload", limits)?;
    let listed = root.children.iter().filter(|child| child.name == "Part");
    let parts = listed.map(completed_part).collect::<Result<Vec<_>, _>>()?;
    if parts.is_empty() || parts.len() > usize::from(MAX_PART_NUMBER) {
        return Err(S3Fault::MalformedXml("it has no part, or too many"));
    }
    if parts.windows(2).any(|pair| pair[0].number >= pair[1].number) {
        return Err(S3Fault::InvalidPartOrder);
    }
    Ok(parts)
}

fn completed_part(part: &Element) -> Result<CompletedPart, S3Fault> {
    let text = part.text_of("PartNumber")?.ok_or(S3Fault::MalformedXml("a part has no number"))?.trim();
    let number = number(text).ok_or(S3Fault::MalformedXml("a part's number is not a number"))?;
    let number = PartNumber::new(number).ok_or_else(|| {
        S3Fault::argument("PartNumber", text, "Part number must be an integer between 1 and 10000, inclusive")
    })?;
    let etag = part.text_of("ETag")?.ok_or(S3Fault::MalformedXml("a part has no ETag"))?;
    let mut checksums = Vec::new();
    for child in &part.children {
        let Some(name) = child.name.strip_prefix("Checksum") else { continue };
        let unsupported = || S3Fault::UnsupportedChecksum { name: name.to_owned() };
        let algorithm = ChecksumAlgorithm::from_name(name).ok_or_else(unsupported)?;
        let invalid = || S3Fault::InvalidChecksumValue { header: child.name.clone().into() };
        checksums.push(parse_digest(algorithm, child.text.trim()).ok_or_else(invalid)?);
    }
    Ok(CompletedPart { number, etag: unquoted(etag.trim()).to_owned(), checksums })
}

/// Whether the answer to DeleteObjects lists what was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Deleted keys and failures.
    #[default]
    Verbose,
    /// Failures only: `Quiet`.
    Quiet,
}

/// The body of DeleteObjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteBody {
    /// What the answer lists.
    pub verbosity: Verbosity,
    /// What to delete, 1 to 1000, in order; each is authorised on its own.
    pub entries: Vec<DeleteEntry>,
}

/// One object of DeleteObjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteEntry {
    /// As sent, for the answer.
    pub key: String,
    /// As sent, for the answer.
    pub version_id: Option<String>,
    /// What to delete; a fault here is this entry's alone.
    pub target: Result<DeleteTarget, S3Fault>,
}

/// A key of DeleteObjects that can be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteTarget {
    /// Which key.
    pub key: ObjectKey,
    /// Which version.
    pub version: VersionRef,
    /// What must hold of it.
    pub condition: WriteCondition,
}

/// Parses Delete. An element that we do not know could be a condition: it is refused.
pub fn delete(body: &[u8]) -> Result<DeleteBody, S3Fault> {
    // An object and up to five elements in it, and Quiet.
    let limits = Limits { bytes: MAX_DELETE_XML_BYTES, elements: MAX_DELETE_KEYS * 6 + 2 };
    let root = parse(body, "Delete", limits)?;
    let verbosity = match root.text_of("Quiet")?.map(str::trim) {
        None | Some("" | "false") => Verbosity::Verbose,
        Some("true") => Verbosity::Quiet,
        Some(_) => return Err(S3Fault::MalformedXml("Quiet is neither true nor false")),
    };
    let mut entries = Vec::new();
    for child in root.children.iter().filter(|child| child.name != "Quiet") {
        if child.name != "Object" || entries.len() == MAX_DELETE_KEYS {
            return Err(S3Fault::MalformedXml("it has an unknown element, or too many objects"));
        }
        entries.push(delete_entry(child)?);
    }
    if entries.is_empty() {
        return Err(S3Fault::MalformedXml("it has no object"));
    }
    Ok(DeleteBody { verbosity, entries })
}

fn delete_entry(object: &Element) -> Result<DeleteEntry, S3Fault> {
    let key = object.text_of("Key")?.filter(|key| !key.is_empty());
    let key = key.ok_or(S3Fault::MalformedXml("an object has no key"))?;
    let version_id = object.text_of("VersionId")?.map(str::trim).filter(|version| !version.is_empty());
    let etag = object.text_of("ETag")?;
    let known = |child: &&Element| ["Key", "VersionId", "ETag"].contains(&child.name.as_str());
    let unknown = object.children.iter().find(|child| !known(child));
    let target = || {
        match unknown.map(|child| child.name.as_str()) {
            // Conditions of directory buckets.
            Some(name @ ("Size" | "LastModifiedTime")) => {
                return Err(S3Fault::ParameterNotImplemented { name: name.to_owned() });
            }
            Some(_) => return Err(S3Fault::MalformedXml("an object has an unknown element")),
            None => {}
        }
        Ok(DeleteTarget {
            key: object_key(key)?,
            version: version_id.map_or(Ok(VersionRef::Current), VersionRef::parse)?,
            condition: etag.map_or(WriteCondition::None, |etag| WriteCondition::matching(etag.trim())),
        })
    };
    let target = match target() {
        Err(fault @ S3Fault::MalformedXml(_)) => return Err(fault),
        target => target,
    };
    Ok(DeleteEntry { key: key.to_owned(), version_id: version_id.map(str::to_owned), target })
}

/// Parses Tagging.
pub fn put_tagging(body: &[u8]) -> Result<TagSet, S3Fault> {
    // S3 names the number of tags that are too many, so a few more are read.
    let limits = Limits { bytes: MAX_TAGGING_XML_BYTES, elements: MAX_TAGS * 30 + 2 };
    let root = parse(body, "Tagging", limits)?;
    let set = root.one("TagSet")?.ok_or(S3Fault::MalformedXml("there is no TagSet"))?;
    let mut tags = Vec::new();
    for tag in &set.children {
        let text = |name| tag.text_of(name)?.ok_or(S3Fault::MalformedXml("a tag has no key or no value"));
        if tag.name != "Tag" {
            return Err(S3Fault::MalformedXml("TagSet has an unknown element"));
        }
        tags.push((text("Key")?.to_owned(), text("Value")?.to_owned()));
    }
    TagSet::new(tags)
}

/// Parses CreateBucketConfiguration: the location that the client asks for. No body is none.
pub fn create_bucket_configuration(body: &[u8]) -> Result<Option<String>, S3Fault> {
    if body.is_empty() {
        return Ok(None);
    }
    let limits = Limits { bytes: MAX_CREATE_BUCKET_XML_BYTES, elements: 256 };
    let root = parse(body, "CreateBucketConfiguration", limits)?;
    // Location and Bucket make a directory bucket, Tags tag the bucket: none of it is done here.
    if let Some(other) = root.children.iter().find(|child| child.name != "LocationConstraint") {
        return Err(S3Fault::ParameterNotImplemented { name: other.name.clone() });
    }
    let location = root.text_of("LocationConstraint")?.map(str::trim).filter(|text| !text.is_empty());
    Ok(location.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::{Verbosity, complete_multipart_upload, create_bucket_configuration, delete, put_tagging};
    use crate::base::ChecksumAlgorithm;
    use crate::s3::S3Fault;
    use crate::s3::conditions::WriteCondition;
    use crate::s3::request::VersionRef;

    fn complete(parts: &str) -> Result<Vec<(u16, String)>, S3Fault> {
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let parts = complete_multipart_upload(body.as_bytes())?;
        Ok(parts.into_iter().map(|part| (part.number.get(), part.etag)).collect())
    }

    fn part(number: &str, etag: &str) -> String {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    }

    #[test]
    fn parts_are_read_with_quoted_and_bare_etags() {
        let parts = format!("\n {}\n {}", part("1", "&quot;aa&quot;"), part(" 7 ", "bb"));
        assert_eq!(complete(&parts), Ok(vec![(1, "aa".to_owned()), (7, "bb".to_owned())]));
    }

    #[test]
    fn parts_that_do_not_rise_are_refused() {
        for (first, second) in [("2", "1"), ("1", "1")] {
            let parts = part(first, "a") + &part(second, "b");
            assert_eq!(complete(&parts), Err(S3Fault::InvalidPartOrder));
        }
    }

    #[test]
    fn a_complete_without_parts_or_fields_is_malformed() {
        for parts in ["", "<Part/>", "<Part><PartNumber>1</PartNumber></Part>", "<Part><ETag>a</ETag></Part>"] {
            assert!(matches!(complete(parts), Err(S3Fault::MalformedXml(_))), "{parts}");
        }
        for number in ["", "x", "-1", "+1", "1.0", "99999999999"] {
            assert!(matches!(complete(&part(number, "a")), Err(S3Fault::MalformedXml(_))), "{number}");
        }
        for number in ["0", "10001"] {
            assert!(matches!(complete(&part(number, "a")), Err(S3Fault::InvalidArgument { .. })), "{number}");
        }
    }

    #[test]
    fn ten_thousand_parts_fit() {
        let parts: String =
            (1..=10_000).map(|n| part(&n.to_string(), "&quot;0123456789abcdef0123456789abcdef&quot;")).collect();
        assert_eq!(complete(&parts).map(|parts| parts.len()), Ok(10_000));
    }

    #[test]
    fn checksums_of_parts_are_read_or_refused_by_name() {
        let body = |checksum: &str| {
            let part = format!("<Part><PartNumber>1</PartNumber><ETag>a</ETag>{checksum}</Part>");
            complete_multipart_upload(format!("<CompleteMultipartUpload>{part}</CompleteMultipartUpload>").as_bytes())
        };
        let parts = body("<ChecksumCRC32>AAAAAA==</ChecksumCRC32>").expect("sound");
        assert_eq!(parts[0].checksums[0].algorithm(), ChecksumAlgorithm::Crc32);
        assert!(matches!(body("<ChecksumCRC32>AAAA</ChecksumCRC32>"), Err(S3Fault::InvalidChecksumValue { .. })));
        let unsupported = body("<ChecksumXXHASH3>AAAAAAAAAAA=</ChecksumXXHASH3>");
        assert_eq!(unsupported, Err(S3Fault::UnsupportedChecksum { name: "XXHASH3".to_owned() }));
    }

    #[test]
    fn debug_of_a_part_shows_no_etag() {
        let body = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", part("1", "0123456789abcdef"));
        let parts = complete_multipart_upload(body.as_bytes()).expect("sound");
        assert!(!format!("{parts:?}").contains("0123"));
    }

    #[test]
    fn delete_keeps_keys_as_they_are() {
        let body = delete(b"<Delete xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Object><Key> a&#13;/../b </Key></Object></Delete>");
        let body = body.expect("sound");
        assert_eq!(body.verbosity, Verbosity::Verbose);
        assert_eq!(body.entries[0].target.as_ref().expect("sound").key.as_str(), " a\r/../b ");
    }

    #[test]
    fn delete_reads_versions_conditions_and_quiet() {
        let body = "<Delete><Quiet>true</Quiet><Object><Key>a</Key><VersionId>null</VersionId><ETag>&quot;e&quot;</ETag></Object>\
                    <Object><Key>b</Key><VersionId>v1</VersionId></Object></Delete>";
        let body = delete(body.as_bytes()).expect("sound");
        assert_eq!(body.verbosity, Verbosity::Quiet);
        let first = body.entries[0].target.as_ref().expect("sound");
        assert_eq!(first.version, VersionRef::Null);
        assert!(matches!(&first.condition, WriteCondition::Matches(tags) if tags.matches_strongly("e")));
        assert_eq!(body.entries[1].version_id.as_deref(), Some("v1"));
        assert!(matches!(body.entries[1].target, Err(S3Fault::InvalidArgument { .. })));
    }

    #[test]
    fn a_fault_of_one_key_leaves_the_others_alone() {
        let long = "k".repeat(1025);
        let body = format!(
            "<Delete><Object><Key>{long}</Key></Object><Object><Key>a</Key><Size>1</Size></Object><Object><Key>b</Key></Object></Delete>"
        );
        let body = delete(body.as_bytes()).expect("sound");
        assert_eq!(body.entries[0].target, Err(S3Fault::KeyTooLong { bytes: 1025 }));
        assert_eq!(body.entries[1].target, Err(S3Fault::ParameterNotImplemented { name: "Size".to_owned() }));
        assert!(body.entries[2].target.is_ok());
    }

    #[test]
    fn a_delete_that_cannot_be_meant_is_malformed() {
        let many = format!("<Delete>{}</Delete>", "<Object><Key>a</Key></Object>".repeat(1001));
        for body in [
            "<Delete/>",
            "<Delete><Object/></Delete>",
            "<Delete><Object><Key></Key></Object></Delete>",
            "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
            "<Delete><Object><Key>a</Key><IfAbsent/></Object></Delete>",
            "<Delete><Quiet>perhaps</Quiet><Object><Key>a</Key></Object></Delete>",
            "<Delete><Objekt><Key>a</Key></Objekt></Delete>",
            &many,
        ] {
            assert!(matches!(delete(body.as_bytes()), Err(S3Fault::MalformedXml(_))), "{body:.80}");
        }
        let most = format!("<Delete>{}</Delete>", "<Object><Key>a</Key></Object>".repeat(1000));
        assert_eq!(delete(most.as_bytes()).expect("sound").entries.len(), 1000);
    }

    #[test]
    fn tags_are_read_and_held_to_the_rules() {
        let tag = |key: &str, value: &str| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
        let parse = |tags: &str| put_tagging(format!("<Tagging><TagSet>{tags}</TagSet></Tagging>").as_bytes());
        let tags = parse(&(tag("a b", "") + &tag("c", "d&#xe9;"))).expect("sound");
        assert_eq!(tags.pairs(), [("a b".to_owned(), String::new()), ("c".to_owned(), "dé".to_owned())]);
        assert_eq!(parse("").expect("none").pairs().len(), 0);
        assert!(matches!(parse(&(tag("a", "1") + &tag("a", "2"))), Err(S3Fault::InvalidTag { .. })));
        let eleven: String = (0..11).map(|n| tag(&n.to_string(), "")).collect();
        assert_eq!(parse(&eleven), Err(S3Fault::TooManyTags { count: 11 }));
        for tags in ["<Tag><Key>a</Key></Tag>", "<Tag><Value>a</Value></Tag>", "<Tug/>"] {
            assert!(matches!(parse(tags), Err(S3Fault::MalformedXml(_))), "{tags}");
        }
        assert!(matches!(put_tagging(b"<Tagging/>"), Err(S3Fault::MalformedXml(_))));
    }

    #[test]
    fn locations_are_read_and_directory_buckets_refused() {
        let parse = |inner: &str| {
            create_bucket_configuration(
                format!("<CreateBucketConfiguration>{inner}</CreateBucketConfiguration>").as_bytes(),
            )
        };
        assert_eq!(create_bucket_configuration(b""), Ok(None));
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("<LocationConstraint>eu-west-1</LocationConstraint>"), Ok(Some("eu-west-1".to_owned())));
        let directory = parse("<Bucket><Type>Directory</Type></Bucket>");
        assert_eq!(directory, Err(S3Fault::ParameterNotImplemented { name: "Bucket".to_owned() }));
    }
}
