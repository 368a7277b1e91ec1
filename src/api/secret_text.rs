//! A secret that somebody sends: wiped when dropped, without a shape that could be logged.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{KnownFormat, SchemaFormat, Type},
    },
};
use zeroize::Zeroizing;

/// 1 to 16,384 bytes of text.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    const LONGEST: usize = 16 * 1024;

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        if text.is_empty() || text.len() > Self::LONGEST {
            return Err(D::Error::custom("1 to 16384 bytes of text are expected"));
        }
        Ok(Self(text))
    }
}

impl PartialSchema for SecretText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .write_only(true)
            .into()
    }
}

impl ToSchema for SecretText {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("SecretText")
    }
}
