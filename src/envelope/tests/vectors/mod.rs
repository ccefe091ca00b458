//! The vectors of `conformance/vectors/envelope`: made by a generator that is checked to reproduce them, and read back
//! from the files by both readers. `UPDATE_VECTORS=1 cargo test envelope` writes them anew; a change in a committed
//! vector is a change of the format.

mod accepted;
mod forged;
mod refused;
mod schema;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use self::schema::{Accepted, Asked, Attempt, Piece, Refused};
use super::fixture::drain;
use super::second_reader::{self as second, DirectWrap, DomainKey, Request, sha256};
use crate::base::{BodyId, BucketId, Key32, KeyId};
use crate::envelope::{BodyKeys, Dek, Footer, FormatError, ObjectName, Scheme, Trailer, unwrap_dek, wrap_binding};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conformance/vectors/envelope")
}

fn decode(base64: &str) -> Vec<u8> {
    STANDARD.decode(base64).expect("base64")
}

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    hex::decode(hex).expect("hex").try_into().expect("as long as it must be")
}

/// What the second reader is asked.
fn request(asked: &Asked) -> Request {
    Request {
        bucket_id: bytes(&asked.bucket_id),
        key: hex::decode(&asked.key).expect("hex"),
        domain: asked
            .domain_keys
            .iter()
            .map(|key| DomainKey { id: bytes(&key.key_id), scheme: key.scheme, key: bytes(&key.bucket_key) })
            .collect(),
        direct: asked
            .vault
            .iter()
            .map(|vault| DirectWrap {
                context: bytes(&vault.context),
                version: vault.version,
                wrap: hex::decode(&vault.wrap).expect("hex"),
                dek: bytes(&vault.dek),
            })
            .collect(),
        footer_id: asked.footer_id.as_deref().map(bytes),
    }
}

fn step(error: FormatError) -> &'static str {
    match error {
        FormatError::NotOurs => "1 magic",
        FormatError::Version(_)
        | FormatError::Scheme(_)
        | FormatError::Padding
        | FormatError::Wrap
        | FormatError::ManifestLength => "2 fields",
        FormatError::StoredLength => "3 stored size",
        FormatError::Unwrap => "5 wrap",
        FormatError::TrailerMac => "6 hmac",
        FormatError::ManifestSeal | FormatError::Manifest(_) => "7 manifest",
        FormatError::Lengths => "8 lengths",
        FormatError::PartHeader { .. } => "body header",
        FormatError::Segment { .. } => "body segment",
        FormatError::Truncated | FormatError::Excess => "body end",
        FormatError::Record => "record",
    }
}

/// The first reader, as `objects` uses it.
fn first_open(asked: &Request, stored: &[u8]) -> Result<(BodyKeys, Footer), &'static str> {
    let trailer = Trailer::parse(stored, stored.len() as u64).map_err(step)?;
    let name = ObjectName::new(&BucketId::from_bytes(asked.bucket_id), &asked.key);
    let known = asked
        .domain
        .iter()
        .find(|key| KeyId::from_bytes(key.id) == trailer.key_id() && key.scheme == trailer.scheme().code())
        .ok_or("4 key")?;
    let (wrapped, body_id) = (trailer.wrapped_dek(), trailer.body_id());
    let dek = match trailer.scheme() {
        Scheme::Bucket => unwrap_dek(&Key32::new(known.key), wrapped, &body_id, &name).map_err(step)?,
        Scheme::Direct => vault(asked, &trailer, &body_id, &name).ok_or("5 wrap")?,
    };
    let keys = BodyKeys::derive(&dek, &body_id);
    let range = trailer.manifest_range();
    let manifest = &stored[range.start as usize..range.end as usize];
    let footer = trailer.verify(&keys, &name, manifest).map_err(step)?;
    if asked.footer_id.is_some_and(|expected| expected != *footer.footer_id().as_bytes()) {
        return Err("9 version");
    }
    Ok((keys, footer))
}

fn vault(asked: &Request, trailer: &Trailer, body_id: &BodyId, name: &ObjectName) -> Option<Dek> {
    let (wrapped, context) =
        (trailer.wrapped_dek(), wrap_binding(Scheme::Direct, body_id, &trailer.key_id(), name).digest());
    let found = asked.direct.iter().find(|vault| {
        vault.context == context && vault.version == wrapped.key_version() && vault.wrap == wrapped.bytes()
    });
    found.map(|vault| Dek::new(Key32::new(vault.dek)))
}

