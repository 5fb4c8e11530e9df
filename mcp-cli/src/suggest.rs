//! Did you mean: the nearest of some names.

/// The candidate most like `word`, if one is near enough that a person may have meant it.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let folded = fold(word);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = fold(candidate);
            let distance = strsim::damerau_levenshtein(&folded, &other);
            let longest = folded.chars().count().max(other.chars().count());
            // A third may differ; a long word that begins or ends with the other counts as well.
            let near = distance <= longest / 3;
            let part = folded.len() >= 3
                && other.len() >= 3
                && (other.starts_with(&folded) || other.ends_with(&folded));
            (near || part).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The only candidate that differs from `word` by nothing but case, `-` and `_`.
///
/// Only such a name may be used in place of what was typed: anything less alike could be another,
/// harmful tool.
pub(crate) fn same_but_spelling<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let folded = fold(word);
    let mut same = candidates.into_iter().filter(|candidate| fold(candidate) == folded);
    let first = same.next()?;
    same.next().is_none().then_some(first)
}

fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let names = ["read_file", "write_file", "list_directory", "echo", "get-sum"];
        for (word, want) in [
            ("raed_file", Some("read_file")),
            ("readfile", Some("read_file")),
            ("directory", Some("list_directory")),
            ("list", Some("list_directory")),
            ("getSum", Some("get-sum")),
            ("ehco", Some("echo")),
            ("eco", Some("echo")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), want, "{word}");
        }
    }

    #[test]
    fn replaces_only_another_spelling() {
        assert_eq!(same_but_spelling("getsum", ["get-sum", "echo"]), Some("get-sum"));
        assert_eq!(same_but_spelling("Get_Sum", ["get-sum"]), Some("get-sum"));
        assert_eq!(same_but_spelling("getsum", ["get-sum", "get_sum"]), None);
        assert_eq!(same_but_spelling("raed_file", ["read_file"]), None);
    }
}
