//! Reads answers: a walk over the elements of a document that builds no tree, because pages of 1000 keys are read at
//! the pace of listings. Bounded in length, depth and number of elements; no DTD, and no entities but XML's own five.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;

/// The longest answer: 1000 keys of 1024 bytes, each byte escaped as `%XX`, and what stands around them.
pub(super) const MAX_ANSWER_BYTES: usize = 8 << 20;
/// 1000 objects with all that S3 and its imitators say of one.
const MAX_ELEMENTS: usize = 40_000;
/// Deeper than any answer.
const MAX_DEPTH: usize = 8;

/// An element that has just ended.
#[derive(Debug)]
pub(super) struct Ended<'a> {
    /// The name of the element around it; empty for the root.
    pub(super) parent: &'a str,
    /// Its own local name. Namespaces are not looked at: imitators have none, or another one.
    pub(super) name: &'a str,
    /// Its text, untrimmed.
    pub(super) text: &'a str,
}

/// Why an answer cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its XML cannot be read: {0}")]
pub(super) struct XmlFault(pub(super) &'static str);

/// Calls `visit` for every element in the order in which they end. Returns the root's name.
pub(super) fn walk(document: &[u8], mut visit: impl FnMut(Ended<'_>)) -> Result<String, XmlFault> {
    let text = std::str::from_utf8(document).map_err(|_| XmlFault("it is not UTF-8"))?;
    // S3 sends white space to keep a connection alive, and only then the document.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start();
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut levels = Levels::default();
    let mut elements = 0;
    let mut root = None;
    loop {
        match reader.read_event().map_err(|_| XmlFault("it is not well-formed"))? {
            Event::Start(start) => {
                elements += 1;
                if root.is_some() || elements > MAX_ELEMENTS {
                    return Err(XmlFault("it has too many elements"));
                }
                levels.open(start.local_name().into_inner())?;
            }
            Event::End(_) => {
                let ended = levels.close()?;
                if ended.parent.is_empty() {
                    root = Some(ended.name.to_owned());
                }
                visit(ended);
            }
            Event::Text(text) => levels.append(&text.xml10_content())?,
            Event::CData(text) => levels.append(&text.xml10_content())?,
            Event::GeneralRef(reference) => {
                match reference.resolve_char_ref().map_err(|_| XmlFault("a character reference is wrong"))? {
                    Some(character) => levels.append(character.encode_utf8(&mut [0; 4]))?,
                    None => {
                        levels.append(resolve_xml_entity(&reference).ok_or(XmlFault("an entity is unknown"))?)?;
                    }
                }
            }
            Event::DocType(_) => return Err(XmlFault("it has a document type")),
            Event::Eof if levels.depth > 0 => return Err(XmlFault("it ends early")),
            Event::Eof => return root.ok_or(XmlFault("it is empty")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
        }
    }
}

/// The open elements. Their strings are used again: a page of keys allocates for none of its elements.
#[derive(Default)]
struct Levels {
    list: [Level; MAX_DEPTH],
    depth: usize,
}

#[derive(Default)]
struct Level {
    name: String,
    text: String,
}

impl Levels {
    fn open(&mut self, name: &str) -> Result<(), XmlFault> {
        let level = self.list.get_mut(self.depth).ok_or(XmlFault("it is nested too deep"))?;
        level.name.clear();
        level.name.push_str(name);
        level.text.clear();
        self.depth += 1;
        Ok(())
    }

    fn close(&mut self) -> Result<Ended<'_>, XmlFault> {
        self.depth = self.depth.checked_sub(1).ok_or(XmlFault("an element ends that has not begun"))?;
        let parent = self.depth.checked_sub(1).map_or("", |parent| self.list[parent].name.as_str());
        let level = &self.list[self.depth];
        Ok(Ended { parent, name: &level.name, text: &level.text })
    }

    fn append(&mut self, text: &str) -> Result<(), XmlFault> {
        match self.depth.checked_sub(1) {
            Some(open) => self.list[open].text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(XmlFault("there is text outside the root")),
        }
        Ok(())
    }
}

/// Text as it may stand in a document that we send. `None` where XML 1.0 has no way to write it.
pub(super) fn escape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Parsers turn these into other white space unless they are written as references.
            '\r' => out.push_str("&#13;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => return None,
            _ => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, MAX_ELEMENTS, escape, walk};

    use proptest::prelude::{any, proptest};

    /// Parent, name and text.
    type Seen = Vec<(String, String, String)>;

    fn seen(document: &str) -> Result<(String, Seen), String> {
        let mut seen = Vec::new();
        let root = walk(document.as_bytes(), |ended| {
            seen.push((ended.parent.to_owned(), ended.name.to_owned(), ended.text.to_owned()));
        });
        root.map(|root| (root, seen)).map_err(|fault| fault.to_string())
    }

    #[test]
    fn elements_are_told_as_they_end() {
        let (root, seen) =
            seen("  \n<?xml version='1.0'?><R xmlns='urn:x'><a>1&amp;&#x41;</a><b><a/></b></R> \n").expect("sound");
        let seen: Vec<_> = seen.iter().map(|(p, n, t)| (p.as_str(), n.as_str(), t.as_str())).collect();
        assert_eq!(root, "R");
        assert_eq!(seen, [("R", "a", "1&A"), ("b", "a", ""), ("R", "b", ""), ("", "R", "")]);
    }

    #[test]
    fn what_is_not_sound_is_refused() {
        for document in [
            "",
            " ",
            "<R>",
            "</R>",
            "<R></S>",
            "<R/><R/>",
            "<R/>x",
            "x<R/>",
            "<!DOCTYPE R [<!ENTITY x \"y\">]><R>&x;</R>",
            "<R>&x;</R>",
            "<R>&#0;</R>",
            "<R>&</R>",
        ] {
            assert!(seen(document).is_err(), "{document}");
        }
        assert!(walk(b"<R>\xff</R>", |_| {}).is_err());
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(seen(&nested(MAX_DEPTH)).is_ok());
        assert!(seen(&nested(MAX_DEPTH + 1)).is_err());
        assert!(seen(&format!("<R>{}</R>", "<a/>".repeat(MAX_ELEMENTS - 1))).is_ok());
        assert!(seen(&format!("<R>{}</R>", "<a/>".repeat(MAX_ELEMENTS))).is_err());
    }

    #[test]
    fn what_is_escaped_is_read_back() {
        let text = "<a>&\"' \r\n\t\u{e9}\u{10ffff}";
        let document = format!("<R>{}</R>", escape(text).expect("XML can hold it"));
        assert_eq!(seen(&document).expect("sound").1[0].2, text);
        for text in ["\u{1}", "\0", "\u{ffff}"] {
            assert_eq!(escape(text), None);
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(document in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = walk(&document, |_| {});
        }

        #[test]
        fn no_markup_panics(document in "[<>/RaA&;#x0-9\"'!\\[\\]\\-? =]{0,60}") {
            let _ = walk(document.as_bytes(), |_| {});
        }
    }
}
