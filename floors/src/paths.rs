//! Finds the paths, the modules and the re-exports in the tokens of a file. It leaves out code that only tests compile.

use proc_macro2::{Delimiter, Group, Literal, TokenStream, TokenTree};

/// A path as the source has it, such as `crate::model::plan::Plan`.
pub type Path = Vec<String>;

/// A path and its place in the source.
#[derive(Debug)]
pub struct Written {
    pub path: Path,
    pub line: usize,
    /// The inline modules that contain it.
    pub inside: Path,
    /// Whether it is part of a `use`.
    pub is_import: bool,
}

/// The paths and modules of a file.
#[derive(Debug, Default)]
pub struct Found {
    pub paths: Vec<Written>,
    /// The files below it: `mod name;`.
    pub children: Vec<String>,
    /// The line of the first item that is neither `mod name;` nor `use`.
    pub first_item: Option<usize>,
}

/// Reads the tokens of a file.
pub fn read(tokens: TokenStream) -> Found {
    let mut found = Found::default();
    scan(tokens, &[], &mut found);
    found
}

fn scan(tokens: TokenStream, inside: &[String], found: &mut Found) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        at = match &tokens[at] {
            TokenTree::Punct(punct) if punct.as_char() == '#' => attribute(&tokens, at, inside, found),
            TokenTree::Ident(word) if word == "mod" => module(&tokens, at, inside, found),
            TokenTree::Ident(word) if word == "use" => path(&tokens, at + 1, inside, found, true),
            TokenTree::Ident(word) if word == "pub" => at + 1,
            TokenTree::Ident(word) => {
                found.first_item.get_or_insert(word.span().start().line);
                path(&tokens, at, inside, found, false)
            }
            TokenTree::Group(group) => {
                scan(group.stream(), inside, found);
                at + 1
            }
            TokenTree::Literal(literal) => {
                quoted(literal, inside, found);
                at + 1
            }
            TokenTree::Punct(_) => at + 1,
        }
    }
}

/// Returns the index behind the attribute, or behind the item if only tests compile it.
fn attribute(tokens: &[TokenTree], at: usize, inside: &[String], found: &mut Found) -> usize {
    let at =
        at + 1 + usize::from(matches!(tokens.get(at + 1), Some(TokenTree::Punct(p)) if p.as_char() == '!'));
    let Some(TokenTree::Group(group)) = tokens.get(at) else { return at };
    if !is_for_tests(group) {
        let first = found.first_item;
        scan(group.stream(), inside, found);
        found.first_item = first;
        return at + 1;
    }
    let ends = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    };
    at + 1 + tokens[at + 1..].iter().position(ends).map_or(tokens.len(), |end| end + 1)
}

/// Whether the attribute is `cfg(test)` or similar, but not `cfg(not(test))`.
fn is_for_tests(attribute: &Group) -> bool {
    let text = attribute.stream().to_string().replace(' ', "");
    text.starts_with("cfg(") && text.contains("test") && !text.contains("not(test")
}

fn module(tokens: &[TokenTree], at: usize, inside: &[String], found: &mut Found) -> usize {
    match (tokens.get(at + 1), tokens.get(at + 2)) {
        (Some(TokenTree::Ident(name)), Some(TokenTree::Punct(_))) => found.children.push(name.to_string()),
        (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) => {
            found.first_item.get_or_insert(name.span().start().line);
            scan(body.stream(), &[inside, &[name.to_string()]].concat(), found);
        }
        _ => return at + 1,
    }
    at + 3
}

/// Adds the path, or all paths of the tree, that begins at `at`; returns the index behind it.
fn path(tokens: &[TokenTree], at: usize, inside: &[String], found: &mut Found, is_import: bool) -> usize {
    let line = tokens.get(at).map_or(0, |token| token.span().start().line);
    let mut paths = Vec::new();
    let end = tree(tokens, at, Vec::new(), &mut paths);
    let paths = paths.into_iter().filter(|path| path.len() > 1);
    found.paths.extend(paths.map(|path| Written { path, line, inside: inside.to_vec(), is_import }));
    end.max(at + 1)
}

fn tree(tokens: &[TokenTree], mut at: usize, mut path: Path, paths: &mut Vec<Path>) -> usize {
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) => path.push(word.to_string()),
            Some(TokenTree::Punct(punct)) if punct.as_char() == '*' => path.push("*".to_owned()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in inner.split(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ','))
                {
                    tree(branch, 0, path.clone(), paths);
                }
                return at + 1;
            }
            _ => return at,
        }
        let is_colon = |at| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
        // A path continues behind two colons, unless they begin the type arguments of `::<`.
        let goes_on = is_colon(at + 1)
            && is_colon(at + 2)
            && !matches!(tokens.get(at + 3), Some(TokenTree::Punct(p)) if p.as_char() == '<');
        if !goes_on {
            paths.push(path);
            return at + 1;
        }
        at += 3;
    }
}

/// Adds paths in strings, as serde attributes have them.
fn quoted(literal: &Literal, inside: &[String], found: &mut Found) {
    let text = literal.to_string();
    let path = text.trim_matches('"');
    if path.starts_with("crate::")
        && path.bytes().all(|c| c == b':' || c == b'_' || c.is_ascii_alphanumeric())
    {
        let path: Path = path.split("::").map(str::to_owned).filter(|part| !part.is_empty()).collect();
        let line = literal.span().start().line;
        let paths =
            (path.len() > 1).then(|| Written { path, line, inside: inside.to_vec(), is_import: false });
        found.paths.extend(paths);
    }
}
