//! ListObjectsV2 and ListObjects: order, pages, delimiters, encoding, and the same size and ETag as everywhere.

use crate::harness::{Reply, Request, Server, bytes, etag};

fn list(server: &Server, query: &[(&str, &str)]) -> Reply {
    let start = Request::get("/list").query("list-type", "2");
    let reply = server.send(&query.iter().fold(start, |request, (name, value)| request.query(name, value)));
    reply.assert_status(200);
    reply
}

/// Listed keys, without the prefixes' own names.
fn keys(reply: &Reply) -> Vec<String> {
    reply.xml_all("Key")
}

/// The common prefixes: the first `Prefix` of an answer is the request's own.
fn prefixes(reply: &Reply) -> Vec<String> {
    reply.xml_all("CommonPrefixes").iter().map(|p| p.replace("<Prefix>", "").replace("</Prefix>", "")).collect()
}

fn with_keys(names: &[&str]) -> Server {
    let server = Server::with_bucket("list");
    for name in names {
        server.put(&format!("/list/{name}"), name.as_bytes());
    }
    server
}

/// aws-cli takes LIST's ETag as If-Match and its size for the ranges: they must be the plaintext's.
#[test]
fn size_and_etag_are_those_of_head() {
    let server = Server::with_bucket("list");
    for size in [0, 1, 16_384, 100_000] {
        let body = bytes(size as u64, size);
        server.put("/list/k", &body);
        let page = list(&server, &[]);
        assert_eq!(page.xml("Size"), Some(size.to_string()));
        assert_eq!(page.xml("ETag"), Some(etag(&body)));
        let head = server.send(&Request::head("/list/k"));
        assert_eq!(head.header("etag").map(str::to_owned), page.xml("ETag"));
        assert_eq!(page.xml("StorageClass").as_deref(), Some("STANDARD"));
    }
}

/// After a restart the index is what it was.
#[test]
fn size_and_etag_survive_a_crash() {
    let mut server = Server::with_bucket("list");
    let body = bytes(1, 50_000);
    server.put("/list/k", &body);
    server.kill_and_restart();
    let page = list(&server, &[]);
    assert_eq!((page.xml("Size"), page.xml("ETag")), (Some("50000".to_owned()), Some(etag(&body))));
}

#[test]
fn order_is_that_of_the_bytes() {
    let server = with_keys(&["é", "z", "a", "B", "a/b", "a-", "a0", "😀", "~"]);
    let expected = ["B", "a", "a-", "a/b", "a0", "z", "~", "é", "😀"];
    assert_eq!(keys(&list(&server, &[])), expected);
    let v1 = server.send(&Request::get("/list"));
    assert_eq!(keys(&v1), expected);
}

#[test]
fn delimiters_of_any_length() {
    let server = with_keys(&["a", "b/1", "b/2", "b//3", "c--d--e", "c--f", "g/"]);
    let slash = list(&server, &[("delimiter", "/")]);
    assert_eq!(
        (keys(&slash), prefixes(&slash)),
        (vec!["a".into(), "c--d--e".into(), "c--f".into()], vec!["b/".into(), "g/".into()])
    );
    let below = list(&server, &[("delimiter", "/"), ("prefix", "b/")]);
    assert_eq!((keys(&below), prefixes(&below)), (vec!["b/1".into(), "b/2".into()], vec!["b//".into()]));
    let long = list(&server, &[("delimiter", "--")]);
    assert_eq!(prefixes(&long), ["c--"]);
    let inside = list(&server, &[("delimiter", "--"), ("prefix", "c--")]);
    assert_eq!((keys(&inside), prefixes(&inside)), (vec!["c--f".into()], vec!["c--d--".into()]));
    assert_eq!(keys(&list(&server, &[("prefix", "b/1")])), ["b/1"]);
    assert_eq!(list(&server, &[("prefix", "nothing")]).xml("KeyCount").as_deref(), Some("0"));
}

