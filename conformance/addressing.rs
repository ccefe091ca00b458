//! Path style and virtual-host style, and hosts that mean neither.

use crate::harness::{Request, Server};

fn server() -> Server {
    let server = Server::serve("domains = [\"s3.example.net\"]");
    server.send(&Request::put("/bucket", "")).assert_status(200);
    server.put("/bucket/k", b"by path");
    server
}

#[test]
fn both_styles_name_one_object() {
    let server = server();
    let by_host = |path: &str| Request::get(path).host("bucket.s3.example.net");
    assert_eq!(server.send(&by_host("/k")).text(), "by path");
    server.send(&Request::put("/dir/new", "by host").host("bucket.s3.example.net")).assert_status(200);
    server.assert_holds("/bucket/dir/new", b"by host");
    let listed = server.send(&by_host("/").query("list-type", "2"));
    assert_eq!(listed.xml_all("Key"), ["dir/new", "k"]);
    // The domain itself, and with a port, is path style.
    for host in ["s3.example.net", "s3.example.net:9000", "S3.Example.Net"] {
        assert_eq!(server.send(&Request::get("/bucket/k").host(host)).text(), "by path", "{host}");
    }
    assert_eq!(server.send(&Request::get("/k").host("bucket.s3.example.net:9000")).text(), "by path");
}

/// A bucket is named at a label boundary of a configured domain, and nowhere else: any other host is path style.
#[test]
fn other_hosts_pick_no_bucket() {
    let server = server();
    for host in ["bucket.other.example", "buckets3.example.net", "bucket", "bucket.s3.example.net.evil.example"] {
        assert_eq!(server.send(&Request::get("/bucket/k").host(host)).text(), "by path", "{host}");
        let reply = server.send(&Request::get("/k").host(host));
        assert_eq!(reply.status, 404, "{host}: {}", reply.text());
    }
}

/// With a region configured, another one is refused with the right one: SDKs try again with it.
#[test]
fn configured_region() {
    let server = Server::serve("region = \"eu-central-1\"");
    let refused = server.send(&Request::get("/"));
    refused.assert_error(400, "AuthorizationHeaderMalformed");
    assert_eq!(refused.xml("Region").as_deref(), Some("eu-central-1"));
    let mut there = server.root().clone();
    there.region = "eu-central-1".to_owned();
    server.send_as(&there, &Request::get("/")).assert_status(200);
    server.send_as(&there, &Request::put("/bucket", "")).assert_status(200);
    let location = server.send_as(&there, &Request::get("/bucket").query("location", ""));
    assert!(location.text().contains("eu-central-1"), "{}", location.text());
    let head = server.send_as(&there, &Request::head("/bucket"));
    assert_eq!(head.header("x-amz-bucket-region"), Some("eu-central-1"));
}
