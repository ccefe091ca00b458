//! Answers, and how they are written.

use std::io;

use time::macros::format_description;
use time::{OffsetDateTime, format_description::StaticFormatDescription};

use super::state::Body;
use crate::sign::now;
use crate::wire::Wire;

const HTTP_DATE: StaticFormatDescription =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
const XML_DATE: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// An answer.
pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    content: Content,
}

enum Content {
    Text(String),
    /// A range of a stored body: where it starts, and how long it is.
    Stored {
        body: Body,
        offset: u64,
        len: u64,
    },
}

impl Answer {
    /// An answer without a body.
    pub(super) const fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), content: Content::Text(String::new()) }
    }

    /// A refusal.
    pub(super) fn error(status: u16, code: &str) -> Self {
        let xml = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
        Self { status, headers: Vec::new(), content: Content::Text(xml) }
    }

    /// A document.
    pub(super) fn xml(root: &str, inner: &str) -> Self {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
        let xml = format!("{head}<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</{root}>");
        let headers = vec![("content-type", "application/xml".to_owned())];
        Self { status: 200, headers, content: Content::Text(xml) }
    }

    /// Part of a stored body.
    pub(super) const fn stored(status: u16, body: Body, offset: u64, len: u64) -> Self {
        Self { status, headers: Vec::new(), content: Content::Stored { body, offset, len } }
    }

    /// Adds a header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Writes it; to HEAD, without its body.
    pub(super) fn send(&self, wire: &mut Wire, method: &str) -> io::Result<()> {
        let len = match &self.content {
            Content::Text(text) => text.len() as u64,
            Content::Stored { len, .. } => *len,
        };
        let (status, date) = (self.status, http_date(now()));
        let mut head = format!("HTTP/1.1 {status} -\r\ndate: {date}\r\nx-amz-request-id: null\r\n");
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.status != 204 {
            head.push_str(&format!("content-length: {len}\r\n"));
        }
        head.push_str("\r\n");
        match &self.content {
            _ if method == "HEAD" => wire.write(head.as_bytes()),
            Content::Text(text) => wire.write(&[head.as_bytes(), text.as_bytes()].concat()),
            Content::Stored { body, offset, len } => body.send(wire, head.into_bytes(), *offset, *len),
        }
    }
}

/// As headers have it.
pub(super) fn http_date(time: OffsetDateTime) -> String {
    time.format(HTTP_DATE).expect("a date")
}

/// As documents have it.
pub(super) fn xml_date(time: OffsetDateTime) -> String {
    time.format(XML_DATE).expect("a date")
}

/// Text for XML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
