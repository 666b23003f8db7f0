//! What a process can do early in its life so that its children learn nothing from it.

use std::{fs, io};

/// Closes every open file but standard input, output and error, and those in `keep`, so that no child inherits what we
/// inherited. Call it before anything else opens a file.
pub fn close_inherited_files(keep: &[i32]) -> io::Result<()> {
    let open: Vec<i32> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|file| *file > 2 && !keep.contains(file))
        .collect();
    for file in open {
        // One of them was the folder just read, which is closed already.
        let _ = nix::unistd::close(file);
    }
    Ok(())
}

/// Sets the name by which `ps` and `/proc/<id>/comm` show this process; the kernel keeps 15 bytes of it.
pub fn set_process_name(name: &std::ffi::CStr) -> io::Result<()> {
    Ok(nix::sys::prctl::set_name(name)?)
}

/// Keeps processes of the same user from reading our memory, environment and open files (they need the superuser's
/// rights from here on). Also means that a crash leaves no core file. Does not hold for what we start.
pub fn forbid_inspection() -> io::Result<()> {
    Ok(nix::sys::prctl::set_dumpable(false)?)
}
