//! Everything that is printed, and the only place that prints.
//!
//! Standard output is for results, standard error for talk; inside a pipeline, whose log shows both anyway, all goes to
//! standard output, in the words that Azure Pipelines understands. Every text passes the secret masker.

mod masker;
pub(crate) mod pipeline;
pub(crate) mod table;

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use redact::Secret;
use serde_json::Value;

pub(crate) use masker::Masker;

use crate::arguments::Output;
use crate::errors::Failure;

/// How the program talks while it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// A line that changes, for who watches.
    Terminal,
    /// A line for each change.
    Plain,
    /// Azure Pipelines' logging commands.
    Pipeline,
}

/// Where everything is printed.
pub(crate) struct Report {
    results: RefCell<Box<dyn Write>>,
    talk: RefCell<Box<dyn Write>>,
    style: Talk,
    output: Output,
    masker: Masker,
    spinner: Option<ProgressBar>,
    last_progress: RefCell<String>,
    wording: fn(&str) -> String,
}

impl Report {
    /// Prints to this process's output.
    pub(crate) fn of_process(output: Output, in_pipeline: bool, masker: Masker) -> Self {
        let style = match (in_pipeline, output) {
            (true, Output::Text) => Talk::Pipeline,
            _ if io::stderr().is_terminal() => Talk::Terminal,
            _ => Talk::Plain,
        };
        let talk: Box<dyn Write> =
            if style == Talk::Pipeline { Box::new(io::stdout()) } else { Box::new(io::stderr()) };
        Self::new(style, output, masker, (Box::new(io::stdout()), talk))
    }

    /// Prints results to the first and talk to the second.
    pub(crate) fn new(
        style: Talk,
        output: Output,
        masker: Masker,
        (results, talk): (Box<dyn Write>, Box<dyn Write>),
    ) -> Self {
        Self {
            results: results.into(),
            talk: talk.into(),
            style,
            output,
            masker,
            spinner: (style == Talk::Terminal).then(spinner),
            last_progress: RefCell::default(),
            wording: str::to_owned,
        }
    }

    /// Puts warnings and failures into other words: not everybody who reads them knows the command line.
    pub(crate) fn put_into_words_with(&mut self, wording: fn(&str) -> String) {
        self.wording = wording;
    }

    /// Begins a part of the work.
    pub(crate) fn section(&self, text: &str) {
        match self.style {
            Talk::Pipeline => self.say(&format!("##[section]{}", self.foreign(text))),
            Talk::Terminal | Talk::Plain => self.say(&self.foreign(text)),
        }
    }

    /// Where the work is. Said again only when it changes.
    pub(crate) fn progress(&self, text: &str) {
        let text = self.foreign(text);
        if *self.last_progress.borrow() == text {
            return;
        }
        self.last_progress.replace(text.clone());
        match &self.spinner {
            Some(spinner) => spinner.set_message(text),
            None => self.say(&text),
        }
    }

    /// Something that is said as it is, every time.
    pub(crate) fn note(&self, text: &str) {
        self.say(&self.foreign(text));
    }

    /// Text without secrets, for who writes it elsewhere.
    pub(crate) fn masked(&self, text: &str) -> String {
        self.masker.mask(text)
    }

    /// How results are written.
    pub(crate) fn output(&self) -> Output {
        self.output
    }

    /// Something that may surprise, and stops nothing.
    pub(crate) fn warning(&self, text: &str) {
        let text = self.foreign(&(self.wording)(text));
        match self.style {
            Talk::Pipeline => self.say(&pipeline::log_issue("warning", &text)),
            Talk::Terminal | Talk::Plain => self.say(&format!("warning: {text}")),
        }
    }

    /// Why it did not work, and what to do.
    pub(crate) fn failure(&self, failure: &Failure) {
        let message = failure.message();
        if self.output == Output::Json {
            let mut document = serde_json::json!({ "version": 1 });
            if let Failure::NotReaped { pass: all, .. } | Failure::Unwell { document: all, .. } = failure {
                document.clone_from(all);
            }
            document["error"] = failure_json(failure);
            self.print(&format!("{document:#}"));
        }
        let text = self.foreign(&(self.wording)(&message.to_string()));
        match self.style {
            Talk::Pipeline => {
                // The issue is one line on the run's page; the log has the rest.
                let what = self.foreign(&(self.wording)(&message.what));
                self.say(&pipeline::log_issue("error", &what));
                self.say(&text);
            }
            Talk::Terminal | Talk::Plain => self.say(&format!("error: {text}")),
        }
    }

    /// A text in the words of whoever reads it.
    pub(crate) fn in_words(&self, text: &str) -> String {
        (self.wording)(text)
    }

    /// The result, for people or for programs, as was asked for.
    pub(crate) fn result(&self, text: &str, json: &Value) {
        match self.output {
            Output::Json => self.print(&format!("{json:#}")),
            Output::Text => self.print(self.foreign(text).trim_end_matches('\n')),
        }
    }

    /// A file's content, for whichever form of output: it is one already.
    pub(crate) fn document(&self, text: &str) {
        self.print(text.trim_end_matches('\n'));
    }

