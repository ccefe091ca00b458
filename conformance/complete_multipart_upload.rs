//! CompleteMultipartUpload: what may be put together and how, errors of the list (catalogue 5.2), checksums (3.3).

use crate::harness::{Request, Server, bytes, crc32_base64, etag, md5_hex};
use crate::multipart::{MIN_PART, Upload, multipart_etag};

#[test]
fn puts_together_what_is_listed() {
    let server = Server::with_bucket("mpu");
    let upload = Upload::begin(&server, "/mpu/k");
    let (one, two, tail) = (bytes(1, MIN_PART), bytes(2, MIN_PART + 1), bytes(3, 10));
    // Out of order, with gaps, and one part more than is listed.
    let etags: Vec<(u32, String)> = [(900, &tail), (7, &two), (2, &one), (950, &tail)]
        .into_iter()
        .map(|(number, body)| (number, upload.send_part(&server, number, body)))
        .collect();
    let find = |number| etags.iter().find(|(n, _)| *n == number).map(|(_, e)| e.as_str()).expect("sent");
    let done = server.send(&upload.complete(&[(2, find(2)), (7, find(7)), (900, find(900))]));
    done.assert_status(200);
    let expected = multipart_etag(&[&one, &two, &tail]);
    assert_eq!(done.xml("ETag"), Some(expected.clone()));
    assert_eq!((done.xml("Bucket").as_deref(), done.xml("Key").as_deref()), (Some("mpu"), Some("k")));
    assert!(done.xml("Location").is_some());
    server.assert_holds("/mpu/k", &[one, two, tail].concat());
    assert_eq!(server.send(&Request::head("/mpu/k")).header("etag"), Some(expected.as_str()));
    let listed = server.send(&Request::get("/mpu").query("list-type", "2"));
    assert_eq!(listed.xml("ETag"), Some(expected));
}

/// A client that never heard the answer asks again.
#[test]
fn repeated_complete_says_the_same() {
    let mut server = Server::with_bucket("mpu");
    let upload = Upload::begin(&server, "/mpu/k");
    let tag = upload.send_part(&server, 1, b"only");
    let request = upload.complete(&[(1, &tag)]);
    let first = server.send(&request).assert_status(200).xml("ETag");
    assert_eq!(server.send(&request).assert_status(200).xml("ETag"), first);
    server.kill_and_restart();
    assert_eq!(server.send(&request).assert_status(200).xml("ETag"), first);
    server.assert_holds("/mpu/k", b"only");
}

/// The repetition must not bring the object back over a newer one.
#[test]
fn repeated_complete_overwrites_nothing() {
    let server = Server::with_bucket("mpu");
    let upload = Upload::begin(&server, "/mpu/k");
    let tag = upload.send_part(&server, 1, b"old");
    server.send(&upload.complete(&[(1, &tag)])).assert_status(200);
    server.put("/mpu/k", b"new");
    server.send(&upload.complete(&[(1, &tag)]));
    server.assert_holds("/mpu/k", b"new");
}

#[test]
fn one_empty_part_is_an_object() {
    let server = Server::with_bucket("mpu");
    let upload = Upload::begin(&server, "/mpu/k");
    let tag = upload.send_part(&server, 1, b"");
    let done = server.send(&upload.complete(&[(1, &tag)]));
    assert_eq!(done.assert_status(200).xml("ETag"), Some(multipart_etag(&[b""])));
    server.assert_holds("/mpu/k", b"");
}

/// The attempt that the client names is the part, whichever came last is not asked.
#[test]
fn resent_part() {
    let server = Server::with_bucket("mpu");
    let upload = Upload::begin(&server, "/mpu/k");
    let (first, second) = (bytes(1, MIN_PART), bytes(2, MIN_PART));
    let old = upload.send_part(&server, 1, &first);
    let new = upload.send_part(&server, 1, &second);
    let tail = upload.send_part(&server, 2, b"tail");
    server.send(&upload.complete(&[(1, &old), (2, &tail)])).assert_error(400, "InvalidPart");
    server.assert_absent("/mpu/k");
    server.send(&upload.complete(&[(1, &new), (2, &tail)])).assert_status(200);
    server.assert_holds("/mpu/k", &[second.as_slice(), b"tail"].concat());
}

