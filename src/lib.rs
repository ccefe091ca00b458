//! Crypt-Keeper: an S3-compatible encrypting reverse proxy.
//!
//! The map. Modules stand on floors; imports go down only, and modules on one floor do not know each other
//! (`conformance/floors.rs` fails on an upward import):
//!
//! ```text
//! cli                                          10  parse, dispatch, exit code
//! app                                           9  Config -> App: order of start, drain
//! config                                        8  raw (serde) -> resolved
//! edge  admin  jobs                             7  S3 listener | health and metrics | background work
//! gateway                                       6  the pipeline; op/<operation>.rs; error.rs the S3 error mapping
//! objects                                       5  sealed objects over keys, index and upstream
//! authz                                         4  decide() -> Permit
//! authn                                         3  SigV4 -> Authenticated
//! keys  store  upstream  hashing                2  each speaks to one outside thing
//! s3  sigv4  envelope                           1  pure: no tokio, no sockets, no clock, no randomness
//! base                                          0  secrets, ids, clock, limits
//! ```
//!
//! The invariants:
//! - Nothing below authz runs for a client without a `Permit`; a permit is made by `authz::decide` only.
//! - Plaintext never leaves the process upstream, and no unverified byte leaves it downstream.
//! - An object or part is published upstream only after the client's own proof of the body has been checked.
//! - Every secret has a type of its own, without Debug, Display, Clone or Serialize.

pub mod base;
pub mod envelope;
pub mod s3;
pub mod sigv4;

pub mod hashing;
pub mod keys;
pub mod store;
pub mod upstream;

pub mod authn;

pub mod authz;

pub mod objects;

pub mod gateway;

pub mod admin;
pub mod edge;
pub mod jobs;

pub mod config;

pub mod app;

pub mod cli;
