//! Every public function of the store stands in the suite. A new one that does not fails here.

use std::{fs, path::Path};

#[test]
fn every_public_function_stands_in_the_suite() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut suite = String::new();
    for file in fs::read_dir(root.join("tests/store")).unwrap() {
        suite.push_str(&fs::read_to_string(file.unwrap().path()).unwrap());
    }
    let mut missing = Vec::new();
    let mut seen = 0;
    for (noun, file) in nouns(&root.join("src/store")) {
        let text = fs::read_to_string(file).unwrap();
        let functions = text.lines().filter_map(|line| {
            let name = line.strip_prefix("pub async fn ")?;
            name.split(['(', '<']).next()
        });
        for function in functions {
            seen += 1;
            // The suite calls the rows of the audit log so, because `audit` is the log itself.
            let noun = if noun == "audit" { "rows" } else { &noun };
            let call = format!("{noun}::{function}(");
            if !suite.contains(&call) {
                missing.push(call);
            }
        }
    }
    assert!(seen > 70, "found only {seen} functions");
    assert!(missing.is_empty(), "not in the suite: {missing:?}");
}

/// Each file of the store, by the noun it is about.
fn nouns(folder: &Path) -> Vec<(String, std::path::PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let inner = fs::read_dir(&path).unwrap();
            found.extend(inner.map(|file| (stem.clone(), file.unwrap().path())));
        } else {
            found.push((stem, path));
        }
    }
    found
}
