//! A power cut, acted out: a shim below the binary keeps a journal of what it writes and what it syncs, and from it
//! the data directory is rebuilt as a disk that kept only synced bytes would show it. The same shim lets writes fail.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// What a disk writes at once.
const SECTOR: u64 = 512;
/// Bytes of a record before its path and data.
const HEAD: usize = 32;

/// The shim, compiled once per process, or why there is none on this machine.
pub fn library() -> Result<&'static Path, String> {
    static LIBRARY: OnceLock<Result<(TempDir, PathBuf), String>> = OnceLock::new();
    let made = LIBRARY.get_or_init(|| {
        if !cfg!(target_os = "linux") {
            return Err("the shim below the disk works on Linux".to_owned());
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let library = dir.path().join("disk.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shim/disk.c");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).args(["-ldl", "-lpthread"]);
        match compile.status() {
            Ok(status) => assert!(status.success(), "the shim does not compile"),
            Err(error) => return Err(format!("there is no C compiler `cc`: {error}")),
        }
        Ok((dir, library))
    });
    made.as_ref().map(|(_, library)| library.as_path()).map_err(Clone::clone)
}

/// Tells that a test was skipped, and why.
#[expect(clippy::print_stdout, reason = "a skipped test must not look like one that ran")]
pub fn skipped(reason: impl std::fmt::Display) {
    println!("skipped: {reason}");
}

/// The environment of a process whose files below `dir` the shim watches.
pub fn settings<'a>(library: &'a Path, dir: &'a Path, files: ShimFiles<'a>) -> Vec<(&'a str, &'a str)> {
    let text = |path: &'a Path| path.to_str().expect("temporary directories have plain names");
    let mut settings = vec![("LD_PRELOAD", text(library)), ("BELFRY_SHIM_DIR", text(dir))];
    settings.extend(files.journal.map(|path| ("BELFRY_SHIM_JOURNAL", text(path))));
    settings.extend(files.fault.map(|path| ("BELFRY_SHIM_FAULT", text(path))));
    settings
}

/// Files outside the watched folder that the shim works with.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShimFiles<'a> {
    /// Where it keeps its journal.
    pub journal: Option<&'a Path>,
    /// While this exists, what it names fails: `write 30` or `sync 5`.
    pub fault: Option<&'a Path>,
}

/// Which syncs the rebuilt disk believes: a test of the test takes some away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncs {
    /// All of them.
    Kept,
    /// None at all.
    NoneKept,
    /// All but those of write-ahead logs.
    LogsDropped,
    /// All but those of directories.
    DirectoriesDropped,
}

/// What happens to bytes and names that were not synced.
#[derive(Debug, Clone, Copy)]
pub enum Unsynced {
    /// They are gone.
    Lost,
    /// Each sector, each truncation and the newest names survive by chance.
    ByChance(u64),
}

#[derive(Debug)]
enum Op {
    Open { file: u64, created: bool, emptied: bool },
    Write { file: u64, at: u64, data: Range<usize> },
    Truncate { file: u64, size: u64 },
    SyncBegin { file: u64, number: u64 },
    SyncEnd { file: u64, number: u64 },
    Unlink,
    Rename { to: String },
    Link { to: String },
    MakeDirectory,
}

#[derive(Debug)]
struct Record {
    end: u64,
    path: String,
    op: Op,
}

/// What a shim noted.
pub struct Journal {
    bytes: Vec<u8>,
    records: Vec<Record>,
    root: String,
}

impl Journal {
    /// Reads the journal of what happened below `root`. A record that a kill cut short is left out.
    pub fn read(journal: &Path, root: &Path) -> Self {
        let bytes = std::fs::read(journal).expect("the shim wrote a journal");
        let mut records = Vec::new();
        let mut at = 0;
        while let Some((record, next)) = parse(&bytes, at) {
            records.push(record);
            at = next;
        }
        Self { bytes, records, root: root.to_str().expect("a plain name").to_owned() }
    }

    /// Its length in bytes: a moment in it.
    pub fn end(&self) -> u64 {
        self.records.last().map_or(0, |record| record.end)
    }

    /// How often a file whose name ends so was written.
    pub fn writes_to(&self, name_end: &str) -> usize {
        let mut ends_so: HashMap<u64, bool> = HashMap::new();
        let mut count = 0;
        for record in &self.records {
            match record.op {
                Op::Open { file, .. } => drop(ends_so.insert(file, record.path.ends_with(name_end))),
                Op::Write { file, .. } if ends_so.get(&file) == Some(&true) => count += 1,
                _ => {}
            }
        }
        count
    }

