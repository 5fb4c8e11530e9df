//! The test kit, used as its users do.

mod recording;
mod servers;
