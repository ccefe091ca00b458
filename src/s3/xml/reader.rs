//! A document as a small tree, with a limit on everything that a client could blow up.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;

use crate::s3::fault::S3Fault;

/// Deeper than any body of S3 that we parse.
const MAX_DEPTH: usize = 8;

/// What a document may cost.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Length of the body.
    pub(super) bytes: usize,
    /// Number of elements: a body of `<a/>` is a tree many times its size.
    pub(super) elements: usize,
}

/// An element. Namespaces and attributes are not kept: S3's clients send the right one, another one, or none.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// Local name.
    pub(super) name: String,
    /// Its own text, untrimmed.
    pub(super) text: String,
    /// Its elements, in order.
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The text of the one child of this name. Two of them are refused: readers that took the first and the last
    /// would see different requests.
    pub(super) fn text_of(&self, name: &str) -> Result<Option<&str>, S3Fault> {
        Ok(self.one(name)?.map(|child| child.text.as_str()))
    }

    /// The one child of this name.
    pub(super) fn one(&self, name: &str) -> Result<Option<&Self>, S3Fault> {
        let mut found = self.children.iter().filter(|child| child.name == name);
        let first = found.next();
        if found.next().is_some() {
            return Err(S3Fault::MalformedXml("an element is repeated"));
        }
        Ok(first)
    }
}

/// Parses a document whose root has this name.
pub(super) fn parse(body: &[u8], root: &str, limits: Limits) -> Result<Element, S3Fault> {
    if body.len() > limits.bytes {
        return Err(S3Fault::XmlTooLong { max_bytes: limits.bytes });
    }
    let text = std::str::from_utf8(body).map_err(|_| S3Fault::MalformedXml("it is not UTF-8"))?;
    let element = tree(text.strip_prefix('\u{feff}').unwrap_or(text), limits.elements)?;
    if element.name == root { Ok(element) } else { Err(S3Fault::MalformedXml("the root element is another one")) }
}

fn tree(text: &str, max_elements: usize) -> Result<Element, S3Fault> {
    let malformed = S3Fault::MalformedXml;
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut count = 0;
    loop {
        match reader.read_event().map_err(|_| malformed("it is not well-formed"))? {
            Event::Start(start) => {
                count += 1;
                if root.is_some() || open.len() == MAX_DEPTH || count > max_elements {
                    return Err(malformed("it has too many elements"));
                }
                open.push(Element { name: start.local_name().into_inner().to_owned(), ..Element::default() });
            }
            Event::End(_) => {
                let done = open.pop().ok_or(malformed("an element ends that has not begun"))?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => root = Some(done),
                }
            }
            Event::Text(text) => append(&mut open, &text.xml10_content())?,
            Event::CData(text) => append(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let character =
                    reference.resolve_char_ref().map_err(|_| malformed("a character reference is wrong"))?;
                match character {
                    Some(character) => append(&mut open, character.encode_utf8(&mut [0; 4]))?,
                    None => {
                        append(&mut open, resolve_xml_entity(&reference).ok_or(malformed("an entity is unknown"))?)?
                    }
                }
            }
            Event::DocType(_) => return Err(malformed("it has a document type")),
            Event::Eof if open.is_empty() => return root.ok_or(malformed("it is empty")),
            Event::Eof => return Err(malformed("it ends early")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
        }
    }
}

fn append(open: &mut [Element], text: &str) -> Result<(), S3Fault> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(S3Fault::MalformedXml("there is text outside the root")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Element, Limits, parse};
    use crate::s3::S3Fault;

    use proptest::prelude::{any, proptest};

    const LIMITS: Limits = Limits { bytes: 1000, elements: 10 };

    fn text(body: &str) -> Result<String, S3Fault> {
        parse(body.as_bytes(), "R", LIMITS).map(|root| root.text)
    }

    #[test]
    fn text_is_kept_with_references_resolved() {
        assert_eq!(text("<R> a&lt;&#x41;&#10;&quot;<![CDATA[<b>]]> </R>"), Ok(" a<A\n\"<b> ".to_owned()));
        assert_eq!(text("\u{feff}<?xml version='1.0'?><!-- c --><R/>\n"), Ok(String::new()));
        assert_eq!(text("<x:R xmlns:x='urn:any'>é</x:R>"), Ok("é".to_owned()));
    }

    #[test]
    fn entities_and_document_types_are_refused() {
        let bomb = "<!DOCTYPE R [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><R>&b;</R>";
        let file = "<!DOCTYPE R [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><R>&x;</R>";
        for body in [bomb, file, "<R>&x;</R>", "<R>&nbsp;</R>", "<R>&#xD800;</R>", "<R>&#0;</R>"] {
            assert!(matches!(text(body), Err(S3Fault::MalformedXml(_))), "{body}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for body in [
            "",
            " ",
            "R",
            "<R>",
            "</R>",
            "<R></S>",
            "<R/><R/>",
            "<R/>x",
            "x<R/>",
            "<S/>",
            "<R>&amp</R>",
            "<R",
            "<R>&</R>",
        ] {
            assert!(matches!(text(body), Err(S3Fault::MalformedXml(_))), "{body}");
        }
        assert!(matches!(parse(b"<R>\xff</R>", "R", LIMITS), Err(S3Fault::MalformedXml(_))));
    }

    #[test]
    fn depth_number_and_length_are_bounded() {
        let deep = format!("<R>{}{}</R>", "<a>".repeat(8), "</a>".repeat(8));
        let many = format!("<R>{}</R>", "<a/>".repeat(10));
        for body in [deep, many] {
            assert!(matches!(text(&body), Err(S3Fault::MalformedXml(_))), "{body}");
        }
        assert!(text(&format!("<R>{}</R>", "<a/>".repeat(9))).is_ok());
        assert_eq!(text(&format!("<R>{}</R>", "x".repeat(1000))), Err(S3Fault::XmlTooLong { max_bytes: 1000 }));
    }

    #[test]
    fn a_child_that_is_there_twice_is_refused() {
        let root = parse(b"<R><a>1</a><b>2</b><a>3</a></R>", "R", LIMITS).expect("well-formed");
        assert_eq!(root.text_of("b"), Ok(Some("2")));
        assert_eq!(root.text_of("c"), Ok(None));
        assert!(matches!(root.text_of("a"), Err(S3Fault::MalformedXml(_))));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _: Result<Element, S3Fault> = parse(&body, "R", LIMITS);
        }

        #[test]
        fn random_markup_never_panics(body in "[<>/RaA&;#x0-9\"'!\\[\\]\\-? =]{0,60}") {
            let _: Result<Element, S3Fault> = parse(body.as_bytes(), "R", LIMITS);
        }
    }
}
