//! Puts the SDK's files into a release, as they were built last. They need not be there, and a debug build reads them
//! from the disk whenever it is asked.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let crate_dir = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&crate_dir).ancestors().nth(2).expect("the crate lies two folders below the root");
    let sdk = root.join("web/dist/sdk");
    println!("cargo:rustc-env=BELFRY_SDK_DIR={}", sdk.display());
    println!("cargo:rerun-if-changed=build.rs");
    let mut files = Vec::new();
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rerun-if-changed={}", sdk.display());
        if sdk.is_dir() {
            collect(&sdk, &mut files)?;
        }
    }
    files.sort();
    let entries: String = files
        .iter()
        .map(|path| {
            let name =
                path.strip_prefix(&sdk).expect("it was found below").to_string_lossy().replace('\\', "/");
            format!("({name:?}, include_bytes!({path:?}).as_slice()),\n")
        })
        .collect();
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("sdk_files.rs"), format!("&[\n{entries}]"))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
