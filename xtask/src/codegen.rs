//! Writes the generated files, or compares them.

/// Writes every generated file; with `check` only compares, and fails where one differs.
pub(crate) fn run(_check: bool) -> anyhow::Result<()> {
    println!("codegen: nothing is generated yet");
    Ok(())
}