#[test]
fn lists_that_are_wrong() {
    let server = Server::with_bucket("mpu");
    let upload = Upload::begin(&server, "/mpu/k");
    let (one, two) = (upload.send_part(&server, 1, b"small"), upload.send_part(&server, 2, b"tail"));
    let send = |request: Request| server.send(&request);
    let small = send(upload.complete(&[(1, &one), (2, &two)]));
    small.assert_error(400, "EntityTooSmall");
    assert_eq!(small.xml("ProposedSize").as_deref(), Some("5"));
    assert_eq!(small.xml("MinSizeAllowed").as_deref(), Some("5242880"));
    assert_eq!(small.xml("PartNumber").as_deref(), Some("1"));
    send(upload.complete(&[(2, &two), (1, &one)])).assert_error(400, "InvalidPartOrder");
    send(upload.complete(&[(1, &one), (1, &one)])).assert_error(400, "InvalidPartOrder");
    send(upload.complete(&[(3, &two)])).assert_error(400, "InvalidPart");
    send(upload.complete(&[(2, &etag(b"other"))])).assert_error(400, "InvalidPart");
    send(upload.complete(&[])).assert_error(400, "MalformedXML");
    for xml in [
        "",
        "no xml",
        "<CompleteMultipartUpload/>",
        "<CompleteMultipartUpload><Part><PartNumber>2</PartNumber></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><ETag>x</ETag></Part></CompleteMultipartUpload>",
        "<!DOCTYPE x [<!ENTITY a \"b\">]><CompleteMultipartUpload>&a;</CompleteMultipartUpload>",
    ] {
        send(upload.complete_with(xml)).assert_error(400, "MalformedXML");
    }
    server.assert_absent("/mpu/k");
    // None of it ended the upload.
    send(upload.complete(&[(2, two.trim_matches('"'))])).assert_status(200);
    server.assert_holds("/mpu/k", b"tail");
}

#[test]
fn uploads_that_are_not_there() {
    let server = Server::with_bucket("mpu");
    let upload = Upload::begin(&server, "/mpu/k");
    let tag = upload.send_part(&server, 1, b"x");
    let elsewhere = Upload { path: "/mpu/other".to_owned(), id: upload.id.clone() };
    let unknown = Upload { path: "/mpu/k".to_owned(), id: "made-up".to_owned() };
    for wrong in [elsewhere, unknown] {
        server.send(&wrong.complete(&[(1, &tag)])).assert_error(404, "NoSuchUpload");
        server.send(&wrong.part(1, "x")).assert_error(404, "NoSuchUpload");
        server.send(&wrong.with_id(Request::delete(&wrong.path))).assert_error(404, "NoSuchUpload");
        server.send(&wrong.with_id(Request::get(&wrong.path))).assert_error(404, "NoSuchUpload");
    }
    server.send(&upload.with_id(Request::delete("/mpu/k"))).assert_status(204);
    server.send(&upload.complete(&[(1, &tag)])).assert_error(404, "NoSuchUpload");
    server.send(&upload.part(2, "late")).assert_error(404, "NoSuchUpload");
    server.assert_absent("/mpu/k");
}

#[test]
fn conditions() {
    let server = Server::with_bucket("mpu");
    server.put("/mpu/k", b"here");
    let upload = Upload::begin(&server, "/mpu/k");
    let tag = upload.send_part(&server, 1, b"late");
    let complete = || upload.complete(&[(1, &tag)]);
    server.send(&complete().header("if-none-match", "*")).assert_error(412, "PreconditionFailed");
    server.send(&complete().header("if-match", "\"other\"")).assert_error(412, "PreconditionFailed");
    server.assert_holds("/mpu/k", b"here");
    server.send(&complete().header("if-match", &etag(b"here"))).assert_status(200);
    server.assert_holds("/mpu/k", b"late");
}

