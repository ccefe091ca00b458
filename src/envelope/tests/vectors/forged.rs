//! Refused objects that no store could make: footers with right HMACs over wrong contents, built without the first
//! implementation. A reader does not rely on the writer having kept the rules.

use aes_gcm::aead::Aead;
use aes_gcm::{Aes256Gcm, KeyInit};

use super::super::fixture::{HOME, salt};
use super::super::second_reader as second;
use super::accepted::asked;
use super::refused::{Sources, attempt, case, hex_piece, piece};
use super::request;
use super::schema::{Attempt, Refused};
use crate::envelope::{FormatError, Manifest, ManifestFault};

pub(super) fn all(from: &Sources<'_>) -> Vec<Refused> {
    let mut all = malformed_trailers(from);
    all.push(malformed_manifests(from));
    all
}

/// A footer made without the first implementation: any manifest bytes, any trailer, a right HMAC.
struct Forge {
    dek: [u8; 32],
    body_id: [u8; 16],
    footer_id: [u8; 16],
}

impl Forge {
    fn new() -> Self {
        Self {
            dek: *HOME.dek().key().expose(),
            body_id: *HOME.body_id().as_bytes(),
            footer_id: *HOME.footer_id().as_bytes(),
        }
    }

    fn seal(&self, manifest: &[u8]) -> Vec<u8> {
        let context = [b"crypt-keeper.v1 manifest\0".as_slice(), &self.footer_id].concat();
        let key = second::expand(&self.dek, "manifest", &self.body_id);
        let (key, base, commitment) = second::cobblestone(&key, &salt(0xf0), &context);
        let sealed = Aes256Gcm::new(&key.into()).encrypt(&second::nonce(&base, 0).into(), manifest).expect("seals");
        [&salt(0xf0)[..], &commitment, &sealed].concat()
    }

