//! All declared kinds of a folder.

use super::fault::{Complaint, Gravity, KindFault, nearest};
use super::kind::Kind;
use super::read_kind::read_kind;
use belfry_protocol::frame::is_reserved_kind;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Most kind files of a folder.
const FILES_MAX: usize = 1000;
/// Most bytes of a kind file and of a file it names.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Room for the deepest expression that fits into a template, with a wide margin.
const STACK_BYTES: usize = 128 * 1024 * 1024;

/// What the configuration says about kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindsOptions {
    /// The schemes of links that are no paths (`kinds.link_schemes`).
    pub link_schemes: Vec<String>,
    /// The language of texts where the wanted one is not written (`kinds.default_locale`).
    pub default_locale: String,
    /// Dates are written in it where there is no person, or one without a time zone (`fallback.time_zone`).
    pub default_time_zone: String,
}

impl Default for KindsOptions {
    fn default() -> Self {
        Self {
            link_schemes: vec!["https".to_owned()],
            default_locale: "en".to_owned(),
            default_time_zone: "UTC".to_owned(),
        }
    }
}

/// The declared kinds, by name. None at all: everything is accepted.
#[derive(Debug, Default)]
pub struct Kinds {
    kinds: BTreeMap<String, Kind>,
    warnings: Vec<KindFault>,
}

/// Why a kind's name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is a frame type of the protocol.
    #[error("`{0}` is a name of the protocol; choose another that does not begin with `belfry.`")]
    Reserved(String),
    /// Kinds are declared, and this is none of them.
    #[error("the kind `{name}` is not declared{}", nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        /// What was asked for.
        name: String,
        /// The declared name that is most like it.
        nearest: Option<String>,
    },
}

impl Kinds {
    /// No kinds: any name with any object is accepted.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads every `*.toml` of a folder. A folder that does not exist declares nothing. All faults of all files are
    /// given, not only the first.
    pub fn load(folder: &Path, options: &KindsOptions) -> Result<Self, Vec<KindFault>> {
        with_deep_stack(|| Self::load_here(folder, options))
    }

    fn load_here(folder: &Path, options: &KindsOptions) -> Result<Self, Vec<KindFault>> {
        let files = match kind_files(folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::none()),
            Err(error) => {
                let problem = format!("the folder cannot be read: {error}");
                return Err(vec![whole_file(
                    folder,
                    problem,
                    "Let this user read it, or change `kinds.dir`",
                )]);
            }
        };
        if files.len() > FILES_MAX {
            let problem = format!("{} kind files are too many", files.len());
            return Err(vec![whole_file(folder, problem, &format!("Keep at most {FILES_MAX}"))]);
        }
        let mut set = Self::none();
        let mut errors = Vec::new();
        for file in files {
            match read_text(&file) {
                Ok(text) => set.add(&file, &text, options, &mut errors),
                Err(reason) => {
                    let problem = format!("the file cannot be read: {reason}");
                    errors.push(whole_file(&file, problem, "Correct it, or remove it from the folder"));
                }
            }
        }
        if errors.is_empty() { Ok(set) } else { Err(errors) }
    }

    /// Reads one kind from its text, for tests and tools; a schema file is looked for beside `file`.
    pub fn from_text(file: &Path, text: &str, options: &KindsOptions) -> Result<Self, Vec<KindFault>> {
        with_deep_stack(|| {
            let mut set = Self::none();
            let mut errors = Vec::new();
            set.add(file, text, options, &mut errors);
            if errors.is_empty() { Ok(set) } else { Err(errors) }
        })
    }

    fn add(&mut self, file: &Path, text: &str, options: &KindsOptions, errors: &mut Vec<KindFault>) {
        let read = read_kind(file, text, options, &|path| read_text(path));
        for fault in read.faults {
            match fault.gravity {
                Gravity::Error => errors.push(fault),
                Gravity::Warning => self.warnings.push(fault),
            }
        }
        let Some(kind) = read.kind else { return };
        if let Some(first) = self.kinds.get(&kind.name) {
            let problem = format!("\"{}\" is declared in {} already", kind.name, first.file.display());
            let complaint = Complaint::error(problem, "Keep one of the two files, or rename one kind");
            errors.push(KindFault {
                gravity: complaint.gravity,
                file: file.to_owned(),
                line: None,
                field: "kind".to_owned(),
                problem: complaint.problem,
                remedy: complaint.remedy,
            });
            return;
        }
        self.kinds.insert(kind.name.clone(), kind);
    }

    /// The kind of this name; `Ok(None)` when none are declared, so that any name is welcome.
    pub fn find(&self, name: &str) -> Result<Option<&Kind>, NameError> {
        if let Some(kind) = self.kinds.get(name) {
            return Ok(Some(kind));
        }
        if is_reserved_kind(name) {
            return Err(NameError::Reserved(name.to_owned()));
        }
        if self.kinds.is_empty() {
            return Ok(None);
        }
        let nearest = nearest(name, self.kinds.keys().map(String::as_str)).map(str::to_owned);
        Err(NameError::Unknown { name: name.to_owned(), nearest })
    }

    /// The kind of this name if it is declared: for what is stored already.
    pub fn get(&self, name: &str) -> Option<&Kind> {
        self.kinds.get(name)
    }

    /// All kinds, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.values()
    }

    /// All kinds, by value.
    #[cfg(test)]
    pub(super) fn into_kinds(self) -> impl Iterator<Item = Kind> {
        self.kinds.into_values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether none is declared.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// What works but is probably not meant so.
    pub fn warnings(&self) -> &[KindFault] {
        &self.warnings
    }
}

/// Runs the work on a thread with a deep stack: the template engine reads expressions by recursion without a limit,
/// and `not not not …` in a file must not end the process. The memory is taken only as far as it is used.
fn with_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("kinds".to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, work).expect("a machine that serves has room for one thread");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The kind files of a folder, by name; hidden files and editors' copies are none.
pub(super) fn kind_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

pub(super) fn read_text(file: &Path) -> Result<String, String> {
    use io::Read;
    let mut text = String::new();
    let says = |error: io::Error| error.to_string();
    // Opening a pipe would wait for its writer for ever.
    if !fs::metadata(file).map_err(says)?.is_file() {
        return Err("it is no file".to_owned());
    }
    let opened = fs::File::open(file).map_err(says)?;
    let read = opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(says)?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    Ok(text)
}

fn whole_file(file: &Path, problem: String, remedy: &str) -> KindFault {
    KindFault {
        gravity: Gravity::Error,
        file: file.to_owned(),
        line: None,
        field: String::new(),
        problem,
        remedy: remedy.to_owned(),
    }
}
