//! Rows that are no ratio to the pass-through: one stream against MD5 alone, a cold listing, common prefixes of a million
//! keys.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest;
use md5::{Digest, Md5};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor};

use crate::client::{Client, Endpoint, Request};
use crate::load::{Load, Proof, READ_BUCKET, Target, Work};
use crate::measure::{Field, Spread};
use crate::process::Process;
use crate::proxy::{Site, Upstream};
use crate::report;

/// Keys in the bucket whose common prefixes are listed, and the prefixes.
const MANY_KEYS: u32 = 1_000_000;
const PREFIXES: u32 = 10;
const PREFIX_BUCKET: &str = "prefixes";
/// What fits a processor's cache, as the proxy's buffers do.
const HOT_BYTES: usize = 256 << 10;
const SEGMENT_BYTES: usize = 16 << 10;
/// 64 MiB a round: some tenths of a second for the slowest.
const ALONE_PASSES: usize = 256;
const ALONE_ROUNDS: usize = 5;
/// A cold listing reads a thousand objects.
const COLD_LISTS: usize = 3;
const PREFIX_LISTS: usize = 200;

/// What the cryptography takes alone on this processor, in CPU-seconds for a GiB: no proxy that does it can do with less.
pub(crate) fn alone(load: &Load) -> Vec<String> {
    let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("a key");
    let key = LessSafeKey::new(key);
    let mut buffer = load.large()[..HOT_BYTES].to_vec();
    let mut nonce = 0_u32;
    let aes = cpu_seconds_per_gib(|| {
        for segment in buffer.chunks_mut(SEGMENT_BYTES) {
            nonce += 1;
            let mut bytes = [0; 12];
            bytes[..4].copy_from_slice(&nonce.to_be_bytes());
            let nonce = Nonce::assume_unique_for_key(bytes);
            let _ = black_box(key.seal_in_place_separate_tag(nonce, Aad::empty(), segment).expect("a tag"));
        }
    });
    let hot = &load.large()[..HOT_BYTES];
    let crc = cpu_seconds_per_gib(|| {
        black_box(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, black_box(hot)));
    });
    let sha256 = cpu_seconds_per_gib(|| {
        black_box(digest::digest(&digest::SHA256, black_box(hot)));
    });
    let md5 = cpu_seconds_per_gib(|| {
        black_box(Md5::digest(black_box(hot)));
    });
    vec![format!(
        "Alone on this processor, CPU-s/GiB: AES-256-GCM {aes:.2}, CRC-64/NVME {crc:.2}, SHA-256 {sha256:.2}, MD5 of one \
         stream {md5:.2}.",
    )]
}

/// Of the quickest of some rounds over [`HOT_BYTES`].
fn cpu_seconds_per_gib(mut pass: impl FnMut()) -> f64 {
    let round = |pass: &mut dyn FnMut()| {
        let before = thread_nanoseconds();
        for _ in 0..ALONE_PASSES {
            pass();
        }
        thread_nanoseconds() - before
    };
    let best = (0..ALONE_ROUNDS).map(|_| round(&mut pass)).min().expect("a round");
    best as f64 / 1e9 / ((ALONE_PASSES * HOT_BYTES) as f64 / f64::from(1 << 30))
}

/// Processor time of this thread.
fn thread_nanoseconds() -> u64 {
    let times = fs::read_to_string("/proc/thread-self/schedstat").expect("this thread");
    times.split_whitespace().next().and_then(|time| time.parse().ok()).expect("a number")
}

/// Wall time of one PUT with an MD5 ETag against MD5 of the same bytes and nothing else, in turns.
pub(crate) fn one_stream(field: &Field, rounds: usize) -> Vec<String> {
    let endpoint = field.endpoint(&field.proxy);
    let target = Target { endpoint: &endpoint, bucket: READ_BUCKET };
    let pairs: Vec<_> = (0..rounds)
        .map(|_| {
            let begun = Instant::now();
            black_box(Md5::digest(black_box(field.load.large())));
            let md5 = begun.elapsed().as_secs_f64();
            let wall = field.load.run(Work::PutLarge(Proof::Nothing), &target, 1, 1).as_secs_f64();
            (md5, wall)
        })
        .collect();
    let ratio = Spread::of(pairs.iter().map(|(md5, wall)| wall / md5));
    let md5 = Spread::of(pairs.iter().map(|(md5, _)| *md5)).median;
    let wall = Spread::of(pairs.iter().map(|(_, wall)| *wall)).median;
    let reached = if ratio.median <= 1.05 { "reached" } else { "missed" };
    vec![format!(
        "One PUT of 64 MiB with an MD5 ETag, wall time against MD5 alone: {} (goal 1.05, {reached}); {} against {}.",
        report::spread(ratio),
        report::large_speed(wall),
        report::large_speed(md5),
    )]
}

