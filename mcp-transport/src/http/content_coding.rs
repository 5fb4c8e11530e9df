//! Compressed answers.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use bytes::{Buf as _, Bytes};
use http::{HeaderMap, header};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use super::body::{BodyFailure, RawBody};

/// What is offered to servers.
pub(super) const ACCEPTED: &str = "gzip, br, zstd";

/// How many bytes are decoded at a time.
const STEP_BYTES: usize = 16 * 1024;

/// How an answer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// The `Content-Encoding` of an answer. An unknown one is left to fail where it is read.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::CONTENT_ENCODING)?.as_bytes().trim_ascii();
        let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
        if is("gzip") || is("x-gzip") {
            Some(Self::Gzip)
        } else if is("br") {
            Some(Self::Brotli)
        } else if is("zstd") {
            Some(Self::Zstd)
        } else {
            None
        }
    }
}

/// A compressed body.
pub(super) struct Decoded {
    decoder: Decoder,
    buffer: Box<[u8]>,
    ended: bool,
}

enum Decoder {
    Gzip(GzipDecoder<Source>),
    Brotli(BrotliDecoder<Source>),
    Zstd(ZstdDecoder<Source>),
}

/// The compressed bytes, as the decoders want them.
struct Source {
    raw: RawBody,
    chunk: Bytes,
}

impl Decoded {
    /// Decodes `raw`.
    pub(super) fn new(coding: Coding, raw: RawBody) -> Self {
        let source = Source { raw, chunk: Bytes::new() };
        let decoder = match coding {
            Coding::Gzip => Decoder::Gzip(GzipDecoder::new(source)),
            Coding::Brotli => Decoder::Brotli(BrotliDecoder::new(source)),
            Coding::Zstd => Decoder::Zstd(ZstdDecoder::new(source)),
        };
        Self { decoder, buffer: vec![0; STEP_BYTES].into(), ended: false }
    }

    /// The next decoded bytes.
    pub(super) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyFailure>>> {
        if !self.ended {
            let mut buffer = ReadBuf::new(&mut self.buffer);
            let outcome = match &mut self.decoder {
                Decoder::Gzip(decoder) => Pin::new(decoder).poll_read(cx, &mut buffer),
                Decoder::Brotli(decoder) => Pin::new(decoder).poll_read(cx, &mut buffer),
                Decoder::Zstd(decoder) => Pin::new(decoder).poll_read(cx, &mut buffer),
            };
            if let Err(error) = ready!(outcome) {
                self.ended = true;
                let failure = error.downcast().unwrap_or_else(|e| BodyFailure::Broken(e.into()));
                return Poll::Ready(Some(Err(failure)));
            }
            if !buffer.filled().is_empty() {
                return Poll::Ready(Some(Ok(Bytes::copy_from_slice(buffer.filled()))));
            }
            self.ended = true;
        }
        // The connection can be used again only when the body was read to its end.
        while let Some(rest) = ready!(self.raw_mut().poll_chunk(cx)) {
            rest?;
        }
        Poll::Ready(None)
    }

    /// The compressed body.
    pub(super) fn raw_mut(&mut self) -> &mut RawBody {
        &mut match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Brotli(decoder) => decoder.get_mut(),
            Decoder::Zstd(decoder) => decoder.get_mut(),
        }
        .raw
    }
}

impl Source {
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.chunk.is_empty()
            && let Some(chunk) = ready!(self.raw.poll_chunk(cx))
        {
            self.chunk = chunk.map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for Source {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_more(cx))?;
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().chunk.advance(amount);
    }
}

impl AsyncRead for Source {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_more(cx))?;
        let amount = this.chunk.len().min(buffer.remaining());
        buffer.put_slice(&this.chunk.split_to(amount));
        Poll::Ready(Ok(()))
    }
}
