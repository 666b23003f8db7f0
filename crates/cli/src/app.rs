//! From a command line to an exit code.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use clap::CommandFactory;
use lifecycle::AgentName;
use tracing_subscriber::EnvFilter;

use crate::arguments::doctor::DoctorArguments;
use crate::arguments::reap::ReapArguments;
use crate::arguments::{
    Arguments, Command, DeprovisionArguments, Global, ListArguments, LogsArguments, ProvisionArguments,
};
use crate::deprovision::{Request, deprovision, summary};
use crate::errors::{Blame, Failure, Problem};
use crate::interrupts::Interrupts;
use crate::provision::run::{Provisioned, choose_name, preflight, provision};
use crate::provision::{outputs, preview};
use crate::report::{Masker, Report};
use crate::services::Services;
use crate::settings::environment::Environment;
use crate::settings::layers::{self, Refusal};
use crate::settings::{self, ProvisionSettings};
use crate::wiring::{AzureGroups, Live, LiveEstate};
use crate::{doctor, list, logs, reap, sample, task};

/// Seconds to wait for a job in `deprovision`.
const JOB_TIMEOUT_S: u64 = 600;

/// Runs the program.
pub(crate) fn run(typed: Vec<OsString>, environment: &Environment) -> ExitCode {
    let masker = masker(environment);
    let arguments = match layers::read(typed, environment) {
        Ok(arguments) => arguments,
        Err(Refusal::Usage(error)) => return usage(&error),
        Err(Refusal::Layers(failure)) => {
            let report =
                Report::of_process(crate::arguments::Output::Text, environment.in_pipeline(), masker);
            report.failure(&failure);
            return failure.exit_code();
        }
    };
    if let Command::Completions { shell } = arguments.command {
        clap_complete::generate(shell, &mut Arguments::command(), "ephemeral-agents", &mut io::stdout());
        return ExitCode::SUCCESS;
    }
    log_to_stderr(&arguments.global, environment, &masker);
    let output = arguments.global.output.unwrap_or_default();
    let mut report = Report::of_process(output, environment.in_pipeline(), masker);
    if matches!(arguments.command, Command::Task) {
        report.put_into_words_with(task::in_its_words);
    }
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Internal(error.to_string()))
        .and_then(|runtime| runtime.block_on(Box::pin(dispatch(&arguments, environment, &report))));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report.failure(&failure);
            failure.exit_code()
        }
    }
}

/// What clap has to say: help and version are results, the rest is for the user to correct.
fn usage(error: &clap::Error) -> ExitCode {
    if let Err(error) = error.print() {
        tracing::debug!(%error, "not printed");
    }
    if error.use_stderr() { Blame::User.exit_code() } else { ExitCode::SUCCESS }
}

async fn dispatch(arguments: &Arguments, environment: &Environment, report: &Report) -> Result<(), Failure> {
    let interrupts = Interrupts::of_process().map_err(|error| Failure::Internal(error.to_string()))?;
    match &arguments.command {
        Command::Task => Box::pin(task::run(environment, report, &interrupts)).await,
        _ => carry_out(arguments, environment, report, &interrupts).await,
    }
}

/// Does what a command line says.
pub(crate) async fn carry_out(
    arguments: &Arguments,
    environment: &Environment,
    report: &Report,
    interrupts: &Interrupts,
) -> Result<(), Failure> {
    let global = &arguments.global;
    match &arguments.command {
        Command::Provision(given) => {
            Box::pin(run_provision(global, given, environment, (report, interrupts))).await
        }
        Command::Doctor(given) => {
            let looking = Box::pin(run_doctor(global, given, environment, report));
            unless_interrupted(interrupts, looking).await
        }
        Command::Deprovision(given) => {
            run_deprovision(global, given, environment, (report, interrupts)).await
        }
        Command::List(given) => {
            unless_interrupted(interrupts, run_list(global, given, environment, report)).await
        }
        Command::Logs(given) => {
            let showing = unless_interrupted(interrupts, run_logs(global, given, environment, report)).await;
            match showing {
                // Who follows a log stops it so.
                Err(Failure::Interrupted { .. }) if given.follow.unwrap_or_default() => Ok(()),
                outcome => outcome,
            }
        }
        Command::Reap(given) => run_reap(global, given, environment, (report, interrupts)).await,
        Command::Sample { command } => {
            Box::pin(sample::run(global, command, (environment, report, interrupts))).await
        }
        Command::Completions { .. } | Command::Task => Ok(()),
    }
}

