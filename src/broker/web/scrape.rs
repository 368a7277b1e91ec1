//! The one value that is read from a target's page: that of a hidden field, by its name.
//!
//! Goes through the page once, from the front to the back, and keeps nothing of it. A page
//! that is no HTML has no such value. What is in comments and scripts is none.

/// Longer values are no tokens.
const LONGEST: usize = 8 * 1024;

/// What stands in `<input name=… value=…>` or `<meta name=… content=…>`, the first of them.
pub fn hidden_value(page: &[u8], name: &str) -> Option<String> {
    let mut rest = page;
    while let Some(at) = rest.iter().position(|byte| *byte == b'<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix(b"!--") {
            rest = behind(comment, b"-->")?;
            continue;
        }
        let length = rest
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let (tag, attributes) = rest.split_at(length);
        let is = |known: &str| tag.eq_ignore_ascii_case(known.as_bytes());
        let value = match () {
            () if is("input") => "value",
            () if is("meta") => "content",
            () => {
                rest = attributes;
                // Until their end there is only text.
                for (raw, end) in [
                    ("script", &b"</script"[..]),
                    ("style", b"</style"),
                    ("textarea", b"</textarea"),
                    ("title", b"</title"),
                ] {
                    if is(raw) {
                        rest = behind(rest, end)?;
                    }
                }
                continue;
            }
        };
        let (found, left) = read(attributes, value);
        rest = left;
        if let (Some(named), Some(value)) = (found.name, found.value)
            && decoded(named)? == name
        {
            return decoded(value);
        }
    }
    None
}

#[derive(Default)]
struct Found<'a> {
    name: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

/// The attributes of one tag, and what stands behind it.
fn read<'a>(mut rest: &'a [u8], wanted: &str) -> (Found<'a>, &'a [u8]) {
    let mut found = Found::default();
    loop {
        let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'/';
        let at = rest.iter().position(|byte| !blank(byte));
        let Some(at) = at else {
            return (found, &[]);
        };
        rest = &rest[at..];
        if let Some(left) = rest.strip_prefix(b">") {
            return (found, left);
        }
        let ends = |byte: &u8| blank(byte) || matches!(byte, b'=' | b'>');
        // A name may begin with `=` (HTML, 13.2.5.32), so that it always moves on.
        let length = rest[1..]
            .iter()
            .position(ends)
            .map_or(rest.len(), |at| at + 1);
        let (name, behind_name) = rest.split_at(length);
        let unspaced = behind_name.trim_ascii_start();
        let Some(value) = unspaced.strip_prefix(b"=") else {
            rest = behind_name;
            continue;
        };
        let value = value.trim_ascii_start();
        let (value, left) = match value.first() {
            Some(quote @ (b'"' | b'\'')) => {
                let inner = &value[1..];
                match inner.iter().position(|byte| byte == quote) {
                    Some(end) => (&inner[..end], &inner[end + 1..]),
                    None => return (Found::default(), &[]),
                }
            }
            _ => {
                let end = value
                    .iter()
                    .position(|byte| byte.is_ascii_whitespace() || *byte == b'>');
                value.split_at(end.unwrap_or(value.len()))
            }
        };
        rest = left;
        // Of two the first counts (HTML, 13.2.5.33).
        if name.eq_ignore_ascii_case(b"name") {
            found.name.get_or_insert(value);
        } else if name.eq_ignore_ascii_case(wanted.as_bytes()) {
            found.value.get_or_insert(value);
        }
    }
}

/// What stands behind the next `end`, in capital letters or not.
fn behind<'a>(text: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let at = text
        .windows(end.len())
        .position(|part| part.eq_ignore_ascii_case(end))?;
    Some(&text[at + end.len()..])
}

/// With the character references that such values hold.
fn decoded(text: &[u8]) -> Option<String> {
    if text.len() > LONGEST {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at..];
        // The longest of them is `&#x10ffff;`.
        let end = rest.bytes().take(11).position(|byte| byte == b';');
        let letter = end.and_then(|end| reference(&rest[1..end]));
        match (letter, end) {
            (Some(letter), Some(end)) => {
                decoded.push(letter);
                rest = &rest[end + 1..];
            }
            _ => {
                decoded.push('&');
                rest = &rest[1..];
            }
        }
    }
    decoded.push_str(rest);
    Some(decoded)
}

