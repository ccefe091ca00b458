//! ListObjectsV2.
//!
//! The trait's `after` passes over a common prefix as a whole and never shows one that is not after it. Services
//! differ there, so what they are asked for is put so that it does not matter: a start inside or at a common prefix
//! becomes the last key that the prefix could have, and what comes too early all the same is dropped.

use percent_encoding::percent_decode_str;

use crate::base::{BucketName, ObjectKey, Timestamp};
use crate::s3::date::parse_date;
use crate::upstream::{ListPage, ListRequest, ListedObject, StoredFacts, UpstreamError, UpstreamEtag};

use super::S3Upstream;
use super::bucket;
use super::call::Method;
use super::facts::etag;
use super::fault::About;
use super::xml::walk;

/// After every name that begins with what stands before it, but for keys that begin with this very character: those
/// are dropped when they come.
const LAST_CHARACTER: char = '\u{10ffff}';
/// Pages that may be fetched for one: more of them say nothing new, and the service is asked in vain.
const MAX_ROUNDS: u32 = 100;
/// Fewest keys that are asked for. Asked for one, MinIO looks for an object that is called like the prefix, and tells
/// it as all that there is.
const MIN_ASKED: usize = 2;

pub(super) async fn list(
    upstream: &S3Upstream,
    bucket: &BucketName,
    request: &ListRequest,
) -> Result<ListPage, UpstreamError> {
    if request.max_entries == 0 {
        // Asked for no key, MinIO sends one, and no error where there is no bucket.
        return bucket::head(&upstream.client, bucket).await.map(|()| ListPage::default());
    }
    let mut page = ListPage::default();
    let mut from = Start::of(request, request.after.as_deref());
    let room = usize::try_from(request.max_entries).unwrap_or(usize::MAX);
    for _ in 0..MAX_ROUNDS {
        let before = entries(&page);
        let asked = (room - before).max(MIN_ASKED);
        let raw = fetch(upstream, bucket, request, &from, asked).await?;
        let more = raw.truncated;
        let next = from.behind(&raw, request)?;
        add(&mut page, raw, request)?;
        if entries(&page) - before > asked {
            return Err(broken("it lists more than it was asked for"));
        }
        let truncated = more | cut(&mut page, room);
        if !truncated || entries(&page) == room {
            if truncated {
                let (last_key, last_prefix) = last_names(&page);
                page.next_after = last_key.max(last_prefix).map(str::to_owned);
            }
            return Ok(page);
        }
        from = next.ok_or_else(|| broken("a listing goes on without saying where"))?;
    }
    Err(broken("a listing does not come to an end"))
}

fn entries(page: &ListPage) -> usize {
    page.objects.len() + page.common_prefixes.len()
}

fn last_names(page: &ListPage) -> (Option<&str>, Option<&str>) {
    (page.objects.last().map(|object| object.key.as_str()), page.common_prefixes.last().map(String::as_str))
}

/// Drops the last names of what is more than there is room for; says whether there were any.
fn cut(page: &mut ListPage, room: usize) -> bool {
    let too_many = entries(page) > room;
    while entries(page) > room {
        let (last_key, last_prefix) = last_names(page);
        if last_key > last_prefix {
            page.objects.pop();
        } else {
            page.common_prefixes.pop();
        }
    }
    too_many
}

/// One answer, decoded.
#[derive(Default)]
struct Raw {
    objects: Vec<RawObject>,
    prefixes: Vec<String>,
    truncated: bool,
    token: Option<String>,
    encoded: bool,
}

#[derive(Default)]
struct RawObject {
    key: String,
    etag: Option<UpstreamEtag>,
    stored_bytes: Option<u64>,
    last_modified: Option<Timestamp>,
}

/// Where the service is to start.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Start {
    Beginning,
    After(String),
    Token(String),
}

impl Start {
    /// After a name: for a common prefix, after everything that it stands for.
    fn of(request: &ListRequest, after: Option<&str>) -> Self {
        let Some(after) = after.filter(|after| !after.is_empty()) else { return Self::Beginning };
        let Some(rest) = after.strip_prefix(request.prefix.as_str()) else {
            // Before everything that begins with the prefix: some services then list nothing.
            return if after > request.prefix.as_str() { Self::After(after.to_owned()) } else { Self::Beginning };
        };
        let delimiter = request.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        Self::After(match delimiter.and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len())) {
            Some(end) => format!("{}{}{LAST_CHARACTER}", request.prefix, &rest[..end]),
            None => after.to_owned(),
        })
    }

    /// After the last name of an answer. Its token only where that leads no further: MinIO's, after a common prefix of
    /// another delimiter than the slash, leads to the same prefix again.
    fn behind(&self, raw: &Raw, request: &ListRequest) -> Result<Option<Self>, UpstreamError> {
        let names = [raw.objects.last().map(|object| &object.key), raw.prefixes.last()];
        let names = names.into_iter().flatten().map(|last| name(last, raw.encoded)).collect::<Result<Vec<_>, _>>()?;
        let after = names.iter().map(|name| Self::of(request, Some(name))).max();
        let further = after.filter(|after| matches!(self, Self::Token(_)) || self < after);
        Ok(further.or_else(|| raw.token.clone().map(Self::Token)))
    }
}

