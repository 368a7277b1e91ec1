//! Reads one source file and says what it uses: paths of ours, paths of other crates, macros.
//! It looks at every path, also inside macros; it resolves `crate`, `self` and `super`.
//! It never judges: the rules and the exceptions are data in `architecture.rs`.

use std::path::{Component, Path};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// Something that was found, and the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub what: String,
    pub line: usize,
}

/// What one file uses outside of its tests.
#[derive(Debug, Default)]
pub struct Source {
    /// `store::checkout::load`, whichever way it was written. `*` alone is the whole crate.
    pub ours: Vec<Found>,
    /// Paths that begin elsewhere: `tokio::net::TcpStream`.
    pub others: Vec<Found>,
    /// Names of the macros that are called.
    pub macros: Vec<Found>,
    /// Lints that are switched off by `allow` or `expect`.
    pub allowed_lints: Vec<Found>,
    /// `async` and `.await`.
    pub asynchronous: Vec<Found>,
    /// Items in the file that are not module declarations.
    pub items: Vec<Found>,
    pub has_head: bool,
    pub lines: usize,
}

/// The module a file is, from its path below `src/`: `broker/ssh/mod.rs` is `[broker, ssh]`.
pub fn module_of(file: &Path) -> Vec<String> {
    let mut parts: Vec<String> = file
        .with_extension("")
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] {
        parts.pop();
    }
    parts
}

/// Reads `text` as the file at `file` (below `src/`).
pub fn scan(file: &Path, text: &str) -> syn::Result<Source> {
    let parsed = syn::parse_file(text)?;
    let mut scanner = Scanner {
        module: module_of(file),
        found: Source::default(),
    };
    scanner.found.lines = text.lines().count();
    scanner.found.has_head = text.starts_with("//!") || parsed.items.is_empty();
    for item in &parsed.items {
        if !matches!(item, syn::Item::Mod(module) if module.content.is_none()) {
            scanner
                .found
                .items
                .push(found("an item", syn::spanned::Spanned::span(item)));
        }
    }
    // A file of tests (`#[cfg(test)] mod tests;`), or below it, may reach where its tests must.
    if !scanner.module.iter().any(|name| name == "tests") {
        scanner.visit_file(&parsed);
    }
    Ok(scanner.found)
}

/// The names of the tests in `text` that are run: `#[test]` in any form, and not ignored.
/// What a macro makes is not seen, and a text that does not parse has none.
pub fn tests(text: &str) -> Vec<String> {
    #[derive(Default)]
    struct Tests(Vec<String>);
    impl<'ast> Visit<'ast> for Tests {
        fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
            let bears = |name: &str| {
                let is = |part: &syn::PathSegment| part.ident == name;
                let mut attributes = item.attrs.iter();
                attributes.any(|attribute| attribute.path().segments.last().is_some_and(is))
            };
            if bears("test") && !bears("ignore") {
                self.0.push(item.sig.ident.to_string());
            }
        }
    }
    let mut found = Tests::default();
    if let Ok(parsed) = syn::parse_file(text) {
        found.visit_file(&parsed);
    }
    found.0
}

fn found(what: impl Into<String>, span: Span) -> Found {
    Found {
        what: what.into(),
        line: span.start().line,
    }
}

/// Whether an item is compiled for tests only.
fn only_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg")
                && matches!(attribute.parse_args::<syn::Path>(), Ok(path) if path.is_ident("test")))
    })
}

struct Scanner {
    /// Where we are; grows inside `mod x { … }`.
    module: Vec<String>,
    found: Source,
}