    /// Makes the directory `into` what the root would be if the power had been cut at that moment.
    pub fn cut(&self, moment: u64, syncs: Syncs, unsynced: Unsynced, into: &Path) {
        let mut disk = Disk::new(self, syncs);
        for record in self.records.iter().take_while(|record| record.end <= moment) {
            disk.replay(record);
        }
        disk.build(unsynced, into);
    }
}

fn parse(bytes: &[u8], start: usize) -> Option<(Record, usize)> {
    let head = bytes.get(start..start + HEAD)?;
    let u32_at = |at: usize| u32::from_ne_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let u64_at = |at: usize| u64::from_ne_bytes(head[at..at + 8].try_into().expect("eight bytes"));
    let (op, path_bytes) = (u32_at(0), u32_at(4) as usize);
    let (file, at, data_bytes) = (u64_at(8), u64_at(16), u64_at(24) as usize);
    let data = start + HEAD + path_bytes..start + HEAD + path_bytes + data_bytes;
    let text = |range: Range<usize>| bytes.get(range).map(|text| String::from_utf8_lossy(text).into_owned());
    let path = text(start + HEAD..data.start)?;
    bytes.get(data.clone())?;
    let end = data.end;
    let op = match op {
        1 => Op::Open { file, created: at & 1 != 0, emptied: at & 2 != 0 },
        2 => Op::Write { file, at, data },
        3 => Op::Truncate { file, size: at },
        4 => Op::SyncBegin { file, number: at },
        5 => Op::SyncEnd { file, number: at },
        6 => Op::Unlink,
        7 => Op::Rename { to: text(data)? },
        8 => Op::Link { to: text(data)? },
        9 => Op::MakeDirectory,
        other => panic!("the shim writes no operation {other}"),
    };
    Some((Record { end: end as u64, path, op }, end))
}

/// A change of a file's bytes.
#[derive(Debug, Clone)]
enum Change {
    Bytes { at: u64, data: Range<usize> },
    Size(u64),
}

/// Bytes that are safe, and changes since.
#[derive(Debug, Default)]
struct Contents {
    safe: Vec<u8>,
    since: Vec<Change>,
    /// Changes that became safe so far.
    synced: usize,
}

/// Names that are safe, and changes since; a rename is one change. `None`: the name goes.
#[derive(Debug, Default)]
struct Names {
    safe: BTreeMap<String, Node>,
    since: Vec<Vec<(String, Option<Node>)>>,
    synced: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Directory,
}

struct Disk<'a> {
    journal: &'a Journal,
    syncs: Syncs,
    files: Vec<Contents>,
    directories: BTreeMap<String, Names>,
    /// As the program sees it.
    present: BTreeMap<String, Node>,
    /// By the number of the inode: the path it was opened by, and what it is.
    open: HashMap<u64, (String, Node)>,
    /// Syncs under way, and how many changes they cover.
    under_way: HashMap<(u64, u64), usize>,
}

impl<'a> Disk<'a> {
    fn new(journal: &'a Journal, syncs: Syncs) -> Self {
        Self {
            journal,
            syncs,
            files: Vec::new(),
            directories: BTreeMap::from([(journal.root.clone(), Names::default())]),
            present: BTreeMap::from([(journal.root.clone(), Node::Directory)]),
            open: HashMap::new(),
            under_way: HashMap::new(),
        }
    }

    fn replay(&mut self, record: &Record) {
        let path = &record.path;
        match &record.op {
            Op::Open { file, created, emptied } => self.opened(path, *file, *created, *emptied),
            Op::Write { file, at, data } => {
                self.change(*file, Change::Bytes { at: *at, data: data.clone() });
            }
            Op::Truncate { file, size } => self.change(*file, Change::Size(*size)),
            Op::SyncBegin { file, number } => {
                let covered = match self.open.get(file) {
                    Some((_, Node::File(index))) => {
                        self.files[*index].synced + self.files[*index].since.len()
                    }
                    Some((path, Node::Directory)) => {
                        self.directories.get(path).map_or(0, |names| names.synced + names.since.len())
                    }
                    None => return,
                };
                self.under_way.insert((*file, *number), covered);
            }
            Op::SyncEnd { file, number } => self.synced(*file, *number),
            Op::Unlink => self.rename(vec![(path.clone(), None)]),
            Op::Rename { to } => {
                let node = self.present.get(path).copied();
                self.rename(vec![(path.clone(), None), (to.clone(), node)]);
            }
            Op::Link { to } => {
                let node = self.present.get(path).copied();
                self.rename(vec![(to.clone(), node)]);
            }
            Op::MakeDirectory => {
                self.directories.insert(path.clone(), Names::default());
                self.rename(vec![(path.clone(), Some(Node::Directory))]);
            }
        }
    }