async fn fetch(
    upstream: &S3Upstream,
    bucket: &BucketName,
    request: &ListRequest,
    from: &Start,
    wanted: usize,
) -> Result<Raw, UpstreamError> {
    let mut call = upstream
        .client
        .call(Method::Get, bucket, None)
        .query("list-type", "2")
        .query("encoding-type", "url")
        .query("max-keys", &wanted.to_string())
        .query("prefix", &request.prefix);
    if let Some(delimiter) = &request.delimiter {
        call = call.query("delimiter", delimiter);
    }
    call = match from {
        Start::Token(token) => call.query("continuation-token", token),
        Start::After(name) => call.query("start-after", name),
        Start::Beginning => call,
    };
    let document = upstream.client.ask(&call, About::Bucket).await?.document;
    read(&document)
}

fn read(document: &[u8]) -> Result<Raw, UpstreamError> {
    let mut raw = Raw::default();
    let mut object = RawObject::default();
    let root = walk(document, |ended| match (ended.parent, ended.name) {
        ("Contents", "Key") => ended.text.clone_into(&mut object.key),
        ("Contents", "ETag") => object.etag = etag(ended.text).ok(),
        ("Contents", "Size") => object.stored_bytes = ended.text.trim().parse().ok(),
        ("Contents", "LastModified") => object.last_modified = parse_date(ended.text.trim()),
        ("ListBucketResult", "Contents") => raw.objects.push(std::mem::take(&mut object)),
        ("CommonPrefixes", "Prefix") => raw.prefixes.push(ended.text.to_owned()),
        ("ListBucketResult", "IsTruncated") => raw.truncated = ended.text.trim() == "true",
        ("ListBucketResult", "NextContinuationToken") => raw.token = Some(ended.text.to_owned()),
        ("ListBucketResult", "EncodingType") => raw.encoded = ended.text.trim() == "url",
        _ => {}
    })?;
    if root == "ListBucketResult" { Ok(raw) } else { Err(broken("its answer to a LIST is another document")) }
}

/// The page that one answer makes.
pub(super) fn page(document: &[u8], request: &ListRequest) -> Result<ListPage, UpstreamError> {
    let mut page = ListPage::default();
    add(&mut page, read(document)?, request)?;
    Ok(page)
}

/// Adds what is new and after `after`; what cannot be is a fault: pages are cut and joined by the order of names.
fn add(page: &mut ListPage, raw: Raw, request: &ListRequest) -> Result<(), UpstreamError> {
    let encoded = raw.encoded;
    let late = |name: &str| request.after.as_deref().is_none_or(|after| name > after);
    for object in raw.objects {
        let key = name(&object.key, encoded)?;
        if !late(&key) {
            continue;
        }
        check(&key, page.objects.last().map(|last| last.key.as_str()), request)?;
        page.objects.push(listed(&key, object)?);
    }
    for prefix in raw.prefixes {
        let prefix = name(&prefix, encoded)?;
        // One that spans two pages of the service is told in both.
        if late(&prefix) && page.common_prefixes.last() != Some(&prefix) {
            check(&prefix, page.common_prefixes.last().map(String::as_str), request)?;
            page.common_prefixes.push(prefix);
        }
    }
    Ok(())
}

fn check(name: &str, before: Option<&str>, request: &ListRequest) -> Result<(), UpstreamError> {
    if !name.starts_with(&request.prefix) {
        return Err(broken("it lists a key without the prefix that was asked for"));
    }
    if before.is_some_and(|before| before >= name) {
        return Err(broken("its listing is not in the order of bytes"));
    }
    Ok(())
}

fn listed(key: &str, object: RawObject) -> Result<ListedObject, UpstreamError> {
    let key = ObjectKey::parse(key).ok_or_else(|| broken("it lists a key that is none"))?;
    let (Some(etag), Some(stored_bytes), Some(last_modified)) =
        (object.etag, object.stored_bytes, object.last_modified)
    else {
        return Err(broken("it lists an object without ETag, size or date"));
    };
    let facts = StoredFacts { etag, stored_bytes, last_modified, version: None, tag_count: 0 };
    Ok(ListedObject { key, facts })
}

