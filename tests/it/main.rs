//! Behaviour through the public API, one binary.
