//! A file on its way through: how much of it, and its SHA-256, as it passes.
//!
//! What counts as one is said in `model::web`. Keeps nothing of its content.

use aws_lc_rs::digest::Digest;
use data_encoding::HEXLOWER;
use hyper::{
    HeaderMap, Method, StatusCode,
    body::Bytes,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName},
};
use serde::Serialize;

use super::multipart::Parts;
use crate::{
    broker::hashing::Hashing,
    model::{
        file::{Direction, FileOp, FilePath, FileResult, Moved},
        web::{CanonicalPath, file_name, is_download, is_upload, percent_decoded},
    },
};

pub struct Transfer {
    direction: Direction,
    path: FilePath,
    /// As it is to be called where it arrives, if that is said.
    name: Option<FilePath>,
    /// Only a part of it was asked for.
    is_range: bool,
    content: Content,
}

enum Content {
    One {
        hashing: Hashing,
        bytes: u64,
    },
    /// A form with files in it.
    Form(Box<Parts>),
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// Whether the body was read to its end.
    pub whole: bool,
    /// What the target answered.
    pub status: Option<StatusCode>,
}

/// As the recording says it.
#[derive(Serialize)]
pub struct FileLine<'a> {
    direction: Direction,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
    result: FileResult,
}

impl Transfer {
    /// What a request with these headers brings to the target, if that is a file.
    pub fn up(method: &Method, path: &CanonicalPath, headers: &HeaderMap) -> Option<Self> {
        let kind = text(headers, &CONTENT_TYPE);
        if !is_upload(method.as_str(), kind) {
            return None;
        }
        let form = kind.and_then(Parts::of).map(Box::new);
        Some(Self::new(
            Direction::Up,
            path,
            headers,
            form.map(Content::Form),
        ))
    }

