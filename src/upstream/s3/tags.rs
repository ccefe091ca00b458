//! Object tags.

use crate::upstream::{ObjectRef, Tags, UpstreamError};

use super::S3Upstream;
use super::call::{Method, Payload, in_query};
use super::fault::About;
use super::object::about_object;
use super::xml::{escape, walk};

/// S3 has ten; a service that sends more is cut off.
const MAX_TAGS: usize = 50;

/// x-amz-tagging of a write, where there are tags.
pub(super) fn header(tags: &Tags) -> Option<String> {
    let pairs = tags.iter().map(|(key, value)| format!("{}={}", in_query(key), in_query(value)));
    let joined = pairs.collect::<Vec<_>>().join("&");
    Some(joined).filter(|joined| !joined.is_empty())
}

pub(super) async fn get(upstream: &S3Upstream, object: &ObjectRef) -> Result<Tags, UpstreamError> {
    let call = about_object(upstream, Method::Get, object).query("tagging", "");
    let document = upstream.client.ask(&call, About::Object).await?.document;
    let mut tags = Tags::new();
    let mut key = String::new();
    let mut value = String::new();
    walk(&document, |ended| match (ended.parent, ended.name) {
        ("Tag", "Key") => ended.text.clone_into(&mut key),
        ("Tag", "Value") => ended.text.clone_into(&mut value),
        ("TagSet", "Tag") if tags.len() < MAX_TAGS => {
            tags.push((std::mem::take(&mut key), std::mem::take(&mut value)));
        }
        _ => {}
    })?;
    Ok(tags)
}

pub(super) async fn put(upstream: &S3Upstream, object: &ObjectRef, tags: &Tags) -> Result<(), UpstreamError> {
    let method = if tags.is_empty() { Method::Delete } else { Method::Put };
    let mut call = about_object(upstream, method, object).query("tagging", "");
    if !tags.is_empty() {
        let document = document(tags)?;
        call = call.header("content-md5", super::content_md5(&document)).payload(Payload::Signed(document));
    }
    upstream.client.ask(&call, About::Object).await.map(drop)
}

fn document(tags: &Tags) -> Result<Vec<u8>, UpstreamError> {
    let text = |text: &str| escape(text).ok_or(UpstreamError::Unsupported("a tag with a control character"));
    let mut document = "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>".to_owned();
    for (key, value) in tags {
        document.push_str(&format!("<Tag><Key>{}</Key><Value>{}</Value></Tag>", text(key)?, text(value)?));
    }
    document.push_str("</TagSet></Tagging>");
    Ok(document.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::{document, header};

    #[test]
    fn tags_are_a_form_in_the_header() {
        assert_eq!(header(&Vec::new()), None);
        let tags = vec![("b=&%".to_owned(), "\u{e9} +/".to_owned()), ("a".to_owned(), String::new())];
        assert_eq!(header(&tags).as_deref(), Some("b%3D%26%25=%C3%A9%20%2B%2F&a="));
    }

    #[test]
    fn a_tag_cannot_break_out_of_the_document() {
        let tags = vec![("</Key>".to_owned(), "&".to_owned())];
        let text = String::from_utf8(document(&tags).expect("sound")).expect("text");
        assert!(text.contains("<Key>&lt;/Key&gt;</Key><Value>&amp;</Value>"), "{text}");
    }
}
