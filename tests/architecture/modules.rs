//! The modules under `src/` and the paths by which they name each other, read from the token trees of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path as FilePath;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module path from the root of the crate.
pub type Path = Vec<String>;

/// A path that one module names.
#[derive(Debug)]
pub struct Reference {
    pub from: Path,
    /// As named.
    pub path: Path,
    /// The module that defines the item, behind all re-exports.
    pub target: Path,
    file: String,
    line: usize,
}

impl Reference {
    /// The top-level module that names the path; `main` and `lib` for the two root files.
    pub fn room(&self) -> &str {
        &self.from[0]
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "src/{}:{}: names {}", self.file, self.line, self.path.join("::"))
    }
}

/// All modules, without code behind `#[cfg(test)]`.
pub struct Modules {
    pub references: Vec<Reference>,
    /// Lines of code by file.
    pub lines: BTreeMap<String, usize>,
}

/// One file, as far as it is read without the others.
#[derive(Default)]
struct Source {
    /// Paths as written, with the line.
    paths: Vec<(Path, usize)>,
    /// Names from `use`, with the path as written.
    imports: BTreeMap<String, Path>,
    /// The names that `pub use` exports.
    exports: BTreeSet<String>,
    /// Modules that are declared for tests only.
    test_modules: Vec<Path>,
    lines: BTreeSet<usize>,
}

impl Modules {
    /// The modules of this crate.
    pub fn of_src() -> Self {
        let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        collect(&root, &root, &mut files);
        let files: Vec<(&str, &str)> = files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
        Self::new(&files)
    }

    /// The modules of these files, given by their path from `src` on and their text.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let mut sources = BTreeMap::new();
        for (file, text) in files {
            let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("src/{file}: {error}"));
            let mut source = Source::default();
            source.read(tokens, &module_of(file));
            sources.insert(module_of(file), (*file, source));
        }
        let for_tests: Vec<Path> = sources.values().flat_map(|(_, source)| source.test_modules.clone()).collect();
        sources.retain(|module, _| !for_tests.iter().any(|test| module.starts_with(test)));
        let mut modules = Self { references: Vec::new(), lines: BTreeMap::new() };
        for (module, (file, source)) in &sources {
            modules.lines.insert((*file).to_owned(), source.lines.len());
            for (written, line) in &source.paths {
                let Some(path) = absolute(&sources, module, written, 0) else { continue };
                let Some(target) = resolve(&sources, &path, 0) else { continue };
                let (file, line) = ((*file).to_owned(), *line);
                modules.references.push(Reference { from: module.clone(), path, target, file, line });
            }
        }
        modules
    }
}

type Sources<'a> = BTreeMap<Path, (&'a str, Source)>;

