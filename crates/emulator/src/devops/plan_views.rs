//! Plans as jobs report to them and clients read them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::plans::{Attachment, Log, Timeline, append_log, create_log, shown};
use super::wire::{Refusal, collection, items, time};
use super::{Call, Caller, Plan, endpoint};
use crate::http::{Reply, Router};

/// Where a plan is.
pub(super) const PLAN: &str = "{project}/_apis/distributedtask/hubs/{hub}/plans/{plan}";

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    let at = |rest: &str| format!("{PLAN}{rest}");
    endpoint(router, Method::GET, PLAN, get_plan);
    endpoint(router, Method::GET, &at("/timelines"), list_timelines);
    endpoint(router, Method::POST, &at("/timelines"), add_timeline);
    endpoint(router, Method::GET, &at("/timelines/{timeline}"), get_timeline);
    endpoint(router, Method::GET, &at("/timelines/{timeline}/records"), list_records);
    endpoint(router, Method::PATCH, &at("/timelines/{timeline}/records"), merge_records);
    endpoint(router, Method::POST, &at("/timelines/{timeline}/records/{record}/feed"), feed);
    endpoint(router, Method::GET, &at("/timelines/{timeline}/records/{record}/feed"), read_feed);
    endpoint(
        router,
        Method::PUT,
        &at("/timelines/{timeline}/records/{record}/attachments/{type}/{name}"),
        attach,
    );
    endpoint(
        router,
        Method::GET,
        &at("/timelines/{timeline}/records/{record}/attachments/{type}/{name}"),
        attached,
    );
    endpoint(router, Method::GET, &at("/attachments/{type}"), attachments);
    endpoint(router, Method::GET, &at("/logs"), list_logs);
    endpoint(router, Method::POST, &at("/logs"), add_log);
    endpoint(router, Method::POST, &at("/logs/{log}"), append);
    endpoint(router, Method::GET, &at("/logs/{log}"), read_log);
}

fn id_param(call: &Call, name: &str) -> Uuid {
    call.request.param(name).parse().unwrap_or(Uuid::nil())
}

/// The id of the path's plan, if there is such a plan in that project and hub.
pub(super) fn plan_of(call: &Call) -> Result<Uuid, Refusal> {
    super::projects::check(call)?;
    let id = id_param(call, "plan");
    let hub = call.request.param("hub");
    let known = call
        .emulator
        .read(|state| state.devops.plans.get(&id).is_some_and(|plan| plan.hub.eq_ignore_ascii_case(hub)));
    if known { Ok(id) } else { Err(plan_not_found(call)) }
}

fn plan_not_found(call: &Call) -> Refusal {
    let message = format!("The plan {} cannot be found.", call.request.param("plan"));
    Refusal::new(404, "TaskOrchestrationPlanNotFoundException", message)
}

/// Reads the path's plan, which members may, and its jobs.
fn read<T>(call: &Call, look: impl FnOnce(&Plan) -> Result<T, Refusal>) -> Result<T, Refusal> {
    let id = plan_of(call)?;
    if !matches!(call.caller, Caller::Member { .. }) {
        call.caller.require_plan(id)?;
    }
    call.emulator.read(|state| state.devops.plans.get(&id).ok_or_else(|| plan_not_found(call)).and_then(look))
}

/// Changes the path's plan, which its jobs may.
fn write<T>(
    call: &Call,
    change: impl FnOnce(&mut Plan, jiff::Timestamp) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let id = plan_of(call)?;
    call.caller.require_plan(id)?;
    call.emulator.change(|state| {
        let now = state.now;
        state.devops.plans.get_mut(&id).ok_or_else(|| plan_not_found(call)).and_then(|plan| change(plan, now))
    })
}

fn timeline_not_found(id: Uuid) -> Refusal {
    Refusal::new(404, "TimelineNotFoundException", format!("The timeline {id} cannot be found."))
}

fn log_not_found(id: &str) -> Refusal {
    Refusal::new(404, "TaskLogNotFoundException", format!("The log {id} cannot be found."))
}

async fn get_plan(call: Call) -> Result<Reply, Reply> {
    let plan = read(&call, |plan| {
        Ok(json!({
            "planId": plan.id, "planGroup": "Build", "planType": plan.hub, "version": 14,
            "scopeIdentifier": plan.scope, "artifactUri": format!("vstfs:///Build/Build/{}", plan.owner.id),
            "definition": plan.definition.json(), "owner": plan.owner.json(),
            "timeline": {"id": plan.timeline_id},
        }))
    })?;
    Ok(Reply::json(200, &plan))
}

