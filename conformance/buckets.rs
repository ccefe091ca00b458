//! Buckets: ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation, GetBucketVersioning, addressing.

use crate::harness::{Request, Server};

#[test]
fn life_of_a_bucket() {
    let mut server = Server::start();
    let made = server.send(&Request::put("/my-bucket", ""));
    made.assert_status(200);
    assert_eq!(made.header("location"), Some("/my-bucket"));
    server.kill_and_restart();
    server.send(&Request::head("/my-bucket")).assert_status(200);
    assert_eq!(server.send(&Request::get("/")).assert_status(200).xml_all("Name"), ["my-bucket"]);
    server.put("/my-bucket/k", b"x");
    server.send(&Request::delete("/my-bucket")).assert_error(409, "BucketNotEmpty");
    server.send(&Request::delete("/my-bucket/k")).assert_status(204);
    server.send(&Request::delete("/my-bucket")).assert_status(204);
    server.send(&Request::head("/my-bucket")).assert_status(404);
    server.send(&Request::delete("/my-bucket")).assert_error(404, "NoSuchBucket");
}

/// A bucket of the same name is another bucket: nothing of the old one comes back.
#[test]
fn made_again_it_is_empty() {
    let server = Server::with_bucket("again");
    server.put("/again/k", b"x");
    server.send(&Request::delete("/again/k")).assert_status(204);
    server.send(&Request::delete("/again")).assert_status(204);
    server.send(&Request::put("/again", "")).assert_status(200);
    server.assert_absent("/again/k");
    server.put("/again/k", b"y");
    server.assert_holds("/again/k", b"y");
}

#[test]
fn a_trailing_slash_is_still_the_bucket() {
    let server = Server::start();
    server.send(&Request::put("/slashed/", "")).assert_status(200);
    server.send(&Request::head("/slashed/")).assert_status(200);
    server.send(&Request::get("/slashed/").query("list-type", "2")).assert_status(200);
}

#[test]
fn names() {
    let server = Server::start();
    for name in ["ab", "Upper", "under_score", "-dash", "dots..dots", "192.168.0.1", &"a".repeat(64)] {
        server.send(&Request::put(&format!("/{name}"), "")).assert_error(400, "InvalidBucketName");
    }
    let twice = Request::put("/mine", "");
    server.send(&twice).assert_status(200);
    let again = server.send(&twice);
    // us-east-1 answers 200 to its owner, every other region 409 BucketAlreadyOwnedByYou.
    assert!(matches!(again.status, 200 | 409), "{}", again.text());
    server.send(&Request::get("/No_Such").query("list-type", "2")).assert_error(404, "NoSuchBucket");
}

/// The internal bucket is nobody's to see, whatever it is called.
#[test]
fn internal_names_are_hidden() {
    let server = Server::with_bucket("mine");
    server.put("/mine/k", b"x");
    assert_eq!(server.send(&Request::get("/")).xml_all("Name"), ["mine"]);
}

#[test]
fn location_and_versioning() {
    let server = Server::with_bucket("where");
    let location = server.send(&Request::get("/where").query("location", ""));
    assert!(location.assert_status(200).text().contains("LocationConstraint"));
    let versioning = server.send(&Request::get("/where").query("versioning", ""));
    assert_eq!(versioning.assert_status(200).xml("Status"), None);
}

/// What is not offered is refused by name: one request of every kind that changes something or shows something.
#[test]
fn the_rest_of_s3_is_not_implemented() {
    let server = Server::with_bucket("rest");
    server.put("/rest/k", b"x");
    let bucket_wide = [
        "acl",
        "policy",
        "cors",
        "encryption",
        "lifecycle",
        "logging",
        "notification",
        "object-lock",
        "replication",
        "tagging",
        "website",
        "accelerate",
        "requestPayment",
        "ownershipControls",
        "publicAccessBlock",
        "inventory",
        "metrics",
        "analytics",
        "intelligent-tiering",
    ];
    for name in bucket_wide {
        for method in ["GET", "PUT"] {
            let reply = server.send(&Request::new(method, "/rest").query(name, ""));
            assert_eq!((reply.status, reply.xml("Code").as_deref()), (501, Some("NotImplemented")), "{method} ?{name}");
        }
    }
    for (method, name) in [
        ("GET", "acl"),
        ("PUT", "acl"),
        ("GET", "attributes"),
        ("GET", "legal-hold"),
        ("PUT", "retention"),
        ("POST", "restore"),
        ("PUT", "renameObject"),
        ("PUT", "encryption"),
    ] {
        let reply = server.send(&Request::new(method, "/rest/k").query(name, ""));
        assert_eq!((reply.status, reply.xml("Code").as_deref()), (501, Some("NotImplemented")), "{method} ?{name}");
    }
    let versions = server.send(&Request::get("/rest").query("versions", ""));
    versions.assert_error(501, "NotImplemented");
    server.assert_holds("/rest/k", b"x");
}

#[test]
fn methods_without_a_meaning() {
    let server = Server::with_bucket("rest");
    for (method, path) in [("PATCH", "/rest/k"), ("POST", "/rest/k"), ("DELETE", "/"), ("PUT", "/")] {
        let reply = server.send(&Request::new(method, path));
        assert!(matches!(reply.status, 400 | 405 | 501), "{method} {path}: {}", reply.status);
    }
}

#[test]
fn tags_of_an_object() {
    let server = Server::with_bucket("tags");
    server.put("/tags/k", b"x");
    let before = server.send(&Request::head("/tags/k"));
    let set = |xml: &str| server.send(&Request::put("/tags/k", xml).query("tagging", ""));
    let tag = |key: &str, value: &str| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    let tagging = |tags: &str| format!("<Tagging><TagSet>{tags}</TagSet></Tagging>");
    set(&tagging(&(tag("a", "1 + 2") + &tag("b", "")))).assert_status(200);
    let shown = server.send(&Request::get("/tags/k").query("tagging", ""));
    assert_eq!(
        (shown.xml_all("Key"), shown.xml_all("Value")),
        (vec!["a".into(), "b".into()], vec!["1 + 2".into(), String::new()])
    );
    for wrong in [
        tag("a", "1") + &tag("a", "2"),
        tag("", "x"),
        tag("a", "1 &amp; 2"),
        tag(&"k".repeat(129), "x"),
        tag("k", &"v".repeat(257)),
    ] {
        set(&tagging(&wrong)).assert_error(400, "InvalidTag");
    }
    set("<Tagging>").assert_error(400, "MalformedXML");
    let after = server.send(&Request::head("/tags/k"));
    for name in ["etag", "last-modified"] {
        assert_eq!(before.header(name), after.header(name), "tags do not change {name}");
    }
    server.send(&Request::delete("/tags/k").query("tagging", "")).assert_status(204);
    assert_eq!(server.send(&Request::head("/tags/k")).header("x-amz-tagging-count"), None);
    server.send(&Request::get("/tags/none").query("tagging", "")).assert_error(404, "NoSuchKey");
}
