//! The credential: who signs, and the day, region and service that the signing key is good for.

use std::fmt;

use super::date::is_day;
use super::fault::CredentialFault;

/// AWS's access key ids have 16 to 128 characters; ours may be shorter. The bound is on what goes into look-ups and caches.
const MAX_ACCESS_KEY_ID_BYTES: usize = 128;
/// No region name comes near it; the bound is on what an unauthenticated client can make us keep.
const MAX_REGION_BYTES: usize = 64;

/// `AKID/20130524/us-east-1/s3/aws4_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    access_key_id: String,
    scope: CredentialScope,
}

impl Credential {
    /// Exactly five parts; service and terminal are checked, the region's name is not (it may be empty).
    pub fn parse(text: &str) -> Result<Self, CredentialFault> {
        let parts: Vec<&str> = text.split('/').collect();
        let [access_key_id, day, region, service, terminal] = parts[..] else { return Err(CredentialFault::Shape) };
        let sound_id = (1..=MAX_ACCESS_KEY_ID_BYTES).contains(&access_key_id.len())
            && access_key_id.bytes().all(|b| b.is_ascii_graphic());
        if !sound_id || region.len() > MAX_REGION_BYTES || !region.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(CredentialFault::Shape);
        }
        if !is_day(day) {
            return Err(CredentialFault::Date(day.to_owned()));
        }
        if service != "s3" {
            return Err(CredentialFault::Service(service.to_owned()));
        }
        if terminal != "aws4_request" {
            return Err(CredentialFault::Terminal(terminal.to_owned()));
        }
        let scope = CredentialScope { day: day.to_owned(), region: region.to_owned() };
        Ok(Self { access_key_id: access_key_id.to_owned(), scope })
    }

    /// Whose secret signs.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// What the signing key is good for.
    pub const fn scope(&self) -> &CredentialScope {
        &self.scope
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.access_key_id, self.scope)
    }
}

/// `20130524/us-east-1/s3/aws4_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialScope {
    day: String,
    region: String,
}

impl CredentialScope {
    /// `yyyyMMdd`.
    pub fn day(&self) -> &str {
        &self.day
    }

    /// The region as the client named it.
    pub fn region(&self) -> &str {
        &self.region
    }
}

impl fmt::Display for CredentialScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/s3/aws4_request", self.day, self.region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_parts_and_an_empty_region() {
        let credential = Credential::parse("AKID/20130524//s3/aws4_request").expect("sound");
        assert_eq!((credential.access_key_id(), credential.scope().region()), ("AKID", ""));
        assert_eq!(credential.to_string(), "AKID/20130524//s3/aws4_request");
    }

    #[test]
    fn each_wrong_part_is_named() {
        use CredentialFault::{Date, Service, Shape, Terminal};
        let long = format!("{}/20130524/r/s3/aws4_request", "A".repeat(129));
        for (text, fault) in [
            ("", Shape),
            ("AKID", Shape),
            ("/20130524/r/s3/aws4_request", Shape),
            ("AK/ID/20130524/r/s3/aws4_request", Shape),
            ("AK ID/20130524/r/s3/aws4_request", Shape),
            (&long, Shape),
            ("AKID/20130524/r/s3/aws4_request/", Shape),
            ("AKID/2013-05-24/r/s3/aws4_request", Date("2013-05-24".into())),
            ("AKID/20130524/r/ec2/aws4_request", Service("ec2".into())),
            ("AKID/20130524/r/s3/aws3_request", Terminal("aws3_request".into())),
        ] {
            assert_eq!(Credential::parse(text), Err(fault), "{text}");
        }
    }
}
