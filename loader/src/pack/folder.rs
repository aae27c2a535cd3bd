//! The output folder of a pack: locked, journalled, and never half-made without saying so.
//!
//! While a pack is at work the folder holds `plan.json`; `dataset.json` comes last and `plan.json` then goes. In the folder
//! of a part `part.json` comes last, and `plan.json` stays for the merge. A file is written as `.NAME.rfx-tmp`, synced,
//! and renamed, and the folder is synced: so a name without that suffix is always a whole file. A sync that fails is
//! never tried again, as a second one may report success for pages the kernel has dropped; the file is thrown away.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    error::{PackError, environment},
    journal::{JOURNAL_FILE, journal, read_journal},
    part::{PART_FILE, Part},
    plan::Plan,
};
use crate::{
    dataset::{DICTIONARY_FILE, INDEX_FILE},
    file::is_there,
};

const TEMP_SUFFIX: &str = ".rfx-tmp";

/// What was in the folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing, or the remains of a pack that had not got as far as its journal.
    Nothing,
    /// An unfinished pack of the same plan.
    Unfinished,
    /// An index; of a part, its `part.json`.
    Finished,
}

/// The output folder, held by this process until dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// The folder itself, open: it carries the lock and is what gets synced.
    handle: File,
    /// What the user should know about the lock.
    warning: Option<String>,
    /// Temporary files of an earlier run.
    leftovers: Vec<String>,
    /// Which part of the pack is made here; none for all of it.
    part: Option<Part>,
}

impl Folder {
    /// Makes the folder for `plan`, or for one part of it, if needed, locks it and says what is in it. Nothing in it is
    /// changed.
    pub fn open(path: &Path, plan: &Plan, part: Option<Part>) -> Result<(Folder, Found), PackError> {
        if path.metadata().is_ok_and(|m| !m.is_dir()) {
            let what = format!("output {}", path.display());
            let (expected, found) = ("a folder or nothing".into(), "a file".into());
            return Err(PackError::Plan { what, expected, found, hint: "choose another output folder" });
        }
        make(path)?;
        let handle = File::open(path).map_err(environment(path, "open the folder", 0))?;
        let warning = lock_warning(path, handle.try_lock())?;
        let mut folder = Folder { path: path.to_path_buf(), handle, warning, leftovers: Vec::new(), part };
        let found = folder.look(plan)?;
        Ok((folder, found))
    }

