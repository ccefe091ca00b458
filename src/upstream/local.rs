//! A directory on this machine as the store behind us.
