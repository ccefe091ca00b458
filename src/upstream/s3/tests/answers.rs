//! Answers that are cut, padded, too large, of another object, or no S3 at all.

use super::double::Act::{Close, Hear, Reset, Say, Wait};
use super::double::{Double, FACTS, IDLE_TIMEOUT, WORDS, answer, assert_told, bucket, it, key, object, refusal};
use crate::base::ObjectKey;
use crate::upstream::suite::read_all;
use crate::upstream::{
    DeleteReply, ListRequest, ObjectRef, StoredRange, UploadRef, Upstream, UpstreamError, UpstreamEtag,
    UpstreamUploadId, VersionId, WriteCondition,
};

fn upload() -> UploadRef {
    UploadRef { bucket: bucket(), key: key(), id: UpstreamUploadId("u".into()) }
}

fn page() -> ListRequest {
    ListRequest { max_entries: 2, ..ListRequest::default() }
}

async fn get(double: &Double, range: StoredRange) -> Result<Vec<u8>, UpstreamError> {
    read_all(double.upstream().await.get_object(&it(), range, None).await?.body).await
}

#[tokio::test]
async fn a_cut_body_is_never_an_end() {
    for end in [Close, Reset] {
        let head = format!("HTTP/1.1 200 OK\r\n{FACTS}Content-Length: 1000\r\n\r\n");
        let double = Double::start([vec![Hear, Say(head), Say("x".repeat(999)), end]]).await;
        assert_told!(get(&double, StoredRange::Whole).await, UpstreamError::Unavailable(_));
        assert_eq!(double.requests().len(), 1, "what was read of it cannot be taken back");
    }
}

/// Bytes behind a body are nobody's answer: the next request goes out on another connection.
#[tokio::test]
async fn a_padded_body_ends_where_it_said() {
    let padded = format!(
        "HTTP/1.1 200 OK\r\n{FACTS}Content-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n{FACTS}Content-Length: 5\r\n\r\nwrong"
    );
    let double = Double::start([vec![Hear, Say(padded)], vec![Hear, object("right")]]).await;
    let upstream = double.upstream().await;
    for expected in [b"hello", b"right"] {
        let reply = upstream.get_object(&it(), StoredRange::Whole, None).await.expect("a GET");
        assert_eq!(read_all(reply.body).await.expect("a body"), expected);
    }
    assert_eq!(double.connections(), 2);
}

#[tokio::test]
async fn an_object_without_a_length_is_refused() {
    for framing in ["Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "Connection: close\r\n\r\nhello"] {
        let double = Double::start([vec![Hear, Say(format!("HTTP/1.1 200 OK\r\n{FACTS}{framing}")), Close]]).await;
        assert_told!(get(&double, StoredRange::Whole).await, UpstreamError::Broken(_));
    }
}

#[tokio::test]
async fn another_range_or_object_than_was_asked_for_is_refused() {
    let slice = StoredRange::Slice { offset: 2, len: 5 };
    let ranged = |range: &str| answer(206, &format!("{FACTS}Content-Range: bytes {range}\r\n"), "hello");
    let double = Double::start([vec![Hear, ranged("2-6/10")]]).await;
    assert_eq!(get(&double, slice).await.expect("what was asked for"), b"hello");
    for wrong in [
        object("0123456789"),
        ranged("1-5/10"),
        ranged("2-7/10"),
        ranged("2-6/6"),
        ranged("*/10"),
        answer(206, FACTS, "hello"),
    ] {
        let double = Double::start([vec![Hear, wrong]]).await;
        assert_told!(get(&double, slice).await, UpstreamError::Broken(_));
    }
    let double = Double::start([vec![Hear, object("hello")]]).await;
    let pinned = UpstreamEtag("other".into());
    let refused = double.upstream().await.get_object(&it(), StoredRange::Whole, Some(&pinned)).await;
    assert_told!(refused, UpstreamError::PreconditionFailed);
    for facts in ["", "ETag: \"e\"\r\n", "Last-Modified: Fri, 24 May 2013 00:00:00 GMT\r\n", "ETag: W/\"e\"\r\n"] {
        let double = Double::start([vec![Hear, answer(200, facts, "hello")]]).await;
        assert_told!(get(&double, StoredRange::Whole).await, UpstreamError::Broken(_));
    }
}

#[tokio::test]
async fn a_head_without_an_end_is_refused() {
    for head in [
        format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(40 << 10)),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200)),
        "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(),
    ] {
        let double = Double::start([vec![Hear, Say(head)]]).await;
        assert_told!(get(&double, StoredRange::Whole).await, UpstreamError::Broken(_));
        assert_eq!(double.requests().len(), 1);
    }
}

