//! Which checksum is shown where: SDKs verify whatever they get.

use super::bench::{Answer, Bench, Send};
use super::bodies::CRC32_OF_HELLO;

fn checksums(answer: &Answer) -> Vec<(String, String)> {
    let named = answer.headers.iter().filter(|(name, _)| name.as_str().starts_with("x-amz-checksum-"));
    named.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned())).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn shown_on_whole_objects_when_asked_for() {
    let bench = Bench::new().await;
    let put = Send::new("PUT", "/data/key").header("x-amz-checksum-crc32", CRC32_OF_HELLO).body("hello");
    let put = bench.send(put).await.expect(200);
    let expected = [pair("x-amz-checksum-crc32", CRC32_OF_HELLO), pair("x-amz-checksum-type", "FULL_OBJECT")];
    assert_eq!(checksums(&put), expected);
    for method in ["GET", "HEAD"] {
        let asked =
            bench.send(Send::new(method, "/data/key").header("x-amz-checksum-mode", "ENABLED")).await.expect(200);
        assert_eq!(checksums(&asked), expected, "{method}");
        assert_eq!(checksums(&bench.send(Send::new(method, "/data/key")).await), []);
        let ranged =
            Send::new(method, "/data/key").header("x-amz-checksum-mode", "ENABLED").header("range", "bytes=0-3");
        assert_eq!(checksums(&bench.send(ranged).await.expect(206)), [], "{method}: never on a range");
        let part = Send::new(method, "/data/key?partNumber=1").header("x-amz-checksum-mode", "ENABLED");
        let part = bench.send(part).await.expect(206);
        assert_eq!(part.header("x-amz-checksum-crc32"), Some(CRC32_OF_HELLO));
        assert_eq!(part.header("x-amz-mp-parts-count"), None, "it is no multipart object");
    }
}

#[tokio::test]
async fn crc64nvme_where_the_client_sends_none() {
    let bench = Bench::new().await;
    let put = bench.put("/data/key", "hello").await.expect(200);
    let shown = checksums(&put);
    assert_eq!(
        shown.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["x-amz-checksum-crc64nvme", "x-amz-checksum-type"]
    );
}
