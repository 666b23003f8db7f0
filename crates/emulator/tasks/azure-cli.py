"""Runs the script that an AzureCLI step holds, signed in by its service connection.

An agent calls it with the step's inputs in INPUT_* and its connections in ENDPOINT_*. Python is there wherever the
Azure CLI is. It does what the task of the service is documented to do on Linux and macOS, for connections with a key,
a certificate or workload identity federation; of its inputs it knows those that decide what runs.
"""

import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

TEMPORARY = os.environ.get("AGENT_TEMPDIRECTORY") or tempfile.gettempdir()


class Problem(Exception):
    """Why the step fails, for the person who reads its log."""


def task_input(name):
    return os.environ.get("INPUT_" + name.replace(" ", "_").upper(), "").strip()


def is_on(name):
    return task_input(name).lower() == "true"


class Connection:
    """A service connection, as the agent hands it over."""

    def __init__(self, key):
        self.key = key
        self.scheme = os.environ.get(f"ENDPOINT_AUTH_SCHEME_{key}", "")

    def parameter(self, name):
        return os.environ.get(f"ENDPOINT_AUTH_PARAMETER_{self.key}_{name.upper()}", "")

    def data(self, name):
        return os.environ.get(f"ENDPOINT_DATA_{self.key}_{name.upper()}", "")

    @property
    def url(self):
        return os.environ.get(f"ENDPOINT_URL_{self.key}", "")


def az(*arguments):
    """Runs `az`; what it prints to standard output is of no interest to the reader of the log."""
    done = subprocess.run(["az", *arguments, "--output", "none"], check=False)
    if done.returncode != 0:
        raise Problem(f"az {arguments[0]} {arguments[1]} ended with {done.returncode}")


def private_file(text):
    """A file that only this user reads. Arguments can be read by every process of the machine."""
    handle, path = tempfile.mkstemp(dir=TEMPORARY)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def federated_token(connection):
    """Asks the service for a token that says which connection this job runs for."""
    variable = lambda name: os.environ.get(name, "")
    url = (
        f"{variable('SYSTEM_COLLECTIONURI')}{variable('SYSTEM_TEAMPROJECTID')}/_apis/distributedtask/hubs/"
        f"{variable('SYSTEM_HOSTTYPE') or 'build'}/plans/{variable('SYSTEM_PLANID')}/jobs/{variable('SYSTEM_JOBID')}"
        f"/oidctoken?serviceConnectionId={connection.key}&api-version=7.1-preview.1"
    )
    token = variable("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=b"", headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, context=ssl.create_default_context()) as reply:
            return json.load(reply)["oidcToken"]
    except urllib.error.HTTPError as error:
        raise Problem(f"no token for the service connection: {error} {error.read().decode(errors='replace')}") from error
    except OSError as error:
        raise Problem(f"no token for the service connection: {url} is not reached: {error}") from error


def choose_cloud(connection):
    name = connection.data("environment") or "AzureCloud"
    if name.lower() == "azurestack":
        # The task of the service expects a cloud of that name to be registered on the agent; here it is registered.
        az("cloud", "register", "--name", name, "--endpoint-resource-manager", connection.url.rstrip("/"))
        az("config", "set", "core.instance_discovery=false")
    az("cloud", "set", "--name", name)


def sign_in(connection):
    """Signs in, and gives what the script is told if it wants to know."""
    tenant, client = connection.parameter("tenantid"), connection.parameter("serviceprincipalid")
    told = {"servicePrincipalId": client, "tenantId": tenant}
    if connection.scheme.lower() == "workloadidentityfederation":
        told["idToken"] = federated_token(connection)
        proof, secret = "--federated-token", told["idToken"]
    elif connection.scheme.lower() != "serviceprincipal":
        raise Problem(f"connections of the scheme {connection.scheme} are not for this task of the emulator: use one "
                      "with a key, a certificate or workload identity federation")
    elif connection.parameter("authenticationtype").lower() == "spncertificate":
        proof, secret = "--certificate", connection.parameter("serviceprincipalcertificate")
    else:
        told["servicePrincipalKey"] = connection.parameter("serviceprincipalkey")
        proof, secret = "--password", told["servicePrincipalKey"]
    path = private_file(secret)
    try:
        value = path if proof == "--certificate" else f"@{path}"
        az("login", "--service-principal", "--username", client, "--tenant", tenant, proof, value,
           "--allow-no-subscriptions")
    finally:
        os.remove(path)
    az("account", "set", "--subscription", connection.data("subscriptionid"))
    return told


def script():
    """The command that runs the step's script."""
    kind = task_input("scriptType").lower()
    shells = {"bash": ("bash", ".sh"), "pscore": ("pwsh", ".ps1")}
    if kind not in shells:
        raise Problem(f"scriptType is '{kind}'; on this system it is bash or pscore")
    shell, ending = shells[kind]
    path = task_input("scriptPath")
    if task_input("scriptLocation").lower() == "inlinescript":
        path = private_file(os.environ.get("INPUT_INLINESCRIPT", ""))
        path = shutil.move(path, path + ending)
    elif not os.path.isfile(path):
        raise Problem(f"scriptPath is '{path}', and there is no such file")
    arguments = task_input("scriptArguments")
    # As the shell would read it, which is what arguments in one text are for.
    command = f'exec {shell} "$0" {arguments}' if shell == "bash" else f'exec {shell} -NoLogo -NonInteractive -File "$0" {arguments}'
    return ["bash", "-c", command, path]


def run(command, told):
    """Runs the script, and gives why it failed."""
    environment = dict(os.environ, **(told if is_on("addSpnToEnvironment") else {}))
    for name in [name for name in environment if name.startswith(("INPUT_", "ENDPOINT_", "SECRET_"))]:
        del environment[name]
    child = subprocess.Popen(command, env=environment, cwd=task_input("cwd") or None, stderr=subprocess.PIPE)
    wrote = []

    def forward():
        for line in child.stderr:
            wrote.append(line)
            sys.stderr.buffer.write(line)
            sys.stderr.flush()

    reader = threading.Thread(target=forward)
    reader.start()
    code = child.wait()
    reader.join()
    if code != 0:
        return f"Script failed with exit code: {code}"
    if wrote and is_on("failOnStandardError"):
        return "Script wrote to standard error"
    return None


def main():
    if not shutil.which("az"):
        raise Problem("az was not found in PATH: the agent's image needs the Azure CLI")
    if not is_on("useGlobalConfig"):
        os.environ["AZURE_CONFIG_DIR"] = tempfile.mkdtemp(prefix=".azclitask", dir=TEMPORARY)
    os.environ["AZURE_CORE_COLLECT_TELEMETRY"] = "no"
    connection = Connection(task_input("connectedServiceNameARM"))
    command = script()
    choose_cloud(connection)
    try:
        return run(command, sign_in(connection))
    finally:
        subprocess.run(["az", "account", "clear"], check=False)


if __name__ == "__main__":
    try:
        failure = main()
    except Problem as problem:
        failure = str(problem)
    if failure:
        print(f"##vso[task.complete result=Failed;]{failure}")
