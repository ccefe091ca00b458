//! Logins, and calls under them: one token for all, renewed at two thirds of its life, made anew when Vault denies it.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use reqwest::redirect;
use rustify::clients::reqwest::Client as HttpClient;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use vaultrs::api::EndpointMiddleware;
use vaultrs::client::{Client, VaultClientSettings, VaultClientSettingsBuilder};
use vaultrs::error::ClientError;
use zeroize::{Zeroize, Zeroizing};

use super::VaultSettings;
use super::auth::{Login, Logins, VaultAuth};
use super::breaker::{Breaker, Ticket};
use super::fault::VaultFault;
use crate::base::random;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a call may take in all: it is a few hundred bytes, and a client waits for it.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// A token is never renewed more often than this.
const MIN_RENEWAL: Duration = Duration::from_secs(1);
/// How long a renewal waits beside that once the token cannot be alive any more: calls log in by themselves.
const RENEWAL_TROUBLE: Duration = Duration::from_secs(10);
/// A token that holds for ever is looked at now and then: a file may hold another one.
const LOOK_AGAIN: Duration = Duration::from_secs(60 * 60);

/// One token. It ends with the last call under it.
pub(super) struct Session {
    http: HttpClient,
    middle: EndpointMiddleware,
    /// Only its shape is of use to vaultrs: there is no token in it.
    settings: VaultClientSettings,
    number: u64,
}

impl Client for Session {
    fn http(&self) -> &HttpClient {
        &self.http
    }

    fn middle(&self) -> &EndpointMiddleware {
        &self.middle
    }

    fn settings(&self) -> &VaultClientSettings {
        &self.settings
    }

    fn set_token(&mut self, token: &str) {
        token.clone_into(&mut self.middle.token);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.middle.token.zeroize();
    }
}

/// A call of Vault under way.
pub(super) type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, ClientError>> + Send + 'a>>;

/// Who may ask Vault, at the moment. Clones share it.
#[derive(Clone)]
pub(super) struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    tls: TlsFiles,
    settings: VaultClientSettings,
    current: RwLock<Option<Arc<Session>>>,
    /// Held during a login: those who find the token denied at the same time wait for one new one.
    logins: Mutex<Numbered>,
    breaker: Breaker,
}

/// Logins, and how many there were.
struct Numbered {
    logins: Logins,
    count: u64,
}

/// Who asks for a login.
#[derive(Clone, Copy)]
enum Asker {
    /// A call, which had passed the breaker by then.
    Call(Ticket),
    /// The renewal of a token that may still hold: its troubles are nobody else's.
    Renewal,
}

impl Sessions {
    /// Asks nobody yet; files are read at the first login.
    pub(super) fn open(settings: VaultSettings) -> Result<Self, VaultFault> {
        check_address(&settings.address).map_err(VaultFault::Settings)?;
        let tls = TlsFiles::of(&settings);
        let mut shape = VaultClientSettingsBuilder::default();
        // All of them, or vaultrs takes them from VAULT_ADDR, VAULT_TOKEN and their like.
        let shape = shape
            .address(&settings.address)
            .ca_certs(Vec::new())
            .identity(None)
            .token("")
            .verify(true)
            .namespace(settings.namespace)
            .build();
        let shape = shape.map_err(|error| VaultFault::Settings(error.to_string()))?;
        let inner = Inner {
            tls,
            settings: shape,
            current: RwLock::default(),
            logins: Mutex::new(Numbered { logins: Logins::new(settings.auth), count: 0 }),
            breaker: Breaker::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Calls Vault. A token that holds no more is replaced once.
    pub(super) async fn call<'a, T>(
        &self,
        ask: impl Fn(Arc<Session>) -> Asked<'a, T> + Send + Sync,
    ) -> Result<T, VaultFault> {
        let ticket = self.inner.breaker.pass()?;
        let outcome = self.try_call(ask, ticket).await;
        self.inner.breaker.judge(ticket, outcome.as_ref().err());
        outcome
    }

    /// How often which kind of fault was seen.
    pub(super) fn faults(&self) -> Vec<(&'static str, u64)> {
        self.inner.breaker.faults()
    }

    async fn try_call<'a, T>(
        &self,
        ask: impl Fn(Arc<Session>) -> Asked<'a, T> + Send + Sync,
        ticket: Ticket,
    ) -> Result<T, VaultFault> {
        let session = match self.inner.current() {
            Some(session) => session,
            None => self.log_in(0, Asker::Call(ticket)).await?,
        };
        match in_time(ask(Arc::clone(&session))).await {
            // A token that holds may not do this, and neither may the next one: no login for it.
            Err(VaultFault::Denied) if holds_no_more(&session).await => {
                let session = self.log_in(session.number, Asker::Call(ticket)).await?;
                in_time(ask(session)).await
            }
            answer => answer,
        }
    }

