//! The Range header as S3 reads it: a pure function of the header and the size.
//!
//! S3 ignores what it cannot read (other units, several ranges, reversed ones) and sends the whole object; only a
//! range that can be read and lies outside is unsatisfiable (catalogue 5.2; versitygw's tables).

use std::ops::Range;

/// What a Range header asks of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requested {
    /// Everything: no header, or one that S3 ignores.
    Full,
    /// These bytes, at least one.
    Partial(Range<u64>),
    /// A sound range with no byte inside the object (InvalidRange, with ActualObjectSize).
    Unsatisfiable,
}

/// Reads `header` against an object of `size_bytes`.
pub fn requested(header: Option<&str>, size_bytes: u64) -> Requested {
    let Some((first, last)) = header.and_then(single_range) else { return Requested::Full };
    let (start, end) = match (number(first), number(last)) {
        (Number::Absent, Number::Value(0)) => return Requested::Unsatisfiable,
        // S3 answers an empty object to any other suffix of an empty object.
        (Number::Absent, Number::Value(_)) if size_bytes == 0 => return Requested::Full,
        (Number::Absent, Number::Value(suffix)) => (size_bytes.saturating_sub(suffix), size_bytes),
        (Number::Value(first), Number::Absent) => (first, size_bytes),
        (Number::Value(first), Number::Value(last)) if first <= last => (first, size_bytes.min(last.saturating_add(1))),
        _ => return Requested::Full,
    };
    if start >= size_bytes { Requested::Unsatisfiable } else { Requested::Partial(start..end) }
}

fn single_range(header: &str) -> Option<(&str, &str)> {
    let (unit, range) = header.split_once('=')?;
    unit.eq_ignore_ascii_case("bytes").then_some(range)?.split_once('-')
}

enum Number {
    Absent,
    Value(u64),
    Unreadable,
}

/// Digits only; a number beyond u64 is beyond every object too.
fn number(text: &str) -> Number {
    if text.is_empty() {
        return Number::Absent;
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Number::Unreadable;
    }
    Number::Value(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::Requested::{Full, Partial, Unsatisfiable};
    use super::{Requested, requested};

    use proptest::prelude::{any, proptest};

    fn on(size: u64, header: &str) -> Requested {
        requested(Some(header), size)
    }

    #[test]
    fn sound_ranges_are_served_and_clamped() {
        for (header, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-99", 0..100),
            ("bytes=0-999999", 0..100),
            ("bytes=10-", 10..100),
            ("bytes=99-", 99..100),
            ("bytes=00-01", 0..2),
            ("bytes=-1", 99..100),
            ("bytes=-100", 0..100),
            ("bytes=-101", 0..100),
            ("bytes=-99999999999999999999999", 0..100),
            ("bytes=5-99999999999999999999999", 5..100),
            ("bytes=0-18446744073709551615", 0..100),
            ("Bytes=1-2", 1..3),
        ] {
            assert_eq!(on(100, header), Partial(expected), "{header}");
        }
    }

    #[test]
    fn what_s3_cannot_read_is_the_whole_object() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=abc",
            "bytes=a-z",
            "bytes=,",
            "bytes=0-0,1-2",
            "foo=0-1",
            "bytes=--1",
            "bytes=0--1",
            "bytes= -1",
            "bytes=0 -1",
            "bytes =0-1",
            "bytes=5-2",
            "bytes=+1-2",
            "0-1",
        ] {
            assert_eq!(on(100, header), Full, "{header}");
            assert_eq!(on(0, header), Full, "{header}");
        }
        assert_eq!(requested(None, 100), Full);
    }

    #[test]
    fn a_start_beyond_the_end_is_unsatisfiable() {
        for header in ["bytes=100-", "bytes=100-200", "bytes=99999999999999999999-", "bytes=-0"] {
            assert_eq!(on(100, header), Unsatisfiable, "{header}");
        }
    }

    #[test]
    fn the_empty_object() {
        assert_eq!(on(0, "bytes=-1"), Full);
        for header in ["bytes=0-", "bytes=0-0", "bytes=-0", "bytes=00-01"] {
            assert_eq!(on(0, header), Unsatisfiable, "{header}");
        }
    }

    proptest! {
        #[test]
        fn a_partial_range_is_never_empty_and_always_inside(first in any::<u64>(), last in any::<u64>(), size in any::<u64>()) {
            for header in [format!("bytes={first}-{last}"), format!("bytes={first}-"), format!("bytes=-{last}")] {
                if let Partial(range) = on(size, &header) {
                    assert!(range.start < range.end && range.end <= size, "{header} of {size}");
                }
            }
        }

        #[test]
        fn any_text_is_answered(header in ".{0,40}", size in any::<u64>()) {
            on(size, &header);
        }
    }
}
