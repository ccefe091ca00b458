//! The S3 wire: requests into closed enums, answers into XML and headers. Pure.
