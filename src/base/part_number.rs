//! Part numbers as clients give them.

use super::limits::MAX_PART_NUMBER;

/// A multipart part number, 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartNumber(u16);

impl PartNumber {
    /// `None` outside 1..=10000.
    pub fn new(number: u32) -> Option<Self> {
        u16::try_from(number).ok().filter(|n| (1..=MAX_PART_NUMBER).contains(n)).map(Self)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}