#[test]
fn announced_object_size_must_be_the_sum() {
    let server = Server::with_bucket("mpu");
    let upload = Upload::begin(&server, "/mpu/k");
    let tag = upload.send_part(&server, 1, b"12345");
    let complete = |size: &str| server.send(&upload.complete(&[(1, &tag)]).header("x-amz-mp-object-size", size));
    complete("4").assert_error(400, "InvalidRequest");
    complete("5").assert_status(200);
}

#[test]
fn full_object_checksum_of_all_parts() {
    let server = Server::with_bucket("mpu");
    let create = Request::post("/mpu/k", "")
        .header("x-amz-checksum-algorithm", "CRC32")
        .header("x-amz-checksum-type", "FULL_OBJECT");
    let upload = Upload::from(&server, create, "/mpu/k");
    let (one, two) = (bytes(1, MIN_PART), bytes(2, 1000));
    let mut listed = Vec::new();
    for (number, body) in [(1, &one), (2, &two)] {
        let sum = crc32_base64(body);
        let reply = server.send(&upload.part(number, body.clone()).header("x-amz-checksum-crc32", &sum));
        reply.assert_status(200);
        assert_eq!(reply.header("x-amz-checksum-crc32"), Some(sum.as_str()));
        listed.push((number, reply.header("etag").expect("an ETag").to_owned()));
    }
    let parts: Vec<(u32, &str)> = listed.iter().map(|(number, tag)| (*number, tag.as_str())).collect();
    let whole = crc32_base64(&[one, two].concat());
    let wrong = upload.complete(&parts).header("x-amz-checksum-crc32", &crc32_base64(b"other"));
    server.send(&wrong).assert_error(400, "BadDigest");
    let done = server.send(&upload.complete(&parts).header("x-amz-checksum-crc32", &whole));
    assert_eq!(done.assert_status(200).xml("ChecksumCRC32"), Some(whole.clone()));
    assert_eq!(done.xml("ChecksumType").as_deref(), Some("FULL_OBJECT"));
    let head = server.send(&Request::head("/mpu/k").header("x-amz-checksum-mode", "ENABLED"));
    assert_eq!(head.header("x-amz-checksum-crc32"), Some(whole.as_str()));
}

/// Without its `-N` botocore would take a composite value for the whole object's, and fail every download.
#[test]
fn composite_checksum_has_its_count() {
    let server = Server::with_bucket("mpu");
    let create = Request::post("/mpu/k", "").header("x-amz-checksum-algorithm", "SHA256");
    let upload = Upload::from(&server, create, "/mpu/k");
    let part = upload.part(1, "123456789");
    let sum = "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=";
    let tag = server.send(&part.header("x-amz-checksum-sha256", sum)).header("etag").expect("an ETag").to_owned();
    let xml = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag><ChecksumSHA256>{sum}</ChecksumSHA256>\
         </Part></CompleteMultipartUpload>"
    );
    let lying = xml.replace(sum, "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=");
    server.send(&upload.complete_with(&lying)).assert_error(400, "InvalidPart");
    server.send(&upload.complete_with(&xml)).assert_status(200);
    let head = server.send(&Request::head("/mpu/k").header("x-amz-checksum-mode", "ENABLED"));
    assert_eq!(head.header("x-amz-checksum-type"), Some("COMPOSITE"));
    assert!(head.header("x-amz-checksum-sha256").is_some_and(|value| value.ends_with("-1")));
}

#[test]
fn types_that_an_algorithm_does_not_have() {
    let server = Server::with_bucket("mpu");
    for (algorithm, kind) in [("CRC64NVME", "COMPOSITE"), ("SHA1", "FULL_OBJECT"), ("SHA256", "FULL_OBJECT")] {
        let create = Request::post("/mpu/k", "").query("uploads", "");
        let create = create.header("x-amz-checksum-algorithm", algorithm).header("x-amz-checksum-type", kind);
        server.send(&create).assert_error(400, "InvalidRequest");
    }
}

