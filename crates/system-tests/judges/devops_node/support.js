// The client as its readme has it made, and what it throws when it is refused.

const assert = require("node:assert/strict");
const azdev = require(process.env.DEVOPS_NODE_API);

const POOL = process.env.AZURE_DEVOPS_POOL;
const PROJECT = process.env.AZURE_DEVOPS_PROJECT;

function connect(token = process.env.AZURE_DEVOPS_EXT_PAT) {
  return new azdev.WebApi(process.env.AZURE_DEVOPS_ORG_URL, azdev.getPersonalAccessTokenHandler(token));
}

/** Runs a script's body, and ends with 1 and the whole story if it throws. */
function run(body) {
  body(connect()).catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}

/** Requires that a call fails with this status and the service's short name for what is wrong. */
async function refused(call, status, typeKey) {
  const error = await call.then(
    (value) => assert.fail(`not refused: ${JSON.stringify(value)}`),
    (error) => error,
  );
  assert.deepEqual([error.statusCode, error.result?.typeKey], [status, typeKey], String(error));
  assert.equal(error.message, error.result.message);
  return error.message;
}

/** The pool of the sample. */
async function samplePool(agents) {
  const pools = await agents.getAgentPools(POOL);
  assert.equal(pools.length, 1);
  return pools[0];
}

async function text(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

module.exports = { assert, connect, POOL, PROJECT, refused, run, samplePool, text };
