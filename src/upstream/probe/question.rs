//! What an upstream is asked, and what it means when it cannot.

use serde::Serialize;

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// What was written is read and listed at once, and gone once it was deleted.
    ReadBack,
    /// ETags change with the bytes, and are the same in PUT, HEAD and GET.
    Etags,
    /// LIST has the same ETags and sizes.
    ListEtags,
    /// Pages of a listing give every key once.
    ListPages,
    /// A multipart upload becomes one object.
    Multipart,
    /// Listings are in byte order.
    ListOrder,
    /// If-None-Match and If-Match on PutObject.
    ConditionalPut,
    /// The same on CompleteMultipartUpload.
    ConditionalComplete,
    /// If-Match on DeleteObject.
    ConditionalDelete,
    /// `bytes=-N`.
    SuffixRange,
    /// If-Match on GetObject.
    IfMatchOnGet,
    /// UploadPartCopy of a range, with a condition.
    PartCopy,
    /// A PUT that breaks off leaves the object as it was.
    ShortPut,
    /// A part that breaks off leaves the part as it was.
    ShortPart,
    /// `aws-chunked` bodies with a checksum trailer.
    TrailerChecksums,
    /// Tags of objects.
    Tagging,
    /// An object beside others whose keys go on with `/`.
    Beside,
    /// Buckets can keep versions.
    Versioning,
    /// The internal bucket keeps none.
    InternalUnversioned,
}

/// What hangs on a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Without it no object is safe.
    Needed,
    /// Clients' requests for it are refused without.
    Offered,
    /// The proxy gets by without.
    Useful,
    /// Nothing can be done about it: clients meet the difference.
    Shown,
}

impl Question {
    /// All of them, the gravest first.
    pub const ALL: [Self; 19] = [
        Self::ReadBack,
        Self::Etags,
        Self::ListPages,
        Self::Multipart,
        Self::ListEtags,
        Self::ListOrder,
        Self::ConditionalPut,
        Self::ConditionalComplete,
        Self::ConditionalDelete,
        Self::SuffixRange,
        Self::IfMatchOnGet,
        Self::PartCopy,
        Self::ShortPut,
        Self::ShortPart,
        Self::TrailerChecksums,
        Self::Tagging,
        Self::Beside,
        Self::Versioning,
        Self::InternalUnversioned,
    ];

    /// The question in a few words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadBack => "reads see writes at once",
            Self::Etags => "ETags follow the bytes",
            Self::ListPages => "listings are complete",
            Self::ListEtags => "listings have the ETags",
            Self::Multipart => "multipart uploads",
            Self::ListOrder => "listings are in order",
            Self::ConditionalPut => "conditional PUT",
            Self::ConditionalComplete => "conditional Complete",
            Self::ConditionalDelete => "conditional DELETE",
            Self::SuffixRange => "suffix range",
            Self::IfMatchOnGet => "If-Match on GET",
            Self::PartCopy => "UploadPartCopy",
            Self::ShortPut => "broken PUT publishes nothing",
            Self::ShortPart => "broken part publishes nothing",
            Self::TrailerChecksums => "trailer checksums",
            Self::Tagging => "object tags",
            Self::Beside => "object a beside a/b",
            Self::Versioning => "versioning",
            Self::InternalUnversioned => "internal bucket unversioned",
        }
    }

    pub(super) const fn weight(self) -> Weight {
        match self {
            Self::ReadBack | Self::Etags | Self::ListPages | Self::Multipart => Weight::Needed,
            Self::ConditionalPut
            | Self::ConditionalComplete
            | Self::ConditionalDelete
            | Self::Tagging
            | Self::Versioning => Weight::Offered,
            Self::ListOrder | Self::Beside => Weight::Shown,
            Self::ListEtags
            | Self::SuffixRange
            | Self::IfMatchOnGet
            | Self::PartCopy
            | Self::ShortPut
            | Self::ShortPart
            | Self::TrailerChecksums
            | Self::InternalUnversioned => Weight::Useful,
        }
    }

    /// What it means when the answer is no.
    pub(super) const fn without(self) -> &'static str {
        match self {
            Self::ReadBack => "not usable: what was acknowledged must be there",
            Self::Etags => "not usable: a changed object could not be told from the one that is known",
            Self::ListPages => "not usable: clients would take objects for deleted",
            Self::Multipart => "not usable: large objects cannot be written",
            Self::ListEtags => "a listing costs one more request per object",
            Self::ListOrder => "clients that merge sorted listings (sync tools) may go wrong",
            Self::ConditionalPut => "PutObject with If-Match or If-None-Match is refused with 501",
            Self::ConditionalComplete => "CompleteMultipartUpload with a condition is refused with 501",
            Self::ConditionalDelete => "DeleteObject with If-Match is refused with 501",
            Self::SuffixRange => "an object that is not in the index costs two requests instead of one",
            Self::IfMatchOnGet => "every answer's ETag is compared, which costs a request where it changed",
            Self::PartCopy => "copies go through the proxy and are encrypted anew",
            Self::ShortPut => "objects go up as uploads that are completed once they are verified: more requests each",
            Self::ShortPart => "parts go up as temporary objects first and are moved once they are verified",
            Self::TrailerChecksums => "bodies go up without a checksum; the tags of the encryption still tell",
            Self::Tagging => "tagging is refused with 501",
            Self::Beside => "of two such objects one is refused, or missing from listings",
            Self::Versioning => "versions of objects cannot be kept",
            Self::InternalUnversioned => "temporary objects pile up there: switch versioning off on that bucket",
        }
    }
}