#[test]
fn part_by_number() {
    let server = Server::with_bucket("mpu");
    let upload = Upload::begin(&server, "/mpu/k");
    let (one, two) = (bytes(1, MIN_PART), bytes(2, 77));
    let tags = (upload.send_part(&server, 1, &one), upload.send_part(&server, 2, &two));
    server.send(&upload.complete(&[(1, &tags.0), (2, &tags.1)])).assert_status(200);
    for (number, body, from) in [("1", &one, 0), ("2", &two, MIN_PART)] {
        let get = server.send(&Request::get("/mpu/k").query("partNumber", number));
        get.assert_status(206);
        assert!(get.body == *body, "part {number}");
        let range = format!("bytes {from}-{}/{}", from + body.len() - 1, one.len() + two.len());
        assert_eq!(get.header("content-range"), Some(range.as_str()));
        assert_eq!(get.header("x-amz-mp-parts-count"), Some("2"));
        assert_eq!(get.header("etag"), Some(multipart_etag(&[&one, &two]).as_str()));
    }
    assert_eq!(server.send(&Request::get("/mpu/k").query("partNumber", "3")).status, 416);
}

/// Nothing of the upload is visible before Complete, and nothing of ours in its lists.
#[test]
fn lists_show_what_the_client_sent() {
    let mut server = Server::with_bucket("mpu");
    let upload = Upload::begin(&server, "/mpu/k");
    for number in [10_000, 1, 500] {
        upload.send_part(&server, number, &bytes(u64::from(number), 100 + number as usize));
    }
    server.kill_and_restart();
    let parts = upload.list_parts(&server);
    assert_eq!(parts.xml_all("PartNumber"), ["1", "500", "10000"]);
    assert_eq!(parts.xml_all("Size"), ["101", "600", "10100"]);
    assert_eq!(parts.xml_all("ETag")[0], format!("\"{}\"", md5_hex(&bytes(1, 101))));
    let page = server.send(&upload.with_id(Request::get("/mpu/k").query("max-parts", "2")));
    assert_eq!(page.xml("IsTruncated").as_deref(), Some("true"));
    assert_eq!(page.xml("NextPartNumberMarker").as_deref(), Some("500"));
    let rest = upload.with_id(Request::get("/mpu/k").query("part-number-marker", "500"));
    assert_eq!(server.send(&rest).xml_all("PartNumber"), ["10000"]);
    let uploads = server.send(&Request::get("/mpu").query("uploads", ""));
    assert_eq!((uploads.xml_all("Key"), uploads.xml_all("UploadId")), (vec!["k".into()], vec![upload.id.clone()]));
    let objects = server.send(&Request::get("/mpu").query("list-type", "2"));
    assert_eq!(objects.xml("KeyCount").as_deref(), Some("0"));
    server.send(&Request::delete("/mpu")).assert_error(409, "BucketNotEmpty");
}

#[test]
fn part_numbers_have_limits() {
    let server = Server::with_bucket("mpu");
    let upload = Upload::begin(&server, "/mpu/k");
    for number in ["0", "10001", "-1", "x", ""] {
        let part = upload.with_id(Request::put("/mpu/k", "x").query("partNumber", number));
        server.send(&part).assert_error(400, "InvalidArgument");
    }
    assert_eq!(upload.list_parts(&server).xml_all("PartNumber").len(), 0);
}

#[test]
fn headers_of_create_are_those_of_the_object() {
    let server = Server::with_bucket("mpu");
    let create = Request::post("/mpu/k", "")
        .header("content-type", "text/x")
        .header("x-amz-meta-colour", "blue")
        .header("x-amz-tagging", "a=b");
    let upload = Upload::from(&server, create, "/mpu/k");
    let tag = upload.send_part(&server, 1, b"x");
    server.send(&upload.complete(&[(1, &tag)])).assert_status(200);
    let head = server.send(&Request::head("/mpu/k"));
    assert_eq!(head.header("content-type"), Some("text/x"));
    assert_eq!(head.header("x-amz-meta-colour"), Some("blue"));
    assert_eq!(head.header("x-amz-tagging-count"), Some("1"));
}