/// What a store serves: the object when the footer is read, and the body when the body is.
struct Served {
    stored: Vec<u8>,
    body: Option<Vec<u8>>,
    range: Option<[u64; 2]>,
}

type Outcome = (Vec<u8>, Result<(), &'static str>);

fn first_reader(asked: &Request, served: &Served, room: usize) -> Outcome {
    let (keys, footer) = match first_open(asked, &served.stored) {
        Ok(opened) => opened,
        Err(step) => return (Vec::new(), Err(step)),
    };
    let [start, end] = served.range.unwrap_or([0, footer.plaintext_bytes()]);
    let plan = footer.range(&keys, start..end).expect("inside the object");
    let body = served.body.as_deref().unwrap_or(&served.stored[..footer.body_range().end as usize]);
    // A whole read takes whatever the store sends.
    let to = if served.range.is_none() { body.len() } else { body.len().min(plan.stored.end as usize) };
    let (plain, ended) = drain(plan.opener, &body[(plan.stored.start as usize).min(to)..to], room);
    (plain, ended.map_err(step))
}

fn second_reader(asked: &Request, served: &Served) -> Outcome {
    let object = match second::open(asked, &served.stored) {
        Ok(object) => object,
        Err(step) => return (Vec::new(), Err(step)),
    };
    let [start, end] = served.range.unwrap_or([0, object.facts.length]);
    let t = served.stored.last_chunk::<256>().expect("a trailer");
    let parts = u64::from_be_bytes(t[16..24].try_into().expect("8 bytes")) as usize;
    object.read(served.body.as_deref().unwrap_or(&served.stored[..parts]), &(start..end))
}

fn load<T: for<'a> serde::Deserialize<'a>>(is: fn(&serde_json::Value) -> bool) -> Vec<T> {
    let mut paths: Vec<_> = fs::read_dir(directory())
        .expect("the vectors are there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    let values = paths.iter().map(|path| {
        let text = fs::read_to_string(path).expect("readable");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            value["case"].as_str(),
            path.file_stem().and_then(|stem| stem.to_str()),
            "a file is named for its case"
        );
        value
    });
    values.filter(is).map(|value| serde_json::from_value(value).expect("a vector")).collect()
}

fn load_accepted() -> Vec<Accepted> {
    load(|value| value.get("attempts").is_none())
}

fn load_refused() -> Vec<Refused> {
    load(|value| value.get("attempts").is_some())
}

fn assemble(pieces: &[Piece], from: &BTreeMap<String, Accepted>) -> Vec<u8> {
    let cut = |piece: &Piece| match piece {
        Piece::Hex { hex } => hex::decode(hex).expect("hex"),
        Piece::Of { of, spare: None, range: [start, end] } => decode(&from[of].stored)[*start..*end].to_vec(),
        Piece::Of { of, spare: Some(spare), range: [start, end] } => {
            decode(&from[of].spare[spare])[*start..*end].to_vec()
        }
    };
    pieces.iter().flat_map(cut).collect()
}

/// All attempts that one entry stands for.
fn served(attempt: &Attempt, from: &BTreeMap<String, Accepted>) -> Vec<Served> {
    let stored = assemble(&attempt.stored, from);
    let body = attempt.served_body.as_ref().map(|pieces| assemble(pieces, from));
    let one = |stored| Served { stored, body: body.clone(), range: attempt.range };
    match attempt.flip_each_bit {
        None => vec![one(stored)],
        Some([start, end]) => (start * 8..end * 8)
            .map(|bit| {
                let mut stored = stored.clone();
                stored[bit / 8] ^= 1 << (bit % 8);
                one(stored)
            })
            .collect(),
    }
}

