//! How the types that are written as one string appear in the API's own description.
//!
//! Describes only. What such a string may hold is decided where the type is parsed.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{SchemaFormat, Type},
    },
};

use super::{
    capability::Capability,
    target::Address,
    ticket::TicketPattern,
    time::{Span, Timestamp},
};

macro_rules! strings {
    ($($name:ident, $format:literal, $description:literal, $example:literal;)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .format(Some(SchemaFormat::Custom($format.to_owned())))
                    .description(Some($description))
                    .examples([serde_json::Value::from($example)])
                    .into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )*};
}

strings! {
    Timestamp, "date-time", "A point in time, UTC, RFC 3339.", "2030-01-31T18:00:00.000Z";
    Span, "span", "A length of time: days, hours, minutes and seconds, each at most once.", "1h30m";
    Address, "host-port", "Where a target listens.", "db1.example.org:22";
    Capability, "capability", "One thing a session may do: shell, exec, exec:COMMAND, sftp-read, sftp-write, scp-up, scp-down, forward:HOST:PORT, remote-forward:ADDRESS:PORT, agent, x11, http, http:METHODS PATH, with upload<=SIZE and download<=SIZE behind it where there is a limit, websocket, desktop, clipboard or drives.", "forward:db.internal:5432";
    TicketPattern, "regex", "A regular expression that must match a ticket number as a whole.", "CHG[0-9]{7}";
}
