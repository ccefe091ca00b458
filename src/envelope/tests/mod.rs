//! What FORMAT.md promises, shown: a second reader, vectors as files, properties, and parsers fed with rubbish.

mod agree;
mod fixture;
mod roundtrip;
mod rubbish;
mod second_reader;
mod vectors;
