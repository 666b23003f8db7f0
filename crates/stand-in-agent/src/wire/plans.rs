//! The plan's side of the service: timeline, live feed, logs, attachments, events, and the tasks themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::models::{
    ConnectionData, JobCompleted, LogReference, TaskResult, TimelineRecord, VariableValue, WrappedRef,
};
use super::service::{Call, CallError, Service};

/// Attempts to say that the job is over; nothing else ends it.
const EVENT_ATTEMPTS: u32 = 5;

/// Pause between two of them.
const EVENT_PAUSE: Duration = Duration::from_secs(5);

/// Which plan and timeline a job belongs to.
#[derive(Clone, Debug)]
pub(crate) struct PlanAddress {
    /// Project id.
    pub(crate) scope: String,
    /// `Build`, `Release`…
    pub(crate) hub: String,
    pub(crate) plan: String,
    pub(crate) timeline: String,
}

/// Calls of the worker.
pub(crate) struct PlanClient {
    service: Service,
    address: PlanAddress,
}

#[derive(Deserialize)]
struct NewLog {
    id: i64,
}

impl PlanClient {
    /// Speaks through this service about this plan.
    pub(crate) fn new(service: Service, address: PlanAddress) -> Self {
        Self { service, address }
    }

    /// Checks the job's token.
    pub(crate) async fn connection_data(&self) -> Result<ConnectionData, CallError> {
        let call = Call::new(Method::GET, "_apis/connectionData")
            .query("connectOptions", 1)
            .query("lastChangeId", -1)
            .query("lastChangeId64", -1);
        self.service.fetch(call).await
    }

    /// Sends changed records, at most 25 at a time.
    pub(crate) async fn update_records(&self, records: &[TimelineRecord]) -> Result<(), CallError> {
        let path = self.path(&format!("timelines/{}/records", self.address.timeline));
        let call = Call::new(Method::PATCH, path).second_version().json(&WrappedRef::new(records));
        self.service.send(call).await.map(drop)
    }

    /// Sends lines to whoever is watching. `first` counts from 1.
    pub(crate) async fn feed(&self, record: &str, first: usize, lines: &[String]) -> Result<(), CallError> {
        let path = self.path(&format!("timelines/{}/records/{record}/feed", self.address.timeline));
        let body = json!({
            "stepId": record,
            "value": lines,
            "count": lines.len(),
            "startLine": first,
            "endLine": first + lines.len() - 1,
        });
        self.service.send(Call::new(Method::POST, path).json(&body)).await.map(drop)
    }

    /// Stores the whole log of a record.
    pub(crate) async fn upload_log(&self, record: &str, text: Vec<u8>) -> Result<LogReference, CallError> {
        let body = json!({ "path": format!("logs\\{record}"), "lineCount": 0 });
        let log: NewLog = self.service.fetch(Call::new(Method::POST, self.path("logs")).json(&body)).await?;
        let call = Call::new(Method::POST, self.path(&format!("logs/{}", log.id)));
        self.service.send(call.bytes(text)).await?;
        Ok(LogReference { id: log.id })
    }

    /// Attaches a file to a record.
    pub(crate) async fn attach(
        &self,
        record: &str,
        kind: &str,
        name: &str,
        content: Vec<u8>,
    ) -> Result<(), CallError> {
        let timeline = &self.address.timeline;
        let path = self.path(&format!("timelines/{timeline}/records/{record}/attachments/{kind}/{name}"));
        self.service.send(Call::new(Method::PUT, path).bytes(content)).await.map(drop)
    }

    /// Adds a tag to the build.
    pub(crate) async fn add_build_tag(&self, build: &str, tag: &str) -> Result<(), CallError> {
        let path = format!("{}/_apis/build/builds/{build}/tags/{tag}", self.address.scope);
        self.service.send(Call::new(Method::PUT, path)).await.map(drop)
    }

    /// Renames the build.
    pub(crate) async fn rename_build(&self, build: &str, number: &str) -> Result<(), CallError> {
        let path = format!("{}/_apis/build/builds/{build}", self.address.scope);
        self.service
            .send(Call::new(Method::PATCH, path).json(&json!({ "buildNumber": number })))
            .await
            .map(drop)
    }

    /// Downloads a task as a zip archive.
    pub(crate) async fn task_archive(&self, id: &str, version: &str) -> Result<Bytes, CallError> {
        let call = Call::new(Method::GET, format!("_apis/distributedtask/tasks/{id}/{version}"));
        Ok(self.service.send(call.accept("application/zip")).await?.into_body())
    }

    /// Says that the job is over. Refusals are final, anything else is tried five times.
    pub(crate) async fn complete_job(
        &self,
        job: &str,
        request: i64,
        result: TaskResult,
        outputs: &BTreeMap<String, VariableValue>,
        agent_shutting_down: bool,
    ) -> Result<(), CallError> {
        let event = JobCompleted {
            name: "JobCompleted",
            job_id: job,
            request_id: request,
            result,
            outputs,
            agent_shutting_down,
        };
        for _ in 1..EVENT_ATTEMPTS {
            match self.service.send(Call::new(Method::POST, self.path("events")).json(&event)).await {
                Err(CallError::Unreachable(_)) => tokio::time::sleep(EVENT_PAUSE).await,
                outcome => return outcome.map(drop),
            }
        }
        self.service.send(Call::new(Method::POST, self.path("events")).json(&event)).await.map(drop)
    }

    fn path(&self, rest: &str) -> String {
        let PlanAddress { scope, hub, plan, .. } = &self.address;
        format!("{scope}/_apis/distributedtask/hubs/{hub}/plans/{plan}/{rest}")
    }
}