/// A name as it is. In `encoding-type=url` a space is a `+`, and a plus is `%2B`.
pub(super) fn name(text: &str, encoded: bool) -> Result<String, UpstreamError> {
    if !encoded {
        return Ok(text.to_owned());
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| broken("it lists a key that is not UTF-8"))?;
    Ok(decoded.into_owned())
}

fn broken(text: &str) -> UpstreamError {
    UpstreamError::Broken(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Raw, Start, read};
    use crate::upstream::{ListPage, ListRequest, UpstreamError};

    fn request(prefix: &str, delimiter: Option<&str>, after: &str) -> ListRequest {
        let delimiter = delimiter.map(str::to_owned);
        ListRequest { prefix: prefix.to_owned(), delimiter, after: Some(after.to_owned()), max_entries: 10 }
    }

    #[test]
    fn a_start_passes_over_common_prefixes() {
        for (prefix, delimiter, after, start) in [
            ("", None, "a/b", Some("a/b")),
            ("", Some("/"), "a", Some("a")),
            ("", Some("/"), "a/", Some("a/\u{10ffff}")),
            ("", Some("/"), "a/b/c", Some("a/\u{10ffff}")),
            ("a/", Some("/"), "a/b", Some("a/b")),
            ("a/", Some("/"), "a/b/", Some("a/b/\u{10ffff}")),
            ("b", Some("/"), "a/x", None),
            ("b", Some("/"), "c/x", Some("c/x")),
            ("", Some("/"), "", None),
        ] {
            let request = request(prefix, delimiter, after);
            let wanted = start.map_or(Start::Beginning, |start: &str| Start::After(start.to_owned()));
            assert_eq!(Start::of(&request, request.after.as_deref()), wanted, "{prefix} {after}");
        }
    }

    #[test]
    fn a_listing_goes_on_behind_what_it_told() {
        let request = request("", Some("-"), "a");
        let token = || Some(Start::Token("t".to_owned()));
        let told = |prefixes: &[&str]| Raw {
            prefixes: prefixes.iter().map(|&prefix| prefix.to_owned()).collect(),
            token: Some("t".to_owned()),
            ..Raw::default()
        };
        let from = Start::of(&request, Some("a"));
        let behind = from.behind(&told(&["b-"]), &request).expect("a start");
        assert_eq!(behind, Some(Start::After("b-\u{10ffff}".to_owned())));
        assert_eq!(from.behind(&told(&[]), &request).expect("a start"), token(), "nothing to go behind");
        let again = behind.expect("a start").behind(&told(&["b-"]), &request);
        assert_eq!(again.expect("a start"), token(), "told again");
    }

    fn page(content: &str, request: &ListRequest) -> Result<ListPage, UpstreamError> {
        super::page(format!("<ListBucketResult>{content}</ListBucketResult>").as_bytes(), request)
    }

    fn entry(key: &str) -> String {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2025-03-07T00:05:06.789Z</LastModified><ETag>&quot;e&quot;</ETag>\
             <Size>5</Size><Owner><ID>x</ID></Owner></Contents>"
        )
    }

    #[test]
    fn keys_are_decoded_where_the_answer_says_so() {
        let content = format!("{}<EncodingType>url</EncodingType>", entry("a+b%2Bc%25%01"));
        let listed = page(&content, &ListRequest::default()).expect("a page");
        assert_eq!(listed.objects[0].key.as_str(), "a b+c%\u{1}");
        assert_eq!(listed.objects[0].facts.last_modified.unix_millis(), 1_741_305_906_000);
        assert_eq!(page(&entry("a+b%25"), &ListRequest::default()).expect("a page").objects[0].key.as_str(), "a+b%25");
    }

    #[test]
    fn lies_of_a_listing_are_refused() {
        for content in [
            [entry("b"), entry("a")].concat(),
            [entry("a"), entry("a")].concat(),
            entry(""),
            entry(&"x".repeat(1025)),
            "<Contents><Key>a</Key></Contents>".to_owned(),
            format!("{}<EncodingType>url</EncodingType>", entry("%ff")),
        ] {
            assert!(matches!(page(&content, &ListRequest::default()), Err(UpstreamError::Broken(_))), "{content}");
        }
        assert!(page(&entry("b"), &request("a", None, "")).is_err(), "outside the prefix");
        assert!(read(b"<html></html>").is_err());
    }

    #[test]
    fn what_comes_too_early_is_dropped() {
        let content =
            [entry("a"), entry("b"), "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>".to_owned()].concat();
        let listed = page(&content, &request("", Some("/"), "a/")).expect("a page");
        assert_eq!((listed.objects.len(), listed.common_prefixes.len()), (1, 0));
    }
}