    fn opened(&mut self, path: &str, file: u64, created: bool, emptied: bool) {
        let node = match self.present.get(path) {
            Some(node) if !created => *node,
            // The root is there from the beginning; everything else was made under the shim.
            _ => {
                self.files.push(Contents::default());
                let node = Node::File(self.files.len() - 1);
                self.rename(vec![(path.to_owned(), Some(node))]);
                node
            }
        };
        self.open.insert(file, (path.to_owned(), node));
        if emptied {
            self.change(file, Change::Size(0));
        }
    }

    fn change(&mut self, file: u64, change: Change) {
        if let Some((_, Node::File(index))) = self.open.get(&file) {
            self.files[*index].since.push(change);
        }
    }

    fn rename(&mut self, changes: Vec<(String, Option<Node>)>) {
        for (path, node) in &changes {
            match node {
                Some(node) => drop(self.present.insert(path.clone(), *node)),
                None => drop(self.present.remove(path)),
            }
        }
        let parent = changes[0].0.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
        self.directories.entry(parent).or_default().since.push(changes);
    }

    fn synced(&mut self, file: u64, number: u64) {
        let Some(covered) = self.under_way.remove(&(file, number)) else { return };
        let Some((path, node)) = self.open.get(&file) else { return };
        let counts = match self.syncs {
            Syncs::Kept => true,
            Syncs::NoneKept => false,
            Syncs::LogsDropped => !path.ends_with("-wal"),
            Syncs::DirectoriesDropped => *node != Node::Directory,
        };
        if !counts {
            return;
        }
        match node {
            Node::File(index) => {
                let contents = &mut self.files[*index];
                let count = covered.saturating_sub(contents.synced);
                for change in contents.since.drain(..count) {
                    apply(&mut contents.safe, &change, &self.journal.bytes);
                }
                contents.synced += count;
            }
            Node::Directory => {
                let Some(names) = self.directories.get_mut(path) else { return };
                let count = covered.saturating_sub(names.synced);
                for changes in names.since.drain(..count) {
                    put(&mut names.safe, changes);
                }
                names.synced += count;
            }
        }
    }

    fn build(mut self, unsynced: Unsynced, into: &Path) {
        let mut chance = match unsynced {
            Unsynced::Lost => None,
            Unsynced::ByChance(seed) => Some(fastrand::Rng::with_seed(seed)),
        };
        std::fs::create_dir_all(into).expect("a new directory");
        let root = self.journal.root.clone();
        let mut left = vec![root.clone()];
        while let Some(directory) = left.pop() {
            let mut names = self.directories.remove(&directory).unwrap_or_default();
            if let Some(chance) = &mut chance {
                // Names change in order: a file system's own journal does not reorder them.
                let survive = chance.usize(..=names.since.len());
                for changes in names.since.drain(..survive) {
                    put(&mut names.safe, changes);
                }
            }
            for (path, node) in names.safe {
                let target = into.join(path.trim_start_matches(&root).trim_start_matches('/'));
                match node {
                    Node::Directory => {
                        std::fs::create_dir_all(&target).expect("a new directory");
                        left.push(path);
                    }
                    Node::File(index) => {
                        let contents = self.survivors(index, chance.as_mut());
                        std::fs::write(&target, contents).expect("room for a copy");
                    }
                }
            }
        }
    }

    /// A file's bytes after the cut.
    fn survivors(&self, index: usize, chance: Option<&mut fastrand::Rng>) -> Vec<u8> {
        let contents = &self.files[index];
        let mut bytes = contents.safe.clone();
        let Some(chance) = chance else { return bytes };
        // Of some files nearly everything survives, of others nearly nothing.
        let odds = chance.f64();
        for change in &contents.since {
            let Change::Bytes { at, data } = change else {
                if chance.f64() < odds {
                    apply(&mut bytes, change, &self.journal.bytes);
                }
                continue;
            };
            let (mut at, mut data) = (*at, data.clone());
            while !data.is_empty() {
                let length = (SECTOR - at % SECTOR).min(data.len() as u64) as usize;
                let sector = Change::Bytes { at, data: data.start..data.start + length };
                if chance.f64() < odds {
                    apply(&mut bytes, &sector, &self.journal.bytes);
                }
                at += length as u64;
                data.start += length;
            }
        }
        bytes
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change, journal: &[u8]) {
    match change {
        Change::Size(size) => bytes.resize(*size as usize, 0),
        Change::Bytes { at, data } => {
            let (start, end) = (*at as usize, *at as usize + data.len());
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[start..end].copy_from_slice(&journal[data.clone()]);
        }
    }
}

fn put(names: &mut BTreeMap<String, Node>, changes: Vec<(String, Option<Node>)>) {
    for (path, node) in changes {
        match node {
            Some(node) => drop(names.insert(path, node)),
            None => drop(names.remove(&path)),
        }
    }
}
