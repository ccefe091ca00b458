//! Identifiers of 16 random bytes: one type each, so that one cannot stand in the place of another.

use std::fmt;

use super::random;

macro_rules! id16 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A fresh random identifier.
            pub fn generate() -> Self {
                Self(random::bytes())
            }

            /// From its 16 bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// From stored bytes; `None` unless there are exactly 16.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// Its 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id16!(
    /// Made with a DEK; names one encrypted body (FORMAT.md, "Identifiers").
    BodyId
);
id16!(
    /// Fresh for every footer; names one object version (FORMAT.md, "Identifiers").
    FooterId
);
id16!(
    /// Made when a bucket is created or adopted; part of every object's name binding.
    BucketId
);
id16!(
    /// Names a bucket key; carried in the trailer.
    KeyId
);
id16!(
    /// Names a key domain: the set of buckets that share one line of bucket keys.
    DomainId
);
id16!(
    /// Names a principal: a user that owns access keys.
    PrincipalId
);
id16!(
    /// Names one request in answers and logs.
    RequestId
);
