//! What /readyz asks of the parts.

use std::sync::Arc;

use async_trait::async_trait;

use crate::admin::Check;
use crate::keys::Keyring;
use crate::objects::Place;
use crate::store::Store;
use crate::upstream::Proof;

/// The keyring says which versions it has.
pub(super) struct KeyringCheck(pub(super) Arc<dyn Keyring>);

#[async_trait]
impl Check for KeyringCheck {
    fn name(&self) -> &str {
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
    fn name(&self) -> &str {
        "store"
    }

    async fn check(&self) -> Result<(), String> {
        self.0.ping().await.map_err(|error| error.to_string())
    }
}

/// An upstream has our own bucket.
pub(super) struct UpstreamCheck {
    name: String,
    place: Place,
}

impl UpstreamCheck {
    pub(super) fn of(place: &Place) -> Self {
        Self { name: format!("upstream.{}", place.name), place: place.clone() }
    }
}

#[async_trait]
impl Check for UpstreamCheck {
    fn name(&self) -> &str {
        &self.name
    }

    async fn check(&self) -> Result<(), String> {
        if !self.place.is_open() {
            return Err("it is not in use yet; the log says why".to_owned());
        }
        if self.place.upstream.capabilities().proof == Proof::Pending {
            return Err("it has not been probed yet; the log says why".to_owned());
        }
        self.place.upstream.head_bucket(&self.place.internal_bucket).await.map_err(|error| error.to_string())
    }
}
