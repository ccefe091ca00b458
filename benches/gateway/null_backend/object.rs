//! Objects: put, get, delete, tags.

use super::answer::{Answer, escaped, http_date};
use super::request::{Request, decoded, elements, unescaped};
use super::state::{Body, Bucket, Object, State};

/// PutObject, or a copy.
pub(super) fn put(state: &State, request: &Request, body: Body) -> Answer {
    let body = match copied(state, request) {
        Some(Err(answer)) => return answer,
        Some(Ok(source)) => source,
        None => body,
    };
    let mut object = state.object(body);
    let tags = request.head.get("x-amz-tagging").unwrap_or_default();
    for (name, value) in tags.split('&').filter_map(|pair| pair.split_once('=')) {
        let (name, value) = (escaped(&decoded(name)), escaped(&decoded(value)));
        object.tags.push_str(&format!("<Tag><Key>{name}</Key><Value>{value}</Value></Tag>"));
    }
    let copy = request.head.get("x-amz-copy-source").is_some();
    let etag = object.etag.clone();
    match store(state, request, object) {
        Err(answer) => answer,
        Ok(()) if copy => Answer::xml("CopyObjectResult", &format!("<ETag>{}</ETag>", escaped(&etag))),
        Ok(()) => Answer::empty(200).with("etag", etag),
    }
}

/// Puts an object in its place if the request's conditions hold.
pub(super) fn store(state: &State, request: &Request, object: Object) -> Result<(), Answer> {
    let mut buckets = state.buckets();
    let bucket = buckets.get_mut(&request.bucket).ok_or_else(|| Answer::error(404, "NoSuchBucket"))?;
    check_write(request, bucket)?;
    bucket.insert(request.key.clone(), object);
    Ok(())
}

fn check_write(request: &Request, bucket: &Bucket) -> Result<(), Answer> {
    let current = bucket.get(&request.key);
    match (request.head.get("if-none-match"), request.head.get("if-match"), current) {
        (Some(_), _, Some(_)) => Err(Answer::error(412, "PreconditionFailed")),
        (_, Some(_), None) => Err(Answer::error(404, "NoSuchKey")),
        (_, Some(etag), Some(object)) if !same(etag, &object.etag) => Err(Answer::error(412, "PreconditionFailed")),
        _ => Ok(()),
    }
}

fn same(given: &str, etag: &str) -> bool {
    given == "*" || given.trim_matches('"') == etag.trim_matches('"')
}

/// The bytes that `x-amz-copy-source` names, where it does.
pub(super) fn copied(state: &State, request: &Request) -> Option<Result<Body, Answer>> {
    let source = request.head.get("x-amz-copy-source")?;
    let source = decoded(source.trim_start_matches('/'));
    let (bucket, key) = source.split_once('/').unwrap_or((&source, ""));
    let Some(object) = find(state, bucket, key) else { return Some(Err(Answer::error(404, "NoSuchKey"))) };
    if request.head.get("x-amz-copy-source-if-match").is_some_and(|etag| !same(etag, &object.etag)) {
        return Some(Err(Answer::error(412, "PreconditionFailed")));
    }
    let Some(range) = request.head.get("x-amz-copy-source-range") else { return Some(Ok(object.body)) };
    Some(match range_of(range, object.body.len) {
        Some((offset, len)) => Ok(object.body.slice(offset, len)),
        None => Err(Answer::error(416, "InvalidRange")),
    })
}

fn find(state: &State, bucket: &str, key: &str) -> Option<Object> {
    state.buckets().get(bucket)?.get(key).cloned()
}

/// GetObject and HeadObject.
pub(super) fn get(state: &State, request: &Request) -> Answer {
    let Some(object) = find(state, &request.bucket, &request.key) else { return Answer::error(404, "NoSuchKey") };
    if request.head.get("if-match").is_some_and(|etag| !same(etag, &object.etag)) {
        return Answer::error(412, "PreconditionFailed");
    }
    if request.head.get("if-none-match").is_some_and(|etag| same(etag, &object.etag)) {
        return Answer::empty(304).with("etag", object.etag);
    }
    let size = object.body.len;
    let answer = match request.head.get("range").map(|range| range_of(range, size)) {
        None => Answer::stored(200, object.body, 0, size),
        Some(None) => return Answer::error(416, "InvalidRange"),
        Some(Some((offset, len))) => Answer::stored(206, object.body, offset, len)
            .with("content-range", format!("bytes {offset}-{}/{size}", offset + len - 1)),
    };
    answer
        .with("etag", object.etag)
        .with("last-modified", http_date(object.modified))
        .with("accept-ranges", "bytes")
        .with("content-type", "binary/octet-stream")
}

/// Offset and length of `bytes=...`; `None` where it is outside.
fn range_of(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (first.parse::<u64>().ok(), last.parse::<u64>().ok()) {
        (Some(first), Some(last)) => (first, last.saturating_add(1).min(size)),
        (Some(first), None) => (first, size),
        (None, Some(suffix)) => (size.saturating_sub(suffix), size),
        (None, None) => return None,
    };
    (from < to).then(|| (from, to - from))
}

/// DeleteObject.
pub(super) fn delete(state: &State, request: &Request) -> Answer {
    let mut buckets = state.buckets();
    let Some(bucket) = buckets.get_mut(&request.bucket) else { return Answer::error(404, "NoSuchBucket") };
    if request.head.get("if-match").is_some()
        && let Err(answer) = check_write(request, bucket)
    {
        return answer;
    }
    bucket.remove(&request.key);
    Answer::empty(204)
}

/// DeleteObjects.
pub(super) fn delete_many(state: &State, request: &Request, body: &Body) -> Answer {
    let mut buckets = state.buckets();
    let Some(bucket) = buckets.get_mut(&request.bucket) else { return Answer::error(404, "NoSuchBucket") };
    let (text, mut deleted) = (body.text(), String::new());
    for key in elements(&text, "Key") {
        bucket.remove(&unescaped(key));
        deleted.push_str(&format!("<Deleted><Key>{key}</Key></Deleted>"));
    }
    Answer::xml("DeleteResult", &deleted)
}

/// GetObjectTagging.
pub(super) fn get_tags(state: &State, request: &Request) -> Answer {
    match find(state, &request.bucket, &request.key) {
        None => Answer::error(404, "NoSuchKey"),
        Some(object) => Answer::xml("Tagging", &format!("<TagSet>{}</TagSet>", object.tags)),
    }
}

/// PutObjectTagging; an empty body removes them.
pub(super) fn put_tags(state: &State, request: &Request, body: &Body) -> Answer {
    let mut buckets = state.buckets();
    let object = buckets.get_mut(&request.bucket).and_then(|bucket| bucket.get_mut(&request.key));
    let Some(object) = object else { return Answer::error(404, "NoSuchKey") };
    object.tags = elements(&body.text(), "TagSet").concat();
    Answer::empty(if request.method == "DELETE" { 204 } else { 200 })
}
