//! Masks what differs from run to run in an output: times, durations, sha256, local addresses, the major of PostgreSQL.

/// Whether two outputs are the same but for what differs from run to run.
pub fn same(one: &str, other: &str) -> bool {
    masked(one) == masked(other)
}

/// The text with a word in the place of each time, duration, sha256 and local address. A table whose columns may differ in width
/// through them loses its padding.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let inside = masked.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let found = if inside {
            None
        } else {
            time(rest)
                .or_else(|| sha256(rest))
                .or_else(|| duration(rest))
                .or_else(|| address(rest))
                .or_else(|| major(rest))
        };
        let length = found.map_or(first.len_utf8(), |(length, word)| {
            masked.push_str(word);
            length
        });
        if found.is_none() {
            masked.push(first);
        }
        rest = &rest[length..];
    }
    if masked == text { masked } else { without_padding(&masked) }
}

fn without_padding(text: &str) -> String {
    let squeeze = |line: &str| {
        let mut squeezed = String::new();
        for c in line.chars() {
            if !((c == ' ' || c == '-') && squeezed.ends_with(c)) {
                squeezed.push(c);
            }
        }
        squeezed.trim().to_owned() + "\n"
    };
    text.lines().map(squeeze).collect()
}

/// How many bytes of this text are digits, and the characters of these classes between them.
fn shaped(text: &str, shape: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let fits = shape.bytes().enumerate().all(|(n, c)| match (c, bytes.get(n)) {
        (b'd', Some(byte)) => byte.is_ascii_digit(),
        (c, Some(byte)) => c == *byte,
        (_, None) => false,
    });
    fits.then_some(shape.len())
}

fn span(text: &str, of: fn(&char) -> bool) -> usize {
    text.chars().take_while(of).count()
}

/// A date, a time of day, or both, with fractions and a zone.
fn time(text: &str) -> Option<(usize, &'static str)> {
    let date = shaped(text, "dddd-dd-dd").unwrap_or(0);
    let gap = usize::from(date > 0 && text[date..].starts_with([' ', 'T']));
    let clock = shaped(&text[date + gap..], "dd:dd:dd").or_else(|| shaped(&text[date + gap..], "dd:dd"));
    let Some(clock) = clock else { return (date > 0).then_some((date, "TIME")) };
    let mut end = date + gap + clock;
    if text[end..].starts_with('.') {
        end += 1 + span(&text[end + 1..], char::is_ascii_digit);
    }
    end += ["+dd:dd", "-dd:dd", "+dd", "-dd", "Z"]
        .iter()
        .find_map(|zone| shaped(&text[end..], zone))
        .unwrap_or(0);
    Some((end, "TIME"))
}

/// At least eight hexadecimal digits, of which some are letters and some are not, or sixteen of any.
fn sha256(text: &str) -> Option<(usize, &'static str)> {
    let length = span(text, char::is_ascii_hexdigit);
    let digits = text[..length].bytes().filter(u8::is_ascii_digit).count();
    let ends = !text[length..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    (ends && (length >= 16 || length >= 8 && digits > 0 && digits < length)).then_some((length, "SHA256"))
}

/// A number of milliseconds, seconds or minutes.
fn duration(text: &str) -> Option<(usize, &'static str)> {
    let number = span(text, |c| c.is_ascii_digit() || *c == '.');
    let gap = usize::from(text[number..].starts_with(' '));
    let unit = span(&text[number + gap..], |c| c.is_ascii_alphabetic());
    let known = ["ms", "s", "m", "min", "second", "seconds", "minute", "minutes"];
    let end = number + gap + unit;
    (number > 0 && known.contains(&&text[number + gap..end])).then_some((end, "DURATION"))
}

/// An address of this machine with its port.
fn address(text: &str) -> Option<(usize, &'static str)> {
    let here = "http://127.0.0.1:";
    text.starts_with(here).then(|| (here.len() + span(&text[here.len()..], char::is_ascii_digit), "ADDRESS"))
}

/// The server's major, as `wab doctor` names it.
fn major(text: &str) -> Option<(usize, &'static str)> {
    let server = "PostgreSQL ";
    let digits = span(text.strip_prefix(server)?, char::is_ascii_digit);
    (digits > 0).then_some((server.len() + digits, "SERVER"))
}

#[test]
fn only_what_differs_from_run_to_run_is_masked() {
    let one = " observed_at                   | bridges\n-------------------------------+--------\n 2026-11-25 19:48:49.758821+00 | 297\n";
    let other = " observed_at               | bridges\n---------------------------+--------\n 2026-01-01 09:48:49.75+00 | 297\n";
    assert!(same(one, other));
    assert!(!same(one, &other.replace("297", "298")));
    assert!(same(
        "took 12 ms, plan 6eb329ce01ab, at http://127.0.0.1:4012/x",
        "took 3 ms, plan 0123456789ab, at http://127.0.0.1:99/x"
    ));
    assert!(same("PostgreSQL 15, database app", "PostgreSQL 18, database app"));
    assert!(!same("cust_0042  bridge 42", "cust_0043  bridge 42"));
    assert!(!same("a  b", "a b"));
}