fn collect(root: &FilePath, folder: &FilePath, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

fn module_of(file: &str) -> Path {
    let path = file.trim_end_matches(".rs");
    path.strip_suffix("/mod").unwrap_or(path).split('/').map(str::to_owned).collect()
}

/// A path as written in `module`, from the root of the crate. `None` for other crates and local names.
fn absolute(sources: &Sources<'_>, module: &Path, written: &[String], depth: usize) -> Option<Path> {
    let (first, rest) = written.split_first()?;
    let is_root = matches!(module[0].as_str(), "main" | "lib");
    let mut path = match first.as_str() {
        "crate" | "darkroom" => Vec::new(),
        "self" => module.clone(),
        "super" => module[..module.len() - 1].to_vec(),
        name => {
            let (_, source) = sources.get(module)?;
            let mut child = if is_root { Vec::new() } else { module.clone() };
            child.push(name.to_owned());
            match source.imports.get(name) {
                Some(import) if import.as_slice() != written && depth < 8 => {
                    absolute(sources, module, import, depth + 1)?
                }
                _ if sources.contains_key(&child) => child,
                _ => return None,
            }
        }
    };
    for segment in rest {
        if segment == "super" { drop(path.pop()) } else { path.push(segment.clone()) }
    }
    Some(path)
}

/// The module that defines the last segment of `path`. `None` where the path is a module itself: then what is used of the module
/// counts, and not its import.
fn resolve(sources: &Sources<'_>, path: &[String], depth: usize) -> Option<Path> {
    let mut module = Vec::new();
    for (index, segment) in path.iter().enumerate() {
        let mut child = module.clone();
        child.push(segment.clone());
        if sources.contains_key(&child) {
            module = child;
            continue;
        }
        if let Some((_, source)) = sources.get(&module)
            && source.exports.contains(segment)
            && depth < 8
            && let Some(mut exported) = absolute(sources, &module, &source.imports[segment], 0)
        {
            exported.extend_from_slice(&path[index + 1..]);
            return resolve(sources, &exported, depth + 1);
        }
        return Some(if module.is_empty() { path[..1].to_vec() } else { module });
    }
    None
}

impl Source {
    fn read(&mut self, tokens: TokenStream, module: &Path) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            if is_for_tests(&tokens[at..]) {
                let end = (at + 2..tokens.len()).find(|end| is_end_of_item(&tokens[*end])).unwrap_or(tokens.len());
                if let Some(name) = (at..end).find_map(|at| name_after("mod", &tokens[at..])) {
                    self.test_modules.push(module.iter().cloned().chain([name]).collect());
                }
                at = end + 1;
                continue;
            }
            self.lines.extend(lines_of(&tokens[at]));
            match &tokens[at] {
                TokenTree::Group(group) => self.read(group.stream(), module),
                TokenTree::Ident(ident) if ident == "use" && !is_punct(tokens.get(at + 1), '<') => {
                    let end = (at..tokens.len()).find(|end| is_punct(tokens.get(*end), ';')).unwrap_or(tokens.len());
                    let exported = is_public(&tokens[..at]);
                    self.lines.extend(tokens[at..end].iter().flat_map(lines_of));
                    self.read_use(&tokens[at + 1..end], &[], exported);
                    at = end;
                }
                TokenTree::Ident(ident) => {
                    let line = ident.span().start().line;
                    let continues = at > 0 && (is_punct(tokens.get(at - 1), ':') && is_punct(tokens.get(at - 2), ':'));
                    let mut path = vec![ident.to_string()];
                    while let Some(name) = segment_after(&tokens[at + 1..]) {
                        path.push(name);
                        at += 3;
                    }
                    if path.len() > 1 && !continues {
                        self.paths.push((path, line));
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// What follows `use`, or stands in its braces.
    fn read_use(&mut self, tokens: &[TokenTree], prefix: &[String], exported: bool) {
        for tree in tokens.split(|token| is_punct(Some(token), ',')) {
            let mut path = prefix.to_vec();
            let mut alias = None;
            for (index, token) in tree.iter().enumerate() {
                match token {
                    TokenTree::Ident(ident) if ident == "as" => alias = tree.get(index + 1).map(ToString::to_string),
                    TokenTree::Ident(ident) if alias.is_none() && (ident != "self" || path.is_empty()) => {
                        path.push(ident.to_string());
                    }
                    TokenTree::Punct(punct) if punct.as_char() == '*' => path.push("*".to_owned()),
                    TokenTree::Group(group) => {
                        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                        self.read_use(&inner, &path, exported);
                        path.clear();
                    }
                    _ => {}
                }
            }
            let (Some(name), Some(token)) = (alias.or(path.last().cloned()), tree.first()) else { continue };
            if exported {
                self.exports.insert(name.clone());
            } else {
                self.paths.push((path.clone(), token.span().start().line));
            }
            self.imports.insert(name, path);
        }
    }
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

fn segment_after(tokens: &[TokenTree]) -> Option<String> {
    match tokens {
        [first, second, TokenTree::Ident(name), ..] if is_punct(Some(first), ':') && is_punct(Some(second), ':') => {
            Some(name.to_string())
        }
        _ => None,
    }
}

fn name_after(keyword: &str, tokens: &[TokenTree]) -> Option<String> {
    match tokens {
        [TokenTree::Ident(word), TokenTree::Ident(name), ..] if word == keyword => Some(name.to_string()),
        _ => None,
    }
}

/// Whether `#[cfg(…)]` with `test` in it begins here.
fn is_for_tests(tokens: &[TokenTree]) -> bool {
    let [hash, TokenTree::Group(attribute), ..] = tokens else { return false };
    let text = attribute.stream().to_string();
    let words = |text: &str| text.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == "test");
    is_punct(Some(hash), '#')
        && text.starts_with("cfg")
        && !text.starts_with("cfg_attr")
        && !text.contains("not")
        && words(&text)
}

fn is_end_of_item(token: &TokenTree) -> bool {
    is_punct(Some(token), ';') || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

fn is_public(before: &[TokenTree]) -> bool {
    let before = match before {
        [rest @ .., TokenTree::Group(group)] if group.delimiter() == Delimiter::Parenthesis => rest,
        all => all,
    };
    matches!(before, [.., TokenTree::Ident(word)] if word == "pub")
}

fn lines_of(token: &TokenTree) -> [usize; 2] {
    [token.span().start().line, token.span().end().line]
}
