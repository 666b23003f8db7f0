//! From the first instruction to the beginning of the life.
//!
//! The program starts twice. The first start finds the secrets in its environment, where they would stay readable in
//! `/proc/1/environ` for the whole life, and replaces itself by a second one without them. The second reads them from
//! a file in memory, closes what it inherited, and lives.

use std::{collections::BTreeMap, ffi::OsString, fs, os::unix::fs::PermissionsExt, process::ExitCode};

use process::handover;

use crate::{
    console::Console,
    outcome::{GroupEnd, Leftover, Outcome, last_words},
    settings::{Environment, Settings},
    shell,
};

/// The hidden argument of the second start; the number of the file with the secrets follows.
const RESUME: &str = "resume";

/// The program. Whatever happens, the exit code is 0: some container platforms start a container again after another
/// one, and the outcome is in what we print.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<String> =
        arguments.into_iter().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [] => first_start(),
        [RESUME, number] => number.parse().map_err(|_| usage()).and_then(second_start),
        ["--version"] => {
            Console::default().forward(concat!("agent-supervisor ", env!("CARGO_PKG_VERSION")));
            Ok(())
        }
        _ => Err(usage()),
    };
    if let Err(why) = result {
        let console = Console::default();
        let outcome = Outcome::SettingsInvalid(why);
        let [plain, record] = last_words(&outcome, &Leftover::NotOurs, GroupEnd::NotTried);
        console.say(&plain);
        console.forward(&record);
    }
    ExitCode::SUCCESS
}

fn usage() -> String {
    "agent-supervisor takes no arguments; everything is set by environment variables (AZP_URL and so on)"
        .to_owned()
}

fn first_start() -> Result<(), String> {
    let environment = Environment::of(std::env::vars_os());
    let plain: Vec<(OsString, OsString)> =
        environment.plain().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let secrets: BTreeMap<&str, &str> =
        environment.secrets().map(|(name, secret)| (name, secret.expose())).collect();
    let message = serde_json::to_vec(&secrets).map_err(|error| error.to_string())?;
    // Going on without the second start would leave the secrets where the job may read them.
    let error = handover::restart(&[RESUME], &plain, &message);
    Err(format!("the secrets cannot be taken out of the environment: {error}; is /proc mounted?"))
}

fn second_start(number: i32) -> Result<(), String> {
    // We were started through `/proc/self/exe` and would be called `exe`. Nothing depends on it.
    let _ = process::set_process_name(c"agent-supervisor");
    process::close_inherited_files(&[number])
        .map_err(|error| format!("open files cannot be closed ({error})"))?;
    let message = handover::receive(number).map_err(|error| error.to_string())?;
    process::forbid_inspection().map_err(|error| format!("this process cannot be protected ({error})"))?;
    let secrets: BTreeMap<String, String> =
        serde_json::from_slice(&message).map_err(|_| "the secrets were handed over damaged".to_owned())?;
    let secrets = secrets.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let environment = Environment::of(std::env::vars_os().chain(secrets));
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let settings = Settings::read(&environment, machine.trim()).map_err(|error| error.to_string())?;
    let console = Console::new(&settings.secrets());
    clear_token_file(&environment, &console);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .map_err(|error| format!("no event loop ({error})"))?;
    let result = runtime.block_on(shell::live(settings, &environment, console));
    // A task that is stuck in the file system must not keep the container.
    runtime.shutdown_background();
    result
}

/// The token was read; the job shall not find it.
fn clear_token_file(environment: &Environment, console: &Console) {
    let Some(path) = environment.plain().get(&OsString::from("AZP_TOKEN_FILE")) else { return };
    let readable = |mode: u32| mode & 0o004 != 0 || !process::is_superuser();
    let exposed = fs::metadata(path).is_ok_and(|data| readable(data.permissions().mode()));
    if fs::remove_file(path).is_err() && exposed {
        console.say(
            "warning: the file in AZP_TOKEN_FILE cannot be removed and the job can read it: mount it for root only, \
             or hand over AZP_TOKEN as a secure value",
        );
    }
}