    /// Values for later jobs of the pipeline.
    pub(crate) fn output_variables(&self, variables: &[(&'static str, String)]) {
        if self.style == Talk::Pipeline {
            for (name, value) in variables {
                self.print(&pipeline::set_output_variable(name, value));
            }
        }
    }

    /// Text of a container, as it is but for secrets and for what a pipeline would take for a command.
    pub(crate) fn container_output(&self, text: &str) {
        if !text.is_empty() {
            self.print(self.foreign(text).trim_end_matches('\n'));
        }
    }

    /// Secrets that turned up since it was made: from files, and from variables that the user named.
    pub(crate) fn learn(&self, secrets: &[Secret]) {
        for secret in secrets {
            self.masker.add(secret);
        }
    }

    /// Masks, and disarms logging commands in text that is not ours.
    fn foreign(&self, text: &str) -> String {
        let masked = self.masker.mask(text);
        if self.style == Talk::Pipeline { pipeline::disarm(&masked) } else { masked }
    }

    fn say(&self, line: &str) {
        let write = || write_line(&self.talk, line);
        match &self.spinner {
            Some(spinner) => spinner.suspend(write),
            None => write(),
        }
    }

    fn print(&self, line: &str) {
        let line = self.masker.mask(line);
        let write = || write_line(&self.results, &line);
        match &self.spinner {
            Some(spinner) => spinner.suspend(write),
            None => write(),
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

/// Who reads may have gone away; there is nobody left to tell.
fn write_line(to: &RefCell<Box<dyn Write>>, line: &str) {
    let mut to = to.borrow_mut();
    let written = writeln!(to, "{line}").and_then(|()| to.flush());
    if let Err(error) = written {
        tracing::debug!(%error, "not printed");
    }
}

fn spinner() -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
    spinner.set_draw_target(ProgressDrawTarget::stderr_with_hz(4));
    spinner.enable_steady_tick(Duration::from_millis(250));
    spinner
}

fn failure_json(failure: &Failure) -> Value {
    let message = failure.message();
    serde_json::json!({ "what": message.what, "details": message.details, "remedy": message.remedy })
}

#[cfg(test)]
pub(crate) mod capture {
    //! A report whose text can be read back.

    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::{Masker, Report, Talk};
    use crate::arguments::Output;

    /// Bytes that several writers share.
    #[derive(Clone, Default)]
    pub(crate) struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        /// What was written so far.
        pub(crate) fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A report with its results and its talk.
    pub(crate) fn report(style: Talk, output: Output, masker: Masker) -> (Report, Shared, Shared) {
        let (results, talk) = (Shared::default(), Shared::default());
        let writers = (Box::new(results.clone()) as Box<dyn Write>, Box::new(talk.clone()) as Box<dyn Write>);
        (Report::new(style, output, masker, writers), results, talk)
    }
}

#[cfg(test)]
mod tests {
    use redact::Secret;

    use super::capture::report;
    use super::{Masker, Talk};
    use crate::arguments::Output;
    use crate::errors::Failure;

    fn masker() -> Masker {
        let masker = Masker::default();
        masker.add(&Secret::new("hunter2"));
        masker
    }

    #[test]
    fn talk_is_not_mixed_with_results() {
        let (report, results, talk) = report(Talk::Plain, Output::Text, masker());
        report.section("Provision");
        report.progress("creating");
        report.progress("creating");
        report.warning("slow");
        report.result("name: a", &serde_json::json!({"name": "a"}));
        report.output_variables(&[("agentName", "a".to_owned())]);
        assert_eq!(talk.text(), "Provision\ncreating\nwarning: slow\n");
        assert_eq!(results.text(), "name: a\n");
    }

    #[test]
    fn in_a_pipeline_it_speaks_the_pipelines_language() {
        let (report, results, talk) = report(Talk::Pipeline, Output::Text, masker());
        report.section("Provision");
        report.warning("slow; 100% [busy]");
        report.output_variables(&[("agentName", "a".to_owned())]);
        report.failure(&Failure::Interrupted { taken_down: None });
        insta::assert_snapshot!(talk.text(), @"
        ##[section]Provision
        ##vso[task.logissue type=warning]slow; 100%AZP25 [busy]
        ##vso[task.logissue type=error]Interrupted.
        Interrupted.
          Nothing had been created.
        ");
        assert_eq!(results.text(), "##vso[task.setvariable variable=agentName;isOutput=true]a\n");
    }

    #[test]
    fn a_program_gets_json_and_nothing_else() {
        let (report, results, talk) = report(Talk::Plain, Output::Json, masker());
        report.progress("creating");
        report.failure(&Failure::Interrupted { taken_down: None });
        let read: serde_json::Value = serde_json::from_str(&results.text()).expect("JSON");
        assert_eq!(read["error"]["what"], "Interrupted.");
        assert!(talk.text().contains("error: Interrupted."));
    }

    #[test]
    fn secrets_are_masked_wherever_they_come_from() {
        let (report, results, talk) = report(Talk::Plain, Output::Text, masker());
        report.progress("hunter2");
        report.warning("hunter2");
        report.failure(&Failure::Internal("hunter2".to_owned()));
        report.container_output("hunter2\n");
        report.result("hunter2", &serde_json::Value::Null);
        assert!(!results.text().contains("hunter2") && !talk.text().contains("hunter2"));
    }

    #[test]
    fn a_container_cannot_command_the_pipeline() {
        let (report, results, _) = report(Talk::Pipeline, Output::Text, masker());
        report.container_output("x ##vso[task.setvariable variable=PATH]/evil\n##[error]no\n");
        assert_eq!(results.text(), "x ##-vso[task.setvariable variable=PATH]/evil\n##-[error]no\n");
    }
}
