//! The three ways S3 writes time, and the two in which clients send it.

use httpdate::parse_http_date;
use std::time::UNIX_EPOCH;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::base::Timestamp;

/// `Thu, 01 Jan 1970 00:00:00 GMT`: Last-Modified in headers.
pub fn http_date(at: Timestamp) -> String {
    let at = utc(at.unix_seconds());
    let weekday = &at.weekday().to_string()[..3];
    let month = &at.month().to_string()[..3];
    let (hour, minute, second) = at.to_hms();
    format!("{weekday}, {:02} {month} {:04} {hour:02}:{minute:02}:{second:02} GMT", at.day(), at.year())
}

/// `1970-01-01T00:00:00.000Z`: dates in XML. Whole seconds, so that LIST and HEAD never differ. Without the machinery of
/// `format!`, which is a tenth of a page of LIST.
pub fn iso8601(at: Timestamp) -> String {
    let at = utc(at.unix_seconds());
    let (hour, minute, second) = at.to_hms();
    // From 0 to 9999.
    let year = u16::try_from(at.year()).unwrap_or_default();
    let (century, of_century) = ((year / 100) as u8, (year % 100) as u8);
    let mut text = String::with_capacity(24);
    for (number, behind) in [
        (century, ""),
        (of_century, "-"),
        (u8::from(at.month()), "-"),
        (at.day(), "T"),
        (hour, ":"),
        (minute, ":"),
        (second, ".000Z"),
    ] {
        text.push(char::from(b'0' + number / 10));
        text.push(char::from(b'0' + number % 10));
        text.push_str(behind);
    }
    text
}

/// A date in a condition: any HTTP date, or RFC 3339 as some clients send it. `None` is not a date, and ignored.
pub fn parse_date(text: &str) -> Option<Timestamp> {
    if let Ok(at) = parse_http_date(text) {
        let seconds = at.duration_since(UNIX_EPOCH).ok()?.as_secs();
        return i64::try_from(seconds).ok().map(Timestamp::from_unix_seconds);
    }
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(Timestamp::from_unix_seconds(at.unix_timestamp()))
}

/// A time outside the years that can be written is the epoch: no answer fails for a broken clock.
fn utc(seconds: i64) -> OffsetDateTime {
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let at = at.to_offset(UtcOffset::UTC);
    if (0..=9999).contains(&at.year()) { at } else { OffsetDateTime::UNIX_EPOCH }
}

#[cfg(test)]
mod tests {
    use super::{http_date, iso8601, parse_date};
    use crate::base::Timestamp;

    const MARCH: Timestamp = Timestamp::from_unix_millis(1_741_305_906_789);

    #[test]
    fn dates_are_written_in_whole_seconds() {
        assert_eq!(http_date(MARCH), "Fri, 07 Mar 2025 00:05:06 GMT");
        assert_eq!(iso8601(MARCH), "2025-03-07T00:05:06.000Z");
    }

    #[test]
    fn every_legal_form_of_a_date_is_read() {
        for text in [
            "Fri, 07 Mar 2025 00:05:06 GMT",
            "Friday, 07-Mar-25 00:05:06 GMT",
            "Fri Mar  7 00:05:06 2025",
            "2025-03-07T00:05:06Z",
            "2025-03-07T01:05:06.5+01:00",
        ] {
            assert_eq!(parse_date(text).map(Timestamp::unix_seconds), Some(MARCH.unix_seconds()), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in ["", "yesterday", "2025-03-07", "\"etag\"", "Fri, 07 Mar 2025"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_broken_clock_writes_a_date_all_the_same() {
        for millis in [i64::MIN, i64::MAX, -1] {
            assert!(http_date(Timestamp::from_unix_millis(millis)).ends_with(" GMT"));
            assert!(iso8601(Timestamp::from_unix_millis(millis)).ends_with(".000Z"));
        }
    }
}
