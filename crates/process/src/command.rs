//! What to start, and starting it.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{Child, Lines, User, output, platform};

/// A program to start. The child gets only what is said here: the environment starts empty, standard input is the
/// null device, and standard output and error are read as lines.
#[derive(Debug, Clone)]
pub struct Command {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    user: Option<User>,
}

/// How long a program may be busy because it was just written.
const BUSY: Duration = Duration::from_secs(1);

/// The program could not be started at all.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// There is no such program, or its interpreter or loader is missing.
    #[error(
        "{program} does not exist, or the loader or interpreter it names does not: check the path and that the \
         image is made for this kind of machine"
    )]
    Missing {
        /// What was to be started.
        program: String,
    },
    /// The file is there and may not be run.
    #[error(
        "{program} may not be run: it needs its executable bit, folders that {user} may enter, and a file system \
         that is not mounted noexec"
    )]
    NotAllowed {
        /// What was to be started.
        program: String,
        /// As whom.
        user: String,
    },
    /// Anything else, in the operating system's words.
    #[error("{program} could not be started: {source}")]
    Other {
        /// What was to be started.
        program: String,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Command {
    /// A program without arguments, with an empty environment, in the current directory, as the current user.
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            user: None,
        }
    }

    /// Adds arguments. Never put a secret here: every process of the machine can read them.
    #[must_use]
    pub fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Adds variables to the (otherwise empty) environment; a later value of a name replaces an earlier one.
    #[must_use]
    pub fn environment<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let owned =
            variables.into_iter().map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().to_owned()));
        self.environment.extend(owned);
        self
    }

    /// The working directory.
    #[must_use]
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Runs the program as this user, with the user's own group and no others. Needs the superuser.
    #[must_use]
    pub fn user(mut self, user: Option<User>) -> Self {
        self.user = user;
        self
    }

    /// Starts the program. Must be called within a tokio runtime with I/O and time enabled.
    ///
    /// The child is not killed when the returned [`Child`] is dropped: whoever starts a program decides its end.
    pub fn spawn(&self) -> Result<(Child, Lines), SpawnError> {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let mut started = self.start(&mut command).map_err(|source| self.explain(source))?;
        let (output, errors) = (started.stdout.take(), started.stderr.take());
        let child = Child::watch(started);
        let lines = output::read(output, errors, &child);
        Ok((child, lines))
    }

    /// A program that was written a moment ago counts as busy as long as a process that another thread is just starting
    /// has inherited the file: until that one has begun its own program.
    fn start(&self, command: &mut tokio::process::Command) -> io::Result<tokio::process::Child> {
        let begin = Instant::now();
        loop {
            match platform::spawn(command, self.user.as_ref()) {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && begin.elapsed() < BUSY => {
                    std::thread::yield_now();
                }
                outcome => return outcome,
            }
        }
    }

    fn explain(&self, source: io::Error) -> SpawnError {
        let program = self.program.display().to_string();
        match source.kind() {
            io::ErrorKind::NotFound => SpawnError::Missing { program },
            io::ErrorKind::PermissionDenied => {
                let user = self.user.as_ref().map_or("the current user", |user| &user.name).to_owned();
                SpawnError::NotAllowed { program, user }
            }
            _ => SpawnError::Other { program, source },
        }
    }
}
