#!/bin/bash
# What the container did in 2019: find the newest agent, download it, configure it, let it run one job, remove it, and
# delete the own container group with the Azure CLI. What was wrong with that script is left out where it would end it.
set -e

mkdir -p azp && cd azp
export AGENT_ALLOW_RUNASROOT=1
packages="$AZP_URL/_apis/distributedtask/packages/agent?platform=linux-x64"
package=$(curl --silent --fail --user ":$AZP_TOKEN" --header accept:application/json "$packages" |
    jq --raw-output '.value | sort_by(.version.major, .version.minor, .version.patch) | .[-1].downloadUrl')
curl --silent --fail --location "$package" | tar -xz

./config.sh --unattended --url "$AZP_URL" --auth PAT --token "$AZP_TOKEN" --pool "${AZP_POOL:-Default}" \
    --agent "$AZP_AGENT_NAME" --work "${AZP_WORK:-_work}" --replace --acceptTeeEula
./run.sh --once || true
./config.sh remove --unattended --auth PAT --token "$AZP_TOKEN"

[ -n "$AZ_ACI_NAME" ] || exit 0
az cloud set --name "${AZ_CLOUD:-AzureCloud}"
az login --service-principal --username "$AZ_SERVICE_PRINCIPAL" --password "$AZ_SERVICE_PRINCIPAL_KEY" \
    --tenant "$AZ_TENANT_ID" >/dev/null
az account set --subscription "$AZ_SUBSCRIPTION_ID"
az container delete --name "$AZ_ACI_NAME" --resource-group "$AZ_ACI_RG" --yes >/dev/null
