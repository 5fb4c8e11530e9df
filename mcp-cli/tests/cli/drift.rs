//! Tools that are not what they were agreed to.

use serde_json::Value;

use crate::sandbox::Sandbox;

#[test]
fn status_shows_tools_that_are_others_now() {
    let sandbox = Sandbox::new();
    let agreed = sandbox.shell("mcp pins accept ev --config one.json");
    assert_eq!(agreed.code, Some(0), "{agreed:?}");
    let drift = || {
        let status = sandbox.shell("mcp status --config one.json --json");
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        status["servers"][0]["drift"].clone()
    };
    assert_eq!(drift(), Value::Array(Vec::new()));
    let changed = sandbox.shell(
        "sed -i 's/Gives back what/Sends away what/' peer.py; grep -c 'Sends away what' peer.py",
    );
    assert_eq!(changed.stdout, "1\n");
    assert_eq!(drift(), serde_json::json!(["echo"]));
    let text = sandbox.shell("mcp status --config one.json").stdout;
    assert!(text.contains("1 tool not as agreed to → mcp pins show ev"), "{text}");
}
