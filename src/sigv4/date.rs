//! The time of a request, as `x-amz-date` and the string to sign have it: `yyyyMMdd'T'HHmmss'Z'`.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use time::{Date, Month, OffsetDateTime, Time};

use crate::base::Timestamp;

/// A second, in UTC; its text is what was signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AmzDate {
    at: Timestamp,
    text: [u8; 16],
}

impl AmzDate {
    /// From `20130524T000000Z`.
    pub fn parse(text: &str) -> Option<Self> {
        let text: [u8; 16] = text.as_bytes().try_into().ok()?;
        let [.., b'Z'] = text else { return None };
        if text[8] != b'T' {
            return None;
        }
        let year = i32::try_from(number(&text[..4])?).ok()?;
        let month = Month::try_from(small(&text[4..6])?).ok()?;
        let date = Date::from_calendar_date(year, month, small(&text[6..8])?).ok()?;
        let time = Time::from_hms(small(&text[9..11])?, small(&text[11..13])?, small(&text[13..15])?).ok()?;
        let at = Timestamp::from_unix_seconds(OffsetDateTime::new_utc(date, time).unix_timestamp());
        Some(Self { at, text })
    }

    /// From an HTTP date (`Date: Fri, 24 May 2013 00:00:00 GMT`): clients without `x-amz-date` sign by this.
    pub fn from_http_date(text: &str) -> Option<Self> {
        let seconds = seconds_since_epoch(httpdate::parse_http_date(text).ok()?)?;
        let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        let (date, time) = (at.date(), at.time());
        Self::parse(&format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second()
        ))
    }

    /// `20130524T000000Z`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// `20130524`, the day that the credential scope must name.
    pub fn day(&self) -> &str {
        &self.as_str()[..8]
    }

    /// The instant.
    pub const fn timestamp(&self) -> Timestamp {
        self.at
    }
}

/// Whether `text` is a day `yyyyMMdd`.
pub(super) fn is_day(text: &str) -> bool {
    text.len() == 8 && AmzDate::parse(&format!("{text}T000000Z")).is_some()
}

fn seconds_since_epoch(at: SystemTime) -> Option<i64> {
    i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
}

fn small(digits: &[u8]) -> Option<u8> {
    number(digits).and_then(|number| u8::try_from(number).ok())
}

impl fmt::Display for AmzDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AmzDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AmzDate({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_instant() {
        let iso = AmzDate::parse("20130524T000000Z").expect("a date");
        assert_eq!(iso.timestamp(), Timestamp::from_unix_seconds(1_369_353_600));
        assert_eq!(AmzDate::from_http_date("Fri, 24 May 2013 00:00:00 GMT"), Some(iso));
        assert_eq!(iso.day(), "20130524");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "20130524",
            "20130524T000000",
            "20130524T000000z",
            "20130524t000000Z",
            "20131324T000000Z",
            "20130230T000000Z",
            "20130524T240000Z",
            "20130524T006000Z",
            "+0130524T000000Z",
            "2013-05-24T00:00:00Z",
            "2013052\u{e9}T00000Z",
        ] {
            assert_eq!(AmzDate::parse(text), None, "{text}");
        }
    }
}
