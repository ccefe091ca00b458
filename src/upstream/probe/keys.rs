//! Unusual keys: each written beside those that it might be taken for, then all read back and listed.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::base::limits::MAX_KEY_BYTES;
use crate::upstream::{KeyFate, KeyKind, UpstreamError, WriteCondition};

use super::findings::{Answer, KeyFinding};
use super::workspace::Workspace;

/// With and without a slash at the start of the key.
const LEADING: &str = "leading/slash";
/// Listed at a time: there are only a few of each kind.
const PAGE: u32 = 100;

/// What becomes of every kind of key.
pub(super) async fn keys(w: &Workspace<'_>) -> Vec<KeyFinding> {
    join_all(KeyKind::ALL.into_iter().map(|kind| one_kind(w, kind))).await
}

async fn one_kind(w: &Workspace<'_>, kind: KeyKind) -> KeyFinding {
    let (answer, fate) = match found(w, kind).await {
        Ok(found) => found,
        Err(error) => (Answer::unknown(error), KeyFate::Changed),
    };
    KeyFinding { kind, answer, fate }
}

async fn found(w: &Workspace<'_>, kind: KeyKind) -> Result<(Answer, KeyFate), UpstreamError> {
    match check(w, &names(w, kind)).await? {
        (answer, KeyFate::Changed) => Ok((answer, KeyFate::Changed)),
        found if kind == KeyKind::EmptySegment => Ok(leading_slash(w).await?.unwrap_or(found)),
        found => Ok(found),
    }
}

async fn check(w: &Workspace<'_>, names: &[String]) -> Result<(Answer, KeyFate), UpstreamError> {
    let mut kept: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    let mut refused = None;
    for (number, name) in names.iter().enumerate() {
        let bytes = format!("object {number}").into_bytes();
        match w.put(name, &bytes).await {
            Ok(_) => {
                kept.insert(name, bytes);
            }
            Err(error @ (UpstreamError::Unavailable(_) | UpstreamError::Full)) => return Err(error),
            Err(error) => refused = Some((name, error)),
        }
    }
    let changed = |name: &str, how: &str| Ok((Answer::no(format!("{} {how}", shown(name))), KeyFate::Changed));
    for (name, bytes) in &kept {
        match w.get(name).await {
            Ok(read) if read.bytes == *bytes => {}
            Ok(_) => return changed(name, "has become one with another key"),
            Err(error @ (UpstreamError::Unavailable(_) | UpstreamError::Full)) => return Err(error),
            Err(_) => return changed(name, "is not found under its name"),
        }
    }
    let below = names.first().and_then(|name| name.split_inclusive('/').next()).unwrap_or_default();
    let listed = w.list(below, PAGE).await?;
    for name in kept.keys() {
        let key = w.key(name)?;
        if !listed.iter().any(|object| object.key == key) {
            return changed(name, "is not listed under its name");
        }
    }
    if listed.len() > kept.len() {
        return Ok((Answer::no("lists keys that nobody wrote"), KeyFate::Changed));
    }
    Ok(match refused {
        Some((name, error)) => (Answer::no(format!("{}: {error}", shown(name))), KeyFate::Refused),
        None => (Answer::Yes, KeyFate::Kept),
    })
}

/// Whether a key that begins with a slash becomes the one without it. That is said where it is so.
async fn leading_slash(w: &Workspace<'_>) -> Result<Option<(Answer, KeyFate)>, UpstreamError> {
    let (name, slash) = (LEADING, w.behind_slash());
    w.put(name, b"without").await?;
    match slash.put(name, b"with").await {
        Ok(_) => {}
        Err(error @ (UpstreamError::Unavailable(_) | UpstreamError::Full)) => return Err(error),
        Err(_) => return Ok(None),
    }
    let is_kept = w.get(name).await?.bytes == b"without";
    let is_found = slash.get(name).await.is_ok_and(|read| read.bytes == b"with");
    let key = slash.key(name)?;
    let is_listed = slash.list(name, PAGE).await?.iter().any(|object| object.key == key);
    slash.delete(name, WriteCondition::None).await?;
    match is_kept && is_found && is_listed {
        true => Ok(None),
        false => Ok(Some((Answer::no("\"/a\" has become \"a\""), KeyFate::Changed))),
    }
}

/// Keys of one kind, each before or behind one that a file system or a URL library would make of it.
fn names(w: &Workspace<'_>, kind: KeyKind) -> Vec<String> {
    let room = |used: usize| MAX_KEY_BYTES.saturating_sub(w.prefix().len() + used);
    match kind {
        KeyKind::DotSegment => under("dots", &["b", "a/../b", "c", "./c", "d/./e", "d/e", "f/.."]),
        KeyKind::EmptySegment => under("empty", &["a/b", "a//b", "/c", "c", "d///e"]),
        KeyKind::TrailingSlash => under("trailing", &["a/", "b", "b/", "c/", "c"]),
        KeyKind::Reserved => under(
            "reserved",
            &[
                "a/b",
                "a%2Fb",
                "a%2fb",
                "100%",
                "100%25",
                "c+d",
                "c d",
                "c%20d",
                "e?f",
                "e#f",
                "g&h<i>\"'",
                "j\\k",
                "j:*|~",
            ],
        ),
        KeyKind::Unicode => under("unicode", &["\u{e9}", "e\u{301}", "\u{65e5}\u{672c}", "\u{1f600}", "\u{ff5e}"]),
        KeyKind::Uppercase => under("case", &["readme", "README", "Readme"]),
        KeyKind::LongSegment => {
            let long = "s".repeat(room("segment/x".len()).min(900));
            under("segment", &[&format!("{long}1"), &format!("{long}2")])
        }
        KeyKind::LongKey => {
            let path = "long/".len();
            let long: String = "segment-of-20-bytes/".chars().cycle().take(room(path) - 1).collect();
            under("long", &[&format!("{long}1"), &format!("{long}2")])
        }
    }
}

fn under(folder: &str, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{folder}/{name}")).collect()
}

/// A key as it stands in a line of a table: without its folder, and not a screenful.
fn shown(name: &str) -> String {
    let name = name.split_once('/').map_or(name, |(_, name)| name);
    match name.chars().count() {
        0..=24 => format!("\"{name}\""),
        count => format!("a key of {count} characters"),
    }
}

/// What is written here, under names that a listing may not show.
pub(super) fn written(w: &Workspace<'_>) -> Vec<String> {
    KeyKind::ALL.into_iter().flat_map(|kind| names(w, kind)).collect()
}
