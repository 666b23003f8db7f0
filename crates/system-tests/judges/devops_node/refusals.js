// What the client throws where something is missing or forbidden: to `anybody`, and to a `reader` of pools.

const { assert, connect, PROJECT, refused, run, samplePool } = require("./support");
const { TaskAgentPoolActionFilter } = require(`${process.env.DEVOPS_NODE_API}/interfaces/TaskAgentInterfaces`);

/** Of somebody whose token is nobody's. */
async function strangers() {
  const stranger = connect("A".repeat(52));
  const agents = await stranger.getTaskAgentApi().catch((error) => error);
  // The client looks for areas before it gives anything, and is refused there already.
  assert.equal(agents.statusCode, 401);
  assert.equal(agents.result.typeKey, "UnauthorizedRequestException");
  assert.match(agents.message, /^TF400813/);
  await refused(stranger.connect(), 401, "UnauthorizedRequestException");
}

/** What is not there: the client makes null of it, and throws nothing. */
async function missing(api) {
  const agents = await api.getTaskAgentApi();
  const pipelines = await api.getPipelinesApi();
  const builds = await api.getBuildApi();
  for (const call of [
    agents.addAgent({ name: "a", version: "4.275.0" }, 99),
    agents.getAgents(99),
    agents.getAgentQueues("unknown"),
    pipelines.runPipeline({}, PROJECT, 99),
    pipelines.runPipeline({}, "unknown", 1),
    builds.queueBuild({ definition: { id: 99 } }, PROJECT),
    builds.updateBuild({ status: 4 }, PROJECT, 99),
    builds.getBuild(PROJECT, 99),
  ]) {
    assert.equal(await call, null);
  }
}

async function wrong(api) {
  const agents = await api.getTaskAgentApi();
  const { id: pool } = await samplePool(agents);
  await refused(agents.addAgent({ name: "", version: "4.275.0" }, pool), 400, "VssPropertyValidationException");
  await refused(agents.addAgentPool({ name: "default" }), 409, "TaskAgentPoolExistsException");
}

/** Somebody who may only look: `reader` is run as one. */
async function reader(api) {
  const agents = await api.getTaskAgentApi();
  const { id: pool } = await samplePool(agents);
  const [{ id }] = await agents.getAgents(pool);
  const managed = await agents.getAgentPools(undefined, undefined, undefined, TaskAgentPoolActionFilter.Manage);
  assert.deepEqual(managed, []);
  for (const call of [
    agents.addAgent({ name: "a", version: "4.275.0" }, pool),
    agents.updateAgent({ id, enabled: false }, pool, id),
    agents.deleteAgent(pool, id),
  ]) {
    assert.match(await refused(call, 403, "AccessDeniedException"), /needs Manage permissions for pool/);
  }
}

async function anybody(api) {
  await strangers();
  await missing(api);
  await wrong(api);
}

run({ anybody, reader }[process.argv[2]]);