/// A gateway's error page says nothing but its status.
#[tokio::test]
async fn a_page_of_html_is_no_document() {
    let page = |status| answer(status, "Connection: close\r\n", &format!("<!DOCTYPE html><html><p>{WORDS}</html>"));
    let double = Double::start([vec![Hear, page(404)], vec![Hear, page(403)], vec![Hear, page(418)]]).await;
    let upstream = double.upstream().await;
    assert_told!(upstream.head_bucket(&bucket()).await, UpstreamError::NoSuchBucket);
    assert_told!(upstream.get_tags(&it()).await, UpstreamError::Unavailable(_));
    assert_told!(upstream.get_tags(&it()).await, UpstreamError::Broken(_));
    let double = Double::start([vec![Hear, page(200)]]).await;
    assert_told!(double.upstream().await.list_objects(&bucket(), &self::page()).await, UpstreamError::Broken(_));
}

fn entry(key: &str) -> String {
    format!(
        "<Contents><Key>{key}</Key><LastModified>2013-05-24T00:00:00.000Z</LastModified><ETag>\"e\"</ETag>\
         <Size>1</Size></Contents>"
    )
}

#[tokio::test]
async fn documents_may_come_in_chunks_and_must_come_whole() {
    let document = format!("<ListBucketResult>{}</ListBucketResult>", entry("a"));
    let (first, second) = document.split_at(10);
    let chunks = format!("{:x};ext=1\r\n{first}\r\n{:x}\r\n{second}\r\n", first.len(), second.len());
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let double = Double::start([vec![Hear, Say(format!("{head}{chunks}0\r\nx-trailer: 1\r\n\r\n")), Hear]]).await;
    let upstream = double.upstream().await;
    let listed = upstream.list_objects(&bucket(), &page()).await.expect("a page");
    assert_eq!(listed.objects.len(), 1);
    for (end, close) in [("", Close), ("0\r\n", Close), ("", Reset)] {
        let double = Double::start([vec![Hear, Say(format!("{head}{chunks}{end}")), close]]).await;
        let refused = double.upstream().await.list_objects(&bucket(), &page()).await;
        assert_told!(refused, UpstreamError::Unavailable(_));
    }
    for bad in ["xyz\r\n", "-5\r\n", "fffffffffffffffff\r\n", "5\r\nhelloXX\r\n", &"1".repeat(300), "5\nhello\n"] {
        let double = Double::start([vec![Hear, Say(format!("{head}{bad}"))]]).await;
        let refused = double.upstream().await.list_objects(&bucket(), &page()).await;
        assert_told!(refused, UpstreamError::Broken(_));
    }
}

#[tokio::test]
async fn listings_that_cannot_be_are_refused() {
    let listing = |content: &str| answer(200, "", &format!("<ListBucketResult>{content}</ListBucketResult>"));
    let truncated = "<IsTruncated>true</IsTruncated>";
    let three = [entry("a"), entry("b"), entry("c")].concat();
    for wrong in [
        listing(&three),
        listing(&[entry("b"), entry("a")].concat()),
        listing(truncated),
        listing("<Contents><Key>a</Key>"),
        listing("<!DOCTYPE x [<!ENTITY e \"x\">]>"),
        answer(200, "", ""),
        answer(200, "", &"<a>".repeat(100)),
        answer(200, "", "<Error><Code>InternalError</Code></Error>"),
        answer(200, "", "{\"json\": true}"),
        listing(&"<!-- -->".repeat(1 << 20)),
        listing(&"<x/>".repeat(50_000)),
    ] {
        let double = Double::start([vec![Hear, wrong]]).await;
        assert_told!(double.upstream().await.list_objects(&bucket(), &page()).await, UpstreamError::Broken(_));
    }
    // A page that comes again and again.
    let same = listing(&format!("{}{truncated}", entry("a")));
    let double = Double::start([vec![Hear, same.clone(), Hear, same]]).await;
    let told = double.upstream().await.list_objects(&bucket(), &page()).await;
    assert_told!(told, UpstreamError::Broken(_));
    let endless = listing(&format!("{truncated}<NextContinuationToken>t</NextContinuationToken>"));
    let double = Double::start([(0..200).flat_map(|_| [Hear, endless.clone()]).collect()]).await;
    assert_told!(double.upstream().await.list_objects(&bucket(), &page()).await, UpstreamError::Broken(_));
    assert_eq!(double.requests().len(), 100);
}

