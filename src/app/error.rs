//! Why it does not start: one line each, which says what to do. Nothing has been changed then.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::base::BucketName;
use crate::edge::tls::CertificateFault;
use crate::keys::{KeysError, LocalKeyringError, VaultFault};
use crate::objects::{ClaimError, ObjectError};
use crate::store::StoreError;
use crate::upstream::local::LocalOpenError;
use crate::upstream::s3::S3OpenError;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process listens there.
    #[error("{setting}: {address} is taken by another process: stop that one, or give another address")]
    AddressTaken {
        /// Which setting names the address.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The address is not of this machine, or a port that this user may not take.
    #[error("{setting}: cannot listen on {address} ({source}): give an address of this machine and a free port")]
    Address {
        /// Which setting names the address.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateFault),
    /// The data directory holds something else.
    #[error(
        "{path} holds other files ({found}) and no Crypt-Keeper data: give an empty directory, a new one or the right one"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One of the files.
        found: String,
    },
    /// A path that we must have cannot be used.
    #[error(
        "{path} cannot be used ({source}): this user must be able to read and write it; change its owner or the path"
    )]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process serves the same state.
    #[error("{path} is in use by another process: stop that one, or give this one a place of its own")]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// Data without the keyring that can read them.
    #[error(
        "the keyring {keyring} is missing, but {data} is not empty: put the keyring back from its backup (a new one could read nothing of it, so none is made)"
    )]
    KeyringMissing {
        /// Where it should be.
        keyring: PathBuf,
        /// What is there without it.
        data: PathBuf,
    },
    /// Objects without the database.
    #[error(
        "the database {state} is missing, but {objects} is not empty: put the database back from its backup, or give the path of an empty directory for new objects"
    )]
    StateMissing {
        /// Where it should be.
        state: PathBuf,
        /// What is there without it.
        objects: PathBuf,
    },
    /// The database without its objects.
    #[error(
        "{objects} is empty, but the database {state} knows buckets: mount or restore the objects, or give the right path"
    )]
    ObjectsMissing {
        /// Where they should be.
        objects: PathBuf,
        /// What knows of them.
        state: PathBuf,
    },
    /// The keyring file cannot be opened.
    #[error(transparent)]
    Keyring(#[from] LocalKeyringError),
    /// Vault does not let us use its key.
    #[error("the keyring {keyring}: {fault}")]
    Vault {
        /// The keyring.
        keyring: String,
        /// What was seen.
        fault: VaultFault,
    },
    /// A keyring that is not the one of this database.
    #[error(
        "the keyring {keyring} is not the one that the database {state} was made with ({detail}): give the right keyring, or the right database"
    )]
    OtherKeyring {
        /// The keyring.
        keyring: String,
        /// The database.
        state: PathBuf,
        /// What was seen.
        detail: String,
    },
    /// The keyring does not answer.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row that does not open under the state key.
    #[error(
        "the access key {access_key_id} in the database {state} is damaged: restore the newest backup of the database, it was left as it is"
    )]
    AccessKeyDamaged {
        /// Which.
        access_key_id: String,
        /// The database.
        state: PathBuf,
    },
    /// The configured root access key belongs to a user.
    #[error("root.access_key_id: {0} is the access key of another user: give the root user another id")]
    RootKeyTaken(String),
    /// The threads that hash cannot be made, or compute wrongly.
    #[error("MD5: {0}")]
    Md5(#[source] io::Error),
    /// The database lost its first row between two queries.
    #[error("the database does not know its deployment: another process changes it")]
    DeploymentLost,
    /// The configuration wants a bucket at another upstream than it is.
    #[error(
        "bucket.{bucket}.upstream: the bucket is at the upstream {at:?}, not at {wanted:?}: name the one that it is at (to move it, copy its objects into a new bucket)"
    )]
    BucketElsewhere {
        /// The bucket.
        bucket: BucketName,
        /// Where it is.
        at: String,
        /// What the configuration says.
        wanted: String,
    },
    /// A client's bucket has the name that the configuration gives to ours.
    #[error(
        "upstream.{upstream}.internal_bucket: {bucket} is a bucket that clients use: give the internal one another name"
    )]
    InternalBucketInUse {
        /// The bucket.
        bucket: BucketName,
        /// The upstream whose internal bucket it should be.
        upstream: String,
    },
    /// What the configuration says of an S3 service cannot be used.
    #[error("upstream.{upstream}: {source}")]
    UpstreamSettings {
        /// The upstream.
        upstream: String,
        /// Why not.
        source: S3OpenError,
    },
    /// An upstream that a probe has found to be of no use.
    #[error("upstream.{upstream} cannot be used: {fault} (crypt-keeper doctor shows everything)")]
    UpstreamUnusable {
        /// The upstream.
        upstream: String,
        /// What was found.
        fault: String,
    },
    /// An upstream that is another deployment's, or does not do what we need.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The upstream's directory cannot be opened.
    #[error(transparent)]
    UpstreamOpen(#[from] LocalOpenError),
    /// Uploads that were cut off cannot be opened again.
    #[error("uploads in flight cannot be read: {0}")]
    Objects(#[from] ObjectError),
}

impl StartError {
    pub(super) fn unusable(path: &Path, source: io::Error) -> Self {
        Self::Unusable { path: path.to_owned(), source }
    }
}
