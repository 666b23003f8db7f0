// What is there: areas, who is connected, pools, queues, projects, tasks, packages, service connections.

const { assert, POOL, PROJECT, run, samplePool } = require("./support");
const { ConnectOptions } = require(`${process.env.DEVOPS_NODE_API}/interfaces/common/VSSInterfaces`);
const { TaskAgentPoolActionFilter, TaskAgentPoolType } =
  require(`${process.env.DEVOPS_NODE_API}/interfaces/TaskAgentInterfaces`);

const names = (things) => things.map((thing) => thing.name);

async function connection(api) {
  const data = await api.connect();
  assert.equal(data.authenticatedUser.providerDisplayName, "Owner of contoso");
  assert.equal(data.locationServiceData.serviceDefinitions, undefined);
  const locations = await api.getLocationsApi();
  const whole = await locations.getConnectionData(ConnectOptions.IncludeServices);
  assert.ok(whole.locationServiceData.serviceDefinitions.length > 0);
  // As a server of one's own answers, so that every area is where the client already is.
  assert.equal((await locations.getResourceAreas()).count, 0);
}

async function pools(agents) {
  const all = ["Default", "Azure Pipelines", POOL];
  assert.deepEqual(names(await agents.getAgentPools()), all);
  assert.deepEqual(names(await agents.getAgentPools("azure PIPELINES")), ["Azure Pipelines"]);
  assert.deepEqual(await agents.getAgentPools("unknown"), []);
  assert.deepEqual(await agents.getAgentPools(undefined, undefined, TaskAgentPoolType.Deployment), []);
  const managed = await agents.getAgentPools(POOL, ["*"], TaskAgentPoolType.Automation, TaskAgentPoolActionFilter.Manage);
  assert.deepEqual(names(managed), [POOL]);
  const { id, createdOn } = managed[0];
  assert.ok(createdOn instanceof Date && Math.abs(Date.now() - createdOn) < 3600_000);
  assert.deepEqual(names(await agents.getAgentPoolsByIds([id, 1])), ["Default", POOL]);
  const one = await agents.getAgentPool(id);
  assert.deepEqual([one.name, one.isHosted, one.poolType], [POOL, false, TaskAgentPoolType.Automation]);
  assert.equal(await agents.getAgentPool(99), null);
}

async function changedPools(agents) {
  const made = await agents.addAgentPool({ name: "by-node", autoUpdate: false });
  assert.deepEqual([made.name, made.autoUpdate], ["by-node", false]);
  const changed = await agents.updateAgentPool({ id: made.id, name: "renamed" }, made.id);
  assert.equal(changed.name, "renamed");
  await agents.deleteAgentPool(made.id);
  assert.deepEqual(await agents.getAgentPools("renamed"), []);
}

async function queues(agents) {
  const { id } = await samplePool(agents);
  const [queue] = await agents.getAgentQueues(PROJECT, POOL);
  assert.deepEqual([queue.name, queue.pool.id], [POOL, id]);
  assert.deepEqual(await agents.getAgentQueue(queue.id, PROJECT), queue);
  assert.deepEqual(await agents.getAgentQueuesByIds([queue.id], PROJECT), [queue]);
  assert.deepEqual(await agents.getAgentQueuesByNames([POOL], PROJECT), [queue]);
  assert.deepEqual(await agents.getAgentQueuesForPools([id], PROJECT), [queue]);
  assert.equal((await agents.getAgentQueues(PROJECT)).length, 3);
  assert.equal(await agents.getAgentQueue(99, PROJECT), null);
}

async function projects(core) {
  const [project, ...others] = await core.getProjects();
  assert.deepEqual([project.name, project.state, others], [PROJECT, "wellFormed", []]);
  assert.equal((await core.getProject(project.id)).name, PROJECT);
  assert.equal((await core.getProject(PROJECT)).id, project.id);
  assert.equal(await core.getProject("unknown"), null);
}

async function tasks(agents) {
  const all = await agents.getTaskDefinitions();
  const bash = all.find((task) => task.name === "Bash");
  assert.ok(all.length > 1 && bash.inputs.some((input) => input.name === "script"));
  const { major, minor, patch } = bash.version;
  const version = `${major}.${minor}.${patch}`;
  assert.deepEqual(names(await agents.getTaskDefinitions(bash.id)), ["Bash"]);
  assert.equal((await agents.getTaskDefinition(bash.id, version)).friendlyName, bash.friendlyName);
  const archive = [];
  for await (const part of await agents.getTaskContentZip(bash.id, version)) archive.push(part);
  assert.equal(Buffer.concat(archive).subarray(0, 2).toString(), "PK");
  assert.equal(await agents.getTaskDefinition(bash.id, "9.9.9"), null);
}

async function packages(agents) {
  const [latest, ...older] = await agents.getPackages("agent", "linux-x64", 1);
  assert.deepEqual(older, []);
  const { major, minor, patch } = latest.version;
  const version = `${major}.${minor}.${patch}`;
  assert.equal(latest.filename, `vsts-agent-linux-x64-${version}.tar.gz`);
  assert.match(latest.hashValue, /^[0-9a-f]{64}$/);
  assert.equal((await agents.getPackage("agent", "linux-x64", version)).downloadUrl, latest.downloadUrl);
  assert.deepEqual(await agents.getPackages("agent", "win-x64"), []);
  assert.equal(await agents.getPackage("agent", "linux-x64", "1.0.0"), null);
}

async function connections(endpoints) {
  const [found] = await endpoints.getServiceEndpoints(PROJECT, "azurerm", ["ServicePrincipal"]);
  assert.deepEqual([found.name, found.isReady, found.url], ["azure", true, process.env.EMULATOR_URL]);
  const { tenantid, serviceprincipalkey } = found.authorization.parameters;
  assert.deepEqual([tenantid, serviceprincipalkey], [process.env.AZURE_TENANT_ID, null]);
  assert.ok(!JSON.stringify(found).includes(process.env.AZURE_CLIENT_SECRET));
  assert.deepEqual(names(await endpoints.getServiceEndpointsByNames(PROJECT, ["AZURE", "other"])), ["azure"]);
  assert.deepEqual(await endpoints.getServiceEndpoints(PROJECT, "dockerregistry"), []);
  assert.equal((await endpoints.getServiceEndpointDetails(PROJECT, found.id)).name, "azure");
}

run(async (api) => {
  const agents = await api.getTaskAgentApi();
  await connection(api);
  await pools(agents);
  await changedPools(agents);
  await queues(agents);
  await projects(await api.getCoreApi());
  await tasks(agents);
  await packages(agents);
  await connections(await api.getServiceEndpointApi());
});
