#!/bin/bash
# Keeps what jobs need of today's environment in .env, which the agent loads at every start, and PATH in .path.

for name in LANG JAVA_HOME ANT_HOME M2_HOME ANDROID_HOME GRADLE_HOME NVM_BIN NVM_PATH VSTS_HTTP_PROXY \
    VSTS_HTTP_PROXY_USERNAME VSTS_HTTP_PROXY_PASSWORD LD_LIBRARY_PATH PERL5LIB AGENT_TOOLSDIRECTORY; do
    if [ -n "${!name}" ] && ! grep -q "^$name=" .env 2>/dev/null; then
        echo "$name=${!name}" >>.env
    fi
done
echo "$PATH" >.path
