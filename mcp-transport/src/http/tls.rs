//! TLS to the server.
use super::stream::Stream;
use crate::error::BoxError;
/// x
pub(super) struct Tls;
/// The version of HTTP that the server chose (RFC 7301).
pub(super) enum Alpn {
    Http1,
    Http2,
}
impl Tls {
    pub(super) async fn wrap(
        &self,
        _host: &str,
        stream: Stream,
    ) -> Result<(Stream, Alpn), BoxError> {
        Ok((stream, Alpn::Http1))
    }
}
