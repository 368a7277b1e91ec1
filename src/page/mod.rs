//! The gateway's own pages, at the console and on targets' hosts: how they look, what browsers
//! may do with them, and how what comes back is read.
//!
//! Pure. No page needs a script, loads anything, or says what was not escaped.

mod form;
mod origin;
pub mod qr;

use std::{fmt::Write as _, sync::LazyLock};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};

pub use self::{
    form::{Fields, NotAForm},
    origin::{Doubled, authority, cookie, is_foreign, is_same_origin},
};

/// One page, put together. Text that goes in is escaped here; markup is the caller's own.
pub struct Page {
    title: String,
    head: String,
    body: String,
    script: &'static str,
}

impl Page {
    /// The title is also its first heading.
    pub fn new(title: &str) -> Self {
        let title = escaped(title);
        Self {
            head: String::new(),
            body: format!("<h1>{title}</h1>\n"),
            script: "",
            title,
        }
    }

    /// Loads `address` after so many seconds, where the browser runs no script or `also` where
    /// it does.
    pub fn again_without_script(mut self, seconds: u32) -> Self {
        let _ = writeln!(
            self.head,
            "<noscript><meta http-equiv=\"refresh\" content=\"{seconds}\"></noscript>"
        );
        self
    }

    pub fn says(mut self, text: &str) -> Self {
        let _ = writeln!(self.body, "<p>{}</p>", escaped(text));
        self
    }

    /// What went wrong, or has changed: read aloud at once.
    pub fn alerts(mut self, text: &str) -> Self {
        let _ = writeln!(
            self.body,
            "<p class=\"alert\" role=\"alert\">{}</p>",
            escaped(text)
        );
        self
    }

    pub fn links(mut self, address: &str, text: &str) -> Self {
        let (address, text) = (escaped(address), escaped(text));
        let _ = writeln!(self.body, "<p><a href=\"{address}\">{text}</a></p>");
        self
    }

    /// Markup of the caller's own.
    pub fn holds(mut self, markup: &str) -> Self {
        self.body.push_str(markup);
        self
    }

    /// The one script, which the policy names by its hash.
    pub fn runs(mut self, script: &'static str) -> Self {
        self.script = script;
        self
    }

    pub fn html(&self) -> String {
        let Self {
            title, head, body, ..
        } = self;
        let script = match self.script {
            "" => String::new(),
            script => format!("<script>{script}</script>\n"),
        };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title} · Doorward</title>\n<style>{STYLE}</style>\n{head}</head>\n\
             <body>\n<main>\n{body}</main>\n\
             <footer>Doorward, the gateway before this address, says this.</footer>\n\
             {script}</body>\n</html>\n"
        )
    }
}

/// What browsers may do with a page: show it, in the gateway's style, in a window of its own.
/// Forms go to `forms` (origins) only, and the one script is `script`.
pub fn policy(forms: &str, script: Option<&str>) -> String {
    let forms = match forms {
        "" => "'none'",
        forms => forms,
    };
    let mut policy = format!(
        "default-src 'none'; style-src '{}'; form-action {forms}; base-uri 'none'; \
         frame-ancestors 'none'",
        *STYLE_HASH
    );
    if let Some(script) = script {
        let hash = hash(script);
        let _ = write!(policy, "; script-src '{hash}'; connect-src 'self'");
    }
    policy
}

pub const PRIVATE: &[(&str, &str)] = &[
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // Not `no-referrer`: with that browsers say of a form's post that it comes from `null`.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

fn hash(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    format!("sha256-{}", STANDARD.encode(digest.as_ref()))
}

static STYLE_HASH: LazyLock<String> = LazyLock::new(|| hash(STYLE));

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8886;--shade:#8881;--strong:#3b49c4;--on-strong:#fff;--alert:#b4231822}\
@media(prefers-color-scheme:dark){:root{--strong:#a3abf0;--on-strong:#0b1020;--alert:#ff6b5a33}}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto 2rem;padding:0 1rem}\
main{border:1px solid var(--line);border-radius:.75rem;padding:1.5rem 2rem}\
h1{font-size:1.4rem;line-height:1.25;margin:.25rem 0 1rem;overflow-wrap:anywhere}\
p{margin:.75rem 0;overflow-wrap:anywhere}\
label{display:block;font-weight:600;margin:1rem 0 .25rem}\
small,.hint{font-weight:400;font-size:.875rem;opacity:.8}\
input,textarea,select{box-sizing:border-box;width:100%;font:inherit;padding:.5rem .6rem;border:1px solid var(--line);border-radius:.4rem;background:Canvas;color:CanvasText}\
textarea{min-height:4.5rem;resize:vertical}\
:is(input,textarea,select,button,a):focus-visible{outline:3px solid var(--strong);outline-offset:2px}\
button{font:inherit;font-weight:600;margin-top:1.25rem;padding:.55rem 1.1rem;border:0;border-radius:.4rem;background:var(--strong);color:var(--on-strong);cursor:pointer}\
button.quiet{background:none;color:inherit;border:1px solid var(--line);font-weight:400}\
div.hint{margin-top:1.5rem}form.line{display:inline}form.line button{margin:0;padding:.15rem .6rem}\
.alert{background:var(--alert);border-radius:.4rem;padding:.6rem .8rem;font-weight:600}\
.wait{font-size:1.05rem}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:1rem 0}\
dt{opacity:.8}dd{margin:0;overflow-wrap:anywhere}\
code{font-size:1rem}\
footer{font-size:.875rem;opacity:.75;margin:1rem .25rem}";

/// As text between tags and in a quoted attribute.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// With a capital and a full stop.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    let mut sentence: String = first.into_iter().flatten().chain(letters).collect();
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_what_somebody_wrote_and_does_nothing_with_it() {
        let page = Page::new("<b>").says("\"><script>alert('&')</script>");
        let page = page.links("https://a/?\"onclick=x", "<i>").html();
        assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("<i>"));
        assert!(page.contains("&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)"));
        assert!(!page.contains("\"onclick"), "{page}");
    }

    #[test]
    fn a_page_may_do_nothing_that_is_not_named() {
        let bare = policy("", None);
        assert!(bare.contains("default-src 'none'") && bare.contains("form-action 'none'"));
        assert!(!bare.contains("script-src") && !bare.contains("unsafe"));
        let with = policy("'self'", Some("1"));
        assert!(with.contains("script-src 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='"));
    }
}
