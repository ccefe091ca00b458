//! From configuration to a running server: the order of start and drain.
//!
//! [`start`] is the order, each line with the reason it stands there. [`Running::drain`] reverses it.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::admin::{self, Admin, Check};
use crate::authn::{Authenticator, RegionPolicy};
use crate::base::shutdown::shutdown;
use crate::base::{Clock, Metrics, ShutdownTrigger};
use crate::config::{Config, KeyringConfig, Region};
use crate::edge::tls::Tls;
use crate::edge::{self, Drained, Reserved};
use crate::gateway::{Gateway, GatewayLimits, GatewayParts, Scheme};
use crate::hashing::Md5Lanes;
use crate::jobs;
use crate::keys::{BucketKeys, CacheLimits, Keyring, LocalKeyring, VaultKeyring};
use crate::objects::{DEFAULT_REGION, Foundations, Objects, Swept};
use crate::s3::Addressing;
use crate::store::Store;
use crate::store::index::Index;
use crate::upstream::local::LocalUpstream;

use self::access_keys::{Secrets, StoredAccessKeys};
use self::checks::{KeyringCheck, StoreCheck, UpstreamCheck};
use self::ground::{Age, Ground};
use self::key_records::StoredBucketKeys;
use self::listener::S3Service;
use self::places::Places;
use self::probing::Services;

mod access_keys;
mod adopt;
mod bounds;
mod checks;
mod doctor;
mod error;
mod ground;
mod housekeeping;
mod key_records;
mod listener;
mod places;
mod probing;
mod root;
mod state_key;

pub use adopt::{AdoptRefused, AdoptReport, adopt};
pub use doctor::{Examination, Examined, examine};
pub use error::StartError;
pub use root::ShownCredential;

/// Starts a server; it answers when this returns.
///
/// # Errors
/// One line that says what to do. Whatever was found on disk has not been changed then.
pub async fn start(config: Config) -> Result<Running, StartError> {
    start_at(config, Clock::System).await
}

