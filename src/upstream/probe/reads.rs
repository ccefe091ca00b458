//! Reading and listing.

use std::collections::BTreeSet;

use crate::upstream::{StoredRange, UpstreamError, WriteCondition};

use super::workspace::{Checked, Workspace, lacks, other_etag};

/// Keys whose order tells: bytes, not letters of a language, not `/` first, not UTF-16 (there the last two are swapped).
/// None is the folder of another: whether such are listed is a question of its own.
const ORDERED: [&str; 8] = ["A", "Z/a", "a!", "a-b", "a/b", "a0", "ab", "z"];
const BEYOND_ASCII: [&str; 3] = ["\u{e9}", "\u{ff5e}", "\u{1f600}"];

/// What was written is there at once, what was overwritten and deleted is gone at once.
pub(super) async fn read_back(w: &Workspace<'_>) -> Checked {
    let name = "reads/back";
    for bytes in [b"first".as_slice(), b"second, and longer", b"3rd"] {
        w.put(name, bytes).await?;
        if w.get(name).await?.bytes != bytes {
            return Err(lacks("a read after a write gives other bytes"));
        }
        if w.head(name).await?.stored_bytes != bytes.len() as u64 {
            return Err(lacks("HEAD after a write tells another length"));
        }
    }
    let listed = w.list(name, 10).await?;
    if !listed.iter().any(|object| object.key.as_str().ends_with(name)) {
        return Err(lacks("a listing after a write lacks the object"));
    }
    w.delete(name, WriteCondition::None).await?;
    match w.get(name).await {
        Err(UpstreamError::NoSuchKey) => {}
        Ok(_) => return Err(lacks("a read after a delete finds the object")),
        Err(error) => return Err(error.into()),
    }
    match w.list(name, 10).await?.is_empty() {
        true => Ok(()),
        false => Err(lacks("a listing after a delete has the object")),
    }
}

/// The ETag stands for the bytes: it is how a known object is told from a changed one.
pub(super) async fn etags(w: &Workspace<'_>) -> Checked {
    let name = "reads/etag";
    let mut seen = BTreeSet::new();
    // The same length, so that only the ETag can tell; the last is as the first one, with others in between.
    for bytes in [b"one", b"two", b"six"] {
        let put = w.put(name, bytes).await?.etag;
        let (head, get) = (w.head(name).await?.etag, w.get(name).await?.facts.etag);
        if put.0.is_empty() {
            return Err(lacks("its ETags are empty"));
        }
        if put != head || put != get {
            return Err(lacks("PUT, HEAD and GET tell different ETags of one object"));
        }
        if !seen.insert(put) {
            return Err(lacks("the ETag stays the same when the bytes change"));
        }
    }
    Ok(())
}

/// LIST tells the same ETag and length as HEAD: else every listed object has to be asked for.
pub(super) async fn list_etags(w: &Workspace<'_>) -> Checked {
    let name = "reads/listed";
    let put = w.put(name, b"listed").await?;
    let listed = w.list(name, 10).await?;
    let found = listed.first().ok_or_else(|| lacks("the object is not listed"))?;
    match (&found.facts.etag, found.facts.stored_bytes) {
        (etag, 6) if *etag == put.etag => Ok(()),
        (_, 6) => Err(lacks("LIST tells another ETag than PUT")),
        (_, other) => Err(lacks(format!("LIST tells a length of {other} instead of 6"))),
    }
}

/// What a listing in small pages gave.
pub(super) struct Pages {
    pub(super) complete: Checked,
    pub(super) ordered: Checked,
}

/// Every key once, over pages of two, and in byte order.
pub(super) async fn pages(w: &Workspace<'_>) -> Pages {
    let failed = |error: UpstreamError| {
        let again = UpstreamError::Unavailable("the listing failed".into());
        Pages { complete: Err(error.into()), ordered: Err(again.into()) }
    };
    match listing(w).await {
        Ok((expected, listed)) => {
            let complete = match expected.iter().find(|key| !listed.contains(key)) {
                Some(missing) => Err(lacks(format!("{:?} is not listed", w.name_of(missing)))),
                None if listed.len() != expected.len() => Err(lacks("keys are listed twice")),
                None => Ok(()),
            };
            let ordered = match listed.is_sorted() {
                true => Ok(()),
                false => Err(lacks("keys do not come in byte order")),
            };
            Pages { complete, ordered }
        }
        Err(error) => failed(error),
    }
}

