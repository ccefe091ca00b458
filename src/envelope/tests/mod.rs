//! What FORMAT.md promises, shown: a second reader, vectors as files, properties, and parsers fed with rubbish.

mod fixture;
mod roundtrip;
