//! The harness of the behaviour tests.

pub mod protected_server;
pub mod tls_front;
