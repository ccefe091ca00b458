//! The order of the checks: what costs nothing first, then the look-up, then the proof; the same work for every refusal.

use std::sync::Arc;

use http::request::Parts;

use crate::base::{Clock, SecretText};
use crate::sigv4::{Admitted, AuthKind, CredentialLocation, PayloadBinding, RegionPolicy, SigV4Fault, SigningKey};

use super::keys::{AccessKey, AccessKeyStatus, AccessKeys, AccessKeysUnavailable, Principal};
use super::signing_keys::SigningKeys;

/// Why a request is not authenticated.
#[derive(Debug, thiserror::Error)]
pub enum AuthnFault {
    /// The claim itself, or its signature: see each variant of [`SigV4Fault`].
    #[error(transparent)]
    Claim(#[from] SigV4Fault),
    /// No such key, or one that is switched off: 403 InvalidAccessKeyId (AWSAccessKeyId).
    #[error("The AWS Access Key Id you provided does not exist in our records.")]
    InvalidAccessKeyId {
        /// As the client named it.
        access_key_id: String,
    },
    /// No credential at all: 403 AccessDenied, until sharing knows grants to everyone.
    #[error("Access Denied")]
    Anonymous,
    /// Whether the key exists cannot be told now: 503 ServiceUnavailable.
    #[error("Please reduce your request rate.")]
    Unavailable(#[from] AccessKeysUnavailable),
}

/// The proof that a request came from somebody. Nothing else makes one.
#[derive(Debug)]
pub struct Authenticated {
    principal: Principal,
    access_key_id: String,
    location: CredentialLocation,
    payload: PayloadBinding,
}

impl Authenticated {
    /// Who it was.
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// With which key.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// Whether by `Authorization` or by a presigned URL.
    pub const fn location(&self) -> CredentialLocation {
        self.location
    }

    /// What the body must prove before it is committed.
    pub const fn payload(&self) -> &PayloadBinding {
        &self.payload
    }

    /// A stand-in for tests of the floors above, which have no signed request.
    #[cfg(test)]
    pub(crate) fn for_tests(principal: Principal) -> Self {
        Self {
            principal,
            access_key_id: "AKIDTEST".to_owned(),
            location: CredentialLocation::Header,
            payload: PayloadBinding::Unsigned,
        }
    }
}

/// Authenticates requests.
pub struct Authenticator {
    keys: Arc<dyn AccessKeys>,
    regions: RegionPolicy,
    clock: Clock,
    signing_keys: SigningKeys,
    /// Unknown keys are checked against it, so that they take as long as a wrong signature.
    decoy: SecretText,
}

impl Authenticator {
    /// Over these keys, for these regions.
    pub fn new(keys: Arc<dyn AccessKeys>, regions: RegionPolicy, clock: Clock) -> Self {
        let decoy = SecretText::new(hex::encode(crate::base::random::bytes::<20>()));
        Self { keys, regions, clock, signing_keys: SigningKeys::new(), decoy }
    }

    /// Who sent the request with this head, and what its body must prove.
    pub async fn authenticate(&self, parts: &Parts) -> Result<Authenticated, AuthnFault> {
        let claim = match AuthKind::of(parts)? {
            AuthKind::Header(claim) | AuthKind::Presigned(claim) => claim,
            AuthKind::SigV2 => return Err(SigV4Fault::UnsupportedMechanism.into()),
            AuthKind::SigV4a => return Err(SigV4Fault::AsymmetricSignature.into()),
            AuthKind::Anonymous => return Err(AuthnFault::Anonymous),
        };
        let admitted = claim.admit(self.clock.now(), &self.regions)?;
        let access_key_id = admitted.credential().access_key_id().to_owned();
        let found = self.keys.find(&access_key_id).await?;
        let Some(key) = found.filter(|key| key.status == AccessKeyStatus::Active) else {
            self.refuse_slowly(&admitted);
            return Err(AuthnFault::InvalidAccessKeyId { access_key_id });
        };
        let payload = self.verify(&admitted, &key).await?;
        Ok(Authenticated { principal: key.principal, access_key_id, location: admitted.location(), payload })
    }

    /// Drops expired signing keys. Call it now and then: an idle proxy would keep them.
    pub async fn expire_idle(&self) {
        self.signing_keys.expire().await;
    }

    /// How many signing keys are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> u64 {
        self.signing_keys.count()
    }

    async fn verify(&self, admitted: &Admitted, key: &AccessKey) -> Result<PayloadBinding, SigV4Fault> {
        let credential = admitted.credential();
        if let Some(signing_key) = self.signing_keys.get(credential, &key.secret).await {
            return admitted.verify(&signing_key).inspect_err(|_| {
                // A refusal takes as long as for a key that is not remembered, and for one that does not exist.
                let _ = SigningKey::derive(self.decoy.expose(), credential.scope());
            });
        }
        let signing_key = SigningKey::derive(key.secret.expose(), credential.scope());
        let payload = admitted.verify(&signing_key)?;
        self.signing_keys.remember(credential, &key.secret, signing_key).await;
        Ok(payload)
    }

    fn refuse_slowly(&self, admitted: &Admitted) {
        let decoy = SigningKey::derive(self.decoy.expose(), admitted.credential().scope());
        let _ = std::hint::black_box(admitted.verify(&decoy));
    }
}