    /// What an answer with these headers brings to the person, if that is a file.
    pub fn down(
        method: &Method,
        path: &CanonicalPath,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Option<Self> {
        let kind = text(headers, &CONTENT_TYPE);
        let disposition = text(headers, &CONTENT_DISPOSITION);
        let is_one = is_download(method.as_str(), status.as_u16(), kind, disposition);
        let is_range = status == StatusCode::PARTIAL_CONTENT;
        is_one.then(|| Self {
            is_range,
            ..Self::new(Direction::Down, path, headers, None)
        })
    }

    fn new(
        direction: Direction,
        path: &CanonicalPath,
        headers: &HeaderMap,
        content: Option<Content>,
    ) -> Self {
        let name = text(headers, &CONTENT_DISPOSITION).and_then(file_name);
        Self {
            direction,
            path: match path.has_encoded_slash() {
                true => FilePath::from_bytes(path.as_str().as_bytes()),
                false => FilePath::from_bytes(&percent_decoded(path.as_str())),
            },
            name: name.map(|name| FilePath::from_bytes(name.as_bytes())),
            is_range: false,
            content: content.unwrap_or_else(|| Content::One {
                hashing: Hashing::default(),
                bytes: 0,
            }),
        }
    }

    /// The next of what passes.
    pub fn add(&mut self, data: &Bytes) {
        match &mut self.content {
            Content::One { hashing, bytes } => {
                hashing.add(data);
                *bytes = bytes.saturating_add(data.len() as u64);
            }
            Content::Form(parts) => parts.add(data),
        }
    }

    /// What the file log says of it: a row, or for a form one for each file in it.
    pub fn end(self, end: End) -> Vec<Moved> {
        let Self {
            direction,
            path,
            name,
            is_range,
            content,
        } = self;
        let op = match direction {
            Direction::Up => FileOp::Write,
            Direction::Down => FileOp::Read,
        };
        let row = |to: Option<FilePath>, digest: Digest, bytes: u64, whole: bool| {
            let (result, detail) = became(direction, is_range, whole, end.status);
            Moved {
                op,
                path: path.clone(),
                to,
                bytes,
                sha256: Some(HEXLOWER.encode(digest.as_ref())),
                result,
                detail,
            }
        };
        match content {
            Content::One { hashing, bytes } => {
                vec![row(name, hashing.finish(), bytes, end.whole)]
            }
            Content::Form(parts) => {
                let parts = parts.end().into_iter();
                let rows = parts.map(|part| {
                    let name = FilePath::from_bytes(part.name.as_bytes());
                    row(Some(name), part.digest.finish(), part.bytes, part.whole)
                });
                rows.collect()
            }
        }
    }
}

fn became(
    direction: Direction,
    is_range: bool,
    whole: bool,
    status: Option<StatusCode>,
) -> (FileResult, String) {
    let refused = status.filter(|status| !status.is_success() && !status.is_redirection());
    match (direction, refused, status) {
        (Direction::Up, Some(status), _) => {
            (FileResult::Failed, format!("answered {}", status.as_u16()))
        }
        (Direction::Up, None, None) => (FileResult::Cut, "no answer".to_owned()),
        _ if !whole => (FileResult::Cut, String::new()),
        _ if is_range => (FileResult::Partial, "a part was asked for".to_owned()),
        _ => (FileResult::Complete, String::new()),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl<'a> From<&'a Moved> for FileLine<'a> {
    fn from(moved: &'a Moved) -> Self {
        Self {
            direction: moved.op.direction().unwrap_or(Direction::Up),
            path: moved.path.as_str(),
            name: moved.to.as_ref().map(FilePath::as_str),
            bytes: moved.bytes,
            sha256: moved.sha256.as_deref(),
            result: moved.result,
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
        let lines = lines.iter().cloned();
        lines
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn how_it_ended_is_said_as_it_was() {
        let path = "/gr%C3%B6%C3%9Fe/a.bin".parse().unwrap();
        let none = HeaderMap::new();
        let ok = Some(StatusCode::CREATED);
        for (whole, status, result) in [
            (true, ok, FileResult::Complete),
            (true, Some(StatusCode::FOUND), FileResult::Complete),
            (true, Some(StatusCode::FORBIDDEN), FileResult::Failed),
            (
                false,
                Some(StatusCode::PAYLOAD_TOO_LARGE),
                FileResult::Failed,
            ),
            (true, None, FileResult::Cut),
            (false, ok, FileResult::Cut),
        ] {
            let mut up = Transfer::up(&Method::PUT, &path, &none).unwrap();
            up.add(&Bytes::from_static(b"ab"));
            up.add(&Bytes::from_static(b"c"));
            let moved = up.end(End { whole, status }).remove(0);
            assert_eq!(
                (moved.result, moved.bytes),
                (result, 3),
                "{whole} {status:?}"
            );
            assert_eq!(moved.path.as_str(), "/größe/a.bin");
            assert_eq!(
                moved.sha256.as_deref(),
                Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
            );
        }
    }

    #[test]
    fn a_download_is_called_as_the_target_says() {
        let path = "/export".parse().unwrap();
        let named = headers(&[(CONTENT_TYPE, "application/zip")]);
        let part = Transfer::down(&Method::GET, &path, StatusCode::PARTIAL_CONTENT, &named);
        let status = Some(StatusCode::PARTIAL_CONTENT);
        let moved = part
            .unwrap()
            .end(End {
                whole: true,
                status,
            })
            .remove(0);
        assert_eq!((moved.result, moved.to), (FileResult::Partial, None));
        let mut named = named;
        named.insert(
            CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"../a b.csv\""),
        );
        let whole = Transfer::down(&Method::GET, &path, StatusCode::OK, &named).unwrap();
        let moved = whole
            .end(End {
                whole: true,
                status: Some(StatusCode::OK),
            })
            .remove(0);
        assert_eq!(moved.to.unwrap().as_str(), "a b.csv");
        let page = headers(&[(CONTENT_TYPE, "text/html")]);
        assert!(Transfer::down(&Method::GET, &path, StatusCode::OK, &page).is_none());
    }
}
