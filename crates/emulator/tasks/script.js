// Runs the script that a CmdLine, Bash, PowerShell or AzureCLI step holds. An agent calls it with the step's inputs in
// INPUT_*.
"use strict";

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const input = (name) => process.env[`INPUT_${name.toUpperCase()}`] || "";

function finish(result, message) {
  console.log(`##vso[task.complete result=${result};]${message}`);
}

const task = JSON.parse(fs.readFileSync(path.join(__dirname, "task.json"), "utf8"));
const powershell = task.name === "PowerShell";
const temporary = process.env.AGENT_TEMPDIRECTORY || require("node:os").tmpdir();

let file = input("filePath");
if (task.name !== "AzureCLI" && (input("targetType") !== "filePath" || !file)) {
  file = path.join(temporary, `${require("node:crypto").randomUUID()}.${powershell ? "ps1" : "sh"}`);
  fs.writeFileSync(file, input("script"), { mode: 0o700 });
}
let command = ["bash", [file]];
if (powershell) command = ["pwsh", ["-NoLogo", "-NonInteractive", "-File", file]];
if (task.name === "AzureCLI") command = ["python3", [path.join(__dirname, "azure-cli.py")]];
const child = spawn(command[0], command[1], { cwd: input("workingDirectory") || undefined, stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("error", (error) => finish("Failed", `${command[0]} did not start: ${error.message}`));
child.on("exit", (code, signal) => {
  if (code === 0) finish("Succeeded", "");
  else finish("Failed", signal ? `The script was ended by ${signal}.` : `The script exited with code ${code}.`);
});
