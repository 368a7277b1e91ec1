//! What goes out: JSON for programs, a message for Slack, a card for Teams, text and HTML for
//! mail.
//!
//! Pure. What people wrote is escaped here for each of them, and is never markup.

use serde_json::{Value, json};

use super::Message;

/// Slack takes 150 characters in a heading and 2,000 in a field.
const HEADING: usize = 150;
const FIELD: usize = 1_900;

impl Message<'_> {
    /// As a program reads it. `id` is the notice's, the same on every way and at every try.
    pub(super) fn json(&self) -> Value {
        let notice = self.notice;
        let mut data = json!(notice.facts);
        if let Some(fields) = data.as_object_mut() {
            fields.remove("actor");
        }
        json!({
            "type": format!("checkout.{}", notice.event),
            "id": notice.id,
            "timestamp": notice.at,
            "text": self.words.headline,
            "link": self.link,
            "data": data,
        })
    }

    pub(super) fn slack(&self) -> Value {
        let fields: Vec<Value> = self
            .words
            .facts
            .iter()
            .map(|(name, text)| {
                json!({ "type": "plain_text", "text": cut(&format!("{name}: {text}"), FIELD) })
            })
            .collect();
        let headline = cut(&self.words.headline, HEADING);
        json!({
            // Shown in notifications, where `<`, `>` and `&` are markup.
            "text": escaped(&headline),
            "blocks": [
                { "type": "header", "text": { "type": "plain_text", "text": headline } },
                { "type": "section", "fields": fields },
                { "type": "actions", "elements": [{
                    "type": "button",
                    "text": { "type": "plain_text", "text": self.words.link },
                    "url": self.link,
                }]},
            ],
        })
    }

    pub(super) fn teams(&self) -> Value {
        // Text in a run is text; in a TextBlock or a FactSet it would be Markdown.
        let line = |runs: Value| json!({ "type": "RichTextBlock", "inlines": runs });
        let mut body = vec![line(json!([{
            "type": "TextRun",
            "text": self.words.headline,
            "weight": "Bolder",
            "size": "Medium",
        }]))];
        body.extend(self.words.facts.iter().map(|(name, text)| {
            line(json!([
                { "type": "TextRun", "text": format!("{name}: "), "weight": "Bolder" },
                { "type": "TextRun", "text": text },
            ]))
        }));
        json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": body,
                    "actions": [{
                        "type": "Action.OpenUrl",
                        "title": self.words.link,
                        "url": self.link,
                    }],
                },
            }],
        })
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.words.headline);
        for (name, fact) in &self.words.facts {
            text.push_str(&format!("{name}: {fact}\n"));
        }
        text.push_str(&format!("\n{}:\n{}\n", self.words.link, self.link));
        text
    }

    pub(super) fn html(&self) -> String {
        let mut rows = String::new();
        for (name, fact) in &self.words.facts {
            rows.push_str(&format!(
                "<tr><td style=\"padding:4px 16px 4px 0;color:#57606a;vertical-align:top\">{name}</td>\
                 <td style=\"padding:4px 0;white-space:pre-wrap\">{}</td></tr>",
                escaped(fact)
            ));
        }
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\">\
             <meta name=\"color-scheme\" content=\"light dark\"><title>{headline}</title></head>\
             <body style=\"font-family:system-ui,sans-serif;line-height:1.5;margin:24px\">\
             <h1 style=\"font-size:18px\">{headline}</h1>\
             <table style=\"border-collapse:collapse;font-size:15px\">{rows}</table>\
             <p style=\"margin:24px 0\"><a href=\"{link}\" style=\"background:#1f5fbf;color:#ffffff;\
             padding:10px 20px;border-radius:6px;text-decoration:none;font-weight:600\">{action}</a></p>\
             <p style=\"color:#57606a;font-size:13px\">{link}</p></body></html>",
            headline = escaped(&self.words.headline),
            link = escaped(&self.link),
            action = escaped(self.words.link),
        )
    }
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
