//! Multipart uploads.

use std::collections::BTreeMap;

use super::answer::{Answer, escaped, xml_date};
use super::object::{copied, store};
use super::request::{Request, elements, unescaped};
use super::state::{Body, State, Upload};
use crate::sign::now;

/// S3 wants this of every part but the last.
const MIN_PART_BYTES: u64 = 5 << 20;

/// CreateMultipartUpload.
pub(super) fn create(state: &State, request: &Request) -> Answer {
    if !state.buckets().contains_key(&request.bucket) {
        return Answer::error(404, "NoSuchBucket");
    }
    let id = state.fresh();
    let of = (request.bucket.clone(), request.key.clone());
    let xml = format!(
        "<Bucket>{}</Bucket><Key>{}</Key><UploadId>{id}</UploadId>",
        escaped(&request.bucket),
        escaped(&request.key)
    );
    state.uploads().insert(id, Upload { of, begun: now(), parts: BTreeMap::new() });
    Answer::xml("InitiateMultipartUploadResult", &xml)
}

/// UploadPart and UploadPartCopy.
pub(super) fn upload_part(state: &State, request: &Request, body: Body) -> Answer {
    let copy = copied(state, request);
    let is_copy = copy.is_some();
    let body = match copy {
        Some(Err(answer)) => return answer,
        Some(Ok(source)) => source,
        None => body,
    };
    let (id, number) = (request.query("uploadId").unwrap_or_default(), request.number("partNumber").unwrap_or(0));
    let part = state.object(body);
    let (etag, modified) = (part.etag.clone(), part.modified);
    match state.uploads().get_mut(id) {
        None => return Answer::error(404, "NoSuchUpload"),
        Some(upload) => upload.parts.insert(number, part),
    };
    if is_copy {
        let (etag, modified) = (escaped(&etag), xml_date(modified));
        let xml = format!("<ETag>{etag}</ETag><LastModified>{modified}</LastModified>");
        return Answer::xml("CopyPartResult", &xml);
    }
    Answer::empty(200).with("etag", etag)
}

/// CompleteMultipartUpload.
pub(super) fn complete(state: &State, request: &Request, body: &Body) -> Answer {
    let text = body.text();
    let listed: Vec<_> = elements(&text, "Part")
        .into_iter()
        .filter_map(|part| {
            let number = elements(part, "PartNumber").first()?.trim().parse::<u64>().ok()?;
            Some((number, unescaped(elements(part, "ETag").first()?)))
        })
        .collect();
    let id = request.query("uploadId").unwrap_or_default();
    let joined = {
        let uploads = state.uploads();
        let Some(upload) = uploads.get(id) else { return Answer::error(404, "NoSuchUpload") };
        let mut parts = Vec::new();
        for (number, etag) in &listed {
            match upload.parts.get(number) {
                Some(part) if part.etag.trim_matches('"') == etag.trim_matches('"') => parts.push(&part.body),
                _ => return Answer::error(400, "InvalidPart"),
            }
        }
        if parts.iter().rev().skip(1).any(|part| part.len < MIN_PART_BYTES) {
            return Answer::error(400, "EntityTooSmall");
        }
        Body::joined(parts.into_iter())
    };
    let mut object = state.object(joined);
    object.etag = format!("\"{}-{}\"", state.fresh(), listed.len());
    let etag = escaped(&object.etag);
    if let Err(answer) = store(state, request, object) {
        return answer;
    }
    state.uploads().remove(id);
    let (bucket, key) = (escaped(&request.bucket), escaped(&request.key));
    let xml = format!("<Bucket>{bucket}</Bucket><Key>{key}</Key><ETag>{etag}</ETag>");
    Answer::xml("CompleteMultipartUploadResult", &xml)
}

/// AbortMultipartUpload.
pub(super) fn abort(state: &State, request: &Request) -> Answer {
    match state.uploads().remove(request.query("uploadId").unwrap_or_default()) {
        Some(_) => Answer::empty(204),
        None => Answer::error(404, "NoSuchUpload"),
    }
}

/// ListParts.
pub(super) fn parts(state: &State, request: &Request) -> Answer {
    let uploads = state.uploads();
    let Some(upload) = uploads.get(request.query("uploadId").unwrap_or_default()) else {
        return Answer::error(404, "NoSuchUpload");
    };
    let max = usize::try_from(request.number("max-parts").unwrap_or(1000)).unwrap_or(1000);
    let after = request.number("part-number-marker").unwrap_or(0);
    let mut parts = upload.parts.range(after + 1..);
    let (mut xml, mut last) = (String::new(), after);
    for (number, part) in parts.by_ref().take(max) {
        last = *number;
        xml.push_str(&format!(
            "<Part><PartNumber>{number}</PartNumber><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size></Part>",
            xml_date(part.modified),
            escaped(&part.etag),
            part.body.len
        ));
    }
    let more = parts.next().is_some();
    xml.push_str(&format!("<IsTruncated>{more}</IsTruncated><NextPartNumberMarker>{last}</NextPartNumberMarker>"));
    Answer::xml("ListPartsResult", &xml)
}

/// ListMultipartUploads, all on one page: there are never many.
pub(super) fn uploads(state: &State, request: &Request) -> Answer {
    let uploads = state.uploads();
    let prefix = request.query("prefix").unwrap_or_default();
    let mut found: Vec<_> = uploads
        .iter()
        .filter(|(_, upload)| upload.of.0 == request.bucket && upload.of.1.starts_with(prefix))
        .map(|(id, upload)| (&upload.of.1, id, upload.begun))
        .collect();
    found.sort();
    let after =
        (request.query("key-marker").unwrap_or_default(), request.query("upload-id-marker").unwrap_or_default());
    let mut xml = "<IsTruncated>false</IsTruncated>".to_owned();
    for (key, id, begun) in found.into_iter().filter(|(key, id, _)| (key.as_str(), id.as_str()) > after) {
        let (key, begun) = (escaped(key), xml_date(begun));
        xml.push_str(&format!(
            "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{begun}</Initiated></Upload>"
        ));
    }
    Answer::xml("ListMultipartUploadsResult", &xml)
}
