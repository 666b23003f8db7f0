//! Azure DevOps: the token, the project's queue, the agent's package. The pool is `provision`'s own check.

use azure_devops::{AgentPackage, PipelinePermissions};

use super::facts::Facts;
use crate::checks::{Notes, Subject};
use crate::services::Answer;
use crate::settings::DoctorSettings;

pub(super) fn judge(settings: &DoctorSettings, facts: &Facts, notes: &mut Notes) {
    let organization = &settings.provision.devops.organization;
    match &facts.caller {
        Ok(name) => notes.ok(Subject::Organization, format!("{organization} knows you as {name}.")),
        Err(error) => notes.refused(Subject::Organization, "ask Azure DevOps who you are", error),
    }
    if let Some(Ok(0)) = facts.agents {
        notes.warn(
            Subject::Pool,
            format!("The agent pool `{}` has no agent at all.", settings.provision.pool),
            "keep one agent registered in it, which may be offline: a pool without any refuses jobs before they wait \
             (`ephemeral-agents sample pool create` makes one so).",
        );
    }
    judge_queue(settings, facts.queue.as_ref(), notes);
    judge_package(&facts.package, facts.download.as_ref(), notes);
}

/// Whether the job that is meant for the agent may run in the pool.
fn judge_queue(
    settings: &DoctorSettings,
    queue: Option<&Answer<Option<PipelinePermissions>>>,
    notes: &mut Notes,
) {
    let pool = &settings.provision.pool;
    let (Some(project), Some(queue)) = (&settings.project, queue) else {
        notes.skip(Subject::Queue, "Not looked at: give --project, the project of the pipelines.");
        return;
    };
    match queue {
        Err(error) => notes.unclear(Subject::Queue, "see which pipelines may use the pool", error),
        Ok(None) => notes.fail(
            Subject::Queue,
            format!("The project {project} has no queue for the pool `{pool}`."),
            format!("add the pool under Project settings, Agent pools, Add pool, Existing, in {project}."),
        ),
        Ok(Some(permissions)) if permissions.all => {
            notes.ok(Subject::Queue, format!("Every pipeline of {project} may use `{pool}`."));
        }
        Ok(Some(permissions)) => judge_pipeline(settings, project, permissions, notes),
    }
}

fn judge_pipeline(
    settings: &DoctorSettings,
    project: &str,
    permissions: &PipelinePermissions,
    notes: &mut Notes,
) {
    let pool = &settings.provision.pool;
    let open = format!(
        "permit it under Project settings, Agent pools, {pool}, Security, Pipeline permissions in {project}, or when \
         its next run asks for it."
    );
    match settings.pipeline {
        Some(pipeline) if permissions.pipelines.contains(&pipeline) => {
            notes.ok(Subject::Queue, format!("The pipeline {pipeline} may use `{pool}`."));
        }
        Some(pipeline) => {
            notes.fail(Subject::Queue, format!("The pipeline {pipeline} may not use `{pool}` yet."), open);
        }
        None => notes.warn(
            Subject::Queue,
            format!("Of the pipelines of {project}, {} may use `{pool}`.", permissions.pipelines.len()),
            format!("give --pipeline-id to ask about one; {open}"),
        ),
    }
}

fn judge_package(package: &Answer<Option<AgentPackage>>, download: Option<&Answer<()>>, notes: &mut Notes) {
    match package {
        Err(error) => notes.unclear(Subject::AgentPackage, "look for the agent's package", error),
        Ok(None) => notes.warn(
            Subject::AgentPackage,
            "The organization offers no package of the agent for this operating system.",
            "have the image bring the agent along (docs/images.md).",
        ),
        Ok(Some(package)) => match download {
            Some(Err(error)) => notes.warn(
                Subject::AgentPackage,
                format!("Agent {} could not be fetched from here: {}", package.version, error.what),
                "let the subnet reach that host, or have the image bring the agent along (docs/images.md).",
            ),
            _ => notes.ok(Subject::AgentPackage, format!("Agent {} can be fetched.", package.version)),
        },
    }
}
