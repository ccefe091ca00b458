//! Keys that are legal in S3 and that gateways over file systems change or refuse.
//!
//! A key that is refused harms nobody. One that is *changed* (`a//b` stored as `a/b`) makes one object out of two of a
//! client's: a write of the one destroys the other.

use crate::base::ObjectKey;

/// Many file systems take at most this many bytes between two slashes; keys are looked at from here on.
const LONG_SEGMENT_BYTES: usize = 255;
/// Total lengths up to here have never made trouble.
const LONG_KEY_BYTES: usize = 512;

/// What is unusual about a key. One can be of several kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// A segment `.` or `..`.
    DotSegment,
    /// `//`, or a `/` at the start.
    EmptySegment,
    /// A `/` at the end.
    TrailingSlash,
    /// `%`, `+` and other characters that mean something in URLs and XML.
    Reserved,
    /// Anything beyond ASCII; composed and decomposed accents differ.
    Unicode,
    /// Upper-case letters: keys that differ by case only are two.
    Uppercase,
    /// More than 255 bytes between two slashes.
    LongSegment,
    /// More than 512 bytes; S3 takes 1024.
    LongKey,
}

/// What becomes of keys of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyFate {
    /// Kept and listed byte by byte.
    Kept,
    /// Refused by the upstream.
    Refused,
    /// Kept or listed as another key, or not known: refused by us.
    Changed,
}

/// What becomes of unusual keys, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialKeys([KeyFate; KeyKind::ALL.len()]);

impl KeyKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::DotSegment,
        Self::EmptySegment,
        Self::TrailingSlash,
        Self::Reserved,
        Self::Unicode,
        Self::Uppercase,
        Self::LongSegment,
        Self::LongKey,
    ];

    /// Whether a key is of this kind.
    pub fn has(self, key: &str) -> bool {
        match self {
            Self::DotSegment => key.split('/').any(|segment| matches!(segment, "." | "..")),
            Self::EmptySegment => key.starts_with('/') || key.contains("//"),
            Self::TrailingSlash => key.ends_with('/'),
            Self::Reserved => key.bytes().any(|byte| {
                byte.is_ascii() && !byte.is_ascii_alphanumeric() && !matches!(byte, b'/' | b'-' | b'_' | b'.')
            }),
            Self::Unicode => !key.is_ascii(),
            Self::Uppercase => key.bytes().any(|byte| byte.is_ascii_uppercase()),
            Self::LongSegment => key.split('/').any(|segment| segment.len() > LONG_SEGMENT_BYTES),
            Self::LongKey => key.len() > LONG_KEY_BYTES,
        }
    }
}

impl SpecialKeys {
    /// The same fate for every kind.
    pub const fn all(fate: KeyFate) -> Self {
        Self([fate; KeyKind::ALL.len()])
    }

    /// With another fate for one kind.
    #[must_use]
    pub const fn with(mut self, kind: KeyKind, fate: KeyFate) -> Self {
        self.0[kind as usize] = fate;
        self
    }

    /// What becomes of keys of one kind.
    pub const fn of(&self, kind: KeyKind) -> KeyFate {
        self.0[kind as usize]
    }

    /// The worst that happens to a key; ordinary keys are kept.
    pub fn fate(&self, key: &ObjectKey) -> KeyFate {
        let fates = KeyKind::ALL.into_iter().filter(|kind| kind.has(key.as_str())).map(|kind| self.of(kind));
        fates.max().unwrap_or(KeyFate::Kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(key: &str) -> Vec<KeyKind> {
        KeyKind::ALL.into_iter().filter(|kind| kind.has(key)).collect()
    }

    #[test]
    fn ordinary_keys_are_of_no_kind() {
        for key in ["a", "photos/2024/img_0001.jpg", "a.b/..c/d-e", ".hidden", "d/".repeat(200).trim_end_matches('/')] {
            assert_eq!(kinds(key), [], "{key}");
        }
    }

    #[test]
    fn each_kind_is_seen() {
        use KeyKind::*;
        for (key, expected) in [
            ("a/../b", vec![DotSegment]),
            ("..", vec![DotSegment]),
            ("a/.", vec![DotSegment]),
            ("a//b", vec![EmptySegment]),
            ("/a", vec![EmptySegment]),
            ("a/", vec![TrailingSlash]),
            ("a//", vec![EmptySegment, TrailingSlash]),
            ("100%", vec![Reserved]),
            ("a+b c", vec![Reserved]),
            ("line\nbreak", vec![Reserved]),
            ("é", vec![Unicode]),
            ("README", vec![Uppercase]),
        ] {
            assert_eq!(kinds(key), expected, "{key}");
        }
        assert_eq!(kinds(&"x".repeat(256)), [LongSegment]);
        assert_eq!(kinds(&"x".repeat(255)), []);
        assert_eq!(kinds(&"x".repeat(513)), [LongSegment, LongKey]);
    }

    #[test]
    fn worst_fate_decides() {
        let keys = SpecialKeys::all(KeyFate::Kept)
            .with(KeyKind::EmptySegment, KeyFate::Changed)
            .with(KeyKind::Reserved, KeyFate::Refused);
        let fate = |key: &str| keys.fate(&ObjectKey::parse(key).unwrap());
        assert_eq!(fate("a/b"), KeyFate::Kept);
        assert_eq!(fate("a+b"), KeyFate::Refused);
        assert_eq!(fate("a//+b"), KeyFate::Changed);
        assert_eq!(fate("a/../b"), KeyFate::Kept);
    }
}
