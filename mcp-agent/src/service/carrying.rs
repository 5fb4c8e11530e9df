//! Answers that keep something alive until they have gone out.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

/// A body, as long as it was, that carries something along.
pub(super) fn carrying<T: Send + Unpin + 'static>(body: impl Into<Body>, carried: T) -> Body {
    Body::new(Carrying { body: body.into(), _carried: carried })
}

struct Carrying<T> {
    body: Body,
    _carried: T,
}

impl<T: Unpin> HttpBody for Carrying<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
