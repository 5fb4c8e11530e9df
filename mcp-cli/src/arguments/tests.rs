use std::{collections::HashMap, io};

use serde_json::{Value, json};

use super::*;

struct Files(HashMap<&'static str, &'static [u8]>);

impl Sources for Files {
    fn file(&mut self, path: &str) -> io::Result<Vec<u8>> {
        let found = self.0.get(path).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(found.to_vec())
    }
    fn stdin(&mut self) -> io::Result<Vec<u8>> {
        self.file("-")
    }
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "count": {"type": "integer"},
            "ratio": {"type": "number"},
            "flag": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "nums": {"type": "array", "items": {"type": "integer"}},
            "mode": {"enum": ["fast", "slow", 3]},
            "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "either": {"type": ["string", "integer", "boolean"]},
            "free": {},
            "dot.ted": {"type": "integer"},
            "opts": {"type": "object", "properties": {
                "depth": {"type": "integer"}, "names": {"type": "array"}}},
        },
    })
}

fn read_words(words: &[&str], strictness: Strictness) -> Result<Value, ArgumentError> {
    let root = schema();
    let mut files = Files(HashMap::from([
        ("f.txt", &b"from a file\n"[..]),
        ("n.txt", b" 12\n"),
        ("args.json", br#"{"text":"t","count":1}"#),
        ("list.json", b"[1]"),
        ("cat.png", b"\x89PNG"),
        ("-", br#"{"count":7}"#),
    ]));
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    read(&words, Schema::new(&root), strictness, &mut files).map(Value::Object)
}

#[test]
fn the_schema_decides_the_type() {
    for (words, want) in [
        (&["text=123"][..], json!({"text": "123"})),
        (&["text=true"], json!({"text": "true"})),
        (&["text= spaced "], json!({"text": " spaced "})),
        (&["text="], json!({"text": ""})),
        (&["count=007"], json!({"count": 7})),
        (&["count=-3"], json!({"count": -3})),
        (&["count=1e3"], json!({"count": 1000})),
        (&["count=18446744073709551615"], json!({"count": u64::MAX})),
        (&["ratio=1"], json!({"ratio": 1})),
        (&["ratio=.5"], json!({"ratio": 0.5})),
        (&["flag=yes"], json!({"flag": true})),
        (&["flag=0"], json!({"flag": false})),
        (&["mode=slow"], json!({"mode": "slow"})),
        (&["mode=Fast"], json!({"mode": "fast"})),
        (&["mode=3"], json!({"mode": 3})),
        (&["maybe=null"], json!({"maybe": null})),
        (&["maybe=4"], json!({"maybe": 4})),
        (&["either=5"], json!({"either": 5})),
        (&["either=007"], json!({"either": "007"})),
        (&["either=true"], json!({"either": true})),
        (&["either=null"], json!({"either": "null"})),
        (&["free=5"], json!({"free": "5"})),
        (&["free:=5"], json!({"free": 5})),
        (&["dot.ted=5"], json!({"dot.ted": 5})),
    ] {
        assert_eq!(read_words(words, Strictness::Strict).unwrap(), want, "{words:?}");
    }
}

#[test]
fn repeats_lists_and_paths() {
    for (words, want) in [
        (&["tags=a"][..], json!({"tags": ["a"]})),
        (&["tags=a", "tags=b", "tags=3"], json!({"tags": ["a", "b", "3"]})),
        (&["nums=1", "nums=2"], json!({"nums": [1, 2]})),
        (&["nums=[1,2]"], json!({"nums": [1, 2]})),
        (&["nums=1", "nums:=[5]"], json!({"nums": [5]})),
        (&["nums=1", "nums:=[5]", "nums=6"], json!({"nums": [6]})),
        (&["nums:=1", "nums:=2"], json!({"nums": [1, 2]})),
        (&["free=a", "free=b", "free=c"], json!({"free": ["a", "b", "c"]})),
        (&["count=1", "count=2"], json!({"count": 2})),
        (
            &["opts.depth=2", "opts.names=x", "opts.names=y"],
            json!({"opts": {"depth": 2, "names": ["x", "y"]}}),
        ),
        (&["opts={\"depth\":1}", "opts.depth=2"], json!({"opts": {"depth": 2}})),
        (&["opts.depth=2", "opts={\"names\":[]}"], json!({"opts": {"names": []}})),
        (&["{\"tags\":[\"z\"]}", "tags=a"], json!({"tags": ["a"]})),
        (&["tags=a", "{\"tags\":[\"z\"]}", "tags=b"], json!({"tags": ["b"]})),
    ] {
        assert_eq!(read_words(words, Strictness::Strict).unwrap(), want, "{words:?}");
    }
}

#[test]
fn reads_objects_and_files() {
    for (words, want) in [
        (&["text=@f.txt"][..], json!({"text": "from a file\n"})),
        (&["count=@n.txt"], json!({"count": 12})),
        (&["nums:=@list.json"], json!({"nums": [1]})),
        (&["text%=cat.png"], json!({"text": "iVBORw=="})),
        (&["@args.json", "count=2"], json!({"text": "t", "count": 2})),
        (&["count=2", "-"], json!({"count": 7})),
        (&["text=@-"], json!({"text": "{\"count\":7}"})),
    ] {
        assert_eq!(read_words(words, Strictness::Strict).unwrap(), want, "{words:?}");
    }
}

#[test]
fn says_what_is_wrong() {
    for (words, message, help) in [
        (
            &["word"][..],
            "`word` is not an argument",
            Some("write key=value, key:=JSON, or one JSON object"),
        ),
        (&["cuont=1"], "there is no argument `cuont`", Some("did you mean `count`?")),
        (&["zzz=1"], "there is no argument `zzz`", None),
        (&["{\"cuont\":1}"], "there is no argument `cuont`", Some("did you mean `count`?")),
        (&["count=x"], "argument `count` must be an integer, got \"x\"", None),
        (&["count=1.5"], "argument `count` must be an integer, got \"1.5\"", None),
        (&["ratio=nan"], "argument `ratio` must be a number, got \"nan\"", None),
        (&["flag=maybe"], "argument `flag` must be true or false, got \"maybe\"", None),
        (&["maybe="], "argument `maybe` must be an integer or null, got \"\"", None),
        (&["nums=x"], "argument `nums` must be an integer, got \"x\"", None),
        (&["nums=[1"], "argument `nums` must be a list (int[]), got \"[1\"", None),
        (&["opts=x"], "argument `opts` must be a JSON object, got \"x\"", None),
        (
            &["mode=fsat"],
            "argument `mode` must be one of fast, slow, 3, got \"fsat\"",
            Some("did you mean `fast`?"),
        ),
        (&["count:=x"], "`count:=x` is not JSON", Some("`:=` takes JSON; write `=` for text")),
        (&["{\"a\":"], "`{\"a\":` is not JSON", None),
        (&["@list.json"], "`@list.json` does not hold a JSON object", None),
        (&["text=@none"], "cannot read `none`", None),
        (
            &["text=@cat.png"],
            "`cat.png` is not text in UTF-8; send it as Base64 with `key%=file`",
            None,
        ),
        (&["count=1", "count.x=1"], "cannot set `count.x`: `count` is not an object", None),
    ] {
        let error = read_words(words, Strictness::Strict).unwrap_err();
        assert_eq!(error.to_string(), message, "{words:?}");
        assert_eq!(error.help().as_deref(), help, "{words:?}");
    }
}

#[test]
fn lenient_reading_passes_on_what_does_not_fit() {
    let read = |words: &[&str]| read_words(words, Strictness::Lenient).unwrap();
    assert_eq!(read(&["count=x", "zzz=1"]), json!({"count": "x", "zzz": "1"}));
}

#[test]
fn checks_whole_objects() {
    let root = json!({"properties": {
            "a": {"type": "integer"}, "b": {"type": "string"}, "n": {"type": "array",
                "items": {"type": "object", "properties": {"k": {"type": "number"}},
                    "required": ["k"]}}},
        "required": ["a", "b"]});
    for (arguments, want) in [
        (json!({"a": 1, "b": ""}), None),
        (json!({"a": 1.0, "b": ""}), None),
        (json!({"a": 1}), Some("missing argument `b`")),
        (json!({}), Some("missing arguments `a`, `b`")),
        (json!({"a": "1", "b": ""}), Some("argument `a` must be an integer, got \"1\"")),
        (json!({"a": 1, "b": "", "c": 1}), Some("there is no argument `c`")),
        (json!({"a": 1, "b": "", "n": [{"k": 1}, {}]}), Some("missing argument `n[1].k`")),
        (
            json!({"a": 1, "b": "", "n": [{"k": true}]}),
            Some("argument `n[0].k` must be a number, got true"),
        ),
    ] {
        let error = check(arguments.as_object().unwrap(), Schema::new(&root)).err();
        assert_eq!(error.map(|e| e.to_string()).as_deref(), want, "{arguments}");
    }
}
