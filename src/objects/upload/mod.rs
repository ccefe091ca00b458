//! Multipart uploads. The footer is one more upstream part, numbered above every part ever begun; a part that may
//! be the last because it is small is held back in the internal bucket and joined with the footer at the end.

mod abort;
mod attempts;
mod choose;
mod complete;
mod create;
mod join;
mod list;
mod part;
mod rows;
mod send;
mod sweep;

pub(super) use join::JoinedTail;
#[cfg(test)]
pub(super) use sweep::SETTLED;

pub use complete::{CompleteUpload, CompletedPart};
pub use create::{CreateUpload, CreatedUpload};
pub use list::{ListedPart, PartList, UploadEntry, UploadListRequest, UploadListing};
pub use part::{PartChecksum, UploadPart, WrittenPart};
pub use sweep::Swept;