/// Starts a server that takes the time from `clock`.
///
/// # Errors
/// As [`start`].
pub async fn start_at(config: Config, clock: Clock) -> Result<Running, StartError> {
    let metrics = Arc::new(Metrics::new());
    for warning in &config.warnings {
        warn!("the configuration: {warning}");
    }

    // Addresses first, though nobody is answered before the end: a port that is taken is found before anything on
    // disk is touched.
    let s3 = reserve("listen", config.listen)?;
    let admin = reserve("admin_listen", config.admin_listen)?;

    // Certificate and key, for the same reason.
    let certificates = listener::certificates(config.tls.as_ref())?;
    let tls = certificates.clone().map(Tls::new).transpose()?;

    // The places on disk, looked at together and then held against other processes.
    let ground = Ground::claim(&config)?;

    // Keys before state: nothing is stored that is not sealed under them.
    let keyring = open_keyring(config.keyring, &ground, &clock).await?;
    let store = Store::open(&ground.store_url()?).await?;
    let state_key = state_key::open(&store, &*keyring, &ground, &clock).await?;

    // The upstreams after the state, which knows whose they are and what should be in them.
    let places = Places::open(config.upstreams, config.buckets, &config.region, &store, &ground, &clock).await?;
    let deployment_id = store.deployment().await?.ok_or(StartError::DeploymentLost)?.deployment_id;
    places.claim(&deployment_id).await?;
    let services = Services::new(places.services, clock.clone(), metrics.clone());
    services.at_start().await?;
    let upstreams = places.upstreams;

    // Who may come in.
    let secrets = Arc::new(Secrets::new(state_key));
    let root = root::settle(&config.root, &store, &secrets, &ground.state, &clock).await?;
    let access_keys = Arc::new(StoredAccessKeys::new(store.clone(), secrets));
    let authenticator = Arc::new(Authenticator::new(access_keys.clone(), regions(&config.region), clock.clone()));

    // What they find, and who hashes what they bring.
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let md5 = Md5Lanes::for_cores(cores).map_err(StartError::Md5)?;
    let index = Index::open(&config.store.index_path).await?;
    let records = Arc::new(StoredBucketKeys(store.clone()));
    let keys = BucketKeys::new(keyring.clone(), records, clock.clone(), CacheLimits::default());
    let objects = Objects::new(Foundations {
        upstreams: upstreams.clone(),
        policies: places.policies,
        keys: keys.clone(),
        store: store.clone(),
        index: index.clone(),
        md5,
        clock: clock.clone(),
    });
    match objects.reopen_uploads().await {
        Ok(0) => {}
        Ok(reopened) => info!(reopened, "uploads whose Complete was cut off are open again"),
        // On a full disk reads and deletes must go on; those uploads can be completed or aborted all the same.
        Err(error) => warn!(%error, "uploads whose Complete was cut off take no parts until the next start"),
    }
    match objects.sweep_cut_off().await {
        Ok(swept) if swept == Swept::default() => {}
        Ok(swept) => info!(?swept, "removed what was cut off"),
        Err(error) => warn!(%error, "what was cut off is left to the next sweep"),
    }
    let gateway = Gateway::new(GatewayParts {
        objects: objects.clone(),
        authenticator: authenticator.clone(),
        addressing: Addressing::new(config.domains),
        region: region_name(&config.region),
        regions: regions(&config.region),
        scheme: listener::scheme(config.tls.as_ref()),
        clock,
        limits: GatewayLimits {
            max_requests: bounds::max_requests(&config.limits),
            idle_timeout: config.limits.idle_timeout,
        },
        metrics: metrics.clone(),
    });

    // Sockets last: from here on clients are answered.
    let (s3_address, admin_address) = (s3.address(), admin.address());
    let s3 = s3.listen().map_err(|error| address_error("listen", s3_address, error))?;
    let admin = admin.listen().map_err(|error| address_error("admin_listen", admin_address, error))?;
    let (s3_trigger, s3_shutdown) = shutdown();
    let (admin_trigger, admin_shutdown) = shutdown();
    let edge_limits = listener::limits(&config.limits);
    let service = S3Service(gateway);
    let serving = tokio::spawn(edge::serve(s3, tls, service, edge_limits, metrics.clone(), s3_shutdown.clone()));
    let following = certificates.map(|certificates| tokio::spawn(certificates.follow(s3_shutdown.clone())));
    let mut checks: Vec<Box<dyn Check>> =
        vec![Box::new(KeyringCheck(keyring.clone())), Box::new(StoreCheck(store.clone()))];
    checks.extend(upstreams.iter().map(|place| Box::new(UpstreamCheck::of(place)) as Box<dyn Check>));
    let checks = Admin { metrics: metrics.clone(), checks, draining: s3_shutdown.clone() };
    let administering = tokio::spawn(admin::serve(admin, checks, admin_shutdown));
    let sweeping = tokio::spawn(jobs::sweep(objects, s3_shutdown.clone()));
    let names: Vec<&str> = upstreams.iter().map(|place| place.name.as_str()).collect();
    let scheme = listener::scheme(config.tls.as_ref());
    info!(s3 = %s3_address, scheme = scheme.name(), admin = %admin_address, upstreams = names.join(" "), "ready");
    let claiming = tokio::spawn(places::claim_later(upstreams, deployment_id, s3_shutdown.clone()));
    let probing = tokio::spawn(services.keep_probing(s3_shutdown.clone()));
    let housekeeping =
        housekeeping::Housekeeping { authenticator, access_keys, keys, keyring, index: index.clone(), metrics };
    let keeping = tokio::spawn(housekeeping.run(s3_shutdown));
    Ok(Running {
        scheme,
        s3_address,
        admin_address,
        root,
        s3_trigger,
        serving,
        admin_trigger,
        administering,
        background: [Some(sweeping), Some(claiming), Some(probing), Some(keeping), following]
            .into_iter()
            .flatten()
            .collect(),
        index,
        local: places.local,
        store,
        _ground: ground,
    })
}

