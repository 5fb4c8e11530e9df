//! What the authorization server says through the user's browser (RFC 6749 section 4.1.2), and
//! whether it is the server that was asked (RFC 9207).

use url::Url;

use super::{AuthorizationServerMetadata, readable};
use crate::Secret;

/// What is kept of an authorization request until its answer comes.
#[derive(Debug)]
pub(super) struct Expected {
    /// Where the answer comes.
    pub(super) redirect_uri: String,
    /// Of the metadata that was checked.
    pub(super) issuer: String,
    /// Whether that server says that it names itself.
    pub(super) names_issuer: bool,
    /// Ties the answer to the request.
    pub(super) state: String,
}

/// The answer is no consent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// What came is not the URL that the browser was sent to.
    #[error("what came back does not begin with {redirect_uri}; copy the whole address")]
    OtherUrl {
        /// How it has to begin.
        redirect_uri: String,
    },
    /// A parameter came twice.
    #[error("`{0}` came more than once")]
    Repeated(&'static str),
    /// The answer belongs to another request.
    #[error("the answer does not belong to this request: `state` differs")]
    WrongState,
    /// The server promises to name itself and does not.
    #[error("the answer does not name {expected} as its issuer, as that server promises")]
    NoIssuer {
        /// Who was asked.
        expected: String,
    },
    /// Another server answered. Nothing else that it says is shown or used.
    #[error("the answer is not from {expected}, which was asked: `iss` differs")]
    WrongIssuer {
        /// Who was asked.
        expected: String,
    },
    /// The server, or the person, said no.
    #[error("the authorization server answered `{code}`{}", .description.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused {
        /// Such as `access_denied`.
        code: String,
        /// The server's own words.
        description: Option<String>,
    },
    /// There is neither a code nor an error.
    #[error("the answer has no code")]
    NoCode,
}

impl Expected {
    /// What to expect of a server.
    pub(super) fn of(
        metadata: &AuthorizationServerMetadata,
        redirect_uri: String,
        state: String,
    ) -> Self {
        Self {
            redirect_uri,
            issuer: metadata.issuer.clone(),
            names_issuer: metadata.authorization_response_iss_parameter_supported,
            state,
        }
    }

    /// Takes the code out of an answer. Who answered is checked before anything else is read.
    pub(super) fn code(&self, answer: &str) -> Result<Secret, ResponseError> {
        let url = self.at_our_place(answer.trim())?;
        let state = one(&url, "state")?;
        let issuer = one(&url, "iss")?;
        if state.as_deref() != Some(&self.state) {
            return Err(ResponseError::WrongState);
        }
        match issuer {
            // Compared as it is; even a slash at the end makes another server.
            Some(issuer) if issuer == self.issuer => {}
            Some(_) => {
                return Err(ResponseError::WrongIssuer { expected: readable(&self.issuer) });
            }
            None if self.names_issuer => {
                return Err(ResponseError::NoIssuer { expected: readable(&self.issuer) });
            }
            None => {}
        }
        if let Some(code) = one(&url, "error")? {
            let description = one(&url, "error_description")?.map(|text| readable(&text));
            return Err(ResponseError::Refused { code: readable(&code), description });
        }
        one(&url, "code")?
            .filter(|code| !code.is_empty())
            .map(Secret::new)
            .ok_or(ResponseError::NoCode)
    }

    fn at_our_place(&self, answer: &str) -> Result<Url, ResponseError> {
        let other = || ResponseError::OtherUrl { redirect_uri: self.redirect_uri.clone() };
        let url = Url::parse(answer).map_err(|_| other())?;
        let place = Url::parse(&self.redirect_uri).map_err(|_| other())?;
        let same = url.scheme() == place.scheme()
            && url.host() == place.host()
            && url.port_or_known_default() == place.port_or_known_default()
            && url.path() == place.path();
        if same { Ok(url) } else { Err(other()) }
    }
}

/// A parameter that may come once (RFC 6749 section 3.1).
fn one(url: &Url, name: &'static str) -> Result<Option<String>, ResponseError> {
    let mut values = url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value);
    let first = values.next().map(String::from);
    if values.next().is_some() {
        return Err(ResponseError::Repeated(name));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "http://127.0.0.1:1234/callback";

    fn expected(names_issuer: bool) -> Expected {
        Expected {
            redirect_uri: PLACE.to_owned(),
            issuer: "https://a.example/t".to_owned(),
            names_issuer,
            state: "s".to_owned(),
        }
    }

    #[track_caller]
    fn refused(names_issuer: bool, query: &str) -> ResponseError {
        expected(names_issuer).code(&format!("{PLACE}?{query}")).unwrap_err()
    }

    // covers: auth-iss
    #[test]
    fn the_issuer_is_compared_as_it_is() {
        let good = format!(" {PLACE}?code=c&state=s&iss=https%3A%2F%2Fa.example%2Ft\n");
        assert_eq!(expected(true).code(&good).unwrap().reveal(), "c");
        assert_eq!(expected(false).code(&good).unwrap().reveal(), "c");
        for iss in ["https://a.example/t/", "https://A.example/t", "https://a.example:443/t", ""] {
            let query = format!("code=c&state=s&iss={iss}");
            assert!(matches!(refused(true, &query), ResponseError::WrongIssuer { .. }), "{iss}");
            assert!(matches!(refused(false, &query), ResponseError::WrongIssuer { .. }), "{iss}");
        }
        assert!(matches!(refused(true, "code=c&state=s"), ResponseError::NoIssuer { .. }));
        let silent = format!("{PLACE}?code=c&state=s");
        assert_eq!(expected(false).code(&silent).unwrap().reveal(), "c");
    }

    // covers: auth-iss
    #[test]
    fn a_strangers_error_is_not_shown() {
        let query = "error=access_denied&error_description=call+555&state=s&iss=https://b.example";
        for names_issuer in [true, false] {
            let error = refused(names_issuer, query);
            assert!(matches!(error, ResponseError::WrongIssuer { .. }), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("555"));
        }
        let own = refused(
            true,
            "error=access_denied&error_description=no&state=s&iss=https://a.example/t",
        );
        assert_eq!(own.to_string(), "the authorization server answered `access_denied`: no");
    }

    // covers: auth-state
    #[test]
    fn what_belongs_to_another_request_is_refused() {
        assert_eq!(refused(false, "code=c&state=t"), ResponseError::WrongState);
        assert_eq!(refused(false, "code=c"), ResponseError::WrongState);
        assert_eq!(refused(false, "state=s"), ResponseError::NoCode);
        assert_eq!(refused(false, "code=&state=s"), ResponseError::NoCode);
        assert_eq!(refused(false, "code=a&code=b&state=s"), ResponseError::Repeated("code"));
        assert_eq!(refused(false, "code=a&state=s&state=t"), ResponseError::Repeated("state"));
        for answer in [
            "c",
            "http://127.0.0.1:9/callback?code=c&state=s",
            "http://127.0.0.1:1234/x?code=c&state=s",
        ] {
            let error = expected(false).code(answer).unwrap_err();
            assert!(matches!(error, ResponseError::OtherUrl { .. }), "{answer}");
        }
    }
}