/// S3 says 200 before it knows how a copy or a Complete ends.
#[tokio::test]
async fn an_error_behind_200_is_an_error() {
    let parts = [(1, UpstreamEtag("e".into()))];
    let late = |code: &str| {
        let rest = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{WORDS}</Message></Error>");
        let blanks = "      ";
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 2 * blanks.len() + rest.len());
        let half = IDLE_TIMEOUT / 2;
        vec![Hear, Say(head), Say(blanks.to_owned()), Wait(half), Say(blanks.to_owned()), Wait(half), Say(rest)]
    };
    let double = Double::start([late("InternalError")]).await;
    let refused = double.upstream().await.complete_multipart(&upload(), &parts, WriteCondition::None).await;
    assert_told!(refused, UpstreamError::Unavailable(_));
    let double = Double::start([late("PreconditionFailed")]).await;
    let refused = double.upstream().await.complete_multipart(&upload(), &parts, WriteCondition::Absent).await;
    assert_told!(refused, UpstreamError::PreconditionFailed);
    let double = Double::start([late("NoSuchKey")]).await;
    let range = StoredRange::Slice { offset: 0, len: 5 };
    let refused = double.upstream().await.upload_part_copy(&upload(), 1, &it(), range, None).await;
    assert_told!(refused, UpstreamError::NoSuchKey);
    for document in ["", "<CopyPartResult/>", "<Other><ETag>\"e\"</ETag></Other>"] {
        let double = Double::start([vec![Hear, answer(200, "", document)]]).await;
        let refused = double.upstream().await.upload_part_copy(&upload(), 1, &it(), range, None).await;
        assert_told!(refused, UpstreamError::Broken(_));
    }
}

/// What the service has acknowledged is done, also where it cannot be asked for it any more.
#[tokio::test]
async fn a_completed_upload_stays_completed() {
    let done = answer(
        200,
        "Connection: close\r\n",
        "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>",
    );
    let parts = [(1, UpstreamEtag("e".into()))];
    for after in [refusal(404, ""), refusal(403, "AccessDenied"), answer(200, FACTS, "")] {
        let double = Double::start([vec![Hear, done.clone()], vec![Hear, after]]).await;
        let facts = double.upstream().await.complete_multipart(&upload(), &parts, WriteCondition::None).await;
        let facts = facts.expect("it is done");
        assert_eq!((&*facts.etag.0, facts.stored_bytes), ("e", 0), "a size that validates nothing");
    }
}

#[tokio::test]
async fn a_bulk_delete_is_believed_only_of_the_keys_that_it_names() {
    let objects = ["a", "b", "c"].map(|name| ObjectRef::current(&bucket(), &ObjectKey::parse(name).expect("a key")));
    let document = format!(
        "<DeleteResult><Deleted><Key>a</Key></Deleted><Deleted><Key>other</Key></Deleted>\
         <Error><Key>b</Key><Code>AccessDenied</Code><Message>{WORDS}</Message></Error></DeleteResult>"
    );
    let double = Double::start([vec![Hear, answer(200, "", &document)]]).await;
    let mut results = double.upstream().await.delete_objects(&bucket(), &objects).await.expect("results").into_iter();
    assert!(results.next().is_some_and(|result| result.is_ok()));
    assert!(results.next().is_some_and(|result| result.is_err()));
    assert_told!(results.next().expect("of each"), UpstreamError::Broken(_));
}

#[tokio::test]
async fn an_upload_needs_an_id() {
    for document in [
        "<InitiateMultipartUploadResult/>".to_owned(),
        format!(
            "<InitiateMultipartUploadResult><UploadId>{}</UploadId></InitiateMultipartUploadResult>",
            "x".repeat(3000)
        ),
        String::new(),
    ] {
        let double = Double::start([vec![Hear, answer(200, "", &document)]]).await;
        let refused = double.upstream().await.create_multipart(&bucket(), &key(), &Vec::new()).await;
        assert_told!(refused, UpstreamError::Broken(_));
    }
}

/// Long enough that it does not fit what the kernel holds between two sockets.
#[tokio::test]
async fn success_before_the_end_of_a_request_is_no_success() {
    let objects: Vec<_> = (0..1000)
        .map(|number| ObjectKey::parse(&format!("{number:04}{}", "&".repeat(1000))).expect("a key"))
        .map(|key| ObjectRef::current(&bucket(), &key))
        .collect();
    let double = Double::start([vec![Hear, answer(200, "", "<DeleteResult/>")]]).await;
    assert_told!(double.upstream().await.delete_objects(&bucket(), &objects).await, UpstreamError::Broken(_));
    let double = Double::start([vec![Hear, refusal(403, "AccessDenied")]]).await;
    assert_told!(double.upstream().await.delete_objects(&bucket(), &objects).await, UpstreamError::Unavailable(_));
}

