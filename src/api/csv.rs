//! Check-outs and file logs as tables for a spreadsheet.
//!
//! Every cell is text and stays text: what a spreadsheet would take for a formula is made inert.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

use crate::{
    model::{checkout::Checkout, file::FileRecord, time::Timestamp},
    store::checkout::Status,
};

const CHECKOUT: [&str; 17] = [
    "code",
    "status",
    "target",
    "account",
    "requested_by",
    "approver",
    "answered_by",
    "ticket",
    "reason",
    "requested_at",
    "requested_duration",
    "window_starts_at",
    "window_ends_at",
    "starts_at",
    "ends_at",
    "ended_by",
    "message",
];

const FILE: [&str; 12] = [
    "id",
    "channel",
    "recording",
    "at",
    "op",
    "path",
    "to",
    "direction",
    "bytes",
    "sha256",
    "result",
    "detail",
];

pub fn checkouts(items: &[Checkout]) -> Response {
    table("checkouts.csv", CHECKOUT, items.iter().map(checkout))
}

pub fn files(items: &[FileRecord]) -> Response {
    table("files.csv", FILE, items.iter().map(file))
}

fn table<const N: usize>(
    name: &str,
    columns: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Response {
    let mut text = String::new();
    row(&mut text, columns.map(str::to_owned));
    for cells in rows {
        row(&mut text, cells);
    }
    let headers = [
        (
            header::CONTENT_TYPE,
            "text/csv; charset=utf-8; header=present".to_owned(),
        ),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, text).into_response()
}

fn file(file: &FileRecord) -> [String; FILE.len()] {
    let maybe = |value: Option<String>| value.unwrap_or_default();
    [
        file.id.to_string(),
        file.channel.to_string(),
        maybe(file.recording.as_ref().map(ToString::to_string)),
        file.at.to_string(),
        file.op.to_string(),
        file.path.to_string(),
        maybe(file.to.as_ref().map(ToString::to_string)),
        maybe(file.direction.map(|direction| direction.to_string())),
        file.bytes.to_string(),
        maybe(file.sha256.clone()),
        file.result.to_string(),
        file.detail.clone(),
    ]
}

fn checkout(checkout: &Checkout) -> [String; CHECKOUT.len()] {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let answered: Vec<_> = checkout
        .votes
        .iter()
        .map(|vote| vote.name.as_str())
        .collect();
    let end = checkout.end();
    let grant = checkout.grant();
    [
        checkout.code.to_string(),
        Status::of(checkout).as_str().to_owned(),
        checkout.target_name.to_string(),
        checkout.account_name.to_string(),
        checkout.requester_name.to_string(),
        checkout
            .approver
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        answered.join(" "),
        checkout
            .ticket
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        checkout.reason.to_string(),
        checkout.requested_at.to_string(),
        checkout.duration.to_string(),
        time(checkout.window.map(|window| window.starts_at)),
        time(checkout.window.map(|window| window.ends_at)),
        time(grant.map(|grant| grant.starts_at)),
        time(end.map(|end| end.at).or(grant.map(|grant| grant.ends_at))),
        end.map(|end| end.by.clone()).unwrap_or_default(),
        end.map(|end| end.message.to_string()).unwrap_or_default(),
    ]
}

fn row<const N: usize>(text: &mut String, cells: [String; N]) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        self::cell(text, cell);
    }
    // RFC 4180.
    text.push_str("\r\n");
}

fn cell(text: &mut String, cell: &str) {
    text.push('"');
    // Spreadsheets run what begins with one of these, also behind blanks and quotes.
    let first = cell.trim_start_matches([' ', '\'', '"']).chars().next();
    if matches!(
        first,
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '|' | '%' | '＝' | '＋' | '－' | '＠')
    ) {
        text.push('\'');
    }
    text.push_str(&cell.replace('"', "\"\""));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_only_text() {
        for (given, written) in [
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            (" =1+1", "\"' =1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-2+3", "\"'-2+3\""),
            ("disk \"full\", again", "\"disk \"\"full\"\", again\""),
            ("CHG0012345", "\"CHG0012345\""),
        ] {
            let mut text = String::new();
            cell(&mut text, given);
            assert_eq!(text, written);
        }
    }
}
