//! A second reader, written from FORMAT.md alone: RustCrypto's aes-gcm, hmac and sha2 in the place of aws-lc-rs, whole
//! slices in the place of streams, and no line shared with the first. It names the step of FORMAT.md, "Reading", that refuses.

use std::ops::Range;

use aes_gcm::aead::Aead;
use aes_gcm::{Aes256Gcm, KeyInit};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};

/// A key that the requested bucket's domain has.
#[derive(Clone)]
pub(super) struct DomainKey {
    pub(super) id: [u8; 16],
    pub(super) scheme: u8,
    pub(super) key: [u8; 32],
}

/// What Vault would answer.
#[derive(Clone)]
pub(super) struct DirectWrap {
    pub(super) context: [u8; 32],
    pub(super) version: u32,
    pub(super) wrap: Vec<u8>,
    pub(super) dek: [u8; 32],
}

/// What is asked for, and with which keys.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) bucket_id: [u8; 16],
    pub(super) key: Vec<u8>,
    pub(super) domain: Vec<DomainKey>,
    pub(super) direct: Vec<DirectWrap>,
    pub(super) footer_id: Option<[u8; 16]>,
}

/// The step that refuses.
pub(super) type Step = &'static str;

pub(super) struct Part {
    pub(super) number: u16,
    pub(super) length: u64,
    salt: [u8; 24],
    pub(super) md5: Option<[u8; 16]>,
    pub(super) digests: Vec<(u8, Vec<u8>)>,
}

#[derive(Default)]
pub(super) struct Facts {
    pub(super) length: u64,
    pub(super) etag: (u8, [u8; 16], u16),
    pub(super) checksums: Vec<(u8, u8, u16, Vec<u8>)>,
    pub(super) parts: Vec<Part>,
    pub(super) headers: Vec<(u8, Vec<u8>)>,
    pub(super) metadata: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) owner: [u8; 16],
    pub(super) created: i64,
}

