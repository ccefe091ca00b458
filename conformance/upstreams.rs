//! Several upstreams behind one proxy, one of them an S3 service that others use too: buckets on each, copies across,
//! buckets that were there before, and objects that were not written here.
//!
//! The service is another Crypt-Keeper, which is an S3 service like any other to this one: what its own clients see is
//! what an upstream's operator sees.

use crate::harness::{Reply, Request, Server, bytes, etag};
use crate::multipart::{MIN_PART, Upload, multipart_etag};

const REPORT: &[u8] = b"a report from before the encryption";

/// The S3 service, with a bucket of somebody else's.
fn service() -> Server {
    let service = Server::with_bucket("legacy");
    let report = Request::put("/legacy/report.txt", REPORT)
        .header("content-type", "text/x")
        .header("cache-control", "no-store")
        .header("x-amz-meta-colour", "blue");
    service.send(&report).assert_status(200);
    service
}

/// A proxy with a directory (`default`) and that service (`far`); the bucket `far` is to be made at the second.
fn proxy(service: &Server, more_of_far: &str) -> Server {
    Server::serve(&format!(
        "[bucket.far]\nupstream = \"far\"\n\
         [upstream.far]\nkind = \"s3\"\nendpoint = \"http://{}\"\nregion = \"us-east-1\"\naddressing = \"path\"\n\
         access_key_id = \"{}\"\nsecret_access_key = {{ env = \"CRYPT_KEEPER_ROOT_SECRET_KEY\" }}\n\
         internal_bucket = \"far-internal\"\n{more_of_far}",
        service.address(),
        service.root().access_key,
    ))
}

fn list(server: &Server, bucket: &str) -> Reply {
    let reply = server.send(&Request::get(bucket).query("list-type", "2"));
    reply.assert_status(200);
    reply
}

fn copy(to: &str, from: &str) -> Request {
    Request::put(to, "").header("x-amz-copy-source", from)
}

/// The command must fail with one line that holds every one of `words`.
#[track_caller]
fn assert_refused(server: &Server, arguments: &[&str], words: &[&str]) {
    let (code, _, stderr) = server.run("adopt", arguments);
    let line = stderr.lines().last().unwrap_or_default();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(words.iter().all(|word| line.contains(word)), "{words:?} in: {stderr}");
}

#[test]
fn each_bucket_is_at_its_own_upstream_and_copies_go_across() {
    let service = service();
    let server = proxy(&service, "");
    for bucket in ["/near", "/far"] {
        server.send(&Request::put(bucket, "")).assert_status(200);
    }
    let body = bytes(1, 3 * MIN_PART + 77);
    server.put("/near/body", &body);
    server.send(&copy("/far/body", "/near/body")).assert_status(200);
    server.send(&copy("/near/back", "/far/body")).assert_status(200);
    for path in ["/far/body", "/near/back"] {
        server.assert_holds(path, &body);
        assert_eq!(server.send(&Request::head(path)).header("etag"), Some(etag(&body).as_str()));
    }
    // What the service holds: not one segment of the plaintext, and nothing at all of the other bucket.
    let stored = service.send(&Request::get("/far/body"));
    stored.assert_status(200);
    assert!(stored.body.len() > body.len());
    assert!(!stored.body.windows(64).any(|window| window == &body[..64]));
    service.send(&Request::head("/near")).assert_status(404);

    // In parts, which stand at the destination's upstream.
    let upload = Upload::begin(&server, "/far/parts");
    let range = format!("bytes=7-{}", MIN_PART + 6);
    let first = upload.part(1, "").header("x-amz-copy-source", "/near/body").header("x-amz-copy-source-range", &range);
    let first = server.send(&first).assert_status(200).xml("ETag").expect("an ETag");
    let second = upload.send_part(&server, 2, b"the end");
    server.send(&upload.complete(&[(1, &first), (2, &second)])).assert_status(200);
    let parts: [&[u8]; 2] = [&body[7..MIN_PART + 7], b"the end"];
    server.assert_holds("/far/parts", &parts.concat());
    assert_eq!(server.send(&Request::head("/far/parts")).header("etag"), Some(multipart_etag(&parts).as_str()));
}