impl Scanner {
    /// A path as written, resolved against the module it stands in.
    fn path(&mut self, segments: &[String], span: Span) {
        let Some(first) = segments.first() else {
            return;
        };
        let mut at = match first.as_str() {
            "crate" | "doorward" => Vec::new(),
            "self" => self.module.clone(),
            "super" => self.module.clone(),
            _ => {
                self.found.others.push(found(segments.join("::"), span));
                return;
            }
        };
        for (index, segment) in segments.iter().enumerate() {
            match segment.as_str() {
                "super" => {
                    at.pop();
                }
                "crate" | "self" => {}
                "doorward" if index == 0 => {}
                name => at.push(name.to_owned()),
            }
        }
        // `pub(crate)` and `super` alone name the crate without using anything of it.
        if !at.is_empty() {
            self.found.ours.push(found(at.join("::"), span));
        }
    }

    fn use_tree(&mut self, before: &mut Vec<String>, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.use_tree(before, &path.tree);
                before.pop();
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(before, tree);
                }
            }
            syn::UseTree::Name(name) => self.used(before, &name.ident),
            syn::UseTree::Rename(rename) => self.used(before, &rename.ident),
            syn::UseTree::Glob(glob) => {
                let mut path = before.clone();
                path.push("*".into());
                self.path(&path, glob.star_token.spans[0]);
            }
        }
    }

    fn used(&mut self, before: &[String], name: &syn::Ident) {
        let mut path = before.to_vec();
        path.push(name.to_string());
        // The crate under another name would hide everything behind it.
        if matches!(path.last().map(String::as_str), Some("crate" | "self"))
            && path.iter().all(|part| part == "crate" || part == "self")
        {
            self.found.ours.push(found("*", name.span()));
        } else {
            self.path(&path, name.span());
        }
    }

    /// What a macro is given is not parsed by anybody before it runs: look for paths by hand.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut start = Span::call_site();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    let name_text = name.to_string();
                    if path.is_empty() || colons != 2 {
                        self.token_path(&path, start);
                        path.clear();
                        start = name.span();
                    }
                    if name_text == "async" || name_text == "await" {
                        self.found
                            .asynchronous
                            .push(found(name_text.clone(), name.span()));
                    }
                    path.push(name_text);
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Punct(punct) if punct.as_char() == '!' && colons == 0 => {
                    if let Some(name) = path.last() {
                        self.found.macros.push(found(name.clone(), start));
                    }
                    path.clear();
                }
                other => {
                    self.token_path(&path, start);
                    path.clear();
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.token_path(&path, start);
    }

    fn token_path(&mut self, path: &[String], span: Span) {
        if path.len() > 1 {
            self.path(path, span);
        }
    }
}

impl<'ast> Visit<'ast> for Scanner {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if only_for_tests(&item.attrs) {
            return;
        }
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !only_for_tests(&item.attrs) {
            self.use_tree(&mut Vec::new(), &item.tree);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !only_for_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !only_for_tests(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !only_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        if segments.len() > 1 {
            self.path(&segments, syn::spanned::Spanned::span(path));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(name) = call.path.segments.last() {
            self.found
                .macros
                .push(found(name.ident.to_string(), name.ident.span()));
        }
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let switches_off =
            attribute.path().is_ident("allow") || attribute.path().is_ident("expect");
        if let (true, syn::Meta::List(list)) = (switches_off, &attribute.meta) {
            let text = list.tokens.to_string().replace(' ', "");
            let lints = text.split("reason=").next().unwrap_or_default();
            for lint in lints.split(',').filter(|lint| !lint.is_empty()) {
                self.found
                    .allowed_lints
                    .push(found(lint, list.delimiter.span().open()));
            }
        }
        visit::visit_attribute(self, attribute);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if let Some(token) = &signature.asyncness {
            self.found.asynchronous.push(found("async", token.span));
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_await(&mut self, expression: &'ast syn::ExprAwait) {
        self.found
            .asynchronous
            .push(found("await", expression.await_token.span));
        visit::visit_expr_await(self, expression);
    }

    fn visit_expr_async(&mut self, expression: &'ast syn::ExprAsync) {
        self.found
            .asynchronous
            .push(found("async", expression.async_token.span));
        visit::visit_expr_async(self, expression);
    }
}