/// Does what changes nothing, until a signal comes.
pub(crate) async fn unless_interrupted<T>(
    interrupts: &Interrupts,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = interrupts.first() => Err(Failure::Interrupted { taken_down: None }),
        outcome = work => outcome,
    }
}

async fn run_provision(
    global: &Global,
    given: &ProvisionArguments,
    environment: &Environment,
    (report, interrupts): (&Report, &Interrupts),
) -> Result<(), Failure> {
    let settings = settings::provision(global, given, environment)?;
    report.learn(&settings.secrets());
    report.section("Provisioning an ephemeral agent");
    let connecting = Live::connect(&settings.azure, &settings.devops, environment);
    let services = unless_interrupted(interrupts, connecting).await?;
    if given.dry_run.unwrap_or_default() {
        return unless_interrupted(interrupts, Box::pin(dry_run(&services, &settings, report))).await;
    }
    let outcome = provision(&services, &settings, report, interrupts).await;
    show_provisioned(&outcome?, report);
    Ok(())
}

async fn dry_run(
    services: &impl Services,
    settings: &ProvisionSettings,
    report: &Report,
) -> Result<(), Failure> {
    let ready = preflight(services, settings, report).await?;
    let name = choose_name(services, settings)?;
    let preview = preview::preview(services, settings, &ready, &name);
    report.result(&preview::as_text(&preview), &preview);
    Ok(())
}

fn show_provisioned(all: &[Provisioned], report: &Report) {
    let mut text = String::new();
    for Provisioned { name, online, .. } in all {
        let state = if *online { "is online" } else { "was created, and not waited for" };
        text.push_str("The agent ");
        text.push_str(name.as_str());
        text.push(' ');
        text.push_str(state);
        text.push_str(".\n");
    }
    let outputs = outputs::of(all);
    for (name, value) in &outputs {
        text.push_str(name);
        text.push('=');
        text.push_str(value);
        text.push('\n');
    }
    report.result(&text, &outputs::as_json(all));
    report.output_variables(&outputs);
}

async fn run_doctor(
    global: &Global,
    given: &DoctorArguments,
    environment: &Environment,
    report: &Report,
) -> Result<(), Failure> {
    let settings = settings::doctor(global, given, environment)?;
    report.learn(&settings.provision.secrets());
    doctor::doctor(&settings, environment, report).await
}

async fn run_deprovision(
    global: &Global,
    given: &DeprovisionArguments,
    environment: &Environment,
    (report, interrupts): (&Report, &Interrupts),
) -> Result<(), Failure> {
    let names = given.names.iter().map(|name| agent_name(name)).collect::<Result<_, _>>()?;
    let (azure, devops) = settings::azure_and_devops(global, (&given.azure, &given.devops), environment)?;
    report.learn(&settings::secrets_of(&azure, Some(&devops)));
    let services = unless_interrupted(interrupts, Live::connect(&azure, &devops, environment)).await?;
    let request = Request {
        names,
        organization: devops.organization.clone(),
        pool: given.pool.clone(),
        job_timeout: Duration::from_secs(given.job_timeout.unwrap_or(JOB_TIMEOUT_S)),
    };
    let done = deprovision(&services, &request, report, interrupts).await?;
    let (text, json) = summary(&done);
    report.result(&text, &json);
    Ok(())
}

