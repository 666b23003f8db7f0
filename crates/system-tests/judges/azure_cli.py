"""The Azure CLI, called many times in one process: a start of `az` costs more than what a test asks of it.

This runs under the interpreter that `az` itself runs under, and hands command lines to the same code.
"""

import contextlib
import io
import json
import os
import sys
import tempfile

from azure.cli.core import get_default_cli

LOCATION = os.environ["AZURE_LOCATION"]
SUBSCRIPTION = "/subscriptions/" + os.environ["AZURE_SUBSCRIPTION_ID"]


def run(words):
    """One command line: its exit code, what it printed, what it said besides."""
    printed = io.StringIO()
    with tempfile.TemporaryFile("w+") as said, standard_error(said), contextlib.redirect_stdout(printed):
        try:
            code = get_default_cli().invoke(words, out_file=printed)
        except SystemExit as end:
            code = end.code
        sys.stderr.flush()
        said.seek(0)
        return code, printed.getvalue(), said.read()


@contextlib.contextmanager
def standard_error(file):
    """Puts a file in the place of standard error itself, since the CLI keeps the one that it found first."""
    kept = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def az(command, *words, says=()):
    """A command that succeeds: the JSON that it prints, or None. `says` are beginnings of lines that the CLI says on
    standard error whatever cloud it talks to; it may say nothing else."""
    code, printed, said = run([*command.split(), *words, "--output", "json"])
    assert code == 0, f"az {command} {words} ended with {code}:\n{said}{printed}"
    for line in said.splitlines():
        assert not line or line.startswith(says), f"az {command} {words} said:\n{said}"
    return json.loads(printed) if printed.strip() else None


def az_text(command, *words):
    """A command that succeeds, says nothing, and prints something else than JSON."""
    code, printed, said = run([*command.split(), *words])
    assert code == 0 and not said, f"az {command} {words} ended with {code}:\n{said}{printed}"
    return printed


def refused(code, command, *words):
    """A command that fails since the service refuses with this code."""
    ended, printed, said = run([*command.split(), *words])
    assert ended not in (0, None), f"az {command} {words} succeeded:\n{printed}"
    assert f"({code})" in said, f"az {command} {words} was not refused with {code}:\n{said}"


def has(shown, **expected):
    """Holds what is shown against what a user would look for."""
    for name, value in expected.items():
        found = shown.get(name)
        assert found == value, f"{name} is {found!r} and not {value!r} in {json.dumps(shown, indent=1)}"


def names(shown):
    return sorted(resource["name"] for resource in shown)


def until(look):
    """Looks again and again until there is something; the test that started this script ends what takes too long."""
    while not (found := look()):
        pass
    return found


def register_cloud():
    """What the emulator says at its start that is to be done."""
    az("config set", "core.instance_discovery=false", says=("WARNING: Command group 'config' is experimental",))
    az("cloud register", "--name", "emulator", "--endpoint-resource-manager", os.environ["EMULATOR_URL"])
    switched = ("WARNING: Switched active cloud", "WARNING: Use 'az login'", "WARNING: Use 'az account set'")
    az("cloud set", "--name", "emulator", says=switched)


def sign_in():
    register_cloud()
    az(
        "login --service-principal",
        *("--username", os.environ["AZURE_CLIENT_ID"]),
        *("--password", os.environ["AZURE_CLIENT_SECRET"]),
        *("--tenant", os.environ["AZURE_TENANT_ID"]),
    )


def new_group(name):
    """A resource group to work in."""
    made = az("group create", "--name", name, "--location", LOCATION)
    has(made, id=f"{SUBSCRIPTION}/resourceGroups/{name}")
    return name, made["id"]
