//! `pipeline run`: starts a run from a file and shows what it says, step by step, until it is over.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use hyper::Method;
use serde_json::{Map, Value, json};

use super::client::Client;
use super::{encoded, read};

/// Between two looks.
const PACE: Duration = Duration::from_millis(200);

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// The pipeline's YAML
    #[arg(value_name = "FILE.yml")]
    file: PathBuf,
    /// Folder that is its repository; by default the one the file is in
    #[arg(long, value_name = "DIR")]
    repository: Option<PathBuf>,
    /// Name of the pipeline; by default that of the file
    #[arg(long)]
    name: Option<String>,
    /// A variable of the pipeline; may be repeated
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = pair)]
    variables: Vec<(String, String)>,
    /// A secret variable of the pipeline, with the value that this environment variable has; may be repeated
    #[arg(long = "secret", value_name = "NAME=ENVIRONMENT-VARIABLE", value_parser = pair)]
    secrets: Vec<(String, String)>,
    /// A parameter of the run; may be repeated
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn object(pairs: impl IntoIterator<Item = (String, String)>) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name, Value::from(value))).collect()
}

/// Runs it to its end. Interrupted, it cancels the run and shows how that ends; interrupted again, it leaves.
pub(super) async fn run(client: &Client, options: &Run) -> Result<ExitCode, String> {
    // Before there is a run to cancel, so that none is left behind.
    let interrupts = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
    let mut interrupts = interrupts.map_err(|error| format!("interrupts cannot be heard: {error}"))?;
    let id = start(client, options).await?;
    let build = format!("build/builds/{id}");
    let mut shown = BTreeSet::new();
    let mut canceled = false;
    loop {
        // The state first: what is in the log by then is all there will be.
        let state = client.project(Method::GET, &build, Vec::new()).await?;
        show_finished(client, &build, &mut shown).await?;
        if state["status"] == "completed" {
            let result = state["result"].as_str().unwrap_or_default();
            println!("run {}: {result}", state["buildNumber"].as_str().unwrap_or_default());
            let good = matches!(result, "succeeded" | "partiallySucceeded");
            return Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        tokio::select! {
            () = tokio::time::sleep(PACE) => {}
            _ = interrupts.recv() => {
                if canceled {
                    return Ok(ExitCode::FAILURE);
                }
                canceled = true;
                println!("cancelling run {id}");
                let body = json!({"status": "cancelling"}).to_string().into_bytes();
                client.project(Method::PATCH, &build, body).await?;
            }
        }
    }
}

/// Puts the pipeline there and starts it.
async fn start(client: &Client, options: &Run) -> Result<u64, String> {
    let file = std::path::absolute(&options.file).map_err(|error| error.to_string())?;
    let yaml =
        String::from_utf8(read(&file)?).map_err(|_| format!("{} is not text in UTF-8", file.display()))?;
    let folder = options.repository.clone().or_else(|| file.parent().map(PathBuf::from));
    let folder = std::path::absolute(folder.unwrap_or_default()).map_err(|error| error.to_string())?;
    let within = file.strip_prefix(&folder).map_err(|_| {
        format!(
            "{} is not in the repository {}: templates could not be found",
            file.display(),
            folder.display()
        )
    })?;
    let mut secrets = Vec::new();
    for (name, variable) in &options.secrets {
        let value = std::env::var(variable);
        secrets
            .push((name.clone(), value.map_err(|error| format!("the secret {name}: {variable}: {error}"))?));
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = options.name.clone().unwrap_or(stem);
    let pipeline = json!({
        "yaml": yaml, "repository": folder, "file": within, "variables": object(options.variables.clone()),
        "secrets": object(secrets),
    });
    let path = format!("pipelines/{}", encoded(&name));
    let defined = client.control(Method::PUT, &path, pipeline.to_string().into_bytes()).await?;
    let parameters = json!({"templateParameters": object(options.parameters.clone())}).to_string();
    let path = format!("pipelines/{}/runs", defined["id"]);
    let run = client.project(Method::POST, &path, parameters.into_bytes()).await?;
    run["id"].as_u64().ok_or_else(|| format!("the emulator started no run: {run}"))
}

async fn show_finished(client: &Client, build: &str, shown: &mut BTreeSet<String>) -> Result<(), String> {
    let timeline = client.project(Method::GET, &format!("{build}/timeline"), Vec::new()).await?;
    for record in finished(&timeline, shown) {
        println!("── {}", title(record));
        for issue in record["issues"].as_array().into_iter().flatten() {
            let text = |key: &str| issue[key].as_str().unwrap_or_default();
            println!("   {}: {}", text("type"), text("message"));
        }
        if let Some(log) = record["log"]["id"].as_u64() {
            let log = client.project(Method::GET, &format!("{build}/logs/{log}"), Vec::new()).await?;
            for line in log["value"].as_array().into_iter().flatten() {
                println!("   {}", without_time(line.as_str().unwrap_or_default()));
            }
        }
        shown.insert(id(record));
    }
    Ok(())
}

fn id(record: &Value) -> String {
    record["id"].as_str().unwrap_or_default().to_owned()
}

/// Finished steps not yet shown, in the order in which they began, and whatever else has something to say.
fn finished<'a>(timeline: &'a Value, shown: &BTreeSet<String>) -> Vec<&'a Value> {
    let mut records: Vec<&Value> = timeline["records"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|record| {
            let complains = record["issues"].as_array().is_some_and(|issues| !issues.is_empty());
            let speaks = record["type"] == "Task" || complains;
            speaks && record["state"] == "completed" && !shown.contains(&id(record))
        })
        .collect();
    records.sort_by_key(|record| {
        (record["startTime"].as_str().unwrap_or_default().to_owned(), record["order"].as_u64())
    });
    records
}

fn title(record: &Value) -> String {
    let text = |key: &str| record[key].as_str().unwrap_or_default();
    let worker =
        if text("workerName").is_empty() { String::new() } else { format!(" on {}", text("workerName")) };
    format!("{}{worker}: {}", text("name"), text("result"))
}

/// Log lines begin with a time stamp, which is for machines.
fn without_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((stamp, rest)) if stamp.ends_with('Z') && stamp.contains('T') => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    #[test]
    fn what_is_finished_comes_once_and_in_order() {
        let timeline = json!({"records": [
            {"id": "b", "type": "Task", "state": "completed", "startTime": "2"},
            {"id": "a", "type": "Task", "state": "completed", "startTime": "1"},
            {"id": "c", "type": "Task", "state": "inProgress", "startTime": "3"},
            {"id": "j", "type": "Job", "state": "completed", "startTime": "0"},
            {"id": "k", "type": "Job", "state": "completed", "startTime": "4", "issues": [{}]},
        ]});
        let ids = |shown: &BTreeSet<String>| {
            super::finished(&timeline, shown).into_iter().map(super::id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&BTreeSet::new()), ["a", "b", "k"]);
        assert_eq!(ids(&BTreeSet::from(["a".to_owned()])), ["b", "k"]);
    }

    #[test]
    fn pairs_are_split_at_the_first_sign() {
        assert_eq!(super::pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(super::pair("a").is_err());
    }
}