async fn run_list(
    global: &Global,
    given: &ListArguments,
    environment: &Environment,
    report: &Report,
) -> Result<(), Failure> {
    let (azure, devops) = settings::azure_and_devops(global, (&given.azure, &given.devops), environment)?;
    report.learn(&settings::secrets_of(&azure, Some(&devops)));
    let services = Live::connect(&azure, &devops, environment).await?;
    let rows = list::list(&services, &devops.organization, report).await?;
    report.result(&list::as_text(&rows, services.now()), &list::as_json(&rows, services.now()));
    Ok(())
}

async fn run_reap(
    global: &Global,
    given: &ReapArguments,
    environment: &Environment,
    (report, interrupts): (&Report, &Interrupts),
) -> Result<(), Failure> {
    let settings = settings::reap(global, given, environment)?;
    report.learn(&settings::secrets_of(&settings.azure, Some(&settings.devops)));
    let audit = reap::Audit::open(settings.audit_file.as_deref())?;
    let connecting = LiveEstate::connect(&settings, environment);
    let estate = unless_interrupted(interrupts, Box::pin(connecting)).await?;
    let telling = reap::Telling { report, audit: &audit, interrupts };
    Box::pin(reap::reap(&estate, &settings, &telling)).await
}

async fn run_logs(
    global: &Global,
    given: &LogsArguments,
    environment: &Environment,
    report: &Report,
) -> Result<(), Failure> {
    let name = agent_name(&given.name)?;
    let azure = settings::azure(global, &given.azure, environment)?;
    report.learn(&settings::secrets_of(&azure, None));
    let groups = AzureGroups::connect(&azure, environment).await?;
    logs::logs(&groups, &name, (given.tail, given.follow.unwrap_or_default()), report).await
}

fn agent_name(text: &str) -> Result<AgentName, Failure> {
    AgentName::new(text).map_err(|why| {
        Failure::Settings(vec![Problem {
            setting: "NAME".to_owned(),
            what: format!("is {text:?}, which no agent of ours is called: {why}"),
            remedy: "`ephemeral-agents list` shows their names".to_owned(),
        }])
    })
}

/// A masker that knows every secret of the environment, ours or not: a service's answer may repeat any of them.
fn masker(environment: &Environment) -> Masker {
    let masker = Masker::default();
    for name in [
        "AZURE_CLIENT_SECRET",
        "AZURE_DEVOPS_EXT_PAT",
        "SYSTEM_ACCESSTOKEN",
        "EPHEMERAL_AGENTS_REGISTRY_PASSWORD",
        "EPHEMERAL_AGENTS_LOG_ANALYTICS_KEY",
    ] {
        if let Some(secret) = environment.secret(name) {
            masker.add(&secret);
        }
    }
    for secret in task::secrets(environment) {
        masker.add(&secret);
    }
    masker
}

/// Diagnostics for who asked for them, and for runs of a pipeline in debug mode.
fn log_to_stderr(global: &Global, environment: &Environment, masker: &Masker) {
    let debugging = environment.get("SYSTEM_DEBUG").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let filter = match global.verbose {
        0 if !debugging => "off",
        // Ours: what is asked of the services, and what they answer.
        0 | 1 => "off,ephemeral_agents=debug,azure_http=debug,azure_devops=debug,azure_resources=debug",
        _ => "trace",
    };
    let writer = Mutex::new(MaskedStderr { masker: masker.clone(), line: Vec::new() });
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(false)
        .with_writer(writer)
        .finish();
    if let Err(error) = tracing::subscriber::set_global_default(subscriber) {
        tracing::debug!(%error, "logging was set up before");
    }
}

/// Standard error, line by line through the masker.
struct MaskedStderr {
    masker: Masker,
    line: Vec<u8>,
}

impl Write for MaskedStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if let Some(end) = self.line.iter().rposition(|byte| *byte == b'\n') {
            let whole: Vec<_> = self.line.drain(..=end).collect();
            io::stderr().write_all(self.masker.mask(&String::from_utf8_lossy(&whole)).as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
