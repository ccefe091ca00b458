//! Ground floor: what every other module may use and what itself knows nothing.

pub mod checksum;
pub mod clock;
pub mod directory;
pub mod etag;
pub mod ids;
pub mod limits;
pub mod metrics;
pub mod names;
pub mod part_number;
pub mod random;
pub mod refusal;
pub mod secret;
pub mod shutdown;

pub use checksum::{ChecksumAlgorithm, ChecksumType, Digest, ObjectChecksum};
pub use clock::{Clock, Timestamp};
pub use etag::{ETag, Md5};
pub use ids::{BodyId, BucketId, DomainId, FooterId, KeyId, PrincipalId, RequestId};
pub use metrics::Metrics;
pub use names::{BucketName, ObjectKey};
pub use part_number::PartNumber;
pub use refusal::Refusal;
pub use secret::{Key32, SecretText};
pub use shutdown::{Shutdown, ShutdownTrigger};
