//! ListObjectsV2.

use std::ops::Bound;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::{Answer, escaped, xml_date};
use super::request::Request;
use super::state::{Object, State};

/// What `encoding-type=url` leaves alone.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// S3's page.
const MAX_KEYS: u64 = 1000;

/// One page. A token is the last key or common prefix of the page before, in hex.
pub(super) fn objects(state: &State, request: &Request) -> Answer {
    let buckets = state.buckets();
    let Some(bucket) = buckets.get(&request.bucket) else { return Answer::error(404, "NoSuchBucket") };
    let text = |name| request.query(name).unwrap_or_default();
    let (prefix, delimiter) = (text("prefix"), text("delimiter"));
    let token = hex::decode(text("continuation-token")).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let after = [token.unwrap_or_default(), text("start-after").to_owned(), text("marker").to_owned()];
    let after = after.into_iter().max().unwrap_or_default();
    let max = usize::try_from(request.number("max-keys").unwrap_or(MAX_KEYS).min(MAX_KEYS)).unwrap_or(0);
    let spell = |key: &str| match text("encoding-type") {
        "url" => utf8_percent_encode(key, ENCODED).to_string(),
        _ => escaped(key),
    };

    let start = if after.as_str() < prefix { Bound::Included(prefix) } else { Bound::Excluded(after.as_str()) };
    let (mut contents, mut prefixes, mut count) = (String::new(), String::new(), 0);
    let (mut last, mut truncated) = (String::new(), false);
    // What ends with the delimiter and lies at its first place is a common prefix, and passed as a whole.
    let mut passed = (!delimiter.is_empty() && after.ends_with(delimiter)).then(|| after.clone());
    for (key, object) in bucket.range::<str, _>((start, Bound::Unbounded)) {
        if !key.starts_with(prefix) {
            break;
        }
        if passed.as_ref().is_some_and(|passed| key.starts_with(passed)) {
            continue;
        }
        if count == max {
            truncated = max > 0;
            break;
        }
        count += 1;
        let rest = &key[prefix.len()..];
        match rest.find(delimiter).filter(|_| !delimiter.is_empty()) {
            Some(at) => {
                last = key[..prefix.len() + at + delimiter.len()].to_owned();
                prefixes.push_str(&format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", spell(&last)));
                passed = Some(last.clone());
            }
            None => {
                last.clone_from(key);
                contents.push_str(&entry(&spell(key), object));
            }
        }
    }
    let next = if truncated {
        let (token, marker) = (hex::encode(&last), spell(&last));
        format!("<NextContinuationToken>{token}</NextContinuationToken><NextMarker>{marker}</NextMarker>")
    } else {
        String::new()
    };
    let encoding = if text("encoding-type") == "url" { "<EncodingType>url</EncodingType>" } else { "" };
    Answer::xml(
        "ListBucketResult",
        &format!(
            "<Name>{}</Name><Prefix>{}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>{max}</MaxKeys>\
             <IsTruncated>{truncated}</IsTruncated>{encoding}{next}{contents}{prefixes}",
            escaped(&request.bucket),
            spell(prefix)
        ),
    )
}

fn entry(key: &str, object: &Object) -> String {
    let (modified, etag, size) = (xml_date(object.modified), escaped(&object.etag), object.body.len);
    format!(
        "<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag><Size>{size}</Size>\
         <StorageClass>STANDARD</StorageClass></Contents>"
    )
}
