//! Dates in headers, and in signatures.

use crypt_keeper::base::Timestamp;
use crypt_keeper::s3::date::{http_date, iso8601, parse_date};
use crypt_keeper::sigv4::AmzDate;

use super::Outcome;

const EPOCH: Timestamp = Timestamp::from_unix_seconds(0);

/// A date that was read is written and read again as the same second.
pub(super) fn dates(input: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(input) else { return Outcome::Refused };
    let mut read = false;
    if let Some(date) = parse_date(text) {
        // Dates of answers are after 1970: they are our own, or the upstream's.
        let written = if date >= EPOCH { vec![http_date(date), iso8601(date)] } else { Vec::new() };
        for written in written {
            let again = parse_date(&written).map(Timestamp::unix_seconds);
            assert_eq!(again, Some(date.unix_seconds()), "{text:?} as {written:?}");
        }
        read = true;
    }
    if let Some(date) = AmzDate::parse(text) {
        assert_eq!(date.to_string(), text, "one spelling");
        assert!(text.starts_with(date.day()));
        read = true;
    }
    if let Some(date) = AmzDate::from_http_date(text) {
        assert!(AmzDate::parse(date.as_str()).is_some_and(|again| again.timestamp() == date.timestamp()));
        read = true;
    }
    read.into()
}