fn reference(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        name => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(number).filter(|letter| !letter.is_control())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(page: &str) -> Option<String> {
        hidden_value(page.as_bytes(), "csrf")
    }

    #[test]
    fn the_value_of_the_named_field_is_found() {
        for (page, expected) in [
            (
                r#"<input type="hidden" name="csrf" value="abc">"#,
                Some("abc"),
            ),
            (r#"<INPUT VALUE='a"b' NAME='csrf'/>"#, Some("a\"b")),
            ("<input name=csrf value=abc>", Some("abc")),
            ("<input name = csrf\n value\t=\nabc\n>", Some("abc")),
            (r#"<meta name="csrf" content="abc" />"#, Some("abc")),
            (
                r#"<input name="csrf" value="a&amp;b&#39;&#x2B;&lt;&nope;&"><p>"#,
                Some("a&b'+<&nope;&"),
            ),
            (
                r#"<input name="other" value="x"><input name="csrf" value="abc">"#,
                Some("abc"),
            ),
            (
                r#"<input name="csrf" value="1"><input name="csrf" value="2">"#,
                Some("1"),
            ),
            (
                r#"<input name="csrf" name="other" value="1" value="2">"#,
                Some("1"),
            ),
            (
                r#"<!-- <input name="csrf" value="no"> --><input name="csrf" value="abc">"#,
                Some("abc"),
            ),
            (
                r#"<script>"<input name='csrf' value='no'>"</script><input name="csrf" value="abc">"#,
                Some("abc"),
            ),
            (
                r#"<p title="<input name='csrf' value='abc'>">"#,
                Some("abc"),
            ),
            (r#"<input name="csrf">"#, None),
            (r#"<input value="x">"#, None),
            (r#"<input name="csrf" value="x"#, None),
            (r#"<inputs name="csrf" value="x">"#, None),
            (r#"<!-- <input name="csrf" value="x">"#, None),
            (r#"<script><input name="csrf" value="x">"#, None),
            (r#"<input name="csrf"><p value="x">"#, None),
            ("", None),
            ("<", None),
            ("<input", None),
            ("<input =", None),
        ] {
            assert_eq!(found(page).as_deref(), expected, "{page}");
        }
        let long = format!("<input name=csrf value={}>", "x".repeat(LONGEST + 1));
        assert_eq!(found(&long), None);
    }

    /// A megabyte of each is gone through once; what goes back over it would hang here.
    #[test]
    fn a_hostile_page_takes_no_longer_than_another() {
        const MANY: usize = 1 << 20;
        for part in [
            "<",
            "<!--",
            "<input ",
            "<input a=",
            "<input a=\"",
            "<script>",
            "<script ",
            "&",
            "=",
            "<input name=csrf value=&",
            "<input name='",
            "</",
            "<meta/",
            "-->",
            "<input name=csrf >",
        ] {
            let page = part.repeat(MANY / part.len());
            hidden_value(page.as_bytes(), "csrf");
        }
    }

    proptest! {
        #[test]
        fn no_page_makes_it_fail(page in proptest::collection::vec(any::<u8>(), 0..400)) {
            hidden_value(&page, "csrf");
        }

        #[test]
        fn no_page_that_is_nearly_html_makes_it_fail(
            page in "([<>=\"'/ a&;#x-]|<input |name=|csrf|value=|<!--|-->|<script|</script|&#){0,60}",
        ) {
            hidden_value(page.as_bytes(), "csrf");
        }

        #[test]
        fn a_token_is_found_among_anything_that_is_text(
            before in "[^<]{0,80}", token in "[A-Za-z0-9+/=_-]{1,64}", behind in "\\PC{0,80}",
        ) {
            let page = format!("{before}<input type=hidden name=\"csrf\" value=\"{token}\">{behind}");
            prop_assert_eq!(found(&page), Some(token));
        }
    }
}
