//! The state key of this deployment: made on the first start, and the proof on every other that keyring and database
//! belong together.

use super::error::StartError;
use super::ground::Ground;
use crate::base::{Clock, random};
use crate::keys::{Keyring, KeysError, StateKey, WrappedKey};
use crate::store::{DeploymentRow, Store};

/// Opens the state key, or makes it where nothing is sealed yet.
///
/// A keyring by another name, or one that does not unwrap the key, is refused: going on would seal new secrets under
/// keys that the next start does not find.
pub(super) async fn open(
    store: &Store,
    keyring: &dyn Keyring,
    ground: &Ground,
    clock: &Clock,
) -> Result<StateKey, StartError> {
    let Some(row) = store.deployment().await? else {
        return make(store, keyring, ground, clock).await;
    };
    let wrapped = WrappedKey { version: row.state_key_version, bytes: row.state_key_wrap };
    StateKey::open(keyring, &row.keyring, &row.deployment_id, &wrapped).await.map_err(|error| refused(ground, error))
}

async fn make(store: &Store, keyring: &dyn Keyring, ground: &Ground, clock: &Clock) -> Result<StateKey, StartError> {
    if !store.holds_no_keys().await? {
        return Err(ground.other_keyring("the database holds keys, but not its state key"));
    }
    let deployment_id = random::bytes();
    let (key, wrapped) = StateKey::create(keyring, &deployment_id).await.map_err(|error| refused(ground, error))?;
    let row = DeploymentRow {
        deployment_id,
        keyring: keyring.identity(),
        state_key_version: wrapped.version,
        state_key_wrap: wrapped.bytes,
        created: clock.now(),
    };
    store.insert_deployment(row).await?;
    Ok(key)
}

fn refused(ground: &Ground, error: KeysError) -> StartError {
    match error {
        KeysError::Unavailable { .. } => StartError::Keys(error),
        KeysError::Refused { .. }
        | KeysError::OtherKeyring { .. }
        | KeysError::NoSuchKey(_)
        | KeysError::WrongDomain(_)
        | KeysError::Integrity(_) => ground.other_keyring(&error.to_string()),
    }
}
