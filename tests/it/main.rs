//! Behaviour through the public API, one binary.

mod bad_input;
mod cache;
mod cache_sharing;
mod changes;
mod checked_later;
mod era;
mod hub;
mod input;
mod logging;
mod oauth;
mod oauth_clients;
mod oauth_grants;
mod readme;
mod requests;
mod sessions;
mod skills;
mod tasks;
mod testing;
