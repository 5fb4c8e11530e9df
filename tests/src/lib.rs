//! The harness of the behaviour tests.

pub mod protected_server;
pub mod scripted;
pub mod scripted_http;
