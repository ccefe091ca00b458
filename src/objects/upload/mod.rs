//! Multipart uploads. The footer is one more upstream part, numbered above every part ever begun; a part that may
//! be the last because it is small is held back in the internal bucket and joined with the footer at the end.

mod abort;
mod complete;
mod create;
mod join;
mod list;
mod part;
mod rows;
mod sweep;

pub use complete::{CompleteUpload, CompletedPart};
pub use create::{CreateUpload, CreatedUpload};
pub use list::{ListedPart, PartList, UploadEntry, UploadListRequest, UploadListing};
pub use part::{UploadPart, WrittenPart};
pub use sweep::Swept;
