//! The bodies of requests that are XML. What was read, written in our own words, is read as the same.

use crypt_keeper::s3::xml;

use super::Outcome;

/// CompleteMultipartUpload.
pub(super) fn complete(input: &[u8]) -> Outcome {
    let Ok(parts) = xml::complete_multipart_upload(input) else { return Outcome::Refused };
    let mut body = String::from("<CompleteMultipartUpload>");
    for part in &parts {
        body.push_str(&format!("<Part><PartNumber>{}</PartNumber>", part.number.get()));
        body.push_str(&format!("<ETag>&quot;{}&quot;</ETag>", escaped(&part.etag)));
        for digest in &part.checksums {
            let name = digest.algorithm().name();
            let value = crypt_keeper::s3::checksum::digest_text(digest);
            body.push_str(&format!("<Checksum{name}>{value}</Checksum{name}>"));
        }
        body.push_str("</Part>");
    }
    body.push_str("</CompleteMultipartUpload>");
    let again = xml::complete_multipart_upload(body.as_bytes());
    assert!(again.is_ok_and(|again| again == parts), "read again: {body}");
    Outcome::Accepted
}

/// Delete.
pub(super) fn delete(input: &[u8]) -> Outcome {
    let Ok(read) = xml::delete(input) else { return Outcome::Refused };
    let mut body = String::from("<Delete>");
    for entry in &read.entries {
        body.push_str(&format!("<Object><Key>{}</Key>", escaped(&entry.key)));
        if let Some(version) = &entry.version_id {
            body.push_str(&format!("<VersionId>{}</VersionId>", escaped(version)));
        }
        body.push_str("</Object>");
    }
    body.push_str("</Delete>");
    let again = xml::delete(body.as_bytes()).expect("what was read is read again");
    assert_eq!(again.entries.len(), read.entries.len());
    for (again, entry) in again.entries.iter().zip(&read.entries) {
        assert_eq!((&again.key, &again.version_id), (&entry.key, &entry.version_id));
        if let (Ok(again), Ok(target)) = (&again.target, &entry.target) {
            assert_eq!((&again.key, again.version), (&target.key, target.version));
        }
    }
    Outcome::Accepted
}

/// Tagging, through our own writer.
pub(super) fn tagging(input: &[u8]) -> Outcome {
    let Ok(tags) = xml::put_tagging(input) else { return Outcome::Refused };
    let written = xml::tagging(tags.pairs());
    assert!(xml::put_tagging(written.as_bytes()).is_ok_and(|again| again == tags), "read again: {written}");
    Outcome::Accepted
}

/// CreateBucketConfiguration.
pub(super) fn create_bucket(input: &[u8]) -> Outcome {
    let Ok(Some(location)) = xml::create_bucket_configuration(input) else { return Outcome::Refused };
    let body = format!(
        "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
        escaped(&location)
    );
    assert_eq!(xml::create_bucket_configuration(body.as_bytes()), Ok(Some(location)));
    Outcome::Accepted
}

/// As text of an element that comes out as it is, line ends too.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '<' | '>' | '"' | '\r' | '\u{85}' | '\u{2028}' => out.push_str(&format!("&#{};", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}
