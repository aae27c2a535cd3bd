//! One process at a time in a run's folder.
//!
//! The lock is on the folder itself, so it leaves no file and ends with the process, however that ends. Reading a run
//! (`eval`, `report`) needs none. File systems without locks guard nothing, as in rfx-pack.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use crate::error::{Result, TrainError};

/// A locked folder, until dropped.
#[derive(Debug)]
pub(crate) struct FolderLock(File);

impl FolderLock {
    /// Locks the folder `path`.
    ///
    /// # Errors
    /// [`TrainError::Busy`] if another process, or another run of this one, has it; [`TrainError::Io`].
    pub fn take(path: &Path) -> Result<FolderLock> {
        let open = |source| TrainError::Io { path: path.to_path_buf(), action: "open", source };
        let folder = File::open(path).map_err(open)?;
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => Err(TrainError::Busy { path: path.to_path_buf() }),
            // Network file systems may have no locks, or none on folders: runs there must work.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(FolderLock(folder)),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing is not enough: the lock belongs to the open file, and a process that another thread is just
        // starting holds a copy of the descriptor until its exec.
        let _ = self.0.unlock();
    }
}
