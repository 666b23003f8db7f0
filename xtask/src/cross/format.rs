//! What kind of program a file is, from its first bytes.

/// A kind of program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For Windows on a 64-bit Intel machine, with a console: one without could neither print nor hear Ctrl-Break.
    WindowsConsole,
    /// For Linux on a 64-bit Intel machine.
    LinuxIntel,
    /// For Linux on a 64-bit Arm machine.
    LinuxArm,
}

impl Format {
    /// For people.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::WindowsConsole => "a console program for Windows (PE32+, x86-64)",
            Self::LinuxIntel => "a program for Linux (ELF, x86-64)",
            Self::LinuxArm => "a program for Linux (ELF, arm64)",
        }
    }

    /// A program's file name.
    pub(super) fn file_name(self, program: &str) -> String {
        match self {
            Self::WindowsConsole => format!("{program}.exe"),
            Self::LinuxIntel | Self::LinuxArm => program.to_owned(),
        }
    }
}

/// What a file is, if it is one of them.
pub(super) fn of(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(b"\x7fELF\x02\x01") {
        return match number(bytes, 18)? {
            0x3e => Some(Format::LinuxIntel),
            0xb7 => Some(Format::LinuxArm),
            _ => None,
        };
    }
    // Both headers of a PE file: the file's own begins where the one for MS-DOS says, the program's 24 bytes after it.
    let start = usize::from(number(bytes.strip_prefix(b"MZ")?, 0x3c - 2)?);
    let header = bytes.get(start..).filter(|header| header.starts_with(b"PE\0\0"))?;
    let (machine, kind, subsystem) = (number(header, 4)?, number(header, 24)?, number(header, 24 + 68)?);
    ((machine, kind, subsystem) == (0x8664, 0x20b, 3)).then_some(Format::WindowsConsole)
}

/// Two bytes, the lower first.
fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

#[cfg(test)]
mod tests {
    use super::{Format, of};

    /// A PE file up to its subsystem.
    fn pe(machine: u16, subsystem: u16) -> Vec<u8> {
        let mut bytes = vec![0; 0x80 + 24 + 70];
        let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
        put(0, b"MZ");
        put(0x3c, &0x80_u16.to_le_bytes());
        put(0x80, b"PE\0\0");
        put(0x84, &machine.to_le_bytes());
        put(0x98, &0x20b_u16.to_le_bytes());
        put(0x98 + 68, &subsystem.to_le_bytes());
        bytes
    }

    fn elf(machine: u8) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(18, 0);
        bytes.extend([machine, 0]);
        bytes
    }

    #[test]
    fn programs_are_told_apart() {
        assert_eq!(of(&pe(0x8664, 3)), Some(Format::WindowsConsole));
        assert_eq!(of(&pe(0x8664, 2)), None, "one with windows");
        assert_eq!(of(&pe(0x14c, 3)), None, "one for 32 bits");
        assert_eq!(of(&elf(0x3e)), Some(Format::LinuxIntel));
        assert_eq!(of(&elf(0xb7)), Some(Format::LinuxArm));
        for broken in [&b"MZ"[..], b"", b"\x7fELF\x02\x01", b"#!/bin/sh", &pe(0x8664, 3)[..0x90]] {
            assert_eq!(of(broken), None);
        }
    }

    #[test]
    fn this_very_program_is_known() {
        let own = std::fs::read(std::env::current_exe().expect("a path")).expect("it can be read");
        assert_eq!(of(&own).is_some(), cfg!(target_os = "linux"));
    }
}
