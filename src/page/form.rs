//! What a form sent, and what stands behind a question mark: names with one value each.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Fields(BTreeMap<String, String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a form has each of its fields once")]
pub struct NotAForm;

impl Fields {
    /// A form has a handful of fields.
    const MOST: usize = 16;

    /// `application/x-www-form-urlencoded`. A field that is there twice is read by nobody.
    pub fn read(text: &[u8]) -> Result<Self, NotAForm> {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text) {
            let doubled = fields.insert(name.into_owned(), value.into_owned());
            if doubled.is_some() || fields.len() > Self::MOST {
                return Err(NotAForm);
            }
        }
        Ok(Self(fields))
    }

    /// What was sent under this name; nothing is the empty text.
    pub fn of(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub fn take(&mut self, name: &str) -> String {
        self.0.remove(name).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_there_once() {
        let mut fields = Fields::read(b"user=al+ice&password=%C3%A4%26&x").unwrap();
        assert_eq!(fields.of("user"), "al ice");
        assert_eq!(fields.take("password"), "\u{e4}&");
        assert_eq!((fields.of("x"), fields.of("y")), ("", ""));
        assert_eq!(Fields::read(b"a=1&a=2").unwrap_err(), NotAForm);
        let many: Vec<String> = (0..40).map(|n| format!("{n}=")).collect();
        assert!(Fields::read(many.join("&").as_bytes()).is_err());
    }
}
