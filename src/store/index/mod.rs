//! The index of objects: slow to lose, never wrong.
