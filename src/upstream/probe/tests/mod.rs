//! The probe against a sound upstream, and against each lie that services have been seen to tell.

use std::sync::Arc;

use crate::base::{BucketName, Clock, ObjectKey, Timestamp};
use crate::upstream::liar::{Liar, Lie};
use crate::upstream::local::LocalUpstream;
use crate::upstream::{
    Capabilities, ConditionalWrites, KeyFate, KeyKind, ListRequest, PutBody, ShortBodies, Tags, Upstream,
    UpstreamError, WriteCondition,
};

use super::{Answer, ByTrait, Findings, Question, Verdict, probe};

struct World {
    below: Arc<LocalUpstream>,
    bucket: BucketName,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let below = Arc::new(LocalUpstream::open(&dir.path().join("data"), Clock::System).await.unwrap());
        Self { below, bucket: BucketName::parse("internal").unwrap(), _dir: dir }
    }

    async fn probe(&self, upstream: &dyn Upstream) -> Findings {
        probe(&ByTrait(upstream), &self.bucket, &Clock::System).await.unwrap()
    }

    async fn left(&self) -> (Vec<String>, usize) {
        let request = ListRequest { max_entries: 1000, ..ListRequest::default() };
        let page = self.below.list_objects(&self.bucket, &request).await.unwrap();
        let uploads = self.below.list_uploads(&self.bucket, None, 1000).await.unwrap();
        (page.objects.into_iter().map(|object| object.key.as_str().to_owned()).collect(), uploads.len())
    }
}

async fn told(lie: Lie) -> Findings {
    let world = World::new().await;
    let liar = Liar::new(world.below.clone(), lie);
    let findings = world.probe(&liar).await;
    assert_eq!(world.left().await, (Vec::new(), 0), "{lie:?}: it cleans up");
    findings
}

/// The questions whose answer is not yes.
fn not_so(findings: &Findings) -> Vec<Question> {
    let asked = |question: &Question| !matches!(findings.answer(*question), Answer::Yes | Answer::NotAsked);
    Question::ALL.into_iter().filter(asked).collect()
}

/// The kinds of key that are not kept.
fn lost_keys(findings: &Findings) -> Vec<(KeyKind, KeyFate)> {
    findings.keys.iter().filter(|key| key.fate != KeyFate::Kept).map(|key| (key.kind, key.fate)).collect()
}

