use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn reads_every_question_in_order() {
    let wire = json!({
        "resultType": "input_required",
        "inputRequests": {
            "z": {"method": "elicitation/create", "params": {"mode": "form", "message": "m",
                "requestedSchema": {"type": "object", "properties": {"n": {"type": "string"}}}}},
            "a": {"method": "sampling/createMessage", "params": {"maxTokens": 5, "messages": [
                {"role": "user", "content": {"type": "text", "text": "hi"}}]}},
            "m": {"method": "roots/list"},
            "b": {"method": "com.example/guess", "params": {"of": [1, 2]}},
            "c": {"method": "com.example/none"},
        },
        "requestState": "opaque",
    });
    let text = format!(
        r#"{{"inputRequests":{{"z":{},"a":{},"m":{},"b":{},"c":{}}},"requestState":"opaque","resultType":"input_required"}}"#,
        wire["inputRequests"]["z"],
        wire["inputRequests"]["a"],
        wire["inputRequests"]["m"],
        wire["inputRequests"]["b"],
        wire["inputRequests"]["c"],
    );
    let input: InputRequired = serde_json::from_str(&text).unwrap();
    let methods: Vec<(&str, &str)> =
        input.input_requests.iter().map(|(key, request)| (key, request.method())).collect();
    assert_eq!(
        methods,
        [
            ("z", "elicitation/create"),
            ("a", "sampling/createMessage"),
            ("m", "roots/list"),
            ("b", "com.example/guess"),
            ("c", "com.example/none"),
        ]
    );
    assert!(matches!(input.input_requests.get("z"), Some(InputRequest::Elicit(_))));
    assert_eq!(serde_json::to_value(&input).unwrap(), wire);
}

#[test]
fn a_bad_question_is_named() {
    let wire = r#"{"inputRequests":{"k":{"method":"elicitation/create","params":{}}}}"#;
    let error = decode::strict::<InputRequired>(wire.as_bytes()).unwrap_err();
    assert_eq!(error.path, "inputRequests.k");
    assert!(error.to_string().contains("`message`"), "{error}");
}

// covers: mrtr-state
#[test]
fn the_state_is_given_back_to_the_byte() {
    for literal in [r#""""#, r#""plain""#, r#""\u00e9\/\ud800\n""#, r#"" é ""#] {
        let wire = format!(r#"{{"requestState": {literal} }}"#);
        let input: InputRequired = serde_json::from_str(&wire).unwrap();
        let written = serde_json::to_string(&input).unwrap();
        assert_eq!(written, format!(r#"{{"requestState":{literal}}}"#));
    }
    for wire in [r#"{"requestState":5}"#, r#"{"requestState":{}}"#] {
        assert!(serde_json::from_str::<InputRequired>(wire).is_err(), "{wire}");
    }
    let state = RequestState::new("se\"cret");
    assert_eq!(state.text().unwrap(), "se\"cret");
    assert!(!format!("{state:?}").contains("cret"));
}

// covers: mrtr-all-inputs
#[test]
fn answers_go_bare_and_in_order() {
    let mut answers = InputResponses::default();
    answers.answer("z", &InputResponse::Elicit(ElicitResult::decline())).unwrap();
    let roots = ListRootsResult::default();
    answers.answer("a", &InputResponse::ListRoots(roots)).unwrap();
    answers
        .answer("m", &InputResponse::CreateMessage(CreateMessageResult::text("model", "hi")))
        .unwrap();
    assert_eq!(
        serde_json::to_string(&answers).unwrap(),
        concat!(
            r#"{"z":{"action":"decline"},"a":{"roots":[]},"m":{"role":"assistant","#,
            r#""content":{"type":"text","text":"hi"},"model":"model","stopReason":"endTurn"}}"#,
        )
    );
    assert_eq!(answers.get("a").unwrap().as_str(), r#"{"roots":[]}"#);
}

#[test]
fn the_same_questions_as_requests() {
    assert!(matches!(
        InputRequest::decode("roots/list", b"{}"),
        Ok(InputRequest::ListRoots(ListRootsParams { meta: None }))
    ));
    assert!(InputRequest::decode("sampling/createMessage", b"{}").is_err());
    assert!(matches!(InputRequest::decode("x/y", br#"{"a":1}"#), Ok(InputRequest::Unknown { .. })));
}

proptest! {
    // covers: mrtr-state
    #[test]
    fn any_state_comes_back(text in any::<String>()) {
        let state = RequestState::new(&text);
        let read: RequestState = serde_json::from_str(state.as_json()).unwrap();
        prop_assert_eq!(read.text().unwrap(), text);
    }

    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode::strict::<InputRequired>(&bytes);
        for method in ["elicitation/create", "sampling/createMessage", "roots/list", "x"] {
            let _ = InputRequest::decode(method, &bytes);
        }
    }
}
