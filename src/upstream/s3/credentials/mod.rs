//! Who we are to the service, and how that changes while we run.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials as AwsCredentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use crate::base::{Clock, SecretText};

use super::settings::{CredentialsSource, StaticCredentials};

mod chain;
mod profile;

/// How often a source of credentials is looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long before they expire, credentials are asked for anew. Instance metadata has new ones five minutes before.
const REFRESH_BEFORE_EXPIRY: Duration = Duration::from_secs(4 * 60);
/// How long a request waits for new credentials while the old ones are still good; then it goes on with those.
const MAX_REFRESH: Duration = Duration::from_secs(5);
/// Credentials files are a few lines; a larger one is another file.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The credentials of the moment.
pub(super) struct Credentials {
    source: Source,
    clock: Clock,
    current: Mutex<Current>,
    look_every: Duration,
}

/// Where newer ones may come from.
enum Source {
    Fixed,
    File { path: PathBuf, profile: String },
    Chain(SharedCredentialsProvider),
}

struct Current {
    credentials: AwsCredentials,
    looked_at: Instant,
    stamp: Option<Stamp>,
}

/// What changes when a file is written or replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl Credentials {
    /// Reads them for the first time.
    pub(super) async fn open(source: CredentialsSource, clock: Clock) -> Result<Self, String> {
        match source {
            CredentialsSource::Static(given) => Ok(Self::with(Source::Fixed, checked(given)?, None, clock)),
            CredentialsSource::Environment => {
                let given = from_environment(|name| std::env::var(name).ok())?;
                Ok(Self::with(Source::Fixed, checked(given)?, None, clock))
            }
            CredentialsSource::File { path, profile } => {
                let (credentials, stamp) = read(&path, &profile).await?;
                Ok(Self::with(Source::File { path, profile }, credentials, Some(stamp), clock))
            }
            CredentialsSource::Aws => Self::open_chain(chain::default_chain().await, clock).await,
        }
    }

    async fn open_chain(provider: SharedCredentialsProvider, clock: Clock) -> Result<Self, String> {
        let credentials = chain::ask(&provider).await?;
        Ok(Self::with(Source::Chain(provider), credentials, None, clock))
    }

    fn with(source: Source, credentials: AwsCredentials, stamp: Option<Stamp>, clock: Clock) -> Self {
        let current = Mutex::new(Current { credentials, looked_at: Instant::now(), stamp });
        Self { source, clock, current, look_every: LOOK_EVERY }
    }

    /// Those to sign with now. A source that fails leaves the old ones in use: a rotation that goes wrong half-way need
    /// not take the storage down at once.
    pub(super) async fn current(&self) -> AwsCredentials {
        match &self.source {
            Source::Fixed => {}
            Source::File { path, profile } => {
                if let Some(known) = self.due() {
                    self.look(path, profile, known).await;
                }
            }
            Source::Chain(provider) => {
                if self.expires_soon() && self.due().is_some() {
                    self.refresh(provider).await;
                }
            }
        }
        self.lock().credentials.clone()
    }

    fn expires_soon(&self) -> bool {
        let Some(expiry) = self.lock().credentials.expiry() else { return false };
        let left = expiry.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let soon = self.clock.now().plus(REFRESH_BEFORE_EXPIRY);
        i64::try_from(left).is_ok_and(|expiry| expiry <= soon.unix_millis())
    }

    async fn refresh(&self, provider: &SharedCredentialsProvider) {
        let asked = timeout(MAX_REFRESH, chain::ask(provider)).await;
        match asked.unwrap_or_else(|_| Err("the AWS provider chain takes too long".to_owned())) {
            Ok(credentials) => {
                tracing::info!("upstream credentials were renewed");
                self.lock().credentials = credentials;
            }
            Err(reason) => tracing::warn!(reason, "upstream credentials cannot be renewed; the old ones stay in use"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody has to look; whoever is told so is the only one.
    fn due(&self) -> Option<Option<Stamp>> {
        let mut current = self.lock();
        if current.looked_at.elapsed() < self.look_every {
            return None;
        }
        current.looked_at = Instant::now();
        Some(current.stamp)
    }

    async fn look(&self, path: &Path, profile: &str, known: Option<Stamp>) {
        if stamp(path).await.is_ok_and(|now| Some(now) == known) {
            return;
        }
        match read(path, profile).await {
            Ok((credentials, stamp)) => {
                tracing::info!(path = %path.display(), "upstream credentials were read again");
                let mut current = self.lock();
                (current.credentials, current.stamp) = (credentials, Some(stamp));
            }
            Err(reason) => {
                tracing::warn!(reason, "upstream credentials cannot be read again; the old ones stay in use")
            }
        }
    }
}

async fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let metadata = tokio::fs::metadata(path).await?;
    Ok(Stamp { modified: metadata.modified().ok(), bytes: metadata.len() })
}

async fn read(path: &Path, profile: &str) -> Result<(AwsCredentials, Stamp), String> {
    let fault = |error: std::io::Error| format!("{}: {error}", path.display());
    // Before reading: a write in between is seen at the next look.
    let stamp = stamp(path).await.map_err(fault)?;
    if stamp.bytes > MAX_FILE_BYTES {
        return Err(format!("{}: too large for a file of credentials", path.display()));
    }
    let text = Zeroizing::new(tokio::fs::read_to_string(path).await.map_err(fault)?);
    let given = profile::find(&text, profile).map_err(|reason| format!("{}: {reason}", path.display()))?;
    Ok((checked(given).map_err(|reason| format!("{}: {reason}", path.display()))?, stamp))
}

fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<StaticCredentials, String> {
    let filled = |name: &str| variable(name).filter(|value| !value.is_empty());
    let needed = |name: &str| filled(name).ok_or_else(|| format!("the environment has no {name}"));
    Ok(StaticCredentials {
        access_key_id: needed("AWS_ACCESS_KEY_ID")?,
        secret_access_key: SecretText::new(needed("AWS_SECRET_ACCESS_KEY")?),
        session_token: filled("AWS_SESSION_TOKEN").map(SecretText::new),
    })
}

/// Key id and token go into headers as they are.
fn checked(given: StaticCredentials) -> Result<AwsCredentials, String> {
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible(&given.access_key_id) || given.access_key_id.contains(['/', ',']) {
        return Err("the access key id is empty or has other characters".to_owned());
    }
    if given.secret_access_key.expose().is_empty() {
        return Err("the secret access key is empty".to_owned());
    }
    if given.session_token.as_ref().is_some_and(|token| !visible(token.expose())) {
        return Err("the session token is empty or has other characters".to_owned());
    }
    let token = given.session_token.map(|token| token.expose().to_owned());
    Ok(AwsCredentials::new(given.access_key_id, given.secret_access_key.expose(), token, None, "crypt-keeper"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::time::{Duration, UNIX_EPOCH};

    use aws_credential_types::Credentials as AwsCredentials;
    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

    use super::{Credentials, checked, from_environment};
    use crate::base::{Clock, SecretText, Timestamp};
    use crate::upstream::s3::settings::{CredentialsSource, StaticCredentials};

    fn given(id: &str, secret: &str, token: Option<&str>) -> StaticCredentials {
        StaticCredentials {
            access_key_id: id.to_owned(),
            secret_access_key: SecretText::new(secret.to_owned()),
            session_token: token.map(|token| SecretText::new(token.to_owned())),
        }
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_refused() {
        assert!(checked(given("AKIA", "s", Some("tok/en+="))).is_ok());
        for (id, secret, token) in [
            ("", "s", None),
            ("A\r\nx: y", "s", None),
            ("A/B", "s", None),
            ("A", "", None),
            ("A", "s", Some("t\n")),
            ("A", "s", Some("")),
        ] {
            assert!(checked(given(id, secret, token)).is_err(), "{id:?} {token:?}");
        }
    }

    #[test]
    fn the_environment_needs_both_and_may_have_a_token() {
        let with = |names: &'static [&'static str]| {
            from_environment(move |name| names.contains(&name).then(|| format!("value of {name}")))
        };
        let all = with(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]).expect("complete");
        assert_eq!(all.session_token.expect("a token").expose(), "value of AWS_SESSION_TOKEN");
        assert!(with(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]).is_ok());
        assert!(with(&["AWS_ACCESS_KEY_ID"]).is_err());
        assert!(with(&["AWS_SECRET_ACCESS_KEY"]).is_err());
    }

    #[tokio::test]
    async fn a_file_is_read_again_when_it_changes_and_kept_when_it_breaks() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("credentials");
        let write = |text: &str| std::fs::write(&path, text).expect("a file");
        write("[default]\naws_access_key_id = FIRST\naws_secret_access_key = a\n");
        let source = CredentialsSource::File { path: path.clone(), profile: "default".to_owned() };
        let mut credentials = Credentials::open(source, Clock::System).await.expect("readable");
        assert_eq!(credentials.current().await.access_key_id(), "FIRST");
        write("[default]\naws_access_key_id = SECOND\naws_secret_access_key = b\n");
        assert_eq!(credentials.current().await.access_key_id(), "FIRST", "not looked at yet");
        credentials.look_every = Duration::ZERO;
        assert_eq!(credentials.current().await.access_key_id(), "SECOND");
        write("[default]\naws_access_key_id = THIRD");
        assert_eq!(credentials.current().await.access_key_id(), "SECOND", "half a file is none");
        std::fs::remove_file(&path).expect("gone");
        assert_eq!(credentials.current().await.access_key_id(), "SECOND");
        write("[default]\naws_access_key_id = FOURTH\naws_secret_access_key = d\n");
        assert_eq!(credentials.current().await.access_key_id(), "FOURTH");
    }

    #[tokio::test]
    async fn a_file_without_the_profile_opens_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("credentials");
        std::fs::write(&path, "[other]\naws_access_key_id = A\naws_secret_access_key = topsecret\n").expect("a file");
        let source = CredentialsSource::File { path, profile: "default".to_owned() };
        let reason = Credentials::open(source, Clock::System).await.err().expect("refused");
        assert!(reason.contains("default") && !reason.contains("topsecret"), "{reason}");
    }

    /// A source whose credentials are good for an hour, and have a number.
    #[derive(Clone, Debug, Default)]
    struct Hourly {
        asked: Arc<AtomicU64>,
        fails: Arc<AtomicBool>,
    }

    impl ProvideCredentials for Hourly {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.asked.fetch_add(1, Ordering::Relaxed);
            if self.fails.load(Ordering::Relaxed) {
                return future::ProvideCredentials::ready(Err(CredentialsError::provider_error("topsecret")));
            }
            let expiry = UNIX_EPOCH + Duration::from_secs(3600 * (number + 1));
            let token = Some(format!("token {number}"));
            let given = AwsCredentials::new(format!("KEY{number}"), "topsecret", token, Some(expiry), "hourly");
            future::ProvideCredentials::ready(Ok(given))
        }
    }

    #[tokio::test]
    async fn credentials_of_the_chain_are_renewed_before_they_expire() {
        let (source, clock) = (Hourly::default(), Clock::manual(Timestamp::from_unix_seconds(0)));
        let provider = SharedCredentialsProvider::new(source.clone());
        let mut credentials = Credentials::open_chain(provider, clock.clone()).await.expect("credentials");
        credentials.look_every = Duration::ZERO;
        for (seconds, id) in [(0, "KEY0"), (3359, "KEY0"), (3360, "KEY1"), (3600, "KEY1"), (7000, "KEY2")] {
            clock.set(Timestamp::from_unix_seconds(seconds));
            assert_eq!(credentials.current().await.access_key_id(), id, "at {seconds} s");
        }
        assert_eq!(source.asked.load(Ordering::Relaxed), 3);
        source.fails.store(true, Ordering::Relaxed);
        clock.set(Timestamp::from_unix_seconds(20_000));
        assert_eq!(credentials.current().await.access_key_id(), "KEY2", "expired, and better than none");
        source.fails.store(false, Ordering::Relaxed);
        assert_eq!(credentials.current().await.access_key_id(), "KEY4");
    }

    #[tokio::test]
    async fn a_chain_without_credentials_opens_nothing_and_tells_nothing() {
        let source = Hourly::default();
        source.fails.store(true, Ordering::Relaxed);
        let opened = Credentials::open_chain(SharedCredentialsProvider::new(source), Clock::System).await;
        let reason = opened.err().expect("refused");
        assert!(reason.contains("chain") && !reason.contains("topsecret"), "{reason}");
    }

    #[test]
    fn secrets_are_not_in_debug() {
        let credentials = checked(given("AKIA", "topsecret", Some("toptoken"))).expect("sound");
        let shown = format!("{credentials:?}");
        assert!(!shown.contains("topsecret") && !shown.contains("toptoken"), "{shown}");
    }
}
