//! From the template of a family of resources to the URI of one (RFC 6570, all four levels).

use iri_string::{
    spec::UriSpec,
    template::{UriTemplateStr, simple_context::SimpleContext},
};

use crate::resources::ResourceTemplate;

/// A template that is none.
#[derive(Debug, thiserror::Error)]
#[error("`{template}` is not a URI template (RFC 6570)")]
pub struct TemplateError {
    template: String,
    #[source]
    source: iri_string::template::Error,
}

impl TemplateError {
    fn new(template: &str, source: iri_string::template::Error) -> Self {
        Self { template: template.to_owned(), source }
    }
}

impl ResourceTemplate {
    /// The URI for these values of the template's variables. A variable without a value is left
    /// out, as the RFC says; a value that the template does not name changes nothing.
    ///
    /// ```
    /// use mcp_protocol::resources::ResourceTemplate;
    ///
    /// let logs = ResourceTemplate::new("logs://{host}/{+path}{?level}", "logs");
    /// let uri = logs.expand([("host", "db 1"), ("path", "var/log"), ("level", "error")])?;
    /// assert_eq!(uri, "logs://db%201/var/log?level=error");
    /// # Ok::<(), mcp_protocol::uri_template::TemplateError>(())
    /// ```
    ///
    /// # Errors
    /// The server's template is malformed.
    pub fn expand<N, V>(
        &self,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Result<String, TemplateError>
    where
        N: Into<String>,
        V: AsRef<str>,
    {
        let mut context = SimpleContext::new();
        for (name, value) in values {
            context.insert(name, value.as_ref());
        }
        let expanded = self.parsed()?.expand::<UriSpec, _>(&context);
        expanded
            .map(|uri| uri.to_string())
            .map_err(|error| TemplateError::new(&self.uri_template, error))
    }

    /// The names of the template's variables, each once, in order.
    ///
    /// # Errors
    /// The server's template is malformed.
    pub fn variables(&self) -> Result<Vec<String>, TemplateError> {
        let mut names: Vec<String> = Vec::new();
        for name in self.parsed()?.variables() {
            if names.iter().all(|known| known != name.as_str()) {
                names.push(name.as_str().to_owned());
            }
        }
        Ok(names)
    }

    fn parsed(&self) -> Result<&UriTemplateStr, TemplateError> {
        UriTemplateStr::new(&self.uri_template)
            .map_err(|error| TemplateError::new(&self.uri_template, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // From RFC 6570, sections 1.2 and 3.2.
    // covers: uri-templates
    #[test]
    fn by_table() {
        let values = [
            ("var", "value"),
            ("hello", "Hello World!"),
            ("path", "/foo/bar"),
            ("x", "1024"),
            ("y", "768"),
            ("empty", ""),
        ];
        for (template, uri) in [
            ("{var}", "value"),
            ("{hello}", "Hello%20World%21"),
            ("{+hello}", "Hello%20World!"),
            ("{+path}/here", "/foo/bar/here"),
            ("here?ref={+path}", "here?ref=/foo/bar"),
            ("X{#hello}", "X#Hello%20World!"),
            ("map?{x,y}", "map?1024,768"),
            ("{/var,x}/here", "/value/1024/here"),
            ("{;x,y,empty}", ";x=1024;y=768;empty"),
            ("{?x,y,empty}", "?x=1024&y=768&empty="),
            ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
            ("{var:3}", "val"),
            ("{?x,unknown}", "?x=1024"),
            ("{unknown}", ""),
        ] {
            let template = ResourceTemplate::new(template, "t");
            assert_eq!(template.expand(values).unwrap(), uri, "{}", template.uri_template);
        }
    }

    #[test]
    fn names_its_variables() {
        let template = ResourceTemplate::new("db://{schema}/{table}{?schema,limit}", "t");
        assert_eq!(template.variables().unwrap(), ["schema", "table", "limit"]);
        let error = ResourceTemplate::new("x:{", "t").variables().unwrap_err();
        assert!(error.to_string().contains("x:{"), "{error}");
    }
}
