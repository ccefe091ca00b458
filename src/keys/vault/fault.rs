//! What Vault answers in the place of a key, sorted by who must act. No text of Vault's is passed on: it may name what was
//! sent.

use std::error::Error;
use std::io;
use std::time::Duration;

use vaultrs::error::ClientError;

use crate::keys::KeyringError;

/// When clients come again while Vault is away: it may be back in a moment, and the circuit breaker holds for less.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why there is no answer, or which.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultFault {
    /// The settings do not make a client.
    #[error("{0}")]
    Settings(String),
    /// Nobody answers, or not in time.
    #[error("Vault does not answer: {0}")]
    Unreachable(&'static str),
    /// It is sealed, or has not been initialised.
    #[error("Vault is sealed")]
    Sealed,
    /// It is a standby that does not pass requests on.
    #[error("Vault is a standby that does not forward")]
    Standby,
    /// Too many requests: a quota.
    #[error("Vault limits our requests")]
    RateLimited,
    /// It failed by itself.
    #[error("Vault failed with status {0}")]
    Failed(u16),
    /// The token may not do this, or is none any more.
    #[error("Vault denies permission")]
    Denied,
    /// The login is refused: the credentials are wrong, expired or used up.
    #[error("Vault refuses the login ({0})")]
    LoginRefused(u16),
    /// What the login takes cannot be read.
    #[error("{0}")]
    Credentials(String),
    /// A version of the key below its min_decryption_version.
    #[error("Vault no longer decrypts with this version of the key (min_decryption_version)")]
    TooOld,
    /// There is no such mount or key.
    #[error("Vault has no such mount or key")]
    NoSuchKey,
    /// The key cannot wrap ours.
    #[error("the Transit key does not do: {0}")]
    UnfitKey(&'static str),
    /// It does not open: another key, another context, damaged.
    #[error("Vault refuses it with status {0}: a wrap of another key or context, or damaged")]
    Refused(u16),
    /// It is no answer of Vault's.
    #[error("an answer that is not Vault's")]
    OddAnswer,
}

impl VaultFault {
    /// Whether the same call may succeed later without anybody doing anything about us.
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::Sealed
            | Self::Standby
            | Self::RateLimited
            | Self::Failed(_)
            | Self::OddAnswer => true,
            Self::Settings(_)
            | Self::Denied
            | Self::LoginRefused(_)
            | Self::Credentials(_)
            | Self::TooOld
            | Self::NoSuchKey
            | Self::UnfitKey(_)
            | Self::Refused(_) => false,
        }
    }

    /// Whether every other call would end in the same way: it is not about one key.
    pub(super) const fn stops_everybody(&self) -> bool {
        self.is_passing() || matches!(self, Self::LoginRefused(_) | Self::Credentials(_))
    }

    /// One word, for a label of a metric.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Settings(_) => "settings",
            Self::Unreachable(_) => "unreachable",
            Self::Sealed => "sealed",
            Self::Standby => "standby",
            Self::RateLimited => "rate_limited",
            Self::Failed(_) => "failed",
            Self::Denied => "denied",
            Self::LoginRefused(_) | Self::Credentials(_) => "login",
            Self::TooOld => "too_old",
            Self::NoSuchKey => "no_such_key",
            Self::UnfitKey(_) => "unfit_key",
            Self::Refused(_) => "refused",
            Self::OddAnswer => "odd_answer",
        }
    }
}

impl From<VaultFault> for KeyringError {
    fn from(fault: VaultFault) -> Self {
        let reason = fault.to_string();
        // Keys that Vault does not give because of what we may do: an operator sets that right, and no object is lost.
        let set_right = matches!(fault, VaultFault::Denied | VaultFault::NoSuchKey);
        if set_right || fault.stops_everybody() {
            Self::Unavailable { reason, retry_after: RETRY_AFTER }
        } else {
            Self::Refused { reason }
        }
    }
}

impl From<ClientError> for VaultFault {
    fn from(error: ClientError) -> Self {
        use rustify::errors::ClientError as Rest;
        match error {
            ClientError::APIError { code, errors } => of_status(code, &errors),
            ClientError::RestClientError { source } => match source {
                Rest::ServerResponseError { code, .. } => of_status_alone(code),
                Rest::RequestError { source, .. } => Self::Unreachable(why_no_answer(source.chain())),
                Rest::ResponseError { .. } => Self::Unreachable("the answer broke off"),
                _ => Self::OddAnswer,
            },
            _ => Self::OddAnswer,
        }
    }
}

/// A status without an answer in Vault's form: of a proxy before it, perhaps, which knows nothing of keys.
fn of_status_alone(status: u16) -> VaultFault {
    match status {
        400 | 404 | 422 => VaultFault::OddAnswer,
        307 | 308 => VaultFault::Standby,
        status => of_status(status, &[]),
    }
}

fn why_no_answer<'a>(chain: impl Iterator<Item = &'a (dyn Error + 'static)>) -> &'static str {
    let mut why = "no connection";
    for error in chain {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if error.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return "TLS failed: its certificate, or the authority to trust (ca_file)";
        }
        if error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout) {
            why = "no answer in time";
        }
    }
    why
}

/// Vault: API docs, "HTTP status codes"; sys/health has more.
fn of_status(status: u16, errors: &[String]) -> VaultFault {
    let says = |what: &str| errors.iter().any(|error| error.contains(what));
    match status {
        400 | 500 if says("too old") => VaultFault::TooOld,
        // A 400 or a 500: which one, depends on the version.
        400 if says("no handler") || says("encryption key not found") => VaultFault::NoSuchKey,
        400 | 422 => VaultFault::Refused(status),
        403 => VaultFault::Denied,
        404 => VaultFault::NoSuchKey,
        429 => VaultFault::RateLimited,
        // 412: a performance standby that has not caught up.
        412 | 472 | 473 => VaultFault::Standby,
        501 | 503 => VaultFault::Sealed,
        status => VaultFault::Failed(status),
    }
}
