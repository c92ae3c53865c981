//! Shows where a webhook goes without the parts that may hold a secret: of a URL only scheme and host.

/// `https://app.example.com/…`: a URL without its path.
pub fn host_only(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(url) if url.has_host() => {
            format!("{}://{}/…", url.scheme(), url.host_str().unwrap_or_default())
        }
        _ => "…".to_owned(),
    }
}

/// The host of the URL that a SQL expression gives, if the expression begins with it: `'https://app.example.com/' || id`.
pub fn host_of_expression(expression: &str) -> String {
    const UNKNOWN: &str = "a SQL expression";
    let Some(rest) = expression.trim_start_matches(['(', ' ', '\n']).strip_prefix('\'') else {
        return UNKNOWN.to_owned();
    };
    let (literal, after) = rest.split_once('\'').unwrap_or((rest, ""));
    let ends_in_host = literal.split_once("://").is_none_or(|(_, rest)| !rest.contains(['/', '?', '#']));
    // What follows may be the rest of the host.
    if ends_in_host && after.contains('|') {
        return UNKNOWN.to_owned();
    }
    Some(host_only(literal)).filter(|host| host != "…").unwrap_or_else(|| UNKNOWN.to_owned())
}

/// Whether a shown host is one of the names reserved for examples, which no webhook reaches.
pub fn is_example(host: &str) -> bool {
    let host =
        host.split_once("://").map_or(host, |(_, rest)| rest).trim_end_matches("/…").to_ascii_lowercase();
    ["example.com", "example.org", "example.net", "example"]
        .iter()
        .any(|name| host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// The fingerprint of a webhook_url, which `_wab_hidden_url()` leaves at the end of what it hides.
pub fn fingerprint(url: &str) -> String {
    match url.rsplit_once("/... ") {
        Some((_, fingerprint)) if fingerprint.len() == 12 => fingerprint.to_owned(),
        _ => {
            let mut sha256 = wabridges::sha256::of(url);
            sha256.truncate(12);
            sha256
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_and_host_of_a_webhook_are_shown() {
        assert_eq!(
            host_only("https://user:s3cret@app.example.com/s3cret?s3cret"),
            "https://app.example.com/…"
        );
        assert_eq!(host_only("s3cret"), "…");
        for (expression, host) in [
            ("'https://app.acme.io/s3cret/' || wab_url_encode(id)", "https://app.acme.io/…"),
            ("('https://app.acme.io/s3cret/'::text || id)", "https://app.acme.io/…"),
            ("'https://app.acme.io'", "https://app.acme.io/…"),
            ("'https://' || id || '.acme.io/s3cret'", "a SQL expression"),
            ("'https://a' || id || '.acme.io/s3cret'", "a SQL expression"),
            ("hook_url", "a SQL expression"),
            ("'s3cret'", "a SQL expression"),
        ] {
            assert_eq!(host_of_expression(expression), host, "{expression}");
        }
    }

    #[test]
    fn names_reserved_for_examples_are_known() {
        for (host, example) in [
            ("https://app.example.com/…", true),
            ("https://EXAMPLE.org/…", true),
            ("http://x.example/…", true),
            ("https://myexample.com/…", false),
            ("https://example.com.acme.io/…", false),
            ("a SQL expression", false),
        ] {
            assert_eq!(is_example(host), example, "{host}");
        }
    }

    #[test]
    fn a_url_and_what_a_reader_sees_of_it_have_one_fingerprint() {
        let (url, hidden) = ("https://app.example.com/hooks/tok", "https://app.example.com/... 4e6a595743d9");
        assert_eq!(fingerprint(url), fingerprint(hidden));
        assert_ne!(fingerprint(url), fingerprint("https://app.example.com/hooks/tik"));
    }
}
