//! AWS Signature Version 4 as S3 speaks it: parsing, canonical requests, verification, aws-chunked framing. Pure.