    /// A session newer than number `denied`: somebody else's, or one of our own login. Carried to its end when the caller
    /// goes away: a secret that was unwrapped on the way would be lost with it.
    async fn log_in(&self, denied: u64, asker: Asker) -> Result<Arc<Session>, VaultFault> {
        let sessions = self.clone();
        let login = tokio::spawn(async move { sessions.log_in_now(denied, asker).await });
        login.await.unwrap_or(Err(VaultFault::Unreachable("the login was cut off")))
    }

    async fn log_in_now(&self, denied: u64, asker: Asker) -> Result<Arc<Session>, VaultFault> {
        let inner = &self.inner;
        let mut numbered = inner.logins.lock().await;
        if let Some(session) = inner.current()
            && session.number > denied
        {
            return Ok(session);
        }
        // Whoever waited for a login that failed has its answer: a thousand of them are one login.
        if let Asker::Call(ticket) = asker {
            inner.breaker.still_holds(ticket)?;
        }
        let http = inner.tls.client()?;
        let anonymous = inner.session(&http, "", 0);
        let login = numbered.logins.log_in(&anonymous, |token| inner.session(&http, token, 0)).await;
        // Before the next one in the queue is let in.
        match asker {
            Asker::Call(ticket) => inner.breaker.judge(ticket, login.as_ref().err()),
            Asker::Renewal => inner.breaker.note(login.as_ref().err()),
        }
        let login = login?;
        numbered.count += 1;
        let session = Arc::new(inner.session(&http, &login.token, numbered.count));
        inner.set_current(&session);
        tracing::info!(lease_seconds = login.lease_seconds, renewable = login.renewable, "logged in at Vault");
        tokio::spawn(renew(Arc::downgrade(inner), session.number, login));
        Ok(session)
    }
}

/// Whether a token that was denied something is no token any more.
async fn holds_no_more(session: &Session) -> bool {
    match in_time(vaultrs::token::lookup_self(session)).await {
        Ok(mut found) => {
            // It says the token itself.
            found.id.zeroize();
            false
        }
        Err(fault) => fault == VaultFault::Denied,
    }
}

impl Inner {
    fn session(&self, http: &reqwest::Client, token: &str, number: u64) -> Session {
        let middle = EndpointMiddleware {
            token: token.to_owned(),
            version: format!("v{}", self.settings.version),
            wrap: None,
            namespace: self.settings.namespace.clone(),
        };
        // Without the slash that Url puts behind the host.
        let base = self.settings.address.as_str().trim_end_matches('/').to_owned();
        Session { http: HttpClient { http: http.clone(), base }, middle, settings: self.settings.clone(), number }
    }

    fn current(&self) -> Option<Arc<Session>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_current(&self, session: &Arc<Session>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(session));
    }
}

/// Boxed, because it logs in, and a login starts it.
fn renew(sessions: Weak<Inner>, number: u64, login: Login) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(keep_alive(sessions, number, login))
}

async fn keep_alive(sessions: Weak<Inner>, number: u64, login: Login) {
    let (mut lease_seconds, mut renewable) = (login.lease_seconds, login.renewable);
    drop(login);
    let mut troubled = None;
    loop {
        sleep(pause(lease_seconds)).await;
        let Some(inner) = sessions.upgrade() else { return };
        let Some(session) = inner.current().filter(|session| session.number == number) else { return };
        let renewed = match renewable && lease_seconds > 0 {
            true => in_time(vaultrs::token::renew_self(&*session, None)).await.map(|mut info| {
                info.client_token.zeroize();
                info
            }),
            false if lease_seconds == 0 && !holds_no_more(&session).await => continue,
            false => Err(VaultFault::Denied),
        };
        let fault = match renewed {
            // Near its max_ttl a renewal gives less than was asked for: it is time for a login.
            Ok(info) if info.lease_duration >= lease_seconds / 2 => {
                (lease_seconds, renewable) = (info.lease_duration, info.renewable);
                troubled = None;
                continue;
            }
            Err(fault) if fault.is_passing() => fault,
            Ok(_) | Err(_) => match (Sessions { inner }).log_in(number, Asker::Renewal).await {
                Ok(_) => return,
                Err(fault) => fault,
            },
        };
        // The token may hold a little longer; a call that it does not hold for logs in by itself.
        if troubled.as_ref() != Some(&fault) {
            tracing::warn!(%fault, "the Vault token could not be renewed; it is tried again");
        }
        troubled = Some(fault);
        lease_seconds = (lease_seconds / 3).max(1);
        if lease_seconds == 1 {
            sleep(RENEWAL_TROUBLE).await;
        }
    }
}

