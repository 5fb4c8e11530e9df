//! A command as a URL: `stdio:///usr/bin/server?arg=--fast&env.LEVEL=3&cwd=/tmp`.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::ChildCommand;
use crate::ConnectError;

/// What stands for itself: the unreserved characters of RFC 3986, and the slash.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A command that was written as a `stdio://` URL.
///
/// Between `stdio://` and `?` stands the program: a path, or a name that is searched in `PATH`. The
/// query has `arg` for each argument in order, `env.NAME` for variables, and `cwd`. Everything is
/// percent-encoded UTF-8 where it needs to be; `+` is a plus.
///
/// ```
/// use mcp_transport::stdio::CommandUrl;
///
/// let command = CommandUrl::parse("stdio://npx?arg=-y&arg=%40scope%2Fserver&env.LEVEL=3")?;
/// assert_eq!(command.program, "npx");
/// assert_eq!(command.args, ["-y", "@scope/server"]);
/// # Ok::<(), mcp_transport::ConnectError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CommandUrl {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables of its environment. They may be secrets.
    pub env: BTreeMap<String, String>,
    /// The folder to start in.
    pub cwd: Option<PathBuf>,
}

impl CommandUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// It is of another scheme, names no program, or has a part that means nothing.
    pub fn parse(url: &str) -> Result<Self, ConnectError> {
        let rest = match url.split_at_checked("stdio://".len()) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("stdio://") => rest,
            _ => return Err(invalid("it does not begin with stdio://")),
        };
        if rest.contains('#') {
            return Err(invalid("`#` must be written as %23"));
        }
        let (program, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut command =
            Self { program: decode(program)?, args: Vec::new(), env: BTreeMap::new(), cwd: None };
        if command.program.is_empty() {
            return Err(invalid("it names no program"));
        }
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| invalid("every part of its query must have the form NAME=VALUE"))?;
            let value = decode(value)?;
            match key.split_once('.') {
                None if key == "arg" => command.args.push(value),
                None if key == "cwd" && command.cwd.is_none() => command.cwd = Some(value.into()),
                Some(("env", name)) if !name.is_empty() => {
                    command.env.insert(decode(name)?, value);
                }
                _ => {
                    return Err(invalid("its query knows only arg, env.NAME and, once, cwd"));
                }
            }
        }
        Ok(command)
    }

    /// Writes the URL, with whatever is secret in it.
    pub fn to_url(&self) -> String {
        let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let args = self.args.iter().map(|arg| format!("arg={}", encode(arg)));
        let env =
            self.env.iter().map(|(name, value)| format!("env.{}={}", encode(name), encode(value)));
        let cwd = self.cwd.iter().map(|cwd| format!("cwd={}", encode(&cwd.to_string_lossy())));
        let query: Vec<_> = args.chain(env).chain(cwd).collect();
        let separator = if query.is_empty() { "" } else { "?" };
        format!("stdio://{}{separator}{}", encode(&self.program), query.join("&"))
    }
}

impl From<CommandUrl> for ChildCommand {
    fn from(url: CommandUrl) -> Self {
        let mut command = Self::new(url.program).args(url.args);
        for (name, value) in url.env {
            command = command.env(name, value);
        }
        match url.cwd {
            Some(cwd) => command.cwd(cwd),
            None => command,
        }
    }
}

impl fmt::Debug for CommandUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandUrl")
            .field("program", &self.program)
            .field("args", &self.args.len())
            .field("env", &self.env.keys())
            .field("cwd", &self.cwd)
            .finish()
    }
}

fn decode(text: &str) -> Result<String, ConnectError> {
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| invalid("a percent-encoded part is not UTF-8"))?;
    if decoded.contains('\0') {
        return Err(invalid("it holds a zero byte"));
    }
    Ok(decoded.into_owned())
}

fn invalid(reason: &str) -> ConnectError {
    ConnectError::InvalidSetting { setting: "url".to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*};

    use super::*;

    #[test]
    fn reads_urls() {
        let command = CommandUrl::parse(
            "STDIO:///opt/my%20server?arg=a+b&arg=&arg=%26%3D&env.K%3D=v%3Dw&cwd=/tmp",
        )
        .unwrap();
        assert_eq!(command.program, "/opt/my server");
        assert_eq!(command.args, ["a+b", "", "&="]);
        assert_eq!(command.env["K="], "v=w");
        assert_eq!(command.cwd.as_deref(), Some("/tmp".as_ref()));
        assert!(!format!("{command:?}").contains("v=w"));
        for wrong in [
            "stdio://",
            "stdio://?arg=x",
            "stdio:npx",
            "http://h",
            "stdio://x?y=1",
            "stdio://x?arg",
            "stdio://x#y",
            "stdio://x?env.=1",
            "stdio://x?cwd=a&cwd=b",
            "stdio://%FF",
            "stdio://%00",
        ] {
            let error = CommandUrl::parse(wrong).unwrap_err();
            assert!(matches!(error, ConnectError::InvalidSetting { .. }), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            program in "[^\0]+",
            args in collection::vec("[^\0]*", 0..4),
            env in collection::btree_map("[^\0]+", "[^\0]*", 0..4),
            cwd in proptest::option::of("[^\0]*"),
        ) {
            let command = CommandUrl { program, args, env, cwd: cwd.map(Into::into) };
            prop_assert_eq!(CommandUrl::parse(&command.to_url()).unwrap(), command);
        }
    }
}
