//! The query string: parameters in canonical spelling, looked up by name, joined for signing.

use percent_encoding::percent_decode_str;

use super::encoding::{Slash, recode};

/// The parameters of a query, canonically encoded, in the order they were sent.
pub(super) struct Query(Vec<(String, String)>);

/// How often a parameter occurs.
pub(super) enum Occurrence {
    Never,
    Once(String),
    /// Repeated, or no text.
    Unusable,
}

impl Query {
    /// From a query as sent, without the `?`.
    pub(super) fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (recode(name, Slash::Encode), recode(value, Slash::Encode))
                })
                .collect(),
        )
    }

    /// Whether a parameter of this name (of unreserved characters) is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// A parameter's decoded value. Names are compared exactly.
    pub(super) fn get(&self, name: &str) -> Occurrence {
        self.only(|other| other == name)
    }

    /// The same for a header that presigners hoist into the query in a case of their own.
    pub(super) fn get_hoisted_header(&self, name: &str) -> Occurrence {
        self.only(|other| other.eq_ignore_ascii_case(name))
    }

    fn only(&self, matches: impl Fn(&str) -> bool) -> Occurrence {
        let mut values = self.0.iter().filter(|(name, _)| matches(name)).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (None, _) => Occurrence::Never,
            (Some(value), None) => match percent_decode_str(value).decode_utf8() {
                Ok(text) => Occurrence::Once(text.into_owned()),
                Err(_) => Occurrence::Unusable,
            },
            (Some(_), Some(_)) => Occurrence::Unusable,
        }
    }

    /// Sorted by encoded name, then value, `name=value` also where no value was sent; without the parameter that
    /// carries the signature itself.
    pub(super) fn canonical(mut self, without: Option<&str>) -> String {
        self.0.retain(|(name, _)| Some(name.as_str()) != without);
        self.0.sort_unstable();
        let mut out = String::new();
        for (name, value) in &self.0 {
            let separator = if out.is_empty() { "" } else { "&" };
            out.extend([separator, name, "=", value]);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_query() {
        for (raw, canonical) in [
            ("", ""),
            ("acl", "acl="),
            ("acl=", "acl="),
            ("&&acl&", "acl="),
            ("prefix=somePrefix&marker=someMarker&max-keys=2", "marker=someMarker&max-keys=2&prefix=somePrefix"),
            ("b=2&a=2&a=1", "a=1&a=2&b=2"),
            ("prefix=a+b", "prefix=a%2Bb"),
            ("prefix=a%20b/c", "prefix=a%20b%2Fc"),
            ("prefix=a=b", "prefix=a%3Db"),
            ("A=1&a=1&%41=0", "A=0&A=1&a=1"),
            ("x=%zz&y=%", "x=%25zz&y=%25"),
            ("=v", "=v"),
        ] {
            assert_eq!(Query::parse(raw).canonical(None), canonical, "{raw}");
        }
    }

    /// Sorting by the decoded name would put `a-b` behind `a,b`: encoded, `,` is `%2C`.
    #[test]
    fn sorted_by_encoded_name() {
        assert_eq!(Query::parse("a-b=1&a%2Cb=2").canonical(None), "a%2Cb=2&a-b=1");
    }

    #[test]
    fn only_the_signature_itself_is_left_out() {
        let raw = "X-Amz-Security-Token=t&X-Amz-Signature=s&x-amz-signature=other";
        let canonical = Query::parse(raw).canonical(Some("X-Amz-Signature"));
        assert_eq!(canonical, "X-Amz-Security-Token=t&x-amz-signature=other");
    }
}
