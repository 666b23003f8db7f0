// Starts the program for this machine and hands everything over: environment, output, signals, exit code.
'use strict';

const { spawn } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const PROGRAMS = {
  'linux-x64': 'linux-x64/ephemeral-agents',
  'linux-arm64': 'linux-arm64/ephemeral-agents',
  'win32-x64': 'win-x64/ephemeral-agents.exe',
  'darwin-arm64': 'osx-arm64/ephemeral-agents',
};

// An extension loses executable bits on its way, and the folder of tasks may belong to somebody else.
function executable(program) {
  if (process.platform === 'win32') {
    return program;
  }
  try {
    fs.chmodSync(program, 0o755);
    return program;
  } catch {
    const folder = fs.mkdtempSync(path.join(process.env.AGENT_TEMPDIRECTORY || os.tmpdir(), 'ephemeral-agents-'));
    const copy = path.join(folder, path.basename(program));
    fs.copyFileSync(program, copy);
    fs.chmodSync(copy, 0o755);
    return copy;
  }
}

function fail(what, remedy) {
  console.log(`##vso[task.logissue type=error]${what}`);
  console.log(`${what}\nTo do: ${remedy}`);
  process.exitCode = 1;
}

const platform = `${process.platform}-${process.arch}`;
const program = PROGRAMS[platform] && path.join(__dirname, 'bin', PROGRAMS[platform]);
if (!program || !fs.existsSync(program)) {
  const there = Object.keys(PROGRAMS).filter((name) => fs.existsSync(path.join(__dirname, 'bin', PROGRAMS[name])));
  fail(
    `This task has no program for the platform of this agent (${platform}).`,
    `run the job on an agent of another platform: there are programs for ${there.join(', ')}.`
  );
} else {
  const child = spawn(executable(program), ['task'], { stdio: ['ignore', 'inherit', 'inherit'] });
  // A cancelled job: the program takes down what it made, and is waited for. On Windows the console tells it itself.
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => process.platform === 'win32' || child.kill(signal));
  }
  child.on('error', (error) => fail(`The program of this task did not start: ${error.message}.`, 'report it.'));
  child.on('exit', (code) => {
    process.exitCode = code === null ? 1 : code;
  });
}