fn seen(findings: &Findings, question: Question) -> &str {
    match findings.answer(question) {
        Answer::No { seen } => seen,
        other => panic!("{question:?}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_upstream_can_do_everything_and_is_left_clean() {
    let world = World::new().await;
    let findings = world.probe(&*world.below).await;
    assert_eq!(not_so(&findings), [], "{findings}");
    assert_eq!(lost_keys(&findings), [], "{findings}");
    assert_eq!(world.left().await, (Vec::new(), 0));
    assert!(findings.is_complete() && findings.faults().is_empty());
    assert_eq!(findings.clock_skew_ms, 0);
    assert!(findings.latency.put_ms > 0.0 && findings.latency.get_ms > 0.0 && findings.latency.list_ms > 0.0);
    assert_eq!(findings.capabilities(), world.below.capabilities(), "what it says of itself is what is found");
}

#[tokio::test(flavor = "multi_thread")]
async fn ignored_conditions() {
    let findings = told(Lie::IgnoresConditions).await;
    let lost = [Question::ConditionalPut, Question::ConditionalComplete, Question::ConditionalDelete];
    assert_eq!(not_so(&findings), lost, "{findings}");
    for question in lost {
        assert!(seen(&findings, question).starts_with("ignores If-"), "{findings}");
    }
    let none = ConditionalWrites { put: false, complete: false, delete: false };
    assert_eq!(findings.capabilities().conditional_writes, none);
    assert!(findings.faults().is_empty(), "it is usable all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_that_overwrites() {
    let findings = told(Lie::RefusesAndOverwrites).await;
    let lost = [Question::ConditionalPut, Question::ConditionalComplete, Question::ConditionalDelete];
    assert_eq!(not_so(&findings), lost, "{findings}");
    assert!(seen(&findings, Question::ConditionalPut).contains("refuses If-None-Match: * and overwrites"));
    assert!(seen(&findings, Question::ConditionalDelete).contains("refuses If-Match and loses"));
}

#[tokio::test(flavor = "multi_thread")]
async fn short_bodies_that_are_published() {
    for lie in [Lie::PublishesShortBodies, Lie::AcceptsShortBodies] {
        let findings = told(lie).await;
        assert_eq!(not_so(&findings), [Question::ShortPut, Question::ShortPart], "{lie:?}\n{findings}");
        assert_eq!(findings.capabilities().short_bodies, ShortBodies::Published);
        assert!(findings.faults().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_are_not_what_was_asked_for() {
    let findings = told(Lie::SuffixAsWhole).await;
    assert_eq!(not_so(&findings), [Question::SuffixRange], "{findings}");
    assert!(!findings.capabilities().suffix_range);
    let findings = told(Lie::IgnoresIfMatch).await;
    assert_eq!(not_so(&findings), [Question::IfMatchOnGet], "{findings}");
    assert!(!findings.capabilities().if_match_on_get);
}

#[tokio::test(flavor = "multi_thread")]
async fn part_copies_that_cannot_be_relied_on() {
    for lie in [Lie::NoPartCopy, Lie::IgnoresCopyCondition] {
        let findings = told(lie).await;
        assert_eq!(not_so(&findings), [Question::PartCopy], "{lie:?}\n{findings}");
        assert!(!findings.capabilities().part_copy);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn constant_etags_are_not_usable() {
    let findings = told(Lie::ConstantEtag).await;
    assert!(not_so(&findings).contains(&Question::Etags), "{findings}");
    assert!(findings.faults().iter().any(|line| line.name == Question::Etags.name()), "{findings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_that_tell_otherwise() {
    let findings = told(Lie::OtherEtagInList).await;
    assert_eq!(not_so(&findings), [Question::ListEtags], "{findings}");
    let findings = told(Lie::SkipsKeys).await;
    assert!(not_so(&findings).contains(&Question::ListPages), "{findings}");
    assert_eq!(findings.faults().len(), 1, "{findings}");
}

/// MinIO does so. Everything else can be used.
#[tokio::test(flavor = "multi_thread")]
async fn objects_below_objects_that_are_not_listed() {
    let findings = told(Lie::HidesBelowObjects).await;
    assert_eq!(not_so(&findings), [Question::Beside], "{findings}");
    assert_eq!(lost_keys(&findings), [], "{findings}");
    assert!(findings.faults().is_empty());
    let line = findings.lines().into_iter().find(|line| line.name == Question::Beside.name()).unwrap();
    assert_eq!(line.verdict, Verdict::Shown);
    assert!(line.in_words().contains("\"beside/a/b\" is not listed"), "{}", line.in_words());
}

#[tokio::test(flavor = "multi_thread")]
async fn forgotten_tags() {
    let findings = told(Lie::ForgetsTags).await;
    assert_eq!(not_so(&findings), [Question::Tagging], "{findings}");
    assert!(!findings.capabilities().tagging);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_become_one_are_told_from_keys_that_are_refused() {
    for (lie, kind, fate) in [
        (Lie::SwallowsSlashes, KeyKind::EmptySegment, KeyFate::Changed),
        (Lie::RefusesSlashes, KeyKind::EmptySegment, KeyFate::Refused),
        (Lie::DropsLeadingSlash, KeyKind::EmptySegment, KeyFate::Changed),
        (Lie::FoldsCase, KeyKind::Uppercase, KeyFate::Changed),
    ] {
        let findings = told(lie).await;
        assert!(lost_keys(&findings).contains(&(kind, fate)), "{lie:?}\n{findings}");
        let capabilities = findings.capabilities();
        let key = |key: &str| capabilities.check_key(&ObjectKey::parse(key).unwrap());
        assert!(key("a/b").is_ok());
        let special = if kind == KeyKind::Uppercase { key("README") } else { key("a//b") };
        let refused = matches!(special, Err(UpstreamError::Unsupported(_)));
        assert_eq!(refused, fate == KeyFate::Changed, "{lie:?}: what is refused by the upstream is its own to refuse");
    }
}

#[tokio::test]
async fn upstream_that_is_not_there() {
    let world = World::new().await;
    let liar = Liar::new(world.below.clone(), Lie::Absent);
    let error = probe(&ByTrait(&liar), &world.bucket, &Clock::System).await.unwrap_err();
    assert!(matches!(error.error, UpstreamError::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("internal"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_probe_left_is_removed_when_it_is_old() {
    let dir = tempfile::tempdir().unwrap();
    let long_ago = Clock::manual(Timestamp::from_unix_seconds(1_700_000_000));
    let upstream = LocalUpstream::open(&dir.path().join("data"), long_ago.clone()).await.unwrap();
    let bucket = BucketName::parse("internal").unwrap();
    upstream.create_bucket(&bucket).await.unwrap();
    let put = async |key: &str| {
        let key = ObjectKey::parse(key).unwrap();
        let body = PutBody { stored_bytes: 1, source: &mut super::workspace::Source::of(b"x") };
        upstream.put_object(&bucket, &key, body, WriteCondition::None, &Tags::new()).await.unwrap();
    };
    put("probe/0123456789abcdef/left").await;
    put("tmp/not-ours").await;
    let upload = ObjectKey::parse("probe/0123456789abcdef/upload").unwrap();
    upstream.create_multipart(&bucket, &upload, &Tags::new()).await.unwrap();
    long_ago.set(Timestamp::from_unix_seconds(1_700_003_000));
    put("probe/fedcba9876543210/at-work").await;
    long_ago.set(Timestamp::from_unix_seconds(1_700_003_700));
    probe(&ByTrait(&upstream), &bucket, &long_ago).await.unwrap();
    let request = ListRequest { max_entries: 1000, ..ListRequest::default() };
    let left = upstream.list_objects(&bucket, &request).await.unwrap().objects;
    let left: Vec<&str> = left.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(left, ["probe/fedcba9876543210/at-work", "tmp/not-ours"]);
    assert!(upstream.list_uploads(&bucket, None, 10).await.unwrap().is_empty());
}

#[test]
fn clock_skew_is_what_lies_outside_of_the_request() {
    let at = Timestamp::from_unix_millis;
    assert_eq!(super::skew(at(10_000), at(10_900), at(11_100)), 0, "dates have whole seconds");
    assert_eq!(super::skew(at(11_000), at(10_900), at(11_100)), 0);
    assert_eq!(super::skew(at(71_000), at(10_900), at(11_000)), 60_000);
    assert_eq!(super::skew(at(5_000), at(10_900), at(11_100)), -5_900);
}

fn findings(answers: Vec<(Question, Answer)>, clock_skew_ms: i64) -> Findings {
    let latency = super::Latency { put_ms: 1.0, get_ms: 0.5, list_ms: 2.0 };
    let max_put_bytes = Capabilities::ALL.max_put_bytes;
    Findings { answers, keys: Vec::new(), clock_skew_ms, latency, max_put_bytes }
}

#[test]
fn table_says_what_a_finding_means() {
    let no = Answer::no("ignores If-Match\nand overwrites");
    let text = findings(vec![(Question::SuffixRange, Answer::Yes), (Question::ConditionalPut, no)], 0).to_string();
    assert_eq!(
        text,
        "suffix range                   yes\n\
         conditional PUT                NO  ignores If-Match and overwrites: PutObject with If-Match or If-None-Match is \
         refused with 501\n\
         clocks agree                   yes\n\
         small requests take            PUT 1.0 ms, GET 0.5 ms, LIST 2.0 ms\n"
    );
}

#[test]
fn json_has_the_same() {
    let found = findings(vec![(Question::Etags, Answer::no("its ETags are empty"))], -90_500);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["usable"], false);
    assert_eq!(json["findings"][0]["answer"], "no");
    assert_eq!(json["findings"][0]["verdict"], "unusable");
    assert_eq!(json["findings"][0]["seen"], "its ETags are empty");
    assert_eq!(json["findings"][1]["seen"], "90.5 s behind ours");
    assert_eq!(json["clock_skew_ms"], -90_500);
    assert_eq!(json["latency"]["list_ms"], 2.0);
}

#[test]
fn what_was_not_answered_is_taken_for_missing_and_asked_again() {
    let unknown = Answer::unknown("no answer");
    let found = findings(vec![(Question::IfMatchOnGet, unknown.clone()), (Question::ShortPut, Answer::Yes)], 0);
    assert!(!found.is_complete() && !found.capabilities().if_match_on_get);
    assert_eq!(found.capabilities().short_bodies, ShortBodies::Published, "of parts nothing is known");
    assert!(found.faults().is_empty());
    let needed = findings(vec![(Question::Multipart, unknown)], 0);
    assert_eq!(needed.lines()[0].verdict, Verdict::Unknown, "trouble of the moment condemns nobody");
}

#[test]
fn skewed_clock_is_a_fault_where_requests_would_be_refused() {
    let verdict = |skew| findings(Vec::new(), skew).lines()[0].verdict;
    assert_eq!(verdict(3_000), Verdict::Fine);
    assert_eq!(verdict(-120_000), Verdict::WorkedAround);
    assert_eq!(verdict(16 * 60_000), Verdict::Unusable);
}
