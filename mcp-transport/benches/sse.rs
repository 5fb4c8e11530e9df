//! Events out of bytes, by size and by how the bytes arrive.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Above all that is measured.
const LIMIT_BYTES: usize = 64 << 20;

// The parser is not public, so its file is a part of this program, under the same name.
#[path = "../src/http"]
mod http {
    use std::hint::black_box;

    use bytes::Bytes;

    #[expect(dead_code, reason = "the transport uses more of it than is measured")]
    mod sse;

    /// How many events with data there are.
    pub(crate) fn parse(chunks: &[Bytes], limit_bytes: usize) -> usize {
        let mut parser = sse::Parser::new(limit_bytes);
        let mut events = 0;
        for chunk in chunks {
            parser.feed(chunk.clone());
            while let Ok(Some(event)) = parser.next() {
                events += usize::from(!black_box(event).data.is_empty());
            }
        }
        events
    }
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("events");
    for (name, data_bytes, count, chunk_bytes) in [
        ("one of 100 B in one piece", 100, 1, usize::MAX),
        ("1,000 of 100 B in pieces of 8 KiB", 100, 1_000, 8 << 10),
        ("one of 1 MB in pieces of 64 KiB", 1 << 20, 1, 64 << 10),
        ("one of 10 MB in pieces of 64 KiB", 10 << 20, 1, 64 << 10),
    ] {
        let event = format!("event: message\nid: 7\ndata: {}\n\n", "x".repeat(data_bytes));
        let text = Bytes::from(event.repeat(count));
        let chunks: Vec<Bytes> =
            text.chunks(chunk_bytes.min(text.len())).map(Bytes::copy_from_slice).collect();
        assert_eq!(http::parse(&chunks, LIMIT_BYTES), count);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &chunks, |bencher, chunks| {
            bencher.iter(|| http::parse(black_box(chunks), LIMIT_BYTES));
        });
    }
}

criterion_group!(benches, events);
criterion_main!(benches);
