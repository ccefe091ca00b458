//! The configuration of `crypt-keeper dev`: one directory, and nothing to write.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use super::resolve::default_log;
use super::secret::from_environment;
use super::{
    Config, Environment, Fault, Faults, KeyringConfig, Limits, Region, RootCredential, StoreConfig, UpstreamConfig,
    UpstreamKind, access_key_id, default_admin_listen,
};
use crate::base::BucketName;
use crate::base::limits::INTERNAL_BUCKET;
use crate::objects::{AdoptBuckets, DEFAULT_UPSTREAM, ForeignObjects};

/// The root user's access key id, where the user wants one of their own.
pub const ROOT_ACCESS_KEY_VARIABLE: &str = "CRYPT_KEEPER_ROOT_ACCESS_KEY";
/// Its secret; then neither printed nor stored in clear.
pub const ROOT_SECRET_KEY_VARIABLE: &str = "CRYPT_KEEPER_ROOT_SECRET_KEY";

impl Config {
    /// Everything below `data_dir`: `state.db`, `index.db`, `keyring`, `objects/`.
    ///
    /// # Errors
    /// Every fault of the flags and the environment.
    pub fn dev(
        data_dir: &Path,
        listen: SocketAddr,
        admin_listen: Option<SocketAddr>,
        env: Environment<'_>,
    ) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, message: String| faults.push(Fault { line: 0, key: key.to_owned(), message });
        let admin = admin_listen.or_else(|| default_admin_listen(listen));
        if admin.is_none() {
            fault("--admin-listen", "must be given: there is no port after that of --listen".to_owned());
        }
        let root = root(env, &mut fault);
        let internal_bucket = BucketName::parse(INTERNAL_BUCKET);
        let (Some(admin_listen), Some(root), Some(internal_bucket), true) =
            (admin, root, internal_bucket, faults.is_empty())
        else {
            return Err(Faults::new(None, faults));
        };
        Ok(Self {
            listen,
            tls: None,
            admin_listen,
            region: Region::Any,
            domains: Vec::new(),
            root,
            store: StoreConfig { state_path: data_dir.join("state.db"), index_path: data_dir.join("index.db") },
            upstreams: vec![UpstreamConfig {
                name: DEFAULT_UPSTREAM.to_owned(),
                kind: UpstreamKind::Local { path: data_dir.join("objects") },
                internal_bucket,
                adopt: AdoptBuckets::Never,
                foreign: ForeignObjects::Refuse,
            }],
            buckets: HashMap::new(),
            keyring: KeyringConfig::Local { path: data_dir.join("keyring") },
            log: default_log(),
            limits: Limits::default(),
            data_dir: Some(data_dir.to_owned()),
            warnings: Vec::new(),
        })
    }
}

/// Both variables or neither; `None` where a fault has been noted.
fn root(env: Environment<'_>, fault: &mut impl FnMut(&str, String)) -> Option<RootCredential> {
    match (env(ROOT_ACCESS_KEY_VARIABLE), env(ROOT_SECRET_KEY_VARIABLE)) {
        (None, None) => Some(RootCredential::Generated),
        (Some(_), None) => {
            fault(ROOT_SECRET_KEY_VARIABLE, format!("must be set together with {ROOT_ACCESS_KEY_VARIABLE}"));
            None
        }
        (None, Some(_)) => {
            fault(ROOT_ACCESS_KEY_VARIABLE, format!("must be set together with {ROOT_SECRET_KEY_VARIABLE}"));
            None
        }
        (Some(id), Some(_)) => {
            let id = access_key_id(&id.to_string_lossy()).map_err(|message| fault(ROOT_ACCESS_KEY_VARIABLE, message));
            let secret = from_environment(ROOT_SECRET_KEY_VARIABLE, env)
                .map_err(|message| fault(ROOT_SECRET_KEY_VARIABLE, message));
            Some(RootCredential::Given { access_key_id: id.ok()?, secret: secret.ok()? })
        }
    }
}