#[tokio::test]
async fn a_listing_of_uploads_comes_to_an_end() {
    let page = |key: &str, id: &str| {
        let next = format!("<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>");
        let document =
            format!("<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>{next}</ListMultipartUploadsResult>");
        answer(200, "", &document)
    };
    let of_one_key: Vec<_> = (0..200).map(|round| page("a", if round % 2 == 0 { "1" } else { "2" })).collect();
    for (pages, asked) in [
        (vec![page("b", "1"), page("a", "1"), page("b", "1")], 2),
        (vec![page("a", "1"), page("a", ""), page("a", "1")], 2),
        (vec![page("", ""), page("", "")], 1),
        (of_one_key, 100),
    ] {
        let double = Double::start([pages.into_iter().flat_map(|page| [Hear, page]).collect()]).await;
        assert_told!(double.upstream().await.list_uploads(&bucket(), None, 2).await, UpstreamError::Broken(_));
        assert_eq!(double.requests().len(), asked);
    }
}

/// What is told of a key holds for every mention of it.
#[tokio::test]
async fn a_key_named_twice_is_deleted_only_if_it_was_told_so() {
    let objects = ["a", "a", "b", "b", "c", "c"]
        .map(|name| ObjectRef::current(&bucket(), &ObjectKey::parse(name).expect("a key")));
    let document = "<DeleteResult><Deleted><Key>a</Key></Deleted>\
                    <Error><Key>b</Key><Code>AccessDenied</Code></Error><Deleted><Key>b</Key></Deleted></DeleteResult>";
    let double = Double::start([vec![Hear, answer(200, "", document)]]).await;
    let results = double.upstream().await.delete_objects(&bucket(), &objects).await.expect("results");
    let [Ok(_), Ok(_), rest @ ..] = &results[..] else { panic!("{results:?}") };
    for (result, expected) in rest.iter().zip(["AccessDenied", "AccessDenied", "says nothing", "says nothing"]) {
        let Err(UpstreamError::Broken(text)) = result else { panic!("{results:?}") };
        assert!(text.contains(expected), "{results:?}");
    }
}

/// As Garage answers: with the version that is gone, though none was named.
#[tokio::test]
async fn versions_that_nobody_named_are_told_of_their_keys() {
    let mut objects =
        ["a", "b", "c", "c"].map(|name| ObjectRef::current(&bucket(), &ObjectKey::parse(name).expect("a key")));
    objects[3].version = Some(VersionId("7".into()));
    let document = "<DeleteResult><Deleted><Key>a</Key><VersionId>5</VersionId>\
                    <DeleteMarkerVersionId>6</DeleteMarkerVersionId></Deleted>\
                    <Error><Key>b</Key><VersionId>5</VersionId><Code>AccessDenied</Code></Error>\
                    <Deleted><Key>b</Key><VersionId>6</VersionId></Deleted>\
                    <Deleted><Key>c</Key><VersionId>7</VersionId></Deleted></DeleteResult>";
    let double = Double::start([vec![Hear, answer(200, "", document)]]).await;
    let results = double.upstream().await.delete_objects(&bucket(), &objects).await.expect("results");
    let [Ok(gone), Err(_), Err(UpstreamError::Broken(unsaid)), Ok(version)] = &results[..] else {
        panic!("{results:?}")
    };
    assert_eq!(*gone, DeleteReply::default());
    assert!(unsaid.contains("says nothing"), "what was told of a version that was named is not told of the key");
    assert_eq!(version.version, Some(VersionId("7".into())));
}

#[tokio::test]
async fn what_is_not_there_is_deleted_and_what_is_not_deleted_is_told() {
    let delete = async |status, code: &str, condition| {
        let double = Double::start([vec![Hear, refusal(status, code)]]).await;
        double.upstream().await.delete_object(&it(), condition).await
    };
    delete(404, "NoSuchKey", WriteCondition::None).await.expect("it is not there");
    let pinned = || WriteCondition::Matches(UpstreamEtag("e".into()));
    assert_told!(delete(404, "NoSuchKey", pinned()).await, UpstreamError::NoSuchKey);
    assert_told!(delete(404, "NoSuchBucket", WriteCondition::None).await, UpstreamError::NoSuchBucket);
    assert_told!(delete(405, "MethodNotAllowed", WriteCondition::None).await, UpstreamError::Broken(_));
    let double = Double::start([vec![Hear, answer(404, "Connection: close\r\n", "<html>Not found</html>")]]).await;
    let page = double.upstream().await.delete_object(&it(), WriteCondition::None).await;
    assert_told!(page, UpstreamError::Broken(_));
}
