// One agent's record: registered, found by each filter, changed, replaced, removed.

const { generateKeyPairSync } = require("node:crypto");
const { assert, refused, run, samplePool } = require("./support");
const { TaskAgentStatus } = require(`${process.env.DEVOPS_NODE_API}/interfaces/TaskAgentInterfaces`);

const NAME = "by-node-1";

/** The public half of a new key, as agents send it. */
function publicKey() {
  const { n } = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "jwk" });
  return { exponent: "AQAB", modulus: Buffer.from(n, "base64url").toString("base64") };
}

function record(capabilities) {
  return {
    name: NAME,
    version: "4.275.0",
    osDescription: "Linux",
    maxParallelism: 1,
    enabled: true,
    authorization: { publicKey: publicKey() },
    systemCapabilities: { "Agent.Name": NAME, "Agent.Version": "4.275.0", ...capabilities },
  };
}

async function added(agents, pool) {
  const made = await agents.addAgent(record({ docker: "/usr/bin/docker" }), pool);
  assert.deepEqual([made.name, made.status, made.enabled], [NAME, TaskAgentStatus.Offline, true]);
  assert.ok(made.createdOn instanceof Date && made.authorization.clientId && made.authorization.authorizationUrl);
  const text = await refused(agents.addAgent(record({}), pool), 409, "TaskAgentExistsException");
  assert.match(text, /already contains an agent with name by-node-1/);
  return made;
}

async function found(agents, pool, made) {
  const list = async (...filters) => (await agents.getAgents(pool, ...filters)).map((agent) => agent.name);
  assert.deepEqual(await list(), ["placeholder", NAME]);
  assert.deepEqual(await list(NAME.toUpperCase()), [NAME]);
  assert.deepEqual(await list("nobody"), []);
  const demanding = (...demands) => list(undefined, false, false, false, undefined, demands);
  assert.deepEqual(await demanding("docker"), [NAME]);
  assert.deepEqual(await demanding("docker", `Agent.Name -equals ${NAME}`), [NAME]);
  assert.deepEqual(await demanding("docker", "Agent.Version -gtVersion 5.0"), []);
  const [plain] = await agents.getAgents(pool, NAME);
  assert.deepEqual([plain.id, plain.systemCapabilities, plain.assignedRequest], [made.id, undefined, undefined]);
  const [whole] = await agents.getAgents(pool, NAME, true, true, true, ["*"]);
  assert.deepEqual([whole.systemCapabilities.docker, whole.assignedRequest], ["/usr/bin/docker", undefined]);
  assert.equal((await agents.getAgent(pool, made.id, true)).systemCapabilities.docker, "/usr/bin/docker");
  assert.equal(await agents.getAgent(pool, 999), null);
}

async function changed(agents, pool, { id }) {
  assert.equal((await agents.updateAgent({ id, enabled: false }, pool, id)).enabled, false);
  const kept = await agents.getAgent(pool, id, true);
  assert.deepEqual([kept.enabled, kept.name, kept.systemCapabilities.docker], [false, NAME, "/usr/bin/docker"]);
  await refused(agents.updateAgent({ id: id + 1, enabled: true }, pool, id), 400, "VssPropertyValidationException");
  const told = await agents.updateAgentUserCapabilities({ rack: "7" }, pool, id);
  assert.deepEqual(told.userCapabilities, { rack: "7" });
  assert.equal((await agents.getAgents(pool, undefined, false, false, false, undefined, ["rack -equals 7"])).length, 1);
}

async function replaced(agents, pool, { id, authorization }) {
  const anew = await agents.replaceAgent(record({ java: "21" }), pool, id);
  assert.equal(anew.id, id);
  assert.notEqual(anew.authorization.clientId, authorization.clientId);
  const { systemCapabilities } = await agents.getAgent(pool, id, true);
  assert.deepEqual([systemCapabilities.java, systemCapabilities.docker], ["21", undefined]);
}

async function removed(agents, pool, { id }) {
  await agents.deleteAgent(pool, id);
  assert.equal(await agents.getAgent(pool, id), null);
  // The client makes null of whatever is not found.
  assert.equal(await agents.updateAgent({ id, enabled: false }, pool, id), null);
}

run(async (api) => {
  const agents = await api.getTaskAgentApi();
  const { id: pool } = await samplePool(agents);
  const made = await added(agents, pool);
  await found(agents, pool, made);
  await changed(agents, pool, made);
  await replaced(agents, pool, made);
  await removed(agents, pool, made);
});
