"""A job on an agent, in three looks: `queue` it, see it `running`, see it `done`. AGENT names the agent."""

import os
import sys

from azure.devops.v7_1.pipelines.models import RunPipelineParameters, Variable

from support import POOL, PROJECT, connect, refused, sample_pool

AGENT = os.environ["AGENT"]


def the_agent(agents):
    pool = sample_pool(agents)
    included = {"include_assigned_request": True, "include_last_completed_request": True}
    (agent,) = agents.get_agents(pool, agent_name=AGENT, **included)
    return pool, agent


def the_build(builds):
    (definition,) = builds.get_definitions(PROJECT, name="judged")
    assert builds.get_definition(PROJECT, definition.id).process["yamlFilename"] == "/azure-pipelines.yml"
    (found,) = builds.get_builds(PROJECT, definitions=[definition.id])
    return builds.get_build(PROJECT, found.id)


def queue(clients):
    pipelines = clients.get_pipelines_client()
    (listed,) = pipelines.list_pipelines(PROJECT)
    assert pipelines.get_pipeline(PROJECT, listed.id).name == listed.name == "judged"
    parameters = RunPipelineParameters(variables={"word": Variable(value="hello")})
    started = pipelines.run_pipeline(parameters, PROJECT, listed.id)
    assert (started.state, started.result) == ("inProgress", None)
    assert pipelines.get_run(PROJECT, listed.id, started.id).name == started.name
    assert [run.id for run in pipelines.list_runs(PROJECT, listed.id)] == [started.id]


def running(clients):
    agents = clients.get_task_agent_client()
    pool, agent = the_agent(agents)
    request = agent.assigned_request
    assert (request.reserved_agent.name, request.result, request.plan_type) == (AGENT, None, "Build")
    assert request.locked_until > request.receive_time >= request.assign_time >= request.queue_time
    assert agent.status == "online"
    text = refused("TaskAgentJobStillRunningException", agents.delete_agent, pool, agent.id)
    assert text == f'Agent "{AGENT}" is running a job for pool "{POOL}".'
    build = the_build(clients.get_build_client())
    assert (build.status, build.result, build.definition.name) == ("inProgress", None, "judged")


def done(clients):
    agents = clients.get_task_agent_client()
    _, agent = the_agent(agents)
    request = agent.last_completed_request
    assert (agent.assigned_request, request.result, request.reserved_agent.name) == (None, "succeeded", AGENT)
    assert request.finish_time >= request.receive_time
    builds = clients.get_build_client()
    build = the_build(builds)
    assert (build.status, build.result) == ("completed", "succeeded")
    assert build.finish_time >= build.start_time
    log = results(builds, build)
    plan(clients, request.scope_id, build.orchestration_plan.plan_id, log)


def results(builds, build):
    records = builds.get_build_timeline(PROJECT, build.id).records
    script = next(record for record in records if record.type == "Task" and record.name == "CmdLine")
    assert (script.state, script.result) == ("completed", "succeeded")
    job = next(record for record in records if record.id == script.parent_id)
    assert (job.type, job.worker_name) == ("Job", AGENT)
    assert any(log.id == script.log.id and log.line_count for log in builds.get_build_logs(PROJECT, build.id))
    lines = builds.get_build_log_lines(PROJECT, build.id, script.log.id)
    assert any(line.endswith("hello from a job") for line in lines), lines
    assert builds.get_build_log_lines(PROJECT, build.id, script.log.id, start_line=0, end_line=0) == lines[:1]
    assert b"hello from a job" in b"".join(builds.get_build_log(PROJECT, build.id, script.log.id))
    assert builds.get_artifacts(PROJECT, build.id) == []
    return script.log.id


def plan(clients, scope, plan, log):
    """The same as the agent reported it."""
    task = clients.get_task_client()
    (timeline,) = task.get_timelines(scope, "Build", plan)
    records = task.get_records(scope, "Build", plan, timeline.id)
    assert len(task.get_timeline(scope, "Build", plan, timeline.id, include_records=True).records) == len(records)
    assert any(record.log and record.log.id == log for record in records)
    assert log in [kept.id for kept in task.get_logs(scope, "Build", plan)]
    assert any(line.endswith("hello from a job") for line in task.get_log(scope, "Build", plan, log))


looks = {"queue": queue, "running": running, "done": done}
looks[sys.argv[1]](connect().clients_v7_1)
