//! The client against a real service, and against one that does what a script says.

mod answers;
mod double;
mod faults;
mod minio;
mod tls;
mod uploads;
mod wire;
