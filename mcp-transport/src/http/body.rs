//! The body of an answer, read while its connection is driven.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, timeout_at};

use super::{
    content_coding::{Coding, Decoded},
    pool::Lease,
};
use crate::{DeliveryError, error::DeliveryErrorKind};

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyFailure {
    /// The connection broke, or ended too early.
    #[error("the body broke off")]
    Broken(#[source] crate::error::BoxError),
    /// The server fell silent.
    #[error("no byte for {0:?}")]
    Silent(Duration),
    /// More than the limit.
    #[error("the body exceeds {0} bytes")]
    TooLarge(usize),
}

/// The bytes of an answer as they arrive, decompressed.
pub(super) enum Body {
    /// As they come.
    Raw(RawBody),
    /// Through a decoder.
    Decoded(Box<Decoded>),
}

/// The bytes of an answer as they were sent.
pub(super) struct RawBody {
    incoming: Incoming,
    /// Gone when the connection was given back.
    lease: Option<Lease>,
    /// The longest silence.
    idle: Option<Duration>,
}

impl RawBody {
    /// The next bytes; `None` at the end, when the connection has gone back to the pool.
    pub(super) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyFailure>>> {
        let Some(lease) = &mut self.lease else { return Poll::Ready(None) };
        let incoming = &mut self.incoming;
        loop {
            let frame = lease
                .connection
                .poll_beside(cx, self.idle, |cx| Pin::new(&mut *incoming).poll_frame(cx));
            let failure = match ready!(frame) {
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => {
                        lease.connection.timer().rewind();
                        if incoming.is_end_stream() {
                            self.end();
                        }
                        return Poll::Ready(Some(Ok(data)));
                    }
                    // Trailers mean nothing here.
                    _ => continue,
                },
                Ok(None) => {
                    self.end();
                    return Poll::Ready(None);
                }
                Ok(Some(Err(error))) => BodyFailure::Broken(error.into()),
                Err(limit) => BodyFailure::Silent(limit),
            };
            self.lease = None;
            return Poll::Ready(Some(Err(failure)));
        }
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl Body {
    /// The body of an answer that came on `lease`.
    pub(super) fn new(
        incoming: Incoming,
        mut lease: Lease,
        idle: Option<Duration>,
        coding: Option<Coding>,
    ) -> Self {
        lease.connection.timer().rewind();
        let raw = RawBody { incoming, lease: Some(lease), idle };
        match coding {
            None => Self::Raw(raw),
            Some(coding) => Self::Decoded(Box::new(Decoded::new(coding, raw))),
        }
    }

    /// Changes the longest silence.
    pub(super) fn set_idle(&mut self, idle: Option<Duration>) {
        self.raw_mut().idle = idle;
    }

    /// The next bytes; `None` at the end, when the connection has gone back to the pool.
    pub(super) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyFailure>>> {
        match self {
            Self::Raw(raw) => raw.poll_chunk(cx),
            Self::Decoded(decoded) => decoded.poll_chunk(cx),
        }
    }

    /// [`poll_chunk`](Self::poll_chunk) to await.
    pub(super) async fn chunk(&mut self) -> Option<Result<Bytes, BodyFailure>> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// Everything, in one piece.
    pub(super) async fn whole(&mut self, limit_bytes: usize) -> Result<Bytes, BodyFailure> {
        let announced = self.announced();
        if announced.is_some_and(|length| length > limit_bytes as u64) {
            return Err(BodyFailure::TooLarge(limit_bytes));
        }
        let fits = |length: usize| {
            if length > limit_bytes { Err(BodyFailure::TooLarge(limit_bytes)) } else { Ok(length) }
        };
        let Some(first) = self.chunk().await.transpose()? else { return Ok(Bytes::new()) };
        fits(first.len())?;
        // A body of one piece is handed on as it is.
        let Some(second) = self.chunk().await.transpose()? else { return Ok(first) };
        let length = announced.and_then(|length| usize::try_from(length).ok());
        let expected = length.unwrap_or(2 * (first.len() + second.len()));
        let mut whole = BytesMut::with_capacity(expected.min(limit_bytes));
        whole.extend_from_slice(&first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            fits(whole.len() + chunk.len())?;
            whole.extend_from_slice(&chunk);
            next = self.chunk().await.transpose()?;
        }
        Ok(whole.freeze())
    }

    /// The start: at most `limit_bytes`, and what comes within `limit`. What is missing at an early
    /// end is not complained about.
    pub(super) async fn excerpt(&mut self, limit_bytes: usize, limit: Duration) -> Bytes {
        let deadline = Instant::now() + limit;
        let mut start = BytesMut::new();
        while start.len() < limit_bytes
            && let Ok(Some(Ok(chunk))) = timeout_at(deadline, self.chunk()).await
        {
            start.extend_from_slice(&chunk[..chunk.len().min(limit_bytes - start.len())]);
        }
        start.freeze()
    }

    /// Lets go of what is left, without losing the connection when the end is there already or
    /// soon.
    pub(super) async fn let_go(self) {
        let mut body = Some(self);
        poll_fn(|cx| {
            if let Some(mut body) = body.take()
                && !body.poll_discard(cx)
            {
                Lease::settle_later(body);
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Reads to the end and forgets.
    pub(super) async fn discard(&mut self) {
        while let Some(Ok(_)) = self.chunk().await {}
    }

    /// Takes what has arrived. Whether that was all.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            match self.poll_chunk(cx) {
                Poll::Ready(Some(Ok(_))) => (),
                Poll::Ready(_) => return true,
                Poll::Pending => return false,
            }
        }
    }

    /// The length that the server announced, where it counts the bytes that are read here.
    fn announced(&self) -> Option<u64> {
        match self {
            Self::Raw(raw) => raw.incoming.size_hint().exact(),
            Self::Decoded(_) => None,
        }
    }

    /// The connection, until it is back in the pool.
    pub(super) fn lease(&mut self) -> Option<&mut Lease> {
        self.raw_mut().lease.as_mut()
    }

    fn raw_mut(&mut self) -> &mut RawBody {
        match self {
            Self::Raw(raw) => raw,
            Self::Decoded(decoded) => decoded.raw_mut(),
        }
    }
}

impl From<BodyFailure> for DeliveryError {
    fn from(failure: BodyFailure) -> Self {
        Self::maybe_sent(match failure {
            BodyFailure::Broken(source) => DeliveryErrorKind::Truncated { source: Some(source) },
            BodyFailure::Silent(after) => DeliveryErrorKind::TimedOut { phase: "next byte", after },
            BodyFailure::TooLarge(limit_bytes) => DeliveryErrorKind::TooLarge { limit_bytes },
        })
    }
}
