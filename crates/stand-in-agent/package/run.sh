#!/bin/bash
# Runs the agent: run.sh [--once]. Bash stays the parent and handles no signal, as with the official script.

if [ "$(id -u)" -eq 0 ] && [ -z "$AGENT_ALLOW_RUNASROOT" ]; then
    echo "Must not run interactively with sudo" >&2
    exit 1
fi
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

./bin/Agent.Listener run "$@"
code=$?
if [ "$code" -ne 4 ]; then
    exit "$code"
fi

# An update is replacing the program: wait for it, then run once more with the same arguments.
sleep 5
for _ in $(seq 15); do
    if [ -x ./bin/Agent.Listener ]; then
        ./bin/Agent.Listener run "$@"
        exit $?
    fi
    sleep 1
done
echo "Failed to update within 20 seconds." >&2
exit 1
