//! Command lines for people, without what looks like a secret.

/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// Words that name a secret, as the last word of an option, variable or header.
const SECRET_WORDS: &[&str] = &[
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "dsn",
    "key",
    "passphrase",
    "passwd",
    "password",
    "pat",
    "pwd",
    "secret",
    "token",
];

/// How well-known kinds of secrets start.
const SECRET_STARTS: &[&str] =
    &["sk-", "pk-", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xox", "AKIA", "eyJ", "AIza"];

/// Shorter texts than this are no such secret.
const SHORTEST_SECRET: usize = 16;

/// A command line whose words are quoted where that is needed to tell them apart.
pub(super) fn command_line(program: &str, arguments: &[String]) -> String {
    let mut line = quoted(program);
    for argument in hidden(arguments) {
        line.push(' ');
        line.push_str(&quoted(&argument));
    }
    line
}

/// The arguments with their secrets replaced.
pub(super) fn hidden(arguments: &[String]) -> Vec<String> {
    let mut after_secret_option = false;
    let hide = |argument: &String| {
        let is_option = argument.starts_with('-');
        let hide_all = after_secret_option && !is_option;
        after_secret_option = is_option && !argument.contains('=') && names_secret(argument);
        if hide_all { HIDDEN.to_owned() } else { without_secret(argument) }
    };
    arguments.iter().map(hide).collect()
}

fn without_secret(argument: &str) -> String {
    let value = argument.split_once('=').map_or(argument, |(_, value)| value);
    if [argument, value].into_iter().any(looks_secret) {
        let kept = argument.len() - if looks_secret(argument) { argument } else { value }.len();
        return format!("{}{HIDDEN}", &argument[..kept]);
    }
    if argument.contains("://") {
        return without_url_secret(argument);
    }
    match argument.split_once(['=', ':']) {
        Some((name, value)) if !value.is_empty() && names_secret(name) => {
            let separator = &argument[name.len()..=name.len()];
            format!("{name}{separator}{HIDDEN}")
        }
        _ => argument.to_owned(),
    }
}

/// Hides the user part and the parameters of an address that name secrets.
fn without_url_secret(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority_len = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(authority_len);
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None => authority.to_owned(),
    };
    let Some((path, query)) = rest.split_once('?') else {
        return format!("{scheme}://{authority}{rest}");
    };
    let query: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if names_secret(name) => format!("{name}={HIDDEN}"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{scheme}://{authority}{path}?{}", query.join("&"))
}

fn names_secret(name: &str) -> bool {
    let name = name.trim_start_matches('-').trim_end().to_ascii_lowercase();
    let last = name.rsplit(['-', '_', '.']).next().unwrap_or_default();
    SECRET_WORDS.contains(&last)
        || ["token", "secret", "password", "apikey"].iter().any(|word| last.ends_with(word))
}

fn looks_secret(text: &str) -> bool {
    text.len() >= SHORTEST_SECRET
        && SECRET_STARTS.iter().any(|start| text.starts_with(start))
        && !text.contains(['/', ' '])
}

fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=./:@%+,*~".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_secrets_and_nothing_else() {
        for (line, expected) in [
            (&["-y", "@scope/server", "/tmp"][..], "npx -y @scope/server /tmp"),
            (&["--api-key", "abc", "-v"], "npx --api-key *** -v"),
            (&["--token=abc"], "npx --token=***"),
            (&["--key", "--verbose"], "npx --key --verbose"),
            (&["-e", "GITHUB_TOKEN=abc"], "npx -e GITHUB_TOKEN=***"),
            (&["--header", "Authorization: Bearer abc"], "npx --header Authorization:***"),
            (&["--header", "Accept: text/plain"], "npx --header 'Accept: text/plain'"),
            (&["--author=me", "--max-tokens=5"], "npx --author=me --max-tokens=5"),
            (&["ghp_0123456789abcdef"], "npx ***"),
            (&["--with=sk-0123456789abcdef"], "npx --with=***"),
            (&["postgres://me:pw@host/db"], "npx postgres://***@host/db"),
            (&["https://h/p?a=1&api_key=x"], "npx 'https://h/p?a=1&api_key=***'"),
            (&["two words", "it's", ""], r"npx 'two words' 'it'\''s' ''"),
        ] {
            let arguments: Vec<String> = line.iter().map(ToString::to_string).collect();
            assert_eq!(command_line("npx", &arguments), expected);
        }
    }
}
