//! From the first instruction to the beginning of the life.
//!
//! On Unix the program starts twice. The first start finds the secrets in its environment, where they would stay
//! readable in `/proc/1/environ` for the whole life, and replaces itself by a second one without them. The second reads
//! them from a file in memory, closes what it inherited, and lives.

use std::{ffi::OsString, fs, path::Path, process::ExitCode};

use crate::{
    console::Console,
    outcome::{GroupEnd, Leftover, Outcome, last_words},
    platform,
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
        [] => platform::begin(RESUME).and_then(|environment| live(&environment)),
        [RESUME, number] => match platform::resume(number) {
            Ok(Some(environment)) => live(&environment),
            Ok(None) => Err(usage()),
            Err(why) => Err(why),
        },
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

fn live(environment: &Environment) -> Result<(), String> {
    let settings = Settings::read(environment, &platform::machine_name());
    let settings = settings.map_err(|error| error.to_string())?;
    let console = Console::new(&settings.secrets());
    clear_token_file(environment, &console);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .map_err(|error| format!("no event loop ({error})"))?;
    let result = runtime.block_on(shell::live(settings, environment, console));
    // A task that is stuck in the file system must not keep the container.
    runtime.shutdown_background();
    result
}

/// The token was read; the job shall not find it.
fn clear_token_file(environment: &Environment, console: &Console) {
    let Some(path) = environment.plain().get(&OsString::from("AZP_TOKEN_FILE")) else { return };
    let exposed = platform::is_readable_by_job(Path::new(path));
    if fs::remove_file(path).is_err() && exposed {
        console.say(
            "warning: the file in AZP_TOKEN_FILE cannot be removed and the job can read it: mount it for root only, \
             or hand over AZP_TOKEN as a secure value",
        );
    }
}
