//! DeleteObject and DeleteObjects.

use crate::harness::{Reply, Request, Server, etag, md5_hex};

fn delete(server: &Server, xml: &str) -> Reply {
    use base64::Engine;
    let md5 = hex::decode(md5_hex(xml.as_bytes())).expect("hex");
    let md5 = base64::engine::general_purpose::STANDARD.encode(md5);
    server.send(&Request::post("/del", xml).query("delete", "").header("content-md5", &md5))
}

fn objects(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect()
}

#[test]
fn one_that_is_not_there_is_gone_already() {
    let server = Server::with_bucket("del");
    server.put("/del/k", b"x");
    for _ in 0..2 {
        server.send(&Request::delete("/del/k")).assert_status(204);
        server.assert_absent("/del/k");
    }
    server.send(&Request::delete("/nowhere/k")).assert_error(404, "NoSuchBucket");
}

#[test]
fn conditions() {
    let server = Server::with_bucket("del");
    server.put("/del/k", b"x");
    server.send(&Request::delete("/del/k").header("if-match", &etag(b"y"))).assert_error(412, "PreconditionFailed");
    server.assert_holds("/del/k", b"x");
    server.send(&Request::delete("/del/k").header("if-match", &etag(b"x"))).assert_status(204);
    server.assert_absent("/del/k");
}

#[test]
fn many_at_once() {
    let server = Server::with_bucket("del");
    for key in ["a", "b &<", "keep"] {
        server.put(&format!("/del/{key}"), b"x");
    }
    let reply = delete(&server, &format!("<Delete>{}</Delete>", objects(&["a", "b &amp;&lt;", "never"])));
    reply.assert_status(200);
    assert_eq!(reply.xml_all("Key"), ["a", "b &<", "never"]);
    assert_eq!(reply.xml_all("Error").len(), 0);
    server.assert_absent("/del/a");
    server.assert_absent("/del/b &<");
    server.assert_holds("/del/keep", b"x");
    let quiet = delete(&server, &format!("<Delete><Quiet>true</Quiet>{}</Delete>", objects(&["keep"])));
    assert_eq!(quiet.assert_status(200).xml_all("Deleted").len(), 0);
    server.assert_absent("/del/keep");
}

/// The body decides what is lost: it must come with a proof.
#[test]
fn body_must_be_proved() {
    let server = Server::with_bucket("del");
    server.put("/del/a", b"x");
    let xml = format!("<Delete>{}</Delete>", objects(&["a"]));
    let bare = server.send(&Request::post("/del", xml.clone()).query("delete", ""));
    bare.assert_error(400, "InvalidRequest");
    let wrong = Request::post("/del", xml).query("delete", "").header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
    server.send(&wrong).assert_error(400, "BadDigest");
    server.assert_holds("/del/a", b"x");
}

#[test]
fn malformed_and_oversized_bodies() {
    let server = Server::with_bucket("del");
    server.put("/del/a", b"x");
    for xml in
        ["", "<Delete/>", "<Delete></Delete>", "<Delete><Object/></Delete>", "<Delete><Object><Key>a</Key></Object>"]
    {
        delete(&server, xml).assert_error(400, "MalformedXML");
    }
    let many: Vec<String> = (0..1001).map(|n| format!("k{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    delete(&server, &format!("<Delete>{}</Delete>", objects(&many))).assert_error(400, "MalformedXML");
    delete(&server, &format!("<Delete>{}</Delete>", objects(&many[..1000]))).assert_status(200);
    server.assert_holds("/del/a", b"x");
}

/// A condition that is ignored deletes what the client wanted to keep.
#[test]
fn condition_of_one_key_is_never_ignored() {
    let server = Server::with_bucket("del");
    server.put("/del/a", b"x");
    let xml = "<Delete><Object><Key>a</Key><ETag>other</ETag></Object></Delete>";
    let reply = delete(&server, xml);
    let refused = reply.status >= 400 || reply.xml_all("Error").len() == 1;
    assert!(refused, "{}", reply.text());
    server.assert_holds("/del/a", b"x");
}