pub(super) struct Object {
    pub(super) facts: Facts,
    pub(super) manifest: Vec<u8>,
    body_key: [u8; 32],
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn hmac512(key: &[u8; 32], data: &[u8]) -> [u8; 64] {
    let mut mac = <Hmac<Sha512> as KeyInit>::new_from_slice(key).expect("any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

pub(super) fn hmac256(key: &[u8; 32], data: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

pub(super) fn expand(key: &[u8; 32], purpose: &str, data: &[u8]) -> [u8; 32] {
    let message = [b"crypt-keeper.v1 ", purpose.as_bytes(), b"\0", data, b"\x01"].concat();
    hmac512(key, &message)[..32].try_into().expect("32 of 64")
}

pub(super) fn name(bucket_id: &[u8; 16], key: &[u8]) -> [u8; 32] {
    sha256(&[b"crypt-keeper.v1 name\0", &bucket_id[..], key].concat())
}

pub(super) fn binding(scheme: u8, body_id: &[u8], key_id: &[u8], name: &[u8; 32]) -> Vec<u8> {
    [b"crypt-keeper.v1 dek\0", &[1, scheme][..], body_id, key_id, name].concat()
}

/// Key, base nonce, commitment.
pub(super) fn cobblestone(key: &[u8; 32], salt: &[u8], context: &[u8]) -> ([u8; 32], [u8; 12], [u8; 32]) {
    let info = [b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0", salt, context].concat();
    let one = hmac512(key, &[&info[..], &[1]].concat());
    let two = hmac512(key, &[&one[..], &info, &[2]].concat());
    let okm = [one, two].concat();
    let cut = |range: Range<usize>| okm[range].to_vec();
    (cut(0..32).try_into().expect("32"), cut(32..44).try_into().expect("12"), cut(44..76).try_into().expect("32"))
}

pub(super) fn nonce(base: &[u8; 12], index: u64) -> [u8; 12] {
    let mut wide = [0_u8; 16];
    wide[4..].copy_from_slice(base);
    let xored = u128::from_be_bytes(wide) ^ u128::from(index);
    xored.to_be_bytes()[4..].try_into().expect("12")
}

fn open_segment(key: &[u8; 32], base: &[u8; 12], index: u64, stored: &[u8]) -> Option<Vec<u8>> {
    Aes256Gcm::new(key.into()).decrypt(&nonce(base, index).into(), stored).ok()
}

/// Plaintext and stored length of each segment of `n` bytes.
fn segments(n: u64) -> Vec<usize> {
    let mut lengths = vec![16_384; (n / 16_384) as usize];
    lengths.push((n % 16_384) as usize);
    lengths
}

fn stored_length(n: u64) -> u64 {
    56 + n + 16 * (n / 16_384 + 1)
}

/// A whole Cobblestone message whose salt stands in front of it.
fn open_message(key: &[u8; 32], context: &[u8], stored: &[u8]) -> Option<Vec<u8>> {
    let (header, mut rest) = stored.split_at_checked(56)?;
    let (key, base, commitment) = cobblestone(key, &header[..24], context);
    if header[24..] != commitment {
        return None;
    }
    let mut plain = Vec::new();
    for index in 0.. {
        let (segment, behind) = rest.split_at(rest.len().min(16_400));
        plain.extend(open_segment(&key, &base, index, segment)?);
        if segment.len() < 16_400 {
            return Some(plain);
        }
        rest = behind;
    }
    None
}

pub(super) fn open(request: &Request, stored: &[u8]) -> Result<Object, Step> {
    // 1
    let t = stored.last_chunk::<256>().ok_or("1 magic")?;
    if &t[..8] != b"CRYPTKPR" {
        return Err("1 magic");
    }
    // 2
    let number = |range: Range<usize>| t[range].iter().fold(0_u64, |value, &byte| value * 256 + u64::from(byte));
    let (scheme, key_version, wrap_length) = (t[9], number(80..84), number(84..86) as usize);
    let wrap_fits = match scheme {
        1 => key_version == 0 && wrap_length == 104,
        2 => (1..=120).contains(&wrap_length),
        _ => false,
    };
    let (m_length, p_length, length) = (number(12..16), number(16..24), number(24..32));
    let m_fits = m_length >= 72 && (m_length - 56) % 16_400 >= 16 && m_length <= stored_length(4_194_304);
    if t[8] != 1 || !wrap_fits || !m_fits {
        return Err("2 fields");
    }
    if [&t[10..12], &t[86 + wrap_length..206], &t[206..224]].concat().iter().any(|&byte| byte != 0) {
        return Err("2 fields");
    }
    // 3
    if u128::from(p_length) + u128::from(m_length) + 256 != stored.len() as u128 {
        return Err("3 stored size");
    }
    // 4
    let (body_id, footer_id, key_id, wrap) = (&t[32..48], &t[48..64], &t[64..80], &t[86..86 + wrap_length]);
    let known = request.domain.iter().find(|key| key.id == key_id && key.scheme == scheme).ok_or("4 key")?;
    // 5
    let name = name(&request.bucket_id, &request.key);
    let b = binding(scheme, body_id, key_id, &name);
    let dek: [u8; 32] = if scheme == 1 {
        open_message(&known.key, &b, wrap).and_then(|dek| dek.try_into().ok()).ok_or("5 wrap")?
    } else {
        let answer = |vault: &&DirectWrap| {
            vault.context == sha256(&b) && u64::from(vault.version) == key_version && vault.wrap == wrap
        };
        request.direct.iter().find(answer).ok_or("5 wrap")?.dek
    };
    // 6
    let m = &stored[p_length as usize..(p_length + m_length) as usize];
    let message = [&t[..224], &sha256(m), &name].concat();
    if hmac256(&expand(&dek, "trailer", body_id), &message) != t[224..] {
        return Err("6 hmac");
    }
    // 7
    let context = [b"crypt-keeper.v1 manifest\0", footer_id].concat();
    let manifest = open_message(&expand(&dek, "manifest", body_id), &context, m).ok_or("7 manifest")?;
    let facts = parse(&manifest).ok_or("7 manifest")?;
    // 8
    let parts_stored: u128 = facts.parts.iter().map(|part| u128::from(stored_length(part.length))).sum();
    if facts.length != length || parts_stored != u128::from(p_length) {
        return Err("8 lengths");
    }
    // 9
    if request.footer_id.is_some_and(|expected| expected != footer_id) {
        return Err("9 version");
    }
    Ok(Object { facts, manifest, body_key: expand(&dek, "body", body_id) })
}

impl Object {
    /// Reads `wanted` from the body as the store serves it. What was verified, and how it ended.
    pub(super) fn read(&self, body: &[u8], wanted: &Range<u64>) -> (Vec<u8>, Result<(), Step>) {
        let mut plain = Vec::new();
        let end = self.read_into(body, wanted, &mut plain);
        (plain, end)
    }

    fn read_into(&self, body: &[u8], wanted: &Range<u64>, out: &mut Vec<u8>) -> Result<(), Step> {
        let whole = *wanted == (0..self.facts.length);
        let (mut offset, mut position) = (0_usize, 0_u64);
        for part in &self.facts.parts {
            let context = [b"crypt-keeper.v1 part\0\0\0".as_slice(), &part.number.to_be_bytes()].concat();
            let (key, base, commitment) = cobblestone(&self.body_key, &part.salt, &context);
            let header = [&part.salt[..], &commitment].concat();
            let begins = whole || wanted.start < position + part.length.min(16_384) && wanted.end > position;
            let before = wanted.start < position && wanted.end > position;
            if begins || before {
                let stored = body.get(offset..offset + 56).ok_or("body end")?;
                if stored != header {
                    return Err("body header");
                }
            }
            offset += 56;
            for (index, length) in (0..).zip(segments(part.length)) {
                let here = position..position + length as u64;
                let last = index == part.length / 16_384;
                let touched = wanted.start < here.end && wanted.end > here.start;
                let tail = last && length == 0 && wanted.start < here.end && wanted.end >= here.end;
                if whole || touched || tail {
                    let stored = body.get(offset..offset + length + 16).ok_or("body end")?;
                    let segment = open_segment(&key, &base, index, stored).ok_or("body segment")?;
                    let from = wanted.start.clamp(here.start, here.end) - here.start;
                    let to = wanted.end.clamp(here.start, here.end) - here.start;
                    out.extend(&segment[from as usize..to as usize]);
                }
                offset += length + 16;
                position = here.end;
            }
        }
        if whole && offset != body.len() { Err("body end") } else { Ok(()) }
    }
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, width: usize) -> Option<u64> {
        Some(self.bytes(width)?.iter().fold(0, |value, &byte| value * 256 + u64::from(byte)))
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        let length = self.number(2)? as usize;
        self.bytes(length).map(<[u8]>::to_vec)
    }
}

fn width(algorithm: u8) -> Option<usize> {
    [None, Some(4), Some(4), Some(8), Some(20), Some(32)].get(usize::from(algorithm)).copied().flatten()
}

fn rises<T: Ord>(values: &[T]) -> bool {
    values.windows(2).all(|pair| pair[0] < pair[1])
}

/// The manifest's table, row by row.
fn parse(manifest: &[u8]) -> Option<Facts> {
    let mut from = Fields(manifest);
    let mut facts = Facts::default();
    let mut sound = from.number(1)? == 1;
    facts.length = from.number(8)?;
    facts.etag = (from.number(1)? as u8, from.bytes(16)?.try_into().ok()?, from.number(2)? as u16);
    sound &= match facts.etag {
        (1 | 3, _, suffix) => suffix == 0,
        (2, _, suffix) => (1..=10_000).contains(&suffix),
        _ => false,
    };
    for _ in 0..from.number(1)? {
        let (algorithm, kind, parts) = (from.number(1)? as u8, from.number(1)? as u8, from.number(2)? as u16);
        sound &= matches!((kind, parts), (1, 0) | (2, 1..=10_000));
        facts.checksums.push((algorithm, kind, parts, from.bytes(width(algorithm)?)?.to_vec()));
    }
    sound &= rises(&facts.checksums.iter().map(|checksum| checksum.0).collect::<Vec<_>>());
    let md5 = from.number(1)?;
    sound &= md5 < 2;
    let count = from.number(1)? as usize;
    let algorithms = from.bytes(count)?;
    sound &= rises(algorithms);
    for _ in 0..from.number(2)? {
        let (number, length) = (from.number(2)? as u16, from.number(8)?);
        let salt = from.bytes(24)?.try_into().ok()?;
        let md5 = if md5 == 1 { Some(from.bytes(16)?.try_into().ok()?) } else { None };
        let mut digests = Vec::new();
        for &algorithm in algorithms {
            digests.push((algorithm, from.bytes(width(algorithm)?)?.to_vec()));
        }
        facts.parts.push(Part { number, length, salt, md5, digests });
    }
    let numbers: Vec<_> = facts.parts.iter().map(|part| part.number).collect();
    sound &= match numbers[..] {
        [] => false,
        [0] => md5 == 0 && algorithms.is_empty(),
        [first, ..] => first > 0 && rises(&numbers) && numbers.iter().all(|&number| number <= 10_000),
    };
    sound &= facts.parts.iter().map(|part| u128::from(part.length)).sum::<u128>() == u128::from(facts.length);
    for _ in 0..from.number(1)? {
        facts.headers.push((from.number(1)? as u8, from.string()?));
    }
    let codes: Vec<_> = facts.headers.iter().map(|header| header.0).collect();
    sound &= rises(&codes) && codes.iter().all(|code| (1..=7).contains(code));
    for _ in 0..from.number(2)? {
        facts.metadata.push((from.string()?, from.string()?));
    }
    let names: Vec<_> = facts.metadata.iter().map(|entry| &entry.0).collect();
    sound &= rises(&names) && names.iter().all(|name| !name.is_empty());
    facts.owner = from.bytes(16)?.try_into().ok()?;
    facts.created = i64::from_be_bytes(from.bytes(8)?.try_into().ok()?);
    (sound && from.0.is_empty()).then_some(facts)
}

/// Opens a sealed record.
pub(super) fn open_record(key: &[u8; 32], context: &[u8], record: &[u8]) -> Option<Vec<u8>> {
    let (salt, sealed) = record.split_at_checked(24)?;
    let payload = aes_gcm::aead::Payload { msg: sealed, aad: context };
    Aes256Gcm::new(&expand(key, "record", salt).into()).decrypt(&[0; 12].into(), payload).ok()
}

/// Opens a 32-byte key that was wrapped by Cobblestone-256.
pub(super) fn unwrap(key: &[u8; 32], context: &[u8], wrapped: &[u8]) -> Option<Vec<u8>> {
    open_message(key, context, wrapped)
}