    fn look(&mut self, plan: &Plan) -> Result<Found, PackError> {
        let list = |e| environment(&self.path, "list the folder", 0)(e);
        let (mut temps, mut others) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.path).map_err(list)? {
            let name = entry.map_err(list)?.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') && name.ends_with(TEMP_SUFFIX) {
                temps.push(name)
            } else {
                others.push(name)
            }
        }
        self.leftovers = temps;
        others.sort(); // directory order is the file system's; messages should not be
        let has = |name: &str| others.iter().any(|o| o == name);
        if has(INDEX_FILE) && self.part.is_none() {
            return Ok(Found::Finished);
        }
        if !has(JOURNAL_FILE) {
            return match others.first() {
                Some(other) => Err(PackError::NotEmpty { path: self.path.clone(), found: other.clone() }),
                None => Ok(Found::Nothing),
            };
        }
        self.check_journal(plan)?;
        let shards = match self.part {
            None => plan.shards(),
            Some(part) => part.shards(plan),
        };
        let ours = |name: &str| {
            name == JOURNAL_FILE
                || (name == PART_FILE && self.part.is_some())
                || (name == DICTIONARY_FILE && plan.has_dictionary())
                || shards.iter().any(|s| s.name == name)
        };
        match others.iter().find(|o| !ours(o)) {
            Some(other) => Err(PackError::NotEmpty { path: self.path.clone(), found: other.clone() }),
            None if has(PART_FILE) => Ok(Found::Finished),
            None => Ok(Found::Unfinished),
        }
    }

    /// Removes temporary files of an earlier run. For when the plan has been accepted: a pack that is refused leaves
    /// everything as it was.
    pub fn clean(&self) -> Result<(), PackError> {
        self.leftovers.iter().try_for_each(|name| {
            let path = self.path.join(name);
            fs::remove_file(&path).map_err(environment(&path, "remove a leftover of an earlier run", 0))
        })
    }

    /// What the user should know about the lock.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    fn check_journal(&self, plan: &Plan) -> Result<(), PackError> {
        let (found, part) = read_journal(&self.path)?;
        let path = self.path.join(JOURNAL_FILE);
        let (expected, found) = (plan.digest(), found.digest());
        if found != expected {
            return Err(PackError::OtherPlan { path, expected, found });
        }
        if part != self.part {
            let named = |part: Option<Part>| part.map_or("the whole pack".into(), |p| format!("part {p}"));
            return Err(PackError::OtherPart { path, expected: named(self.part), found: named(part) });
        }
        Ok(())
    }

    /// Writes the journal: from here on the folder is recognised as an unfinished pack of this plan.
    pub fn begin(&self, plan: &Plan) -> Result<(), PackError> {
        self.write(JOURNAL_FILE, &journal(plan, self.part)?)
    }

    /// Removes the journal of a pack whose index is in place.
    pub fn end(&self) -> Result<(), PackError> {
        let path = self.path.join(JOURNAL_FILE);
        match fs::remove_file(&path) {
            Ok(()) => self.sync(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(environment(&path, "remove", 0)(e)),
        }
    }

    /// Path of the file `name` in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a small file whole.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), PackError> {
        let mut temp = self.create(name, bytes.len() as u64)?;
        let result = temp.file.write_all(bytes);
        result.map_err(environment(&temp.path, "write", temp.needed))?;
        temp.finish(self)
    }

    /// Starts a file that appears under `name` when finished; `needed` is its length in bytes.
    pub fn create(&self, name: &str, needed: u64) -> Result<Temp, PackError> {
        let path = self.path.join(format!(".{name}{TEMP_SUFFIX}"));
        // New: leftovers have been removed, so a file that is there belongs to another pack at work.
        let file = match File::options().read(true).write(true).create_new(true).open(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(PackError::Busy { path: self.path.clone() });
            }
            file => file.map_err(environment(&path, "create", needed))?,
        };
        Ok(Temp { file, path, target: self.path.join(name), needed, finished: false })
    }

    /// Makes the folder's names durable.
    pub fn sync(&self) -> Result<(), PackError> {
        self.handle.sync_all().map_err(environment(&self.path, "sync the folder", 0))
    }
}

/// Makes the folder `path` and those above it that are missing, and syncs what each was made in, so that a power cut
/// takes none of them.
fn make(path: &Path) -> Result<(), PackError> {
    let made_in = parents_of_missing(path)?;
    fs::create_dir_all(path).map_err(environment(path, "make the folder", 0))?;
    for parent in made_in {
        match File::open(parent).and_then(|p| p.sync_all()) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {} // not ours to sync
            result => result.map_err(environment(parent, "sync the folder", 0))?,
        }
    }
    Ok(())
}

/// The parent of every missing folder on the way to `path`.
fn parents_of_missing(path: &Path) -> Result<Vec<&Path>, PackError> {
    let mut parents = Vec::new();
    for folder in path.ancestors().filter(|p| !p.as_os_str().is_empty()) {
        if is_there(folder).map_err(environment(folder, "look at", 0))? {
            break;
        }
        parents.extend(folder.parent().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p }));
    }
    Ok(parents)
}

/// What follows from trying to lock the folder: nothing, a warning or a refusal.
fn lock_warning(path: &Path, locked: Result<(), TryLockError>) -> Result<Option<String>, PackError> {
    match locked {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Err(PackError::Busy { path: path.to_path_buf() }),
        // Network file systems may have no locks, or none on folders (NFS says EBADF): packing there must work.
        Err(TryLockError::Error(e)) => Ok(Some(format!(
            "{}: cannot be locked ({e}): nothing guards against a second pack to this folder",
            path.display()
        ))),
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Closing is not enough: the lock belongs to the open file, and a process that another thread is just
        // starting holds a copy of the descriptor until its exec.
        let _ = self.handle.unlock();
    }
}

