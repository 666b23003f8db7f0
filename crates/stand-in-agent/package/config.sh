#!/bin/bash
# Configures the agent, or removes it: config.sh [remove] ARGUMENTS.

fail() {
    echo "$1" >&2
    exit 1
}

if [ "$(id -u)" -eq 0 ] && [ -z "$AGENT_ALLOW_RUNASROOT" ]; then
    fail "Must not run with sudo"
fi

# These look for ./bin, before the folder changes: call this script from the agent's folder, as the official one wants it.
command -v ldd >/dev/null || fail "Can not find 'ldd'. Please install 'ldd' and try again."
if ldd ./bin/Agent.Listener 2>&1 | grep -q "not found"; then
    fail "Dependencies are missing: run ldd ./bin/Agent.Listener to see which."
fi
[ -x ./bin/Agent.Listener ] || fail "The agent's program ./bin/Agent.Listener is missing. Call this script from its own folder."

cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
# shellcheck source=env.sh
source ./env.sh

if [ "$1" = "remove" ]; then
    shift
    verb=remove
else
    verb=configure
fi
./bin/Agent.Listener "$verb" "$@"
