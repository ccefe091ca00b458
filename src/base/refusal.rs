//! What the listener refuses by itself: it knows when, the gateway knows what to say.

/// Why a client is answered without its request having been looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What came is not HTTP/1.1.
    Malformed,
    /// A request line or head beyond the limits of the listener.
    HeadTooLarge,
    /// A head was begun and not finished in time.
    HeadTimeout,
    /// Content-Length beside Transfer-Encoding: how a request hides in another one.
    TwoLengths,
    /// As many connections as there may be are open.
    TooManyConnections,
}
