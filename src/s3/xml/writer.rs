//! Writes a document; an element cannot be left open.

use std::fmt::Write as _;

/// Every document begins with it. A Complete that takes long may send it first and whitespace after it, because
/// nothing may stand before the declaration.
pub const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A document in the making.
pub(super) struct Xml {
    out: String,
}

impl Xml {
    /// A document in S3's namespace.
    pub(super) fn document(root: &'static str, content: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self { out: DECLARATION.to_owned() };
        xml.raw(&["<", root, " xmlns=\"", NAMESPACE, "\">"]);
        content(&mut xml);
        xml.raw(&["</", root, ">"]);
        xml.out
    }

    /// A document without a namespace: `Error`.
    pub(super) fn plain_document(root: &'static str, content: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self { out: DECLARATION.to_owned() };
        xml.element(root, content);
        xml.out
    }

    /// An element with elements inside.
    pub(super) fn element(&mut self, name: &'static str, content: impl FnOnce(&mut Self)) {
        self.raw(&["<", name, ">"]);
        content(self);
        self.raw(&["</", name, ">"]);
    }

    /// An element with text inside.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.raw(&["<", name, ">"]);
        self.bare(value);
        self.raw(&["</", name, ">"]);
    }

    /// The same, where there is a value.
    pub(super) fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// An element with a number inside.
    pub(super) fn number(&mut self, name: &str, value: impl Into<u64>) {
        self.text(name, &value.into().to_string());
    }

    /// Text in the element that is open.
    pub(super) fn bare(&mut self, value: &str) {
        if value.bytes().all(is_plain) {
            return self.out.push_str(value);
        }
        for c in value.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                // XML would turn \r into \n, and cannot hold most of the others at all; S3 sends references all the
                // same, and clients that have such keys ask for encoding-type=url.
                '\0'..='\x1f' | '\x7f' | '\u{fffe}' | '\u{ffff}' => {
                    let _ = write!(self.out, "&#x{:x};", u32::from(c));
                }
                _ => self.out.push(c),
            }
        }
    }

    fn raw(&mut self, pieces: &[&str]) {
        for piece in pieces {
            self.out.push_str(piece);
        }
    }
}

/// Whether a byte stands for itself wherever it is. U+FFFE and U+FFFF begin with 0xef.
const fn is_plain(byte: u8) -> bool {
    !matches!(byte, 0..=0x1f | b'&' | b'<' | b'>' | b'"' | 0x7f | 0xef)
}