/// The command takes in a bucket while the server runs; what is in it is refused, and what comes is encrypted.
#[test]
fn adopted_by_command_and_refused_by_default() {
    let service = service();
    let mut server = proxy(&service, "");
    server.send(&Request::get("/legacy/report.txt")).assert_error(404, "NoSuchBucket");
    let (code, said, stderr) = server.run("adopt", &["--upstream", "far", "legacy"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(said.contains("bucket legacy at upstream far: adopted") && said.contains("refused"), "{said}");

    assert!(server.send(&Request::get("/")).text().contains("<Name>legacy</Name>"));
    server.send(&Request::get("/legacy/report.txt")).assert_error(422, "ObjectNotSealed");
    server.send(&Request::head("/legacy/report.txt")).assert_status(422);
    server.send(&copy("/legacy/copied", "/legacy/report.txt")).assert_error(422, "ObjectNotSealed");
    // It can be seen, so that it can be found and deleted; its ETag is nothing that anybody takes for a digest.
    let page = list(&server, "/legacy");
    assert_eq!(page.xml_all("Key"), ["report.txt"]);
    assert_eq!(page.xml("Size"), Some(REPORT.len().to_string()));
    assert!(page.xml("ETag").is_some_and(|tag| tag != etag(REPORT) && tag.ends_with("-1\"")));

    server.put("/legacy/new", b"written here");
    server.assert_holds("/legacy/new", b"written here");
    assert_ne!(service.send(&Request::get("/legacy/new")).body, b"written here");
    service.assert_holds("/legacy/report.txt", REPORT);
    server.send(&Request::delete("/legacy/report.txt")).assert_status(204);
    service.assert_absent("/legacy/report.txt");

    let (code, said, _) = server.run("adopt", &["--upstream", "far", "legacy"]);
    assert!(code == Some(0) && said.contains("known already"), "{said}");
    assert!(server.terminate().success());
    let (code, said, stderr) = server.run("adopt", &["--upstream", "far", "legacy"]);
    assert!(code == Some(0) && said.contains("known already"), "{said}{stderr}");
}

#[test]
fn what_cannot_be_adopted_is_told_in_one_line() {
    let service = service();
    let mut server = proxy(&service, "");
    assert_refused(&server, &["--upstream", "far", "nowhere"], &["upstream far has no bucket nowhere"]);
    assert_refused(&server, &["--upstream", "fur", "legacy"], &["[upstream.fur]"]);
    assert_refused(&server, &["legacy"], &["--upstream", "default", "far"]);
    assert_refused(&server, &["--upstream", "default", "far"], &["bucket.far.upstream", "\"far\""]);
    assert_refused(&server, &["--upstream", "far", "far-internal"], &["internal"]);
    assert_refused(&server, &["--upstream", "far", "No_Bucket"], &["No_Bucket"]);
    // A directory is held by the server alone.
    assert_refused(&server, &["--upstream", "default", "legacy"], &["in use", "first-use"]);
    assert!(server.terminate().success());
    assert_refused(&server, &["--upstream", "default", "legacy"], &["upstream default has no bucket legacy"]);
    server.restart();
    server.send(&Request::head("/legacy")).assert_status(404);
}

/// Where the configuration says so, naming a bucket is enough, and what is in it is handed through.
#[test]
fn adopted_on_first_use_and_handed_through() {
    let service = service();
    let server = proxy(&service, "adopt = \"first-use\"\nforeign_objects = \"pass\"\n");
    let there = service.send(&Request::get("/legacy/report.txt"));
    let here = server.send(&Request::get("/legacy/report.txt"));
    here.assert_status(200);
    assert!(here.body == REPORT);
    for header in ["etag", "content-length", "content-type", "cache-control", "x-amz-meta-colour", "last-modified"] {
        assert_eq!(here.header(header), there.header(header), "{header}");
    }
    let page = list(&server, "/legacy");
    assert_eq!(page.xml("ETag").as_deref(), there.header("etag"));
    assert_eq!(page.xml("Size"), Some(REPORT.len().to_string()));
    let range = server.send(&Request::get("/legacy/report.txt").header("range", "bytes=2-7"));
    range.assert_status(206);
    assert!(range.body == REPORT[2..=7]);
    let tag = there.header("etag").expect("an ETag");
    server.send(&Request::get("/legacy/report.txt").header("if-none-match", tag)).assert_status(304);

    // A copy of it is an object like any other.
    server.send(&Request::put("/near", "")).assert_status(200);
    server.send(&copy("/near/report", "/legacy/report.txt")).assert_status(200);
    let copied = server.send(&Request::get("/near/report").header("x-amz-checksum-mode", "ENABLED"));
    assert_eq!(copied.header("etag"), Some(etag(REPORT).as_str()));
    assert_eq!(copied.header("content-type"), Some("text/x"));
    assert_eq!(copied.header("x-amz-meta-colour"), Some("blue"));
    assert!(copied.body == REPORT && copied.header("x-amz-checksum-crc64nvme").is_some());

    // A bucket that comes later is found too; nobody can have what a deployment keeps for itself.
    service.send(&Request::put("/later", "")).assert_status(200);
    service.put("/later/k", b"later");
    server.assert_holds("/later/k", b"later");
    for name in ["/far-internal", "/nowhere"] {
        server.send(&Request::get(name)).assert_error(404, "NoSuchBucket");
    }
}

/// In a bucket that lets plaintext pass, the store still cannot replace what was written here.
#[test]
fn store_cannot_pass_plaintext_off_as_ours() {
    let service = service();
    let mut server = proxy(&service, "adopt = \"first-use\"\nforeign_objects = \"pass\"\n");
    let body = bytes(2, 100_000);
    server.put("/legacy/ours", &body);
    server.assert_holds("/legacy/ours", &body);
    let stored = service.send(&Request::get("/legacy/ours")).body;
    let stripped = &stored[..stored.len() - 256];
    for replaced in [&b"plaintext of the store's own"[..], stripped] {
        service.put("/legacy/ours", replaced);
        server.send(&Request::get("/legacy/ours")).assert_error(422, "ObjectNotSealed");
        let listed = list(&server, "/legacy").xml_all("ETag");
        assert!(listed.iter().all(|tag| *tag != etag(replaced)), "{listed:?}");
        assert!(server.terminate().success());
        server.restart();
        server.send(&Request::get("/legacy/ours")).assert_error(422, "ObjectNotSealed");
    }
    // Damaged, with the magic: a fault of the store, and never a foreign object, whether it is known or not.
    let mut damaged = stored.clone();
    damaged[50_000] ^= 1;
    for key in ["/legacy/ours", "/legacy/never-seen"] {
        service.put(key, &damaged);
        let reply = server.send(&Request::get(key));
        assert!(reply.status >= 500 || !reply.complete, "{key}: {}", reply.status);
    }
    service.put("/legacy/ours", &stored);
    server.assert_holds("/legacy/ours", &body);
    // Whoever deletes it here says that it is no longer ours.
    server.send(&Request::delete("/legacy/ours")).assert_status(204);
    service.put("/legacy/ours", b"plaintext");
    server.assert_holds("/legacy/ours", b"plaintext");
}
