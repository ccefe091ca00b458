//! Who we are to Vault: what a login takes, read again at each login.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vaultrs::api::AuthInfo;
use vaultrs::client::Client;
use zeroize::{Zeroize, Zeroizing};

use super::fault::VaultFault;
use super::session::in_time;
use crate::base::SecretText;
use crate::base::secret::Fingerprint;

/// Where a secret is.
pub enum SecretSource {
    /// Given at start.
    Given(SecretText),
    /// In a file, read at each login: whoever writes it may change it.
    File(PathBuf),
}

/// A login method.
pub enum VaultAuth {
    /// A token that somebody else made.
    Token(SecretSource),
    /// AppRole: a role and a secret of its own.
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// Not secret.
        role_id: String,
        /// The secret_id, or a wrapping token of one.
        secret_id: SecretSource,
        /// Whether `secret_id` is a wrapping token: good for one login, so the secret in it is kept.
        wrapped: bool,
    },
    /// A client certificate, shown in the TLS handshake.
    Certificate {
        /// Where the method is mounted.
        mount: String,
        /// Which of its roles; any that fits, where none is named.
        role: Option<String>,
        /// PEM, the chain.
        certificate_file: PathBuf,
        /// PEM.
        private_key_file: PathBuf,
    },
    /// The token of a Kubernetes service account.
    Kubernetes {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role: String,
        /// The projected token: the kubelet writes a new one every hour.
        jwt_file: PathBuf,
    },
}

impl VaultAuth {
    /// Where Kubernetes projects the token of a pod's service account.
    pub const KUBERNETES_JWT_FILE: &'static str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
}

/// A token and how long it holds.
pub(super) struct Login {
    pub(super) token: Zeroizing<String>,
    /// 0 is for ever.
    pub(super) lease_seconds: u64,
    pub(super) renewable: bool,
}

impl Login {
    pub(super) fn of(info: AuthInfo) -> Self {
        Self { lease_seconds: info.lease_duration, renewable: info.renewable, token: Zeroizing::new(info.client_token) }
    }
}

/// Logins, one at a time, and what has to be remembered between them.
pub(super) struct Logins {
    auth: VaultAuth,
    /// What was in the wrapping token: that is good for one use.
    unwrapped: Option<Unwrapped>,
    /// What Vault refused last. Vault locks a role for a quarter of an hour when its logins fail a few times in a row, for
    /// every proxy that has it.
    refused: Option<(Instant, Fingerprint, VaultFault)>,
}

struct Unwrapped {
    secret_id: SecretText,
    of: Fingerprint,
}

/// How long a credential that was refused is not tried again: five failures within a quarter of an hour would lock its role.
/// Another one is tried at once. (Vault: concepts, user lockout.)
const REFUSED_PAUSE: Duration = Duration::from_secs(300);

impl Logins {
    pub(super) const fn new(auth: VaultAuth) -> Self {
        Self { auth, unwrapped: None, refused: None }
    }

    /// Logs in. `anonymous` is a client without a token; `with` makes one with a token.
    pub(super) async fn log_in<C: Client>(
        &mut self,
        anonymous: &C,
        with: impl Fn(&str) -> C,
    ) -> Result<Login, VaultFault> {
        let credential = self.credential(&with).await?;
        let fingerprint = credential.fingerprint();
        if let Some((since, of, fault)) = &self.refused
            && *of == fingerprint
            && since.elapsed() < REFUSED_PAUSE
        {
            return Err(fault.clone());
        }
        let login = self.log_in_with(&credential, anonymous, &with).await;
        self.refused = match &login {
            Err(fault @ VaultFault::LoginRefused(_)) => {
                tracing::error!(%fault, "it is not tried again for five minutes, or until the credential is another one");
                Some((Instant::now(), fingerprint, fault.clone()))
            }
            _ => None,
        };
        login
    }

