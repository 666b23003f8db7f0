#!/bin/bash
# What the first job did in 2019: the Azure CLI makes the container group, and then the pool is asked again and again
# until the agent is online. Secrets go to the Azure CLI as arguments, as they did.
#
# Takes ORGANIZATION_URL, POOL, TOKEN, RESOURCE_GROUP, LOCATION, IMAGE, CLOUD, SUBSCRIPTION, TENANT, APP and APP_KEY
# from the environment; prints the agent's name and the container group's id.
set -e

# Year, month counted from 0, weekday, hour, minute, second: unpadded, and with nothing random.
name="agent$(date +%Y)$(($(date +%-m) - 1))$(date +%w%-H%-M%-S)"

az cloud set --name "$CLOUD" >/dev/null
az login --service-principal --username "$APP" --password "$APP_KEY" --tenant "$TENANT" >/dev/null
az account set --subscription "$SUBSCRIPTION" >/dev/null
az container create --name "$name" --resource-group "$RESOURCE_GROUP" --location "$LOCATION" --image "$IMAGE" \
    --os-type Linux --cpu 1 --memory 1.0 --restart-policy Never --environment-variables \
    "AZP_URL=$ORGANIZATION_URL" "AZP_POOL=$POOL" "AZP_AGENT_NAME=$name" "AZ_ACI_NAME=$name" "AZ_ACI_RG=$RESOURCE_GROUP" \
    "AZ_SUBSCRIPTION_ID=$SUBSCRIPTION" "AZ_TENANT_ID=$TENANT" "AZ_CLOUD=$CLOUD" --secure-environment-variables \
    "AZP_TOKEN=$TOKEN" "AZ_SERVICE_PRINCIPAL=$APP" "AZ_SERVICE_PRINCIPAL_KEY=$APP_KEY" >/dev/null

ask() {
    curl --silent --fail --user ":$TOKEN" "$ORGANIZATION_URL/_apis/distributedtask/$1"
}
pool=$(ask "pools?poolName=$POOL&api-version=5.1" | jq '.value[0].id')
for _ in $(seq 240); do
    status=$(ask "pools/$pool/agents?agentName=$name&api-version=5.1" | jq --raw-output '.value[0].status')
    [ "$status" = online ] && break
    sleep 1
done
[ "$status" = online ]
echo "$name"
az container show --name "$name" --resource-group "$RESOURCE_GROUP" --query id --output tsv
