//! The console's files, as `build.rs` found them in `web/dist` and put them into this binary.
//!
//! Answers what is there, and none of it where the console was not built. Serves nothing.

/// One file: its bytes, and the same compressed where that is smaller.
pub struct File {
    name: &'static str,
    pub bytes: &'static [u8],
    pub brotli: Option<&'static [u8]>,
}

// `FILES`, sorted by name.
include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// By its path below the root of the site: `assets/index-1a2b.js`.
pub fn file(name: &str) -> Option<&'static File> {
    let found = FILES.binary_search_by(|file| file.name.cmp(name));
    found.ok().map(|at| &FILES[at])
}

impl File {
    pub fn media(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("wasm") => "application/wasm",
            Some("woff2") => "font/woff2",
            Some("txt") => "text/plain; charset=utf-8",
            _ => "application/octet-stream",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_found_by_its_name_and_nothing_else_is() {
        for known in FILES {
            let found = file(known.name).unwrap();
            assert_eq!(found.bytes.len(), known.bytes.len());
            assert_ne!(found.media(), "application/octet-stream", "{}", known.name);
        }
        assert!(file("").is_none() && file("../Cargo.toml").is_none());
    }
}
