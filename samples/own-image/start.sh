#!/bin/bash
# Runs one job: fetch the agent, register it, run it once, remove it, delete the own container group.
#
# The container starts as root, and agent and job run as the user "agent", so that the job cannot read what this script
# was told. What our supervisor does besides is not here: limits of time, a second start, updates, an agent that hangs.
set -u -o pipefail

token="${AZP_TOKEN:-}"
if [ -n "${AZP_TOKEN_FILE:-}" ]; then
    token="$(cat "$AZP_TOKEN_FILE")"
    rm -f "$AZP_TOKEN_FILE"
fi
url="$AZP_URL" pool="${AZP_POOL:-Default}" name="${AZP_AGENT_NAME:-$(hostname)}" work="${AZP_WORK:-_work}"
group="${AZ_ACI_NAME:-}" resource_group="${AZ_ACI_RG:-}" subscription="${AZ_SUBSCRIPTION_ID:-}"
cloud="${AZ_CLOUD:-AzureCloud}" tenant="${AZ_TENANT_ID:-}"
principal="${AZ_SERVICE_PRINCIPAL:-}" key="${AZ_SERVICE_PRINCIPAL_KEY:-}"
# None of it reaches the agent or its job.
unset "${!AZP_@}" "${!AZ_@}"

as_agent() {
    HOME=/home/agent setpriv --reuid agent --regid agent --init-groups "$@"
}

# Secrets go to curl in files that only exist in memory: arguments can be read by every process.
basic() {
    printf 'Authorization: Basic %s' "$(printf ':%s' "$token" | base64 --wrap 0)"
}

fetch() {
    local list package
    list="$(curl --fail --silent --show-error --header @<(basic) \
        "$url/_apis/distributedtask/packages/agent?platform=linux-x64&api-version=3.0-preview")" || return 1
    # The service lists versions in no order that one may rely on.
    package="$(jq '.value | max_by([.version.major, .version.minor, .version.patch])' <<<"$list")"
    curl --fail --silent --show-error --location --output agent.tar.gz "$(jq -r .downloadUrl <<<"$package")" || return 1
    echo "$(jq -r .hashValue <<<"$package")  agent.tar.gz" | sha256sum --check --quiet || return 1
    as_agent tar -xzf agent.tar.gz
}

remove() {
    for _ in 1 2 3 4 5; do
        VSTS_AGENT_INPUT_TOKEN="$token" as_agent ./config.sh remove --unattended --auth PAT && return
        # The service may count the job as running for a moment.
        sleep 5
    done
    echo "The agent $name is left in the pool $pool." >&2
}

delete_group() {
    [ -n "$group" ] && [ -n "$principal" ] || return 0
    local manager login access
    case "$cloud" in
        AzureCloud) manager=https://management.azure.com login=https://login.microsoftonline.com ;;
        AzureUSGovernment) manager=https://management.usgovcloudapi.net login=https://login.microsoftonline.us ;;
        AzureChinaCloud) manager=https://management.chinacloudapi.cn login=https://login.chinacloudapi.cn ;;
        *)
            manager="${cloud%/}"
            login="$(curl --fail --silent --show-error "$manager/metadata/endpoints?api-version=2022-09-01" |
                jq -r .authentication.loginEndpoint)"
            ;;
    esac
    access="$(curl --fail --silent --show-error "${login%/}/$tenant/oauth2/v2.0/token" \
        --data grant_type=client_credentials --data-urlencode "client_id=$principal" \
        --data-urlencode "scope=$manager//.default" --data-urlencode client_secret@<(printf %s "$key") |
        jq -r .access_token)"
    curl --fail --silent --show-error --request DELETE --header @<(printf 'Authorization: Bearer %s' "$access") \
        "$manager/subscriptions/$subscription/resourceGroups/$resource_group/providers/Microsoft.ContainerInstance/containerGroups/$group?api-version=2023-05-01" ||
        echo "The container group $group is left." >&2
}

cd /azp || exit 0
if fetch && VSTS_AGENT_INPUT_TOKEN="$token" as_agent ./config.sh --unattended --acceptTeeEula --auth PAT \
    --url "$url" --pool "$pool" --agent "$name" --work "$work"; then
    # In a process group of its own, so that a signal reaches the agent behind its own script.
    set -m
    as_agent ./run.sh --once &
    agent=$!
    set +m
    trap 'kill -INT -- "-$agent"' TERM INT
    # The first wait ends with a signal, the second with the agent.
    wait "$agent"
    wait "$agent"
    remove
fi
delete_group
# Azure starts a container again that ends otherwise.
exit 0
