//! AWS's published examples, as files: each head is accepted as it is, and refused with any one line changed.
//!
//! AWS "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk", ".. in Multiple
//! Chunks", ".. Including Trailing Headers", and "Authenticating Requests: Using Query Parameters".

use bytes::Bytes;
use http::request::Parts;

use crate::sigv4::testing::{NOW, SECRET, verify_at};
use crate::sigv4::{PayloadBinding, SigV4Fault, Trailers};

const VECTORS: &[(&str, &str, &str)] = &[
    ("get_object", include_str!("vectors/get_object.http"), "Sha256(..)"),
    ("put_object", include_str!("vectors/put_object.http"), "Sha256(..)"),
    ("get_bucket_lifecycle", include_str!("vectors/get_bucket_lifecycle.http"), "Sha256(..)"),
    ("list_objects", include_str!("vectors/list_objects.http"), "Sha256(..)"),
    ("presigned_get_object", include_str!("vectors/presigned_get_object.http"), "Unsigned"),
    ("put_object_chunks", CHUNKS, "SignedChunks"),
    ("put_object_chunks_trailer", CHUNKS_TRAILER, "SignedChunksTrailer"),
];
const CHUNKS: &str = include_str!("vectors/put_object_chunks.http");
const CHUNKS_TRAILER: &str = include_str!("vectors/put_object_chunks_trailer.http");

fn head(text: &str) -> Parts {
    let mut lines = text.lines();
    let mut first = lines.next().expect("a request line").split(' ');
    let (method, uri) = (first.next().expect("a method"), first.next().expect("a URI"));
    let mut request = http::Request::builder().method(method).uri(uri);
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a header");
        request = request.header(name, value);
    }
    request.body(()).expect("a request").into_parts().0
}

#[test]
fn published_examples_are_accepted() {
    for (name, text, binding) in VECTORS {
        let found = verify_at(&head(text), SECRET, NOW).map(|found| format!("{found:?}"));
        assert_eq!(found.map_err(|fault| format!("{name}: {fault:?}")), Ok((*binding).to_owned()));
    }
}

#[test]
fn published_examples_are_refused_with_another_secret() {
    for (name, text, _) in VECTORS {
        let found = verify_at(&head(text), "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEZ", NOW);
        assert!(matches!(found, Err(SigV4Fault::SignatureMismatch(_))), "{name}");
    }
}

#[test]
fn any_changed_signed_part_is_refused() {
    let mut tried = 0;
    for (name, text, _) in VECTORS {
        for (at, line) in text.lines().enumerate() {
            let changed = match line {
                _ if at == 0 => line.replacen('/', "/x", 1),
                _ if line.starts_with("Authorization") => line.replacen("us-east-1", "us-east-2", 1),
                // Not among the signed headers of that example.
                _ if line.starts_with("Content-Length") && *text == CHUNKS_TRAILER => continue,
                _ if line.starts_with("x-amz-date") => line.replace("000000Z", "000001Z"),
                _ if line.starts_with("Date") => line.replace("00:00:00", "00:00:01"),
                _ if line.starts_with("x-amz-content-sha256: S") => "x-amz-content-sha256: UNSIGNED-PAYLOAD".into(),
                _ if line.starts_with("x-amz-content-sha256") => format!("{}0", &line[..line.len() - 1]),
                _ if line.starts_with("x-amz-trailer") => format!("{line}x"),
                _ => format!("{line}1"),
            };
            assert_ne!(changed, line);
            let edited: Vec<&str> =
                text.lines().enumerate().map(|(other, kept)| if other == at { &changed } else { kept }).collect();
            assert!(verify_at(&head(&edited.join("\n")), SECRET, NOW).is_err(), "{name}: {changed}");
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
}

#[test]
fn mismatch_shows_the_published_intermediate_values() {
    let found = verify_at(&head(VECTORS[0].1), "another", NOW);
    let Err(SigV4Fault::SignatureMismatch(shown)) = found else { panic!("refused") };
    assert_eq!(
        shown.canonical_request,
        "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n\
         x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
         x-amz-date:20130524T000000Z\n\nhost;range;x-amz-content-sha256;x-amz-date\n\
         e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    assert_eq!(
        shown.string_to_sign,
        "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
         7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972"
    );
    assert_eq!(shown.signature_provided, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    assert!(!format!("{shown:?}").contains("f0e8bdb8"), "a signature is a credential: not for logs");
}

fn body(chunk_signatures: [&str; 3], block: &str) -> Vec<u8> {
    let [first, second, last] = chunk_signatures;
    let mut body = format!("10000;chunk-signature={first}\r\n").into_bytes();
    body.extend(vec![b'a'; 65536]);
    body.extend(format!("\r\n400;chunk-signature={second}\r\n").bytes());
    body.extend(vec![b'a'; 1024]);
    body.extend(format!("\r\n0;chunk-signature={last}\r\n{block}").bytes());
    body
}

fn decode(binding: &PayloadBinding, body: &[u8], frame: usize) -> (usize, Trailers) {
    let mut decoder = binding.decoder().expect("framed");
    let mut decoded = 0;
    for piece in body.chunks(frame) {
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(payload) = decoder.next_payload(&mut piece).expect("sound") {
            assert!(payload.iter().all(|b| *b == b'a'));
            decoded += payload.len();
        }
    }
    (decoded, decoder.finish().expect("sound"))
}

#[test]
fn published_chunks_are_accepted() {
    let binding = verify_at(&head(CHUNKS), SECRET, NOW).expect("accepted");
    let body = body(
        [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ],
        "\r\n",
    );
    assert_eq!(body.len(), 66824);
    for frame in [1, 7, 8192, body.len()] {
        let (decoded, trailers) = decode(&binding, &body, frame);
        assert_eq!((decoded, trailers.checksum()), (66560, None));
    }
}

#[test]
fn published_chunks_and_trailer_are_accepted() {
    let binding = verify_at(&head(CHUNKS_TRAILER), SECRET, NOW).expect("accepted");
    let body = body(
        [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ],
        "x-amz-checksum-crc32c:sOO8/Q==\r\n\
         x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
    );
    assert_eq!(body.len(), 66946);
    for frame in [1, 7, 8192, body.len()] {
        let (decoded, trailers) = decode(&binding, &body, frame);
        assert_eq!((decoded, trailers.checksum()), (66560, Some(("x-amz-checksum-crc32c", "sOO8/Q=="))));
    }
}