fn timeline_json(id: Uuid, timeline: &Timeline, with_records: bool) -> Value {
    let mut json = json!({"id": id, "changeId": timeline.change_id});
    if with_records {
        json["records"] = timeline.records.iter().map(shown).collect();
    }
    json
}

async fn list_timelines(call: Call) -> Result<Reply, Reply> {
    let list: Vec<Value> = read(&call, |plan| {
        Ok(plan.timelines.iter().map(|(id, timeline)| timeline_json(*id, timeline, false)).collect())
    })?;
    Ok(Reply::json(200, &collection(&list)))
}

async fn add_timeline(call: Call) -> Result<Reply, Reply> {
    let body = super::body(&call.request)?;
    let id = body["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_else(Uuid::new_v4);
    let json = write(&call, |plan, _| {
        if plan.timelines.contains_key(&id) {
            let message = format!("The timeline {id} already exists.");
            return Err(Refusal::new(409, "TimelineExistsException", message));
        }
        Ok(timeline_json(id, plan.timelines.entry(id).or_default(), false))
    })?;
    Ok(Reply::json(200, &json))
}

async fn get_timeline(call: Call) -> Result<Reply, Reply> {
    let id = id_param(&call, "timeline");
    let with_records = call.request.query.is_true("includeRecords");
    let json = read(&call, |plan| {
        let timeline = plan.timelines.get(&id).ok_or_else(|| timeline_not_found(id))?;
        Ok(timeline_json(id, timeline, with_records))
    })?;
    Ok(Reply::json(200, &json))
}

async fn list_records(call: Call) -> Result<Reply, Reply> {
    let id = id_param(&call, "timeline");
    let since = call.request.query.number("changeId").unwrap_or(0);
    let records: Vec<Value> = read(&call, |plan| {
        let timeline = plan.timelines.get(&id).ok_or_else(|| timeline_not_found(id))?;
        let changed = timeline.records.iter().map(shown);
        Ok(changed.filter(|record| record["changeId"].as_u64().unwrap_or(0) >= since).collect())
    })?;
    Ok(Reply::json(200, &collection(&records)))
}

async fn merge_records(call: Call) -> Result<Reply, Reply> {
    let id = id_param(&call, "timeline");
    let parts = items(super::body(&call.request)?);
    let records: Vec<Value> = write(&call, |plan, now| {
        let timeline = plan.timelines.get_mut(&id).ok_or_else(|| timeline_not_found(id))?;
        let merged: Vec<Uuid> = parts.into_iter().filter_map(|part| timeline.merge(part, now)).collect();
        let touched = timeline
            .records
            .iter()
            .filter(|record| super::id_of(record).is_some_and(|id| merged.contains(&id)));
        Ok(touched.map(shown).collect())
    })?;
    Ok(Reply::json(200, &collection(&records)))
}

/// The record that lines of output belong to: a step where the body names one, else that of the path.
async fn feed(call: Call) -> Result<Reply, Reply> {
    let body = super::body(&call.request)?;
    let step = body["stepId"].as_str().and_then(|id| id.parse::<Uuid>().ok()).filter(|id| !id.is_nil());
    let record = step.unwrap_or_else(|| id_param(&call, "record"));
    let lines = items(body).into_iter().filter_map(|line| line.as_str().map(str::to_owned));
    write(&call, |plan, _| {
        plan.feeds.entry(record).or_default().extend(lines);
        Ok(())
    })?;
    Ok(Reply::status(204))
}

async fn read_feed(call: Call) -> Result<Reply, Reply> {
    let query = &call.request.query;
    let step = query.get("stepId").and_then(|id| id.parse::<Uuid>().ok());
    let record = step.unwrap_or_else(|| id_param(&call, "record"));
    let lines = read(&call, |plan| Ok(plan.feeds.get(&record).cloned().unwrap_or_default()))?;
    let end = query.number("endLine").and_then(|end| usize::try_from(end).ok()).unwrap_or(usize::MAX);
    let end = end.min(lines.len());
    let most = query.number("takeCount").and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let start = end.saturating_sub(most);
    let page = &lines[start..end];
    Ok(Reply::json(200, &json!({"value": page, "count": page.len(), "startLine": start + 1, "endLine": end})))
}

async fn attach(call: Call) -> Result<Reply, Reply> {
    let (timeline_id, record_id) = (id_param(&call, "timeline"), id_param(&call, "record"));
    let (kind, name) = (call.request.param("type").to_owned(), call.request.param("name").to_owned());
    let content = STANDARD.encode(&call.request.body);
    let json = write(&call, |plan, now| {
        if !plan.timelines.contains_key(&timeline_id) {
            return Err(timeline_not_found(timeline_id));
        }
        plan.attachments.retain(|old| (old.record_id, &old.kind, &old.name) != (record_id, &kind, &name));
        let attachment = Attachment { timeline_id, record_id, kind, name, created_on: now, content };
        let json = attachment_json(&attachment);
        plan.attachments.push(attachment);
        Ok(json)
    })?;
    Ok(Reply::json(200, &json))
}

fn attachment_json(attachment: &Attachment) -> Value {
    json!({
        "type": attachment.kind, "name": attachment.name, "createdOn": time(attachment.created_on),
        "lastChangedOn": time(attachment.created_on), "timelineId": attachment.timeline_id,
        "recordId": attachment.record_id, "_links": {},
    })
}

async fn attachments(call: Call) -> Result<Reply, Reply> {
    let kind = call.request.param("type");
    let list: Vec<Value> = read(&call, |plan| {
        let of_kind = plan.attachments.iter().filter(|attachment| attachment.kind.eq_ignore_ascii_case(kind));
        Ok(of_kind.map(attachment_json).collect())
    })?;
    Ok(Reply::json(200, &collection(&list)))
}

async fn attached(call: Call) -> Result<Reply, Reply> {
    let (record, kind, name) =
        (id_param(&call, "record"), call.request.param("type"), call.request.param("name"));
    let content = read(&call, |plan| {
        let mut attachments = plan.attachments.iter();
        let found = attachments
            .find(|old| (old.record_id, old.kind.as_str(), old.name.as_str()) == (record, kind, name));
        let missing = || {
            Refusal::new(
                404,
                "TaskAttachmentNotFoundException",
                format!("The attachment {name} cannot be found."),
            )
        };
        found.map(|attachment| attachment.content.clone()).ok_or_else(missing)
    })?;
    Ok(Reply::bytes(200, "application/octet-stream", STANDARD.decode(content).unwrap_or_default()))
}

fn log_json(call: &Call, log: &Log) -> Value {
    let path = call.request.path.split("/logs").next().unwrap_or_default();
    json!({
        "id": log.id, "path": log.path, "createdOn": time(log.created_on), "lastChangedOn": time(log.changed_on),
        "lineCount": log.text.lines().count(), "location": format!("{}{path}/logs/{}", call.request.base_url, log.id),
    })
}

async fn list_logs(call: Call) -> Result<Reply, Reply> {
    let list: Vec<Value> =
        read(&call, |plan| Ok(plan.logs.values().map(|log| log_json(&call, log)).collect()))?;
    Ok(Reply::json(200, &collection(&list)))
}

fn one_log(call: &Call, id: Option<u64>) -> Result<Value, Refusal> {
    read(call, |plan| {
        let log = id.and_then(|id| plan.logs.get(&id));
        log.map(|log| log_json(call, log)).ok_or_else(|| log_not_found(call.request.param("log")))
    })
}

async fn add_log(call: Call) -> Result<Reply, Reply> {
    let plan_id = plan_of(&call)?;
    call.caller.require_plan(plan_id)?;
    let body = super::body(&call.request)?;
    let path = body["path"].as_str().unwrap_or_default();
    let id = call.emulator.change(|state| create_log(state, plan_id, path));
    Ok(Reply::json(200, &one_log(&call, id)?))
}

async fn append(call: Call) -> Result<Reply, Reply> {
    let plan_id = plan_of(&call)?;
    call.caller.require_plan(plan_id)?;
    let id = call.request.param("log").parse().ok();
    let text = String::from_utf8_lossy(&call.request.body);
    call.emulator.change(|state| append_log(state, plan_id, id?, &text));
    Ok(Reply::json(200, &one_log(&call, id)?))
}

async fn read_log(call: Call) -> Result<Reply, Reply> {
    let text = call.request.param("log");
    let query = &call.request.query;
    let line = |name: &str| query.number(name).and_then(|line| usize::try_from(line).ok());
    let lines: Vec<String> = read(&call, |plan| {
        let lines = text.parse().ok().and_then(|id| plan.log_lines(id)).ok_or_else(|| log_not_found(text))?;
        Ok(lines.into_iter().map(str::to_owned).collect())
    })?;
    let start = line("startLine").unwrap_or(0);
    let end = line("endLine").unwrap_or(usize::MAX).min(lines.len());
    let page = lines.get(start.min(end)..end).unwrap_or_default();
    if call.request.header("accept").is_some_and(|accept| accept.contains("application/json")) {
        return Ok(Reply::json(200, &json!({"count": page.len(), "value": page})));
    }
    Ok(Reply::text(200, "text/plain; charset=utf-8", &page.join("\n")))
}
