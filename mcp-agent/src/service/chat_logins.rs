//! Logins that a chat comes upon: the person is told where, whether or not the model says it.

use serde_json::{Value, json};

use super::scope::{RequestNotes, Scope};
use crate::caller::LoginRequired;

/// Those that the calls of this request lacked.
pub(super) fn missing() -> Vec<LoginRequired> {
    Scope::current().request().map(RequestNotes::logins).unwrap_or_default()
}

/// What is added to an answer for a person, if it does not say it already.
pub(super) fn note(logins: &[LoginRequired], answer: &str) -> Option<String> {
    let unsaid = logins.iter().filter(|login| !answer.contains(login.url()));
    let lines: Vec<_> =
        unsaid.map(|login| format!("{}\n{}", login.message(), login.url())).collect();
    if lines.is_empty() {
        return None;
    }
    let break_before = if answer.is_empty() { "" } else { "\n\n" };
    Some(format!("{break_before}{}", lines.join("\n\n")))
}

/// For programs.
pub(super) fn to_json(logins: &[LoginRequired]) -> Value {
    let each = logins.iter();
    each.map(|login| json!({"server": &**login.server(), "login_url": login.url()})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_once() {
        let login =
            |server: &str| LoginRequired::new(server, format!("https://x.test/{server}"), "i");
        let both = [login("notes"), login("mail")];
        assert_eq!(note(&[], "Done."), None);
        assert_eq!(note(&both[..1], "Open https://x.test/notes please"), None);
        let told = note(&both, "Open https://x.test/notes please").unwrap();
        assert!(
            told.starts_with("\n\nLog in to `mail`") && told.ends_with("\nhttps://x.test/mail")
        );
        assert!(note(&both, "").unwrap().starts_with("Log in to `notes`"));
        let json = json!([{"server": "notes", "login_url": "https://x.test/notes"}]);
        assert_eq!(to_json(&both[..1]), json);
    }
}