/// A server that answers.
pub struct Running {
    scheme: Scheme,
    s3_address: SocketAddr,
    admin_address: SocketAddr,
    root: ShownCredential,
    s3_trigger: ShutdownTrigger,
    serving: JoinHandle<Drained>,
    admin_trigger: ShutdownTrigger,
    administering: JoinHandle<io::Result<()>>,
    background: Vec<JoinHandle<()>>,
    index: Index,
    local: Vec<Arc<LocalUpstream>>,
    store: Store,
    _ground: Ground,
}

impl Running {
    /// How S3 clients connect.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Where S3 clients connect.
    pub const fn s3_address(&self) -> SocketAddr {
        self.s3_address
    }

    /// Where health and metrics are.
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// The root user's credential.
    pub const fn root(&self) -> &ShownCredential {
        &self.root
    }

    /// Waits until a listener ends by itself, which none should, and names it. Cancel-safe; once only.
    pub async fn ended(&mut self) -> &'static str {
        tokio::select! {
            _ = &mut self.serving, if !self.serving.is_finished() => "S3",
            _ = &mut self.administering, if !self.administering.is_finished() => "admin",
        }
    }

    /// Ends in the reverse order of the start. Requests in flight may go on for the configured time.
    pub async fn drain(self) {
        self.s3_trigger.begin();
        match self.serving.await {
            Ok(Drained { cut_off: 0 }) => info!("every request was answered"),
            Ok(Drained { cut_off }) => warn!(cut_off, "connections were cut off"),
            Err(error) => warn!(%error, "the S3 listener broke off"),
        }
        for task in self.background {
            if let Err(error) = task.await {
                warn!(%error, "a background task broke off");
            }
        }
        // Until here it says that we are draining.
        self.admin_trigger.begin();
        match self.administering.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "the admin listener failed"),
            Err(error) => warn!(%error, "the admin listener broke off"),
        }
        self.index.close().await;
        for upstream in self.local {
            upstream.close().await;
        }
        self.store.close().await;
        info!("down");
    }
}

fn reserve(setting: &'static str, address: SocketAddr) -> Result<Reserved, StartError> {
    Reserved::bind(address).map_err(|error| address_error(setting, address, error))
}

fn address_error(setting: &'static str, address: SocketAddr, source: io::Error) -> StartError {
    match source.kind() {
        io::ErrorKind::AddrInUse => StartError::AddressTaken { setting, address },
        _ => StartError::Address { setting, address, source },
    }
}

async fn open_keyring(config: KeyringConfig, ground: &Ground, clock: &Clock) -> Result<Arc<dyn Keyring>, StartError> {
    let name = config.to_string();
    match config {
        KeyringConfig::Local { path } => Ok(Arc::new(open_local_keyring(&path, ground, clock)?)),
        KeyringConfig::Vault(settings) => {
            let opened = VaultKeyring::open(*settings).await;
            Ok(Arc::new(opened.map_err(|fault| StartError::Vault { keyring: name, fault })?))
        }
    }
}

/// A keyring is made only where nothing could have been sealed under another one; it is on disk when this returns.
fn open_local_keyring(path: &Path, ground: &Ground, clock: &Clock) -> Result<LocalKeyring, StartError> {
    match ground.age {
        Age::Fresh => {
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                ground::make_dir(parent)?;
            }
            Ok(LocalKeyring::create_new(path, clock.now())?)
        }
        Age::Existing => Ok(LocalKeyring::open(path)?),
    }
}

fn region_name(region: &Region) -> String {
    match region {
        Region::Any => DEFAULT_REGION.to_owned(),
        Region::Only(region) => region.clone(),
    }
}

fn regions(region: &Region) -> RegionPolicy {
    match region {
        Region::Any => RegionPolicy::Any,
        Region::Only(region) => RegionPolicy::Only { canonical: region.clone(), aliases: Vec::new() },
    }
}