    /// T of `one_byte` with some bytes replaced, the length of M put right, and an HMAC that matches.
    fn trailer(&self, t: &[u8], m: &[u8], edits: &[(usize, &[u8])]) -> Vec<u8> {
        let mut t = t.to_vec();
        t[12..16].copy_from_slice(&(m.len() as u32).to_be_bytes());
        for (at, bytes) in edits {
            t[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        let name = second::name(HOME.bucket_id().as_bytes(), HOME.key);
        let message = [&t[..224], &second::sha256(m), &name].concat();
        let mac = second::hmac256(&second::expand(&self.dek, "trailer", &self.body_id), &message);
        t[224..].copy_from_slice(&mac);
        t
    }
}

fn malformed_trailers(from: &Sources<'_>) -> Vec<Refused> {
    let (forge, bytes, body, end) = (Forge::new(), from.bytes("one_byte"), from.body("one_byte"), from.end("one_byte"));
    let (m, t) = (&bytes[body..end - 256], &bytes[end - 256..]);
    let forged = |what: &str, edits: &[(usize, &[u8])], step: &str| {
        attempt(what, vec![piece("one_byte", 0..end - 256), hex_piece(&forge.trailer(t, m, edits))], step)
    };
    let padding = vec![
        forged("zero 2", &[(11, &[1])], "2 fields"),
        forged("behind the wrap", &[(205, &[1])], "2 fields"),
        forged("zero 18", &[(206, &[0x80])], "2 fields"),
        forged("zero 18, its end", &[(223, &[1])], "2 fields"),
    ];
    let lengths = vec![
        forged("T's plaintext length is not M's", &[(24, &2_u64.to_be_bytes())], "8 lengths"),
        attempt(
            "the stored parts are a byte longer than the part table says",
            {
                let longer = forge.trailer(t, m, &[(16, &74_u64.to_be_bytes())]);
                vec![hex_piece(&[0]), piece("one_byte", 0..end - 256), hex_piece(&longer)]
            },
            "8 lengths",
        ),
        forged("lengths that overflow", &[(16, &u64::MAX.to_be_bytes())], "3 stored size"),
        forged("M above 4 MiB", &[(12, &(56 + 4_194_305 + 16 * 257_u32).to_be_bytes())], "2 fields"),
        forged("M of a length that sealing never yields", &[(12, &71_u32.to_be_bytes())], "2 fields"),
    ];
    let fields = vec![
        forged("version 2", &[(8, &[2])], "2 fields"),
        forged("scheme 3", &[(9, &[3])], "2 fields"),
        forged("a bucket wrap with a key version", &[(83, &[1])], "2 fields"),
        forged("a bucket wrap of 103 bytes", &[(84, &103_u16.to_be_bytes()), (189, &[0])], "2 fields"),
        forged("a wrap of 121 bytes", &[(84, &121_u16.to_be_bytes())], "2 fields"),
        forged("a direct wrap of no bytes", &[(9, &[2]), (84, &[0; 106])], "2 fields"),
    ];
    vec![
        case("padding_not_zero", "The zero fields and the wrap's padding are zero.", &HOME, padding),
        case(
            "lengths_disagree",
            "The plaintext lengths of T, of M and the sum of the part table are the same.",
            &HOME,
            lengths,
        ),
        case("fields_out_of_range", "The version is 1 and the scheme known.", &HOME, fields),
    ]
}

fn malformed_manifests(from: &Sources<'_>) -> Refused {
    let (bytes, body, end) = (from.bytes("one_byte"), from.body("one_byte"), from.end("one_byte"));
    let good = second::open(&request(&asked(&HOME)), &bytes).unwrap_or_else(|step| panic!("{step}")).manifest;
    let forge = Forge::new();
    let attempts = malformed(&good).into_iter().map(|(what, manifest, fault)| {
        let decoded = Manifest::decode(&manifest).err();
        assert_eq!(decoded, Some(FormatError::Manifest(fault)), "{what}: refused for what it is");
        let m = forge.seal(&manifest);
        let t = forge.trailer(&bytes[end - 256..], &m, &[]);
        attempt(what, vec![piece("one_byte", 0..body), hex_piece(&m), hex_piece(&t)], "7 manifest")
    });
    let attempts: Vec<Attempt> = attempts.collect();
    case("manifest_malformed", "Every manifest has exactly one encoding.", &HOME, attempts)
}

/// Malformed manifests and what is wrong with them. In the good one stand: version 0, length 1, ETag 9, checksum count 28,
/// CRC64NVME 29..41, SHA256 41..77, part MD5 77, digests 78, part count 79, the part 81..115, header count 115, Content-Type
/// 116..129, Cache-Control 129..140, metadata count 140, "color" 142..156, "empty" 156..165, owner 165, created 181..189.
fn malformed(good: &[u8]) -> Vec<(String, Vec<u8>, ManifestFault)> {
    let edit = |at: usize, to: &[u8]| [&good[..at], to, &good[at + to.len()..]].concat();
    let (code, suffix, order) = (ManifestFault::Code, ManifestFault::Suffix, ManifestFault::Order);
    let (short, numbers) = (ManifestFault::Short, ManifestFault::PartNumbers);
    let (digests, lengths) = (ManifestFault::PartDigests, ManifestFault::PartLengths);
    let checksums_exchanged = [&good[..29], &good[41..77], &good[29..41], &good[77..]].concat();
    let checksum_twice = [&edit(28, &[3])[..41], &good[29..]].concat();
    let part_md5 = [&edit(77, &[1])[..115], &[0; 16], &good[115..]].concat();
    let part_digest = [&good[..78], &[1, 1], &good[79..115], &[0; 4], &good[115..]].concat();
    let no_parts = [&edit(79, &[0, 0])[..81], &good[115..]].concat();
    let part_twice = [&edit(79, &[0, 2])[..115], &good[81..]].concat();
    let too_many_parts = [&edit(79, &[255, 255])[..115], &good[115..]].concat();
    let nameless = [&good[..142], &[0, 0], &good[149..]].concat();
    let mut all = vec![
        ("version 2", edit(0, &[2]), ManifestFault::Version),
        ("a byte behind the last field", [good, &[0]].concat(), ManifestFault::Trailing),
        ("nothing", vec![], short),
        ("ETag kind 0", edit(9, &[0]), code),
        ("ETag kind 4", edit(9, &[4]), code),
        ("an MD5 ETag with a suffix", edit(26, &[0, 1]), suffix),
        ("a multipart ETag of no parts", edit(9, &[2]), suffix),
        (
            "a multipart ETag of 10,001 parts",
            edit(26, &[0x27, 0x11]).iter().enumerate().map(|(i, &b)| if i == 9 { 2 } else { b }).collect(),
            suffix,
        ),
        ("checksum algorithm 0", edit(29, &[0]), code),
        ("checksum algorithm 6", edit(29, &[6]), code),
        ("checksum type 0", edit(30, &[0]), code),
        ("checksum type 3", edit(30, &[3]), code),
        ("a full-object checksum with parts", edit(31, &[0, 1]), suffix),
        ("a composite checksum of no parts", edit(30, &[2]), suffix),
        ("checksums out of order", checksums_exchanged, order),
        ("a checksum twice", checksum_twice, order),
        ("part MD5 flag 2", edit(77, &[2]), code),
        ("an MD5 for the part of a single PUT", part_md5, digests),
        ("a digest for the part of a single PUT", part_digest, digests),
        ("no parts", no_parts, numbers),
        ("part 0 twice", part_twice, numbers),
        ("more parts than there are bytes", too_many_parts, short),
        ("part number 10,001", edit(81, &[0x27, 0x11]), numbers),
        ("a part longer than the object", edit(83, &2_u64.to_be_bytes()), lengths),
        ("a part shorter than the object", edit(83, &0_u64.to_be_bytes()), lengths),
        ("header code 0", edit(116, &[0]), code),
        ("header code 8", edit(116, &[8]), code),
        ("a header twice", edit(116, &[5]), order),
        ("headers out of order", edit(116, &[7]), order),
        ("a header longer than the rest", edit(117, &[255, 255]), short),
        ("a metadata count of 65,535", edit(140, &[255, 255]), short),
        ("a metadata name of no bytes", nameless, ManifestFault::EmptyName),
        ("a metadata name twice", edit(144, b"empty"), order),
        ("metadata out of order", edit(144, b"z"), order),
    ]
    .into_iter()
    .map(|(what, bytes, fault)| (what.to_owned(), bytes, fault))
    .collect::<Vec<_>>();
    all.extend((0..good.len()).map(|length| (format!("cut to {length} bytes"), good[..length].to_vec(), short)));
    all
}