/// Every key and prefix once, whatever the page size.
#[test]
fn pages_v2() {
    let names: Vec<String> = (0..4).flat_map(|d| (0..5).map(move |n| format!("d{d}/{n}"))).collect();
    let server = with_keys(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for size in ["1", "3", "7", "20", "1000"] {
        for delimiter in ["", "/"] {
            let mut found = Vec::new();
            let mut token = String::new();
            loop {
                let mut query = vec![("max-keys", size)];
                if !delimiter.is_empty() {
                    query.push(("delimiter", delimiter));
                }
                if !token.is_empty() {
                    query.push(("continuation-token", &token));
                }
                let page = list(&server, &query);
                let count = keys(&page).len() + prefixes(&page).len();
                assert!(count <= size.parse().expect("a number"));
                assert_eq!(page.xml("KeyCount"), Some(count.to_string()));
                found.extend(keys(&page));
                found.extend(prefixes(&page));
                match page.xml("NextContinuationToken") {
                    Some(next) => {
                        assert_eq!(page.xml("IsTruncated").as_deref(), Some("true"));
                        token = next;
                    }
                    None => break assert_eq!(page.xml("IsTruncated").as_deref(), Some("false")),
                }
            }
            let expected =
                if delimiter.is_empty() { names.clone() } else { (0..4).map(|d| format!("d{d}/")).collect() };
            assert_eq!(found, expected, "max-keys {size}, delimiter {delimiter:?}");
        }
    }
}

#[test]
fn pages_v1() {
    let server = with_keys(&["a", "b/1", "b/2", "c", "d"]);
    let ask = |query: &[(&str, &str)]| {
        let reply = server.send(&query.iter().fold(Request::get("/list"), |r, (name, value)| r.query(name, value)));
        reply.assert_status(200);
        reply
    };
    let first = ask(&[("max-keys", "2"), ("delimiter", "/")]);
    assert_eq!((keys(&first), prefixes(&first)), (vec!["a".into()], vec!["b/".into()]));
    let marker = first.xml("NextMarker").expect("NextMarker comes with a delimiter");
    let second = ask(&[("max-keys", "2"), ("delimiter", "/"), ("marker", &marker)]);
    assert_eq!(keys(&second), ["c", "d"]);
    // Without a delimiter S3 leaves NextMarker out: the client takes the last key.
    assert_eq!(ask(&[("max-keys", "1")]).xml("NextMarker"), None);
    assert_eq!(keys(&ask(&[("marker", "b/1")])), ["b/2", "c", "d"]);
}

#[test]
fn start_after_and_max_keys() {
    let server = with_keys(&["a", "b", "c"]);
    assert_eq!(keys(&list(&server, &[("start-after", "a")])), ["b", "c"]);
    assert_eq!(keys(&list(&server, &[("start-after", "aa"), ("max-keys", "1")])), ["b"]);
    let none = list(&server, &[("max-keys", "0")]);
    assert_eq!((keys(&none).len(), none.xml("IsTruncated").as_deref()), (0, Some("false")));
    assert_eq!(list(&server, &[("max-keys", "5000")]).xml("MaxKeys").as_deref(), Some("1000"));
    for wrong in ["-1", "x", "99999999999999"] {
        let refused = server.send(&Request::get("/list").query("list-type", "2").query("max-keys", wrong));
        refused.assert_error(400, "InvalidArgument");
    }
    let token = Request::get("/list").query("list-type", "2").query("continuation-token", "made up");
    server.send(&token).assert_error(400, "InvalidArgument");
}

/// XML 1.0 cannot carry every character that a key may have.
#[test]
fn encoding_type_url() {
    let server = with_keys(&["a b+c%/é&<>", "control\u{1}"]);
    let page = list(&server, &[("encoding-type", "url"), ("delimiter", "/"), ("prefix", "")]);
    assert_eq!(page.xml("EncodingType").as_deref(), Some("url"));
    // S3 writes a space as `+`, which only half of the clients undo; all of them undo %20.
    assert_eq!(prefixes(&page), ["a%20b%2Bc%25/"]);
    assert_eq!(keys(&page), ["control%01"]);
    let plain = list(&server, &[("prefix", "a b")]);
    assert_eq!(keys(&plain), ["a b+c%/é&<>"]);
    let wrong = Request::get("/list").query("list-type", "2").query("encoding-type", "base64");
    server.send(&wrong).assert_error(400, "InvalidArgument");
}

#[test]
fn owner_when_asked_for() {
    let server = with_keys(&["a"]);
    assert_eq!(list(&server, &[]).xml("Owner"), None);
    assert!(list(&server, &[("fetch-owner", "true")]).xml("Owner").is_some());
    assert!(server.send(&Request::get("/list")).xml("Owner").is_some(), "version 1 always shows it");
}

#[test]
fn no_such_bucket() {
    let server = Server::start();
    server.send(&Request::get("/nowhere").query("list-type", "2")).assert_error(404, "NoSuchBucket");
}
