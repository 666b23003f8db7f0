// A job on an agent, in three looks: `queue` it, see it `running`, see it `done`. AGENT names the agent.
// The run is started here as a build, as older scripts do.

const { assert, POOL, PROJECT, refused, run, samplePool, text } = require("./support");
const builds = require(`${process.env.DEVOPS_NODE_API}/interfaces/BuildInterfaces`);
const pipelines = require(`${process.env.DEVOPS_NODE_API}/interfaces/PipelinesInterfaces`);
const { TaskResult } = require(`${process.env.DEVOPS_NODE_API}/interfaces/TaskAgentInterfaces`);

const NO_LOCK = "00000000-0000-0000-0000-000000000000";

async function theAgent(agents, pool) {
  const [agent] = await agents.getAgents(pool, process.env.AGENT, false, true, true);
  assert.ok(agent, "the agent is there");
  return agent;
}

async function theBuild(api) {
  const build = await api.getBuildApi();
  const [definition] = await build.getDefinitions(PROJECT, "judged");
  const [{ id }, ...others] = await build.getBuilds(PROJECT, [definition.id]);
  assert.deepEqual(others, []);
  return [build, await build.getBuild(PROJECT, id)];
}

async function queue(api) {
  const client = await api.getPipelinesApi();
  const { id, name } = (await client.listPipelines(PROJECT)).find((pipeline) => pipeline.name === "judged");
  assert.equal((await client.getPipeline(PROJECT, id)).name, name);
  const parameters = JSON.stringify({ word: "hello" });
  const queued = await (await api.getBuildApi()).queueBuild({ definition: { id }, parameters }, PROJECT);
  assert.deepEqual([queued.definition.id, queued.status], [id, builds.BuildStatus.InProgress]);
  const started = await client.getRun(PROJECT, id, queued.id);
  assert.equal(started.state, pipelines.RunState.InProgress);
  assert.equal(started.name, queued.buildNumber);
  assert.deepEqual((await client.listRuns(PROJECT, id)).map((run) => run.id), [started.id]);
}

async function running(api) {
  const agents = await api.getTaskAgentApi();
  const { id: pool } = await samplePool(agents);
  const { id, assignedRequest, enabled } = await theAgent(agents, pool);
  assert.equal(enabled, false, "our supervisor disables the agent when its job starts");
  const [request, ...others] = await agents.getAgentRequestsForAgent(pool, id, 10);
  assert.deepEqual([request.requestId, others], [assignedRequest.requestId, []]);
  assert.deepEqual([request.reservedAgent.name, request.result], [process.env.AGENT, undefined]);
  assert.ok(request.receiveTime >= request.queueTime && request.lockedUntil > new Date());
  assert.equal((await agents.getAgentRequest(pool, request.requestId)).jobId, request.jobId);
  assert.equal((await agents.getAgentRequestsForPlan(pool, request.planId))[0].requestId, request.requestId);
  assert.equal((await agents.getAgentRequestsForAgents(pool, [id], 0))[0].requestId, request.requestId);
  const queues = await agents.getAgentQueues(PROJECT, POOL);
  const ofQueue = await agents.getAgentRequestsForQueue(PROJECT, queues[0].id, 10);
  assert.deepEqual(ofQueue.map((request) => request.requestId), [request.requestId]);
  const message = await refused(agents.deleteAgent(pool, id), 400, "TaskAgentJobStillRunningException");
  assert.equal(message, `Agent "${process.env.AGENT}" is running a job for pool "${POOL}".`);
  const [, build] = await theBuild(api);
  assert.deepEqual([build.status, build.result], [builds.BuildStatus.InProgress, undefined]);
}

async function done(api) {
  const agents = await api.getTaskAgentApi();
  const { id: pool } = await samplePool(agents);
  const { id, assignedRequest, lastCompletedRequest } = await theAgent(agents, pool);
  assert.deepEqual([assignedRequest, lastCompletedRequest.result], [undefined, TaskResult.Succeeded]);
  const [request] = await agents.getAgentRequests(pool, 5);
  assert.deepEqual([request.requestId, request.result], [lastCompletedRequest.requestId, TaskResult.Succeeded]);
  assert.ok(request.finishTime >= request.receiveTime);
  assert.deepEqual(await agents.getAgentRequestsForAgent(pool, id, 0), []);
  const late = agents.updateAgentRequest({ requestId: request.requestId }, pool, request.requestId, NO_LOCK);
  await refused(late, 403, "TaskAgentJobTokenExpiredException");
  await results(...(await theBuild(api)));
}

async function results(client, build) {
  const by = async (status, result) => {
    const none = Array(6).fill(undefined);
    return (await client.getBuilds(PROJECT, ...none, undefined, status, result)).map((found) => found.id);
  };
  assert.deepEqual(await by(builds.BuildStatus.Completed, builds.BuildResult.Succeeded), [build.id]);
  assert.deepEqual(await by(builds.BuildStatus.All, builds.BuildResult.Failed), []);
  assert.deepEqual(await by(builds.BuildStatus.InProgress), []);
  assert.deepEqual([build.status, build.result], [builds.BuildStatus.Completed, builds.BuildResult.Succeeded]);
  assert.ok(build.finishTime >= build.startTime);
  const { records } = await client.getBuildTimeline(PROJECT, build.id);
  const script = records.find((record) => record.type === "Task" && record.name === "CmdLine");
  assert.deepEqual([script.state, script.result], [builds.TimelineRecordState.Completed, builds.TaskResult.Succeeded]);
  const job = records.find((record) => record.id === script.parentId);
  assert.deepEqual([job.type, job.workerName], ["Job", process.env.AGENT]);
  const logs = await client.getBuildLogs(PROJECT, build.id);
  assert.ok(logs.some((log) => log.id === script.log.id && log.lineCount > 0));
  const lines = await client.getBuildLogLines(PROJECT, build.id, script.log.id);
  assert.ok(lines.some((line) => line.endsWith("hello from a job")), lines.join("\n"));
  const whole = await text(await client.getBuildLog(PROJECT, build.id, script.log.id));
  assert.ok(whole.includes("hello from a job"));
  const first = await client.getBuildLogLines(PROJECT, build.id, script.log.id, 0, 0);
  assert.deepEqual(first, lines.slice(0, 1));
  assert.deepEqual(await client.getArtifacts(PROJECT, build.id), []);
}

const looks = { queue, running, done };
run(looks[process.argv[2]]);