/// Two thirds of the lease, less up to a tenth of it, so that many proxies do not renew together.
fn pause(lease_seconds: u64) -> Duration {
    if lease_seconds == 0 {
        return LOOK_AGAIN;
    }
    let two_thirds = Duration::from_secs(lease_seconds).saturating_mul(2) / 3;
    let jitter = two_thirds.mul_f64(f64::from(random::bytes::<1>()[0]) / 2560.0);
    two_thirds.saturating_sub(jitter).max(MIN_RENEWAL)
}

pub(super) async fn in_time<T>(call: impl Future<Output = Result<T, ClientError>>) -> Result<T, VaultFault> {
    match timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(VaultFault::from),
        Err(_elapsed) => Err(VaultFault::Unreachable("no answer in time")),
    }
}

/// Only TLS, except on loopback; the address is an origin, because vaultrs puts its paths behind it.
pub(super) fn check_address(address: &str) -> Result<(), String> {
    let refused = |why: &str| Err(why.to_owned());
    let Ok(url) = reqwest::Url::parse(address) else {
        return refused("must be like \"https://vault.example.net:8200\"");
    };
    let origin_only = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !origin_only || !url.username().is_empty() || url.password().is_some() || !url.has_host() {
        return refused("must be a scheme, a host and a port, nothing else");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) => Ok(()),
        "http" => refused("must be https: without TLS keys would cross the network in the clear"),
        _ => refused("must be https"),
    }
}

/// What a client is made of, read again at each login: certificates run out.
struct TlsFiles {
    in_clear: bool,
    ca: Option<PathBuf>,
    /// Certificate and private key.
    own: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    fn of(settings: &VaultSettings) -> Self {
        let own = match &settings.auth {
            VaultAuth::Certificate { certificate_file, private_key_file, .. } => {
                Some((certificate_file.clone(), private_key_file.clone()))
            }
            VaultAuth::Token(_) | VaultAuth::AppRole { .. } | VaultAuth::Kubernetes { .. } => None,
        };
        Self { in_clear: settings.address.starts_with("http://"), ca: settings.ca_file.clone(), own }
    }

    /// A client of our own making: vaultrs's follows redirects, and would take its token along.
    fn client(&self) -> Result<reqwest::Client, VaultFault> {
        // Reqwest takes the process's provider; where there is one already, it stays.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .no_proxy();
        if let Some(path) = &self.ca {
            let roots = reqwest::Certificate::from_pem_bundle(&read(path)?).unwrap_or_default();
            if roots.is_empty() {
                return Err(VaultFault::Settings(format!("{} holds no certificates in PEM", path.display())));
            }
            builder = builder.tls_certs_only(roots);
        } else if self.in_clear {
            builder = builder.tls_certs_only(Vec::new());
        }
        if let Some((certificate, private_key)) = &self.own {
            let pem = Zeroizing::new([read(certificate)?.as_slice(), b"\n", &read(private_key)?].concat());
            let identity = reqwest::Identity::from_pem(&pem).map_err(|_| {
                let (certificate, private_key) = (certificate.display(), private_key.display());
                VaultFault::Settings(format!("{certificate} and {private_key} are no certificate and key in PEM"))
            })?;
            builder = builder.identity(identity);
        }
        builder.build().map_err(|_| VaultFault::Settings("the settings of TLS to Vault do not hold".to_owned()))
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, VaultFault> {
    let read = std::fs::read(path).map(Zeroizing::new);
    read.map_err(|error| VaultFault::Settings(format!("{} cannot be read: {}", path.display(), error.kind())))
}
