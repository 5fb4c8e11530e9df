//! Streams that end with the token that was shown for them.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use super::Shown;

/// A body as long as the token is good. Its client may open the stream again with another.
pub(super) fn with(body: Body, shown: Arc<Shown>) -> Body {
    let end = Box::pin(async move { shown.end().await });
    Body::new(Ending { body, end })
}

struct Ending<F> {
    body: Body,
    end: Pin<Box<F>>,
}

impl<F: Future<Output = ()>> HttpBody for Ending<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // It may be less.
        SizeHint::default()
    }
}
