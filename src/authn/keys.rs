//! The port to the access keys: `app` wires it to the store.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;

use crate::base::{PrincipalId, SecretText};

/// Where access keys live. Implementations keep hot keys in memory: every request asks, unknown ids too.
#[async_trait]
pub trait AccessKeys: Send + Sync {
    /// The key of this id, active or not; `None` when there is none.
    async fn find(&self, access_key_id: &str) -> Result<Option<AccessKey>, AccessKeysUnavailable>;
}

/// The keys cannot be asked now; which is not the same as having no such key.
#[derive(Debug, thiserror::Error)]
#[error("the access keys are not available")]
pub struct AccessKeysUnavailable(#[source] pub Box<dyn Error + Send + Sync>);

/// An access key of a principal.
#[derive(Clone)]
pub struct AccessKey {
    /// Whose it is.
    pub principal: Principal,
    /// What requests are signed with.
    pub secret: Arc<SecretText>,
    /// Whether it may be used.
    pub status: AccessKeyStatus,
}

/// Whether an access key may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKeyStatus {
    /// It may.
    Active,
    /// It was switched off; to clients it looks like no key at all.
    Inactive,
}

/// Somebody with access keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Names it for ever.
    pub id: PrincipalId,
    /// As people call it.
    pub name: String,
    /// What it is.
    pub kind: PrincipalKind,
}

/// What a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// The operator: may do everything.
    Root,
    /// A user: may do what was granted.
    User,
}
