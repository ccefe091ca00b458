//! The AWS SDK for Rust as an application uses it: `sdk-client ENDPOINT BUCKET KEYS`, KEYS being a JSON array of strange
//! keys. Credentials and region come from the environment. What is not as it should be ends it with exit code 1.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};
use md5::{Digest, Md5};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PART_BYTES: usize = 5 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let [endpoint, bucket, keys] = <[String; 3]>::try_from(std::env::args().skip(1).collect::<Vec<_>>())
        .map_err(|_| "usage: sdk-client ENDPOINT BUCKET KEYS")?;
    let client = client(&endpoint)?;
    client.create_bucket().bucket(&bucket).send().await?;
    let mut seen = BTreeMap::new();
    for size in [0, 1, 16_384, PART_BYTES + 1] {
        let (key, body) = (format!("size/{size}"), noise(size));
        let put = client.put_object().bucket(&bucket).key(&key).content_type("x/y").metadata("note", "a b");
        let put = put.checksum_algorithm(ChecksumAlgorithm::Sha256).body(ByteStream::from(body.clone())).send().await?;
        same("ETag", put.e_tag(), Some(format!("\"{}\"", hex::encode(Md5::digest(&body))).as_str()))?;
        let got = client.get_object().bucket(&bucket).key(&key).send().await?;
        same("type", got.content_type(), Some("x/y"))?;
        same("metadata", got.metadata().and_then(|all| all.get("note")).map(String::as_str), Some("a b"))?;
        same("bytes", got.body.collect().await?.to_vec(), body)?;
        seen.insert(key, size);
    }
    for key in serde_json::from_str::<Vec<String>>(&keys)? {
        client.put_object().bucket(&bucket).key(&key).body(ByteStream::from_static(b"strange")).send().await?;
        same(&key, read(&client, &bucket, &key).await?, b"strange".to_vec())?;
        seen.insert(key, 7);
    }
    let whole = noise(2 * PART_BYTES + 12_345);
    upload(&client, &bucket, "parts", &whole).await?;
    same("parts", read(&client, &bucket, "parts").await?, whole.clone())?;
    let range = client.get_object().bucket(&bucket).key("parts").range("bytes=5242870-5242890").send().await?;
    same("range", range.body.collect().await?.to_vec(), whole[5_242_870..=5_242_890].to_vec())?;
    client.copy_object().bucket(&bucket).key("copy").copy_source(format!("{bucket}/parts")).send().await?;
    same("copy", read(&client, &bucket, "copy").await?, whole.clone())?;
    seen.extend(["parts", "copy"].map(|key| (key.to_owned(), whole.len())));
    let presigned = PresigningConfig::expires_in(Duration::from_secs(60))?;
    let url = client.get_object().bucket(&bucket).key("size/1").presigned(presigned).await?;
    same("presigned", url.uri().starts_with(&endpoint), true)?;

    let mut listed = BTreeMap::new();
    let mut pages = client.list_objects_v2().bucket(&bucket).max_keys(5).into_paginator().send();
    while let Some(page) = pages.next().await {
        for object in page?.contents() {
            listed.insert(object.key().unwrap_or_default().to_owned(), usize::try_from(object.size().unwrap_or(-1))?);
        }
    }
    same("LIST", &listed, &seen)?;
    let missing = client.get_object().bucket(&bucket).key("none").send().await;
    same("error", missing.is_err_and(|error| error.into_service_error().is_no_such_key()), true)?;
    let names = listed.keys().map(|key| ObjectIdentifier::builder().key(key).build());
    let delete = Delete::builder().set_objects(Some(names.collect::<Result<_, _>>()?)).build()?;
    let gone = client.delete_objects().bucket(&bucket).delete(delete).send().await?;
    same("deleted", gone.deleted().len(), listed.len())?;
    println!("{}", serde_json::json!({ "objects": listed.len() }));
    Ok(())
}

fn client(endpoint: &str) -> Outcome<Client> {
    let key = std::env::var("AWS_ACCESS_KEY_ID")?;
    let secret = std::env::var("AWS_SECRET_ACCESS_KEY")?;
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new(key, secret, None, None, "environment"))
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .build();
    Ok(Client::from_conf(config))
}

async fn read(client: &Client, bucket: &str, key: &str) -> Outcome<Vec<u8>> {
    Ok(client.get_object().bucket(bucket).key(key).send().await?.body.collect().await?.to_vec())
}

async fn upload(client: &Client, bucket: &str, key: &str, whole: &[u8]) -> Outcome<()> {
    let upload = client.create_multipart_upload().bucket(bucket).key(key).send().await?;
    let id = upload.upload_id().ok_or("no upload id")?;
    let mut parts = CompletedMultipartUpload::builder();
    for (number, part) in (1..).zip(whole.chunks(PART_BYTES)) {
        let sent = client.upload_part().bucket(bucket).key(key).upload_id(id).part_number(number);
        let sent = sent.body(ByteStream::from(part.to_vec())).send().await?;
        let crc32 = sent.checksum_crc32().map(str::to_owned);
        let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).set_checksum_crc32(crc32);
        parts = parts.parts(part.build());
    }
    let complete = client.complete_multipart_upload().bucket(bucket).key(key).upload_id(id);
    complete.multipart_upload(parts.build()).send().await?;
    Ok(())
}

/// Bytes that are not all alike.
fn noise(size: usize) -> Vec<u8> {
    (0..size as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Outcome<()> {
    if found == wanted {
        return Ok(());
    }
    let shown = |value: T| format!("{value:?}").chars().take(200).collect::<String>();
    Err(format!("{what}: {} is not {}", shown(found), shown(wanted)).into())
}
