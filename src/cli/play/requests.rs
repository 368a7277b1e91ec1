//! What went to a web target, shown as one line for each request once its answer is known,
//! and one for each file behind it.
//!
//! Shows what was recorded and asks nobody. Whatever the target or the person made up for a
//! path or a reason comes out inert.

use std::collections::HashMap;

use serde_json::Value;

use crate::cli::{json, screen::one_line};

/// Requests that wait for their answer.
#[derive(Default)]
pub struct Requests {
    waiting: HashMap<u64, (f64, Value)>,
    /// Those of requests that wait.
    bodies: HashMap<u64, String>,
}

/// Of a recording that was made up no more than this waits.
const MOST: usize = 100_000;

impl Requests {
    /// Shows nothing yet, except of what no answer can be told apart.
    pub fn asked(&mut self, at: f64, text: &str) -> String {
        let Ok(request) = serde_json::from_str::<Value>(text) else {
            return String::new();
        };
        if let Some(number) = request["n"].as_u64()
            && self.waiting.len() < MOST
        {
            self.waiting.insert(number, (at, request));
        }
        String::new()
    }

    /// Shows nothing yet: it is shown behind its answer.
    pub fn body(&mut self, text: &str) -> String {
        if let Ok(line) = serde_json::from_str::<Value>(text)
            && let Some(number) = line["n"].as_u64()
            && self.waiting.contains_key(&number)
        {
            self.bodies
                .entry(number)
                .or_default()
                .push_str(&body(&line));
        }
        String::new()
    }

    pub fn answered(&mut self, text: &str) -> String {
        let Ok(answer) = serde_json::from_str::<Value>(text) else {
            return String::new();
        };
        let Some(number) = answer["n"].as_u64() else {
            return String::new();
        };
        let Some((at, request)) = self.waiting.remove(&number) else {
            return String::new();
        };
        let bodies = self.bodies.remove(&number).unwrap_or_default();
        line(at, &request, Some(&answer)) + &bodies
    }

    /// Those that got no answer before the recording ended.
    pub fn end(&mut self) -> String {
        let mut open: Vec<_> = self.waiting.drain().collect();
        open.sort_by_key(|(number, _)| *number);
        let lines = open.iter();
        lines
            .map(|(_, (at, request))| line(*at, request, None))
            .collect()
    }
}

fn line(at: f64, request: &Value, answer: Option<&Value>) -> String {
    let method = json::text(request, "method");
    let path = json::text(request, "path");
    let became = match answer {
        None => "no answer".to_owned(),
        Some(answer) => {
            let status = match answer["status"].as_u64() {
                Some(status) => status.to_string(),
                None => "---".to_owned(),
            };
            let count = |name: &str| answer[name].as_u64().unwrap_or(0);
            let why = match answer["error"].as_str() {
                Some(why) => format!(", {why}"),
                None => String::new(),
            };
            format!(
                "{status}, {} bytes up, {} bytes down, {} ms{why}",
                count("bytes_in"),
                count("bytes_out"),
                count("ms"),
            )
        }
    };
    let mut lines = format!(
        "{}\r\n",
        one_line(&format!("{at:9.3}  {method} {path}  {became}"))
    );
    let files = answer.and_then(|answer| answer["files"].as_array());
    for file in files.into_iter().flatten() {
        lines.push_str(&format!("{:9}  {}\r\n", "", one_line(&moved(file))));
    }
    lines
}

/// What is recorded of a body: a head, and its text further in.
fn body(line: &Value) -> String {
    let said = match (line["text"].as_str(), line["not_kept"].as_str()) {
        (_, Some(why)) => format!(", not kept: {why}"),
        (None, None) => ", no text".to_owned(),
        (Some(_), None) if line["cut"] == true => ", its beginning".to_owned(),
        (Some(_), None) => String::new(),
    };
    let head = format!(
        "body {} {}, {} bytes{said}",
        json::text(line, "direction"),
        json::text(line, "type"),
        line["bytes"].as_u64().unwrap_or(0),
    );
    let mut lines = format!("{:9}  {}\r\n", "", one_line(&head));
    for text in line["text"].as_str().unwrap_or_default().lines() {
        lines.push_str(&format!("{:9}    {}\r\n", "", one_line(text)));
    }
    lines
}

/// `file down /export as report.csv, 7 bytes, complete, SHA-256 9f86…`.
pub fn moved(file: &Value) -> String {
    let text = |name: &str| json::text(file, name);
    let name = match file["name"].as_str() {
        Some(name) => format!(" as {name}"),
        None => String::new(),
    };
    format!(
        "file {} {}{name}, {} bytes, {}, SHA-256 {}",
        text("direction"),
        text("path"),
        file["bytes"].as_u64().unwrap_or(0),
        text("result"),
        text("sha256"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_line_behind_its_request() {
        let mut requests = Requests::default();
        requests.asked(1.5, r#"{"n":1,"method":"GET","path":"/export"}"#);
        let shown = requests.answered(
            r#"{"n":1,"status":200,"bytes_out":7,"ms":3,"files":[{"direction":"down","path":"/export","name":"a\u001b.csv","bytes":7,"sha256":"9f86","result":"complete"}]}"#,
        );
        let lines: Vec<_> = shown.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 2, "{shown:?}");
        let file = lines[1].trim_start();
        assert!(file.starts_with("file down /export as a"), "{file}");
        assert!(
            file.ends_with(".csv, 7 bytes, complete, SHA-256 9f86"),
            "{file}"
        );
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }

    #[test]
    fn a_body_is_shown_behind_its_answer() {
        let mut requests = Requests::default();
        requests.asked(1.5, r#"{"n":1,"method":"POST","path":"/a"}"#);
        let text = r#"{"n":1,"direction":"up","type":"text/plain","bytes":7,"cut":true,"text":"one\u001b\ntwo"}"#;
        assert_eq!(requests.body(text), "");
        assert_eq!(requests.body(r#"{"n":2,"direction":"up","bytes":7}"#), "");
        let shown = requests.answered(r#"{"n":1,"status":200,"ms":3}"#);
        let lines: Vec<_> = shown.split_terminator("\r\n").map(str::trim).collect();
        assert_eq!(lines[1], "body up text/plain, 7 bytes, its beginning");
        assert_eq!(lines[3], "two");
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }

    #[test]
    fn a_request_is_one_line_with_what_became_of_it() {
        let mut requests = Requests::default();
        requests.asked(1.5, r#"{"n":1,"method":"GET","path":"/a\u001b[2J?x=***"}"#);
        requests.asked(2.0, r#"{"n":2,"method":"PUT","path":"/b"}"#);
        requests.asked(2.0, "nonsense");
        let shown = requests.answered(r#"{"n":1,"status":200,"bytes_out":7,"ms":3}"#);
        assert!(shown.starts_with("    1.500  GET /a"), "{shown}");
        assert!(
            shown.contains("200, 0 bytes up, 7 bytes down, 3 ms"),
            "{shown}"
        );
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
        assert_eq!(requests.answered(r#"{"n":1,"status":200}"#), "");
        assert_eq!(requests.end(), "    2.000  PUT /b  no answer\r\n");
    }
}
