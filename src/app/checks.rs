//! What /readyz asks of the parts.

use std::sync::Arc;

use async_trait::async_trait;

use crate::admin::Check;
use crate::base::BucketName;
use crate::keys::Keyring;
use crate::store::Store;
use crate::upstream::Upstream;

/// The keyring says which versions it has.
pub(super) struct KeyringCheck(pub(super) Arc<dyn Keyring>);

#[async_trait]
impl Check for KeyringCheck {
    fn name(&self) -> &'static str {
        "keyring"
    }

    async fn check(&self) -> Result<(), String> {
        self.0.versions().await.map(drop).map_err(|error| error.to_string())
    }
}

/// The database answers a query.
pub(super) struct StoreCheck(pub(super) Store);

#[async_trait]
impl Check for StoreCheck {
    fn name(&self) -> &'static str {
        "store"
    }

    async fn check(&self) -> Result<(), String> {
        self.0.ping().await.map_err(|error| error.to_string())
    }
}

/// The upstream has our own bucket.
pub(super) struct UpstreamCheck(pub(super) Arc<dyn Upstream>, pub(super) BucketName);

#[async_trait]
impl Check for UpstreamCheck {
    fn name(&self) -> &'static str {
        "upstream"
    }

    async fn check(&self) -> Result<(), String> {
        self.0.head_bucket(&self.1).await.map_err(|error| error.to_string())
    }
}
