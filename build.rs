//! Puts the console into the binary: what `make console` left in `web/dist/app`.
//!
//! Without it the binary is built all the same, and says at its address how to build it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn main() {
    // The folder is always there, so that cargo does not take it for changed at each build.
    println!("cargo::rerun-if-changed=web/dist");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let dist = root.join("web/dist/app");
    let mut names = Vec::new();
    list(&dist, &dist, &mut names);
    names.sort();
    let mut table = String::from("static FILES: &[File] = &[\n");
    for name in names.iter().filter(|name| !name.ends_with(".br")) {
        let bytes = included(&dist, name);
        let smaller = format!("{name}.br");
        let brotli = match names.binary_search(&smaller) {
            Ok(_) => format!("Some({})", included(&dist, &smaller)),
            Err(_) => "None".to_owned(),
        };
        table += &format!("    File {{ name: {name:?}, bytes: {bytes}, brotli: {brotli} }},\n");
    }
    table += "];\n";
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("console.rs"), table).expect("the build folder can be written");
}

fn included(dist: &Path, name: &str) -> String {
    format!("include_bytes!({:?})", dist.join(name))
}

/// The names of all files below, with slashes; none where there is no such folder.
fn list(dist: &Path, folder: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            list(dist, &path, names);
        } else {
            let below = path.strip_prefix(dist).expect("it was found there");
            names.push(below.to_string_lossy().replace('\\', "/"));
        }
    }
}