#[test]
fn accepted_vectors_open_with_both_readers() {
    let all = load_accepted();
    assert!(all.len() >= 10, "the vectors are there");
    for vector in all {
        let asked = request(&vector.request);
        let served = Served { stored: decode(&vector.stored), body: None, range: None };
        let (plain, ended) = second_reader(&asked, &served);
        assert_eq!(ended, Ok(()), "{}: second reader", vector.case);
        assert_eq!(hex::encode(sha256(&plain)), vector.plaintext_sha256, "{}: second reader", vector.case);
        assert_eq!(plain.len() as u64, vector.plaintext_bytes, "{}", vector.case);
        for room in [1, 16_400, 40_000, 256 << 10] {
            let (first, ended) = first_reader(&asked, &served, room);
            assert_eq!(ended, Ok(()), "{}: first reader", vector.case);
            assert!(first == plain, "{}: first reader", vector.case);
        }
        let (_, footer) = first_open(&asked, &served.stored).unwrap_or_else(|step| panic!("{}: {step}", vector.case));
        let encoded = footer.manifest().encode().expect("what was decoded encodes");
        assert_eq!(hex::encode(&encoded), vector.manifest, "{}: one encoding", vector.case);
        assert_eq!(encoded.len(), footer.manifest().encoded_len(), "{}: its length", vector.case);
        let second = second::open(&asked, &served.stored).unwrap_or_else(|step| panic!("{}: {step}", vector.case));
        assert!(super::agree::manifests_agree(footer.manifest(), &second.facts), "{}: the facts", vector.case);
    }
}

#[test]
fn refused_vectors_are_refused_by_both_readers() {
    let from: BTreeMap<_, _> = load_accepted().into_iter().map(|vector| (vector.case.clone(), vector)).collect();
    let all = load_refused();
    assert!(all.len() >= 40, "the vectors are there");
    for vector in all {
        let asked = request(&vector.request);
        for attempt in &vector.attempts {
            let what = format!("{}: {}", vector.case, attempt.what);
            let expected = match from.get(&attempt.verified_of) {
                None => Vec::new(),
                Some(accepted) => {
                    let whole = Served { stored: decode(&accepted.stored), body: None, range: None };
                    second_reader(&request(&accepted.request), &whole).0[..attempt.verified_bytes as usize].to_vec()
                }
            };
            assert_eq!(expected.len() as u64, attempt.verified_bytes, "{what}");
            for served in served(attempt, &from) {
                let second = second_reader(&asked, &served);
                assert_refused(&format!("{what} (second reader)"), &second, attempt, &expected, true);
                // Segment by segment, every verified one is seen before the refusal.
                let first = first_reader(&asked, &served, 1);
                assert_refused(&format!("{what} (first reader)"), &first, attempt, &expected, true);
                let first = first_reader(&asked, &served, 256 << 10);
                assert_refused(&format!("{what} (first reader, large buffers)"), &first, attempt, &expected, false);
            }
        }
    }
}

fn assert_refused(what: &str, (plain, ended): &Outcome, attempt: &Attempt, expected: &[u8], exactly: bool) {
    let refused = ended.expect_err(what);
    assert!(attempt.refused_at.split(" or ").any(|step| step == refused), "{what}: refused at {refused}");
    assert!(expected.starts_with(plain), "{what}: {} unverified bytes came out", plain.len());
    assert!(!exactly || plain.len() == expected.len(), "{what}: {} verified bytes came out", plain.len());
}

#[test]
fn the_generator_reproduces_the_vectors() {
    let update = std::env::var_os("UPDATE_VECTORS").is_some();
    let accepted = accepted::all();
    let refused = refused::all(&accepted);
    let mut names = Vec::new();
    let mut check = |case: &str, text: String| {
        let path = directory().join(format!("{case}.json"));
        if update {
            fs::create_dir_all(directory()).expect("a directory");
            fs::write(&path, &text).expect("writes");
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "{case}.json is not what the generator makes");
        names.push(path);
    };
    for vector in &accepted {
        check(&vector.case, pretty(vector));
    }
    for vector in &refused {
        check(&vector.case, pretty(vector));
    }
    for entry in fs::read_dir(directory()).expect("the vectors are there") {
        let path = entry.expect("readable").path();
        assert!(
            path.extension().is_none_or(|e| e != "json") || names.contains(&path),
            "{} is nobody's",
            path.display()
        );
    }
}

fn pretty(vector: &impl Serialize) -> String {
    format!("{}\n", serde_json::to_string_pretty(vector).expect("serialises"))
}
