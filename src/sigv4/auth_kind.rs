//! Which authentication a request carries, decided once and first.

use http::header::AUTHORIZATION;
use http::request::Parts;

use super::claim::Claim;
use super::fault::SigV4Fault;
use super::query::{Occurrence, Query};

/// The one algorithm that we verify.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const ASYMMETRIC_ALGORITHM: &str = "AWS4-ECDSA-P256-SHA256";

/// The authentication of one request. There is one value per request and no second look at its headers.
pub enum AuthKind {
    /// `Authorization: AWS4-HMAC-SHA256 ...`.
    Header(Box<Claim>),
    /// A presigned URL.
    Presigned(Box<Claim>),
    /// Signature version 2, by header or query: not supported, it signs too little.
    SigV2,
    /// The asymmetric SigV4a: not implemented.
    SigV4a,
    /// Nothing.
    Anonymous,
}

/// What the `Authorization` header announces.
enum Header<'a> {
    Absent,
    /// A scheme that is not AWS's: a presigned URL stands beside it.
    Foreign,
    SigV2,
    SigV4a,
    SigV4(&'a str),
}

impl AuthKind {
    /// Decides, and parses the claim where there is one. Credentials in two places are refused, whichever would hold.
    pub fn of(parts: &Parts) -> Result<Self, SigV4Fault> {
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        // Any one of them: a half of a presigned URL is a broken one, never an anonymous request.
        let query_v4 = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"].iter().any(|name| query.has(name));
        let query_v2 = ["AWSAccessKeyId", "Signature"].iter().any(|name| query.has(name));
        let asymmetric =
            matches!(query.get("X-Amz-Algorithm"), Occurrence::Once(algorithm) if algorithm == ASYMMETRIC_ALGORITHM);
        let kind = match (header(parts)?, query_v4, query_v2) {
            (Header::Absent, false, false) => Self::Anonymous,
            (Header::Foreign, false, false) => return Err(SigV4Fault::UnsupportedMechanism),
            (Header::Absent | Header::Foreign, true, false) if asymmetric => Self::SigV4a,
            (Header::Absent | Header::Foreign, true, false) => {
                Self::Presigned(Box::new(Claim::from_query(parts, query)?))
            }
            (Header::Absent | Header::Foreign, false, true) | (Header::SigV2, false, false) => Self::SigV2,
            (Header::SigV4a, false, false) => Self::SigV4a,
            (Header::SigV4(components), false, false) => {
                Self::Header(Box::new(Claim::from_header(components, parts, query)?))
            }
            (_, true, _) | (_, _, true) => return Err(SigV4Fault::MultipleMechanisms),
        };
        Ok(kind)
    }
}

