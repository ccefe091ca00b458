//! Whole requests and bodies: AWS's published examples, an independent signer as oracle, and what must be refused.

mod bodies;
mod body_refusals;
mod oracle;
mod random;
mod refusals;
mod vectors;