/// A file being written; removed when dropped unfinished.
#[derive(Debug)]
pub(super) struct Temp {
    pub file: File,
    pub path: PathBuf,
    target: PathBuf,
    pub needed: u64,
    finished: bool,
}

impl Temp {
    /// Takes the right to write from everybody: a finished shard is never written again, and its mode says so.
    pub fn read_only(&self) -> Result<(), PackError> {
        let set = || {
            let mut permissions = self.file.metadata()?.permissions();
            permissions.set_readonly(true);
            self.file.set_permissions(permissions)
        };
        set().map_err(environment(&self.path, "make read-only", self.needed))
    }

    /// Makes the bytes durable and gives the file its name.
    pub fn finish(mut self, folder: &Folder) -> Result<(), PackError> {
        self.file.sync_all().map_err(environment(&self.path, "sync", self.needed))?;
        fs::rename(&self.path, &self.target).map_err(environment(&self.target, "rename a file to", 0))?;
        self.finished = true;
        folder.sync()
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.finished {
            // A file that cannot be removed here keeps a name that the next run recognises and removes.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pack::PackOptions, source::Generated};

    #[test]
    fn a_descriptor_that_another_process_inherited_does_not_keep_the_lock() {
        let tmp = tempfile::tempdir().unwrap();
        let plan = Plan::new(&Generated::new(), &PackOptions::default()).unwrap();
        let (folder, _) = Folder::open(tmp.path(), &plan, None).unwrap();
        let inherited = folder.handle.try_clone().unwrap(); // shares the open file, as after a fork
        assert!(matches!(Folder::open(tmp.path(), &plan, None), Err(PackError::Busy { .. })));
        drop(folder);
        Folder::open(tmp.path(), &plan, None).unwrap();
        drop(inherited);
    }

    #[test]
    fn a_folder_that_cannot_be_locked_is_packed_to_with_a_warning() {
        let path = Path::new("out");
        assert!(lock_warning(path, Ok(())).unwrap().is_none());
        let none = TryLockError::Error(io::ErrorKind::Unsupported.into());
        assert!(
            lock_warning(path, Err(none)).unwrap().unwrap().contains("nothing guards against a second pack")
        );
        assert!(matches!(lock_warning(path, Err(TryLockError::WouldBlock)), Err(PackError::Busy { .. })));
    }

    #[test]
    fn a_temporary_file_of_another_pack_is_not_written_to() {
        let tmp = tempfile::tempdir().unwrap();
        let plan = Plan::new(&Generated::new(), &PackOptions::default()).unwrap();
        let (folder, _) = Folder::open(tmp.path(), &plan, None).unwrap();
        // As from a pack that began after this one had looked, where nothing can be locked.
        let theirs = tmp.path().join(".a.rfx-tmp");
        fs::write(&theirs, "theirs").unwrap();
        assert!(matches!(folder.write("a", b"ours"), Err(PackError::Busy { .. })));
        assert_eq!(fs::read(&theirs).unwrap(), b"theirs");
    }

    #[test]
    fn the_parent_of_every_folder_that_is_made_is_synced() {
        let tmp = tempfile::tempdir().unwrap();
        let at = |name: &str| tmp.path().join(name);
        let path = at("a/b/c");
        assert_eq!(parents_of_missing(&path).unwrap(), [at("a/b"), at("a"), tmp.path().to_path_buf()]);
        make(&path).unwrap();
        assert!(path.is_dir() && parents_of_missing(&path).unwrap().is_empty());
        assert_eq!(parents_of_missing(Path::new("no-such-folder")).unwrap(), [Path::new(".")]);
    }
}
