use proptest::prelude::*;

use super::*;

/// Parses `text` cut at `cuts`, and what the end leaves.
fn parse_cut(text: &[u8], cuts: &[usize]) -> Vec<Event> {
    let mut parser = Parser::new(1 << 20);
    let mut events = Vec::new();
    let mut start = 0;
    for &cut in cuts.iter().chain([&text.len()]) {
        parser.feed(Bytes::copy_from_slice(&text[start..cut]));
        while let Some(event) = parser.next().unwrap() {
            events.push(event);
        }
        start = cut;
    }
    events.extend(parser.finish().unwrap());
    events
}

fn data(text: &str) -> Vec<String> {
    parse_cut(text.as_bytes(), &[])
        .into_iter()
        .map(|event| String::from_utf8(event.data.to_vec()).unwrap())
        .collect()
}

// covers: sse-parsing
#[test]
fn reads_lines_of_every_kind() {
    for (text, expected) in [
        ("data: a\n\n", vec!["a"]),
        ("data: a\r\n\r\ndata:b\r\n\r\n", vec!["a", "b"]),
        ("data: a\r\rdata: b\r\r", vec!["a", "b"]),
        ("data: a\r\n\ndata: b\n\r\n", vec!["a", "b"]),
        ("\u{feff}data: a\n\n", vec!["a"]),
        (": hello\n\n:\n\ndata: a\n: between\ndata: b\n\n", vec!["a\nb"]),
        ("data\n\n", vec![""]),
        ("data\ndata\n\n", vec!["\n"]),
        ("data:  two spaces\n\n", vec![" two spaces"]),
        ("data: a: b\n\n", vec!["a: b"]),
        ("unknown: x\nrecord\n\ndata: a\n\n", vec!["a"]),
        ("\n\n\n", vec![]),
        ("data: no blank line\n", vec!["no blank line"]),
        ("data: no line end", vec!["no line end"]),
    ] {
        assert_eq!(data(text), expected, "{text:?}");
    }
}

#[test]
fn keeps_the_fields() {
    let events = parse_cut(b"event: ping\nid: 7\nretry: 500\ndata: x\n\nid\nretry: 1s\n\n", &[]);
    assert_eq!(
        events,
        [
            Event {
                name: Some("ping".into()),
                id: Some("7".into()),
                data: "x".into(),
                retry: Some(Duration::from_millis(500)),
            },
            Event { id: Some(Bytes::new()), ..Event::default() },
        ]
    );
    assert!(!events[0].is_message());
    assert!(parse_cut(b"id: a\0b\n\n", &[]).is_empty());
    assert!(parse_cut(b"event: message\ndata: {}\n\n", &[])[0].is_message());
}

#[test]
fn a_line_within_a_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"data: {\"id\":1}\n\n");
    let mut parser = Parser::new(100);
    parser.feed(chunk.clone());
    let event = parser.next().unwrap().unwrap();
    assert_eq!(event.data.as_ptr(), chunk[6..].as_ptr());
}

#[test]
fn refuses_what_is_too_large() {
    let endless = |text: &'static [u8]| {
        let mut parser = Parser::new(16);
        loop {
            parser.feed(Bytes::from_static(text));
            if parser.next().is_err() {
                break;
            }
        }
    };
    endless(b"data: no end of line");
    endless(b"data: x\n");
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_events(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "data", ":", " ", "\n", "\r", "\r\n", "\n\n", "id: 4", "event: x", "retry: 9",
                "{\"a\":1}", "\u{feff}", ": c", "é", "data: y\n\n",
            ]),
            0..40,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let text = parts.concat().into_bytes();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(parse_cut(&text, &cuts), parse_cut(&text, &[]));
    }
}
