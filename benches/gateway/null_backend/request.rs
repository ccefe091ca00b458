//! A request as the null backend understands it.

use std::io;

use percent_encoding::percent_decode_str;

use crate::wire::{Head, wrong};

/// A request, path-style. Names are decoded.
pub(super) struct Request {
    /// GET and so on.
    pub(super) method: String,
    /// Empty for the service itself.
    pub(super) bucket: String,
    /// Empty for the bucket itself.
    pub(super) key: String,
    query: Vec<(String, String)>,
    /// Its headers.
    pub(super) head: Head,
}

impl Request {
    /// Takes the first line apart.
    pub(super) fn parse(head: Head) -> io::Result<Self> {
        let mut words = head.line.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(wrong("no request line")) };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix('/').ok_or(wrong("no path"))?;
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        });
        Ok(Self { method: method.to_owned(), bucket: decoded(bucket), key: decoded(key), query: query.collect(), head })
    }

    /// A parameter of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A number in the query.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.query(name)?.parse().ok()
    }
}

/// Percent-encoded text, decoded.
pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The text of every element of this name, in order. Enough for documents that software wrote.
pub(super) fn elements<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let after = xml.split(open.as_str()).skip(1);
    after.filter_map(|rest| rest.split_once(close.as_str()).map(|(text, _)| text)).collect()
}

/// Text out of XML.
pub(super) fn unescaped(text: &str) -> String {
    let named = [("&quot;", "\""), ("&#34;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">")];
    let text = named.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&amp;", "&")
}