/// LIST of 1,000 keys by a proxy that has lost its index, in CPU and wall milliseconds.
pub(crate) fn cold_list(site: &Site, field: &mut Field) -> Vec<String> {
    let mut samples = Vec::new();
    for _ in 0..COLD_LISTS {
        field.proxy.end();
        site.lose_index();
        field.proxy = site.start();
        let endpoint = field.endpoint(&field.proxy);
        let before = field.proxy.cpu();
        let wall = field.load.run(Work::List, &Target { endpoint: &endpoint, bucket: READ_BUCKET }, 1, 1);
        samples.push((milliseconds(field.proxy.cpu() - before), milliseconds(wall)));
    }
    let cpu = Spread::of(samples.iter().map(|(cpu, _)| *cpu)).median;
    let wall = Spread::of(samples.iter().map(|(_, wall)| *wall)).median;
    vec![format!("LIST of 1,000 keys, cold index: {cpu:.0} CPU ms, {wall:.0} ms (it reads every object's end once).")]
}

/// `delimiter=/` over a million keys under ten prefixes, on the local upstream, with few and with many index rows.
pub(crate) fn prefixes(load: &Load) -> Vec<String> {
    let site = Site::new(&Upstream::Local, None);
    let mut proxy = site.start();
    make_bucket(load, &in_the_clear(&proxy), PREFIX_BUCKET);
    proxy.end();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(fill_names(&site.path("objects")));
    let mut lines = Vec::new();
    for rows in [1_000, MANY_KEYS] {
        runtime.block_on(fill_index(&site.path("state.db"), &site.path("index.db"), rows));
        proxy = site.start();
        lines.push(format!("`delimiter=/` over 10^6 keys, {rows} index rows: {}", time_prefixes(load, &proxy)));
        proxy.end();
    }
    lines
}

fn time_prefixes(load: &Load, proxy: &Process) -> String {
    let endpoint = in_the_clear(proxy);
    let mut client = load.connect(&endpoint);
    let listed = client.expect(&Request::bare("GET", &format!("/{PREFIX_BUCKET}"), "delimiter=%2F&list-type=2"));
    assert_eq!(listed.matches("<CommonPrefixes>").count(), PREFIXES as usize, "{listed}");
    let before = proxy.cpu();
    let target = Target { endpoint: &endpoint, bucket: PREFIX_BUCKET };
    let wall = load.run(Work::ListPrefixes, &target, 1, PREFIX_LISTS);
    let each = PREFIX_LISTS as f64;
    format!("{:.2} CPU ms, {:.2} ms each", milliseconds(proxy.cpu() - before) / each, milliseconds(wall) / each)
}

const fn in_the_clear(process: &Process) -> Endpoint {
    Endpoint { address: process.address(), tls: None }
}

/// CreateBucket.
pub(crate) fn make_bucket(load: &Load, endpoint: &Endpoint, name: &str) {
    let mut client: Client = load.connect(endpoint);
    client.expect(&Request { method: "PUT", ..Request::bare("PUT", &format!("/{name}"), "") });
}

/// Rows as a million PUTs would have left them, but for the blobs, which no listing of prefixes reads.
async fn fill_names(objects: &Path) {
    let mut names = open(&objects.join("names.db")).await;
    let sql = format!(
        "INSERT INTO object (bucket, key, etag, stored_bytes, last_modified_ms, tags)
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {MANY_KEYS})
         SELECT (SELECT id FROM bucket WHERE name = '{PREFIX_BUCKET}'),
                CAST(printf('prefix-%02d/key-%07d', i / ({MANY_KEYS} / {PREFIXES}), i) AS BLOB),
                randomblob(16), 1500, 1700000000000, ''
         FROM n"
    );
    names.execute(sqlx::AssertSqlSafe(sql)).await.expect("rows");
    names.close().await.expect("a file");
}

async fn fill_index(state: &Path, index: &Path, rows: u32) {
    let mut index = open(index).await;
    let attach = format!("ATTACH '{}' AS state", state.display());
    index.execute(sqlx::AssertSqlSafe(attach)).await.expect("the state");
    let sql = format!(
        "INSERT OR REPLACE INTO objects
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {rows})
         SELECT (SELECT bucket_id FROM state.buckets WHERE name = '{PREFIX_BUCKET}'),
                CAST(printf('prefix-%02d/key-%07d', i / ({MANY_KEYS} / {PREFIXES}), i) AS BLOB), '',
                lower(hex(randomblob(16))), 1500, 1024, randomblob(100), randomblob(16), randomblob(16), 0
         FROM n"
    );
    index.execute(sqlx::AssertSqlSafe(sql)).await.expect("rows");
    index.close().await.expect("a file");
}

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.expect("a database")
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