    /// What the login shows, read again: whoever writes the file may have changed it.
    async fn credential<C: Client>(&mut self, with: &impl Fn(&str) -> C) -> Result<SecretText, VaultFault> {
        match &self.auth {
            VaultAuth::Token(source) => read(source).await,
            VaultAuth::AppRole { secret_id, wrapped: false, .. } => read(secret_id).await,
            VaultAuth::AppRole { secret_id, wrapped: true, .. } => {
                let token = read(secret_id).await?;
                let of = token.fingerprint();
                if let Some(known) = self.unwrapped.as_ref().filter(|known| known.of == of) {
                    return Ok(copy(&known.secret_id));
                }
                #[derive(serde::Deserialize)]
                struct Wrapped {
                    secret_id: String,
                }
                let holder = with(token.expose());
                let unwrapping = vaultrs::sys::wrapping::unwrap::<Wrapped>(&holder, None);
                let secret_id = SecretText::new(login_answer(in_time(unwrapping).await)?.secret_id);
                // At once: whatever becomes of the login, the token is used up.
                let unwrapped = Unwrapped { secret_id: copy(&secret_id), of };
                self.unwrapped = Some(unwrapped);
                Ok(secret_id)
            }
            VaultAuth::Certificate { certificate_file, .. } => {
                let pem = tokio::fs::read_to_string(certificate_file).await;
                pem.map(SecretText::new).map_err(|error| unreadable(certificate_file, &error))
            }
            VaultAuth::Kubernetes { jwt_file, .. } => read_file(jwt_file).await,
        }
    }

    async fn log_in_with<C: Client>(
        &self,
        credential: &SecretText,
        anonymous: &C,
        with: &impl Fn(&str) -> C,
    ) -> Result<Login, VaultFault> {
        let secret = credential.expose();
        let answer = match &self.auth {
            VaultAuth::Token(_) => {
                let mut found = login_answer(in_time(vaultrs::token::lookup_self(&with(secret))).await)?;
                // It says the token itself.
                found.id.zeroize();
                return Ok(Login {
                    token: Zeroizing::new(secret.to_owned()),
                    lease_seconds: found.ttl,
                    renewable: found.renewable.unwrap_or(false),
                });
            }
            VaultAuth::AppRole { mount, role_id, .. } => {
                in_time(vaultrs::auth::approle::login(anonymous, mount, role_id, secret)).await
            }
            VaultAuth::Certificate { mount, role, .. } => {
                in_time(vaultrs::auth::cert::login(anonymous, mount, role.as_deref().unwrap_or_default())).await
            }
            VaultAuth::Kubernetes { mount, role, .. } => {
                in_time(vaultrs::auth::kubernetes::login(anonymous, mount, role, secret)).await
            }
        };
        login_answer(answer).map(Login::of)
    }
}

fn copy(secret: &SecretText) -> SecretText {
    SecretText::new(secret.expose().to_owned())
}

/// Refused credentials are told apart from a refused call.
fn login_answer<T>(answer: Result<T, VaultFault>) -> Result<T, VaultFault> {
    answer.map_err(|fault| match fault {
        VaultFault::Refused(status) => VaultFault::LoginRefused(status),
        VaultFault::Denied => VaultFault::LoginRefused(403),
        other => other,
    })
}

async fn read(source: &SecretSource) -> Result<SecretText, VaultFault> {
    match source {
        SecretSource::Given(secret) => Ok(copy(secret)),
        SecretSource::File(path) => read_file(path).await,
    }
}

/// A token goes into a header as it is.
async fn read_file(path: &Path) -> Result<SecretText, VaultFault> {
    let text = tokio::fs::read_to_string(path).await.map(Zeroizing::new).map_err(|error| unreadable(path, &error))?;
    let secret = text.trim();
    if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(VaultFault::Credentials(format!("{} holds no token", path.display())));
    }
    Ok(SecretText::new(secret.to_owned()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> VaultFault {
    VaultFault::Credentials(format!("{} cannot be read: {}", path.display(), error.kind()))
}
