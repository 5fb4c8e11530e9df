use proptest::prelude::*;

use super::*;

// covers: http-header-encoding
#[test]
fn writes_what_headers_can_carry() {
    for (value, written) in [
        ("", ""),
        ("us-west1", "us-west1"),
        ("two words", "two words"),
        ("~!tilde", "~!tilde"),
        ("=?base64?open", "=?base64?open"),
        ("closed?=", "closed?="),
        ("=?BASE64?eA==?=", "=?BASE64?eA==?="),
        (" lead", "=?base64?IGxlYWQ=?="),
        ("trail ", "=?base64?dHJhaWwg?="),
        ("a\tb", "=?base64?YQli?="),
        ("a\nb", "=?base64?YQpi?="),
        ("a\r\nInjected: 1", "=?base64?YQ0KSW5qZWN0ZWQ6IDE=?="),
        ("größe", "=?base64?Z3LDtsOfZQ==?="),
        ("=?base64?eA==?=", "=?base64?PT9iYXNlNjQ/ZUE9PT89?="),
        ("\u{7f}", "=?base64?fw==?="),
    ] {
        assert_eq!(encode(value), written, "{value:?}");
        assert_eq!(decode(written).unwrap(), value, "{written:?}");
    }
}

#[test]
fn reads_tolerantly_and_refuses_nonsense() {
    assert_eq!(decode("=?base64?eA?=").unwrap(), "x");
    for bad in ["=?base64?*?=", "=?base64?/w==?=", "=?base64?e A?="] {
        assert_eq!(decode(bad), Err(InvalidEncoding(bad.to_owned())));
    }
}

#[test]
fn tokens() {
    for (name, good) in [
        ("Region", true),
        ("x-1_2.3!#$%&'*+^`|~", true),
        ("", false),
        ("a b", false),
        ("a:b", false),
        ("a\r", false),
        ("ä", false),
        ("a/b", false),
        ("(a)", false),
    ] {
        assert_eq!(is_token(name), good, "{name:?}");
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(value in any::<String>()) {
        let written = encode(&value).into_owned();
        prop_assert!(written.bytes().all(|b| (0x20..=0x7e).contains(&b)));
        prop_assert!(!written.starts_with(' ') && !written.ends_with(' '));
        prop_assert_eq!(decode(&written).unwrap(), value);
    }

    #[test]
    fn what_looks_written_is_read(inside in "[ -~]{0,12}") {
        let value = format!("=?base64?{inside}?=");
        let written = encode(&value).into_owned();
        prop_assert_eq!(decode(&written).unwrap(), value);
    }

    #[test]
    fn reading_never_panics(value in any::<String>()) {
        let _ = decode(&value);
    }
}
