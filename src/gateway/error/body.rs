//! Refused bodies, and what never became a request: all of them the client's.

use super::{Code, Failure};
use crate::base::Refusal;
use crate::gateway::body::BodyFault;
use crate::sigv4::ChunkFault;

impl From<BodyFault> for Failure {
    fn from(fault: BodyFault) -> Self {
        place(&fault).because(&fault)
    }
}

/// What never became a request.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed => {
                Self::client(Code::BadRequest).saying("An error occurred when parsing the HTTP request.")
            }
            Refusal::HeadTooLarge => Self::client(Code::RequestHeaderSectionTooLarge),
            Refusal::HeadTimeout => Self::client(Code::RequestTimeout),
            Refusal::TwoLengths => {
                Self::client(Code::InvalidRequest).saying("Content-Length and Transfer-Encoding must not come together")
            }
            Refusal::TooManyConnections => Self::overload("as many connections as there may be are open"),
        }
    }
}

fn place(fault: &BodyFault) -> Failure {
    match fault {
        BodyFault::Gone | BodyFault::Length => Failure::client(Code::IncompleteBody),
        BodyFault::Idle => Failure::client(Code::RequestTimeout),
        BodyFault::Chunks(fault) => chunks(*fault),
        BodyFault::Sha256 { declared, computed } => Failure::client(Code::ContentSha256Mismatch)
            .and("ClientComputedContentSHA256", hex::encode(declared.bytes()))
            .and("S3ComputedContentSHA256", hex::encode(computed.bytes())),
        BodyFault::Md5 => {
            Failure::client(Code::BadDigest).saying("The Content-MD5 you specified did not match what we received.")
        }
        BodyFault::Checksum(algorithm) => Failure::client(Code::BadDigest)
            .saying(format!("The {} you specified did not match the calculated checksum.", algorithm.name())),
        BodyFault::TrailerValue(algorithm) => Failure::client(Code::InvalidRequest)
            .saying(format!("Value for {} trailing header is invalid.", algorithm.header())),
    }
}

fn chunks(fault: ChunkFault) -> Failure {
    match fault {
        ChunkFault::MalformedChunk | ChunkFault::Truncated | ChunkFault::LengthMismatch => {
            Failure::client(Code::IncompleteBody).saying(fault.to_string())
        }
        ChunkFault::ChunkTooSmall { chunk, size } => Failure::client(Code::InvalidChunkSize)
            .and("Chunk", chunk.to_string())
            .and("BadChunkSize", size.to_string()),
        ChunkFault::SignatureMismatch => Failure::client(Code::SignatureDoesNotMatch).saying(fault.to_string()),
        ChunkFault::MalformedTrailer => Failure::client(Code::MalformedTrailer),
    }
}
