//! Listings against a model: a naive walk over a sorted map.

use std::collections::BTreeSet;

use crate::upstream::{ListPage, ListRequest};

use super::Fixture;
use super::object::SPECIAL_KEYS;

/// What a listing must show: names after `after`, keys and common prefixes apart, and whether there is more.
pub(crate) fn model(keys: &BTreeSet<String>, request: &ListRequest) -> ListPageNames {
    let delimiter = request.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    // String's order is that of its UTF-8 bytes.
    let mut entries = BTreeSet::new();
    for key in keys {
        let Some(rest) = key.strip_prefix(&request.prefix) else { continue };
        match delimiter.and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len())) {
            Some(end) => entries.insert((key[..request.prefix.len() + end].to_owned(), true)),
            None => entries.insert((key.clone(), false)),
        };
    }
    let after = |name: &String| request.after.as_ref().is_none_or(|after| name > after);
    let shown: Vec<_> = entries.into_iter().filter(|(name, _)| after(name)).collect();
    let max = request.max_entries as usize;
    let page = &shown[..shown.len().min(max)];
    let names = |rolled_up| page.iter().filter(|entry| entry.1 == rolled_up).map(|entry| entry.0.clone()).collect();
    ListPageNames {
        objects: names(false),
        common_prefixes: names(true),
        next_after: if max > 0 && shown.len() > max { page.last().map(|entry| entry.0.clone()) } else { None },
    }
}

/// A page without facts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListPageNames {
    pub(crate) objects: Vec<String>,
    pub(crate) common_prefixes: Vec<String>,
    pub(crate) next_after: Option<String>,
}

impl From<ListPage> for ListPageNames {
    fn from(page: ListPage) -> Self {
        Self {
            objects: page.objects.iter().map(|object| object.key.to_string()).collect(),
            common_prefixes: page.common_prefixes,
            next_after: page.next_after,
        }
    }
}

pub(crate) async fn pages_match_the_model(f: &Fixture) {
    let more =
        ["a/b/c", "a/b/d", "a/c", "a0", "ab//c", "b/1", "b/2", "b/3", "b//", "c|x|y", "c||z", "d", "d1", "\u{e9}/x"];
    let usable = f.usable(&[SPECIAL_KEYS, &more].concat());
    let keys: BTreeSet<String> = usable.into_iter().map(str::to_owned).collect();
    for key in &keys {
        f.put(key, b"x").await;
    }
    let prefixes = ["", "a", "a/", "b/", "/", "c|", "d", "\u{e9}", "zzz", "\u{10ffff}"];
    let delimiters = [None, Some("/"), Some("//"), Some("|"), Some("b"), Some("\u{301}"), Some("a/b")];
    let afters = [None, Some("a"), Some("a/"), Some("a/b"), Some("b/1"), Some("\u{e9}"), Some("\u{10ffff}")];
    for prefix in prefixes {
        for delimiter in delimiters {
            for after in afters {
                for max_entries in [0, 1, 3, 1000] {
                    let request = ListRequest {
                        prefix: prefix.into(),
                        delimiter: delimiter.map(Into::into),
                        after: after.map(Into::into),
                        max_entries,
                    };
                    let page = f.upstream.list_objects(&f.bucket, &request).await.expect("a page");
                    assert_eq!(ListPageNames::from(page), model(&keys, &request), "{request:?}");
                }
            }
        }
    }
    // Page by page shows everything once.
    for max_entries in [1, 2, 7] {
        let mut request = ListRequest { delimiter: Some("/".into()), max_entries, ..Default::default() };
        let mut names = Vec::new();
        loop {
            let page: ListPageNames = f.upstream.list_objects(&f.bucket, &request).await.expect("a page").into();
            names.extend(page.objects.into_iter().chain(page.common_prefixes));
            let Some(next) = page.next_after else { break };
            request.after = Some(next);
        }
        names.sort();
        let all = model(&keys, &ListRequest { after: None, max_entries: 1000, ..request });
        let mut expected = [all.objects, all.common_prefixes].concat();
        expected.sort();
        assert_eq!(names, expected);
    }
}

pub(crate) async fn common_prefix_is_passed_as_a_whole(f: &Fixture) {
    for key in ["a/1", "a/2", "b"] {
        f.put(key, b"x").await;
    }
    let request = ListRequest { delimiter: Some("/".into()), max_entries: 1, ..Default::default() };
    let first: ListPageNames = f.upstream.list_objects(&f.bucket, &request).await.expect("a page").into();
    assert_eq!(first.common_prefixes, ["a/"]);
    let request = ListRequest { after: first.next_after, ..request };
    let second: ListPageNames = f.upstream.list_objects(&f.bucket, &request).await.expect("a page").into();
    assert_eq!((second.objects, second.common_prefixes, second.next_after), (vec!["b".to_owned()], vec![], None));
}

pub(crate) async fn nothing_to_list(f: &Fixture) {
    let request = ListRequest { max_entries: 1000, ..Default::default() };
    assert_eq!(f.upstream.list_objects(&f.bucket, &request).await.expect("a page"), ListPage::default());
}