fn header(parts: &Parts) -> Result<Header<'_>, SigV4Fault> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(value), further) = (values.next(), values.next()) else { return Ok(Header::Absent) };
    if further.is_some() {
        return Err(SigV4Fault::UnparsableAuthorization);
    }
    let text = value.to_str().map_err(|_| SigV4Fault::UnparsableAuthorization)?.trim();
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    match scheme {
        // The scheme alone is no header of two parts: it is not understood, rather than understood and incomplete.
        ALGORITHM if !rest.is_empty() => Ok(Header::SigV4(rest)),
        ASYMMETRIC_ALGORITHM => Ok(Header::SigV4a),
        "AWS" if !rest.is_empty() => Ok(Header::SigV2),
        _ if rest.is_empty() => Err(SigV4Fault::UnparsableAuthorization),
        // It names AWS and is nothing we know: an error even beside a presigned URL.
        _ if scheme.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("aws")) => {
            Err(SigV4Fault::UnsupportedMechanism)
        }
        _ => Ok(Header::Foreign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "AWS4-HMAC-SHA256 Credential=AKID/20130524/us-east-1/s3/aws4_request,SignedHeaders=host,\
                      Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    const QUERY: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID/20130524/us-east-1/s3/aws4_request\
                         &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
                         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

    fn kind(authorization: &[&str], query: &str) -> String {
        let mut request = http::Request::get(format!("/b/k?{query}"))
            .header("host", "h")
            .header("date", "Fri, 24 May 2013 00:00:00 GMT")
            .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        for value in authorization {
            request = request.header("authorization", *value);
        }
        match AuthKind::of(&request.body(()).expect("a request").into_parts().0) {
            Ok(AuthKind::Header(_)) => "header".into(),
            Ok(AuthKind::Presigned(_)) => "presigned".into(),
            Ok(AuthKind::SigV2) => "v2".into(),
            Ok(AuthKind::SigV4a) => "v4a".into(),
            Ok(AuthKind::Anonymous) => "anonymous".into(),
            Err(fault) => format!("{fault:?}"),
        }
    }

    #[test]
    fn each_kind_is_told_apart() {
        assert_eq!(kind(&[V4], ""), "header");
        assert_eq!(kind(&[], QUERY), "presigned");
        assert_eq!(kind(&["AWS AKID:sig="], ""), "v2");
        assert_eq!(kind(&[], "AWSAccessKeyId=AKID&Signature=s&Expires=1"), "v2");
        assert_eq!(kind(&["AWS4-ECDSA-P256-SHA256 Credential=x"], ""), "v4a");
        assert_eq!(kind(&[], &QUERY.replace("HMAC", "ECDSA-P256")), "v4a");
        assert_eq!(kind(&[], "acl"), "anonymous");
    }

    /// CVE-2026-41145: the credential of one place, the checks of the other.
    #[test]
    fn two_credentials_are_refused() {
        for query in [QUERY, "X-Amz-Signature=", "X-Amz-Credential=x", "Signature=s", "AWSAccessKeyId=x"] {
            assert_eq!(kind(&[V4], query), "MultipleMechanisms", "{query}");
            assert_eq!(kind(&["AWS AKID:sig="], query), "MultipleMechanisms", "{query}");
        }
        assert_eq!(kind(&[], &format!("{QUERY}&AWSAccessKeyId=x")), "MultipleMechanisms");
        assert_eq!(kind(&[V4, V4], ""), "UnparsableAuthorization");
        assert_eq!(kind(&["Bearer x", V4], ""), "UnparsableAuthorization");
    }

    #[test]
    fn foreign_scheme_gives_way_to_a_presigned_url() {
        assert_eq!(kind(&["Bearer token"], QUERY), "presigned");
        assert_eq!(kind(&["Bearer token"], ""), "UnsupportedMechanism");
        assert_eq!(kind(&["Basic dTpw"], ""), "UnsupportedMechanism");
    }

    #[test]
    fn header_that_names_aws_and_does_not_parse_stays_an_error() {
        assert_eq!(kind(&["AWS4-HMAC-SHA512 Credential=x"], QUERY), "UnsupportedMechanism");
        assert_eq!(kind(&["aws4-hmac-sha256 Credential=x"], QUERY), "UnsupportedMechanism");
        assert_eq!(kind(&["AWS"], QUERY), "UnparsableAuthorization");
        assert_eq!(kind(&["garbage"], ""), "UnparsableAuthorization");
        assert_eq!(kind(&[""], ""), "UnparsableAuthorization");
    }

    #[test]
    fn half_a_presigned_url_is_not_anonymous() {
        for name in ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders"] {
            let without = QUERY.split('&').filter(|pair| !pair.starts_with(name)).collect::<Vec<_>>().join("&");
            assert_eq!(kind(&[], &without), "MissingQueryParameters", "{name}");
        }
        let twice = format!("{QUERY}&X-Amz-Expires=1");
        assert_eq!(kind(&[], &twice), "MalformedQueryParameter(\"X-Amz-Expires\")");
    }

    #[test]
    fn missing_and_malformed_components() {
        for (authorization, fault) in [
            ("AWS4-HMAC-SHA256", "UnparsableAuthorization".to_owned()),
            ("AWS4-HMAC-SHA256 ,", "MissingComponent(\"Credential\")".to_owned()),
            (
                &V4.replace("Credential=", "Kredential="),
                format!("MalformedComponent({:?})", "Kredential=AKID/20130524/us-east-1/s3/aws4_request"),
            ),
            (&format!("{V4},Signature=x"), "MalformedComponent(\"Signature=x\")".into()),
            (&V4.replace("d404", "d40"), "MalformedComponent(\"Signature\")".into()),
            (&V4.replace("d404", "D404"), "MalformedComponent(\"Signature\")".into()),
            (&V4.replace("=host,", "=host;,"), "MalformedComponent(\"SignedHeaders\")".into()),
            (&V4.replace("/s3/", "/ec2/"), "Credential { location: Header, fault: Service(\"ec2\") }".into()),
        ] {
            assert_eq!(kind(&[authorization], ""), fault, "{authorization}");
        }
    }

    #[test]
    fn components_in_any_order_and_spacing() {
        let [credential, list, signature] = V4.split_once(' ').expect("a space").1.split(',').collect::<Vec<_>>()[..]
        else {
            panic!("three components")
        };
        assert_eq!(kind(&[&format!("AWS4-HMAC-SHA256   {signature},  {list} ,{credential}")], ""), "header");
    }
}