async fn listing(w: &Workspace<'_>) -> Result<(BTreeSet<String>, Vec<String>), UpstreamError> {
    let mut expected = BTreeSet::new();
    for (number, name) in ORDERED.iter().chain(&BEYOND_ASCII).enumerate() {
        let name = format!("list/{name}");
        match w.put(&name, b"x").await {
            Ok(_) => expected.insert(w.key(&name)?.as_str().to_owned()),
            Err(error @ UpstreamError::Unavailable(_)) => return Err(error),
            // Whether such keys are taken at all is another question.
            Err(_) if number >= ORDERED.len() => false,
            Err(error) => return Err(error),
        };
    }
    let listed = w.list("list/", 2).await?;
    Ok((expected, listed.into_iter().map(|object| object.key.as_str().to_owned()).collect()))
}

/// `bytes=-N`.
pub(super) async fn suffix_range(w: &Workspace<'_>) -> Checked {
    let (ten, none) = ("reads/ten", "reads/none");
    w.put(ten, b"0123456789").await?;
    w.put(none, b"").await?;
    let last = w.get_part(ten, StoredRange::Suffix { len: 4 }, None).await?;
    if (last.offset, last.bytes.as_slice(), last.facts.stored_bytes) != (6, b"6789".as_slice(), 10) {
        return Err(lacks(format!("the last 4 of 10 bytes are answered with {} bytes", last.bytes.len())));
    }
    let more = w.get_part(ten, StoredRange::Suffix { len: 100 }, None).await?;
    if (more.offset, more.bytes.as_slice()) != (0, b"0123456789".as_slice()) {
        return Err(lacks("the last 100 of 10 bytes are not answered with all of them"));
    }
    match w.get_part(none, StoredRange::Suffix { len: 5 }, None).await {
        Ok(read) if read.bytes.is_empty() => Ok(()),
        Ok(_) => Err(lacks("a suffix of an empty object has bytes")),
        // That is how S3 puts it.
        Err(UpstreamError::InvalidRange) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// `If-Match` on GET.
pub(super) async fn if_match(w: &Workspace<'_>) -> Checked {
    let name = "reads/match";
    let etag = w.put(name, b"matched").await?.etag;
    if w.get_part(name, StoredRange::Whole, Some(&etag)).await?.bytes != b"matched" {
        return Err(lacks("a read with the right ETag gives other bytes"));
    }
    match w.get_part(name, StoredRange::Whole, Some(&other_etag())).await {
        Err(UpstreamError::PreconditionFailed) => Ok(()),
        Ok(_) => Err(lacks("answers 200 whatever If-Match says")),
        Err(error) => Err(error.into()),
    }
}

/// Tags are kept with the object.
pub(super) async fn tagging(w: &Workspace<'_>) -> Checked {
    let name = "reads/tagged";
    w.put(name, b"tagged").await?;
    let object = w.object(name)?;
    let tags = vec![("probe".to_owned(), "a tag + a space".to_owned())];
    super::workspace::answered(w.upstream.put_tags(&object, &tags)).await?;
    match super::workspace::answered(w.upstream.get_tags(&object)).await? {
        kept if kept == tags => Ok(()),
        _ => Err(lacks("tags are taken and not kept")),
    }
}

/// Each pair in the order in which it is written.
pub(super) const BESIDE: [[&str; 2]; 2] = [["beside/a", "beside/a/b"], ["beside/c/d", "beside/c"]];

/// An object beside others whose keys go on with `/`.
pub(super) async fn beside(w: &Workspace<'_>) -> Checked {
    for [first, second] in BESIDE {
        w.put(first, b"first").await?;
        w.put(second, b"second").await?;
        if w.get(first).await?.bytes != b"first" || w.get(second).await?.bytes != b"second" {
            return Err(lacks("one of the two objects is lost"));
        }
        let listed = w.list(first.trim_end_matches("/d"), 10).await?;
        for name in [first, second] {
            let key = w.key(name)?;
            if !listed.iter().any(|object| object.key == key) {
                return Err(lacks(format!("{name:?} is not listed")));
            }
        }
    }
    Ok(())
}
