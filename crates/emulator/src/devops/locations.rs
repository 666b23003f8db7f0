//! The location table: which routes there are, by the ids with which clients look them up.

use serde_json::{Value, json};

/// Newest version of the API that the service knows.
pub(super) const MAX_VERSION: &str = "7.2";

/// A route that is served.
pub(super) struct Location {
    /// Its id, the same at every Azure DevOps.
    pub(super) id: &'static str,
    /// Its area.
    pub(super) area: &'static str,
    /// Its resource.
    pub(super) resource: &'static str,
    /// Its path, in which clients fill in `{area}`, `{resource}` and what they know of the rest.
    pub(super) template: &'static str,
    resource_version: u32,
    min_version: &'static str,
    released_version: &'static str,
}

const fn at(
    id: &'static str,
    area: &'static str,
    resource: &'static str,
    template: &'static str,
    resource_version: u32,
    min_version: &'static str,
    released_version: &'static str,
) -> Location {
    Location { id, area, resource, template, resource_version, min_version, released_version }
}

/// Every route that is served. A released version of 0.0 marks a resource that is in preview for ever.
#[rustfmt::skip]
pub(super) const LOCATIONS: &[Location] = &[
    at("a8c47e17-4d56-4a56-92bb-de7ea7dc65be", "distributedtask", "pools", "_apis/{area}/{resource}/{poolId}", 1, "1.0", "7.1"),
    at("e298ef32-5878-4cab-993c-043836571f42", "distributedtask", "agents", "_apis/{area}/pools/{poolId}/{resource}/{agentId}", 1, "1.0", "7.1"),
    at("30ba3ada-fedf-4da8-bbb5-dacf2f82e176", "distributedtask", "usercapabilities", "_apis/{area}/pools/{poolId}/agents/{agentId}/{resource}", 1, "1.0", "7.1"),
    at("8cc1b02b-ae49-4516-b5ad-4f9b29967c30", "distributedtask", "updates", "_apis/{area}/pools/{poolId}/agents/{agentId}/{resource}", 1, "3.2", "0.0"),
    at("134e239e-2df3-4794-a6f6-24f1f19ec8dc", "distributedtask", "sessions", "_apis/{area}/pools/{poolId}/{resource}/{sessionId}", 1, "1.0", "7.1"),
    at("c3a054f6-7a8a-49c0-944e-3a8e5d7adfd7", "distributedtask", "messages", "_apis/{area}/pools/{poolId}/{resource}/{messageId}", 1, "1.0", "7.1"),
    at("fc825784-c92a-4299-9221-998a02d1b54f", "distributedtask", "jobrequests", "_apis/{area}/pools/{poolId}/{resource}/{requestId}", 1, "1.0", "7.1"),
    at("8ffcd551-079c-493a-9c02-54346299d144", "distributedtask", "packages", "_apis/{area}/{resource}/{packageType}/{platform}/{version}", 2, "1.0", "7.1"),
    at("60aac929-f0cd-4bc8-9ce4-6b30e8f1b1bd", "distributedtask", "tasks", "_apis/{area}/{resource}/{taskId}/{versionString}", 1, "1.0", "7.1"),
    at("900fa995-c559-4923-aae7-f8424fe4fbea", "distributedtask", "queues", "{project}/_apis/{area}/{resource}/{queueId}", 1, "2.0", "7.1"),
    at("f5f81ffb-f396-498d-85b1-5ada145e648a", "distributedtask", "agentrequests", "{project}/_apis/{area}/queues/{queueId}/{resource}/{requestId}", 1, "4.1", "0.0"),
    at("5cecd946-d704-471e-a45f-3b4064fcfaba", "distributedtask", "plans", "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/{resource}/{planId}", 2, "2.0", "7.1"),
    at("557624af-b29e-4c20-8ab0-0399d2204f3f", "distributedtask", "events", "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/{resource}", 1, "2.0", "7.1"),
    at("83597576-cc2c-453c-bea6-2882ae6a1653", "distributedtask", "timelines", "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/{resource}/{timelineId}", 2, "2.0", "7.1"),
    at("8893bc5b-35b2-4be7-83cb-99e683551db4", "distributedtask", "records", "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/timelines/{timelineId}/{resource}/{recordId}", 2, "2.0", "7.1"),
    at("858983e4-19bd-4c5e-864c-507b59b58b12", "distributedtask", "feed", "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/timelines/{timelineId}/records/{recordId}/{resource}", 1, "2.0", "7.1"),
    at("46f5667d-263a-4684-91b1-dff7fdcf64e2", "distributedtask", "logs", "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/{resource}/{logId}", 1, "2.0", "7.1"),
    at("7898f959-9cdf-4096-b29e-7f293031629e", "distributedtask", "attachments", "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/timelines/{timelineId}/records/{recordId}/{resource}/{type}/{name}", 1, "2.1", "7.1"),
    at("eb55e5d6-2f30-4295-b5ed-38da50b1fc52", "distributedtask", "attachments", "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/{resource}/{type}", 1, "2.1", "7.1"),
    at("69a319f4-28c1-4bfd-93e6-ea0ff5c6f1a2", "distributedtask", "oidctoken", "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/jobs/{jobId}/{resource}", 1, "7.1", "7.1"),
    at("275424d0-c844-4fe2-bda6-04933a1357d8", "ExtensionManagement", "InstalledExtensions", "_apis/{area}/{resource}", 1, "1.0", "0.0"),
    at("fb0da285-f23e-4b56-8b53-3ef5f9f6de66", "ExtensionManagement", "InstalledExtensionsByName", "_apis/{area}/{resource}/{publisherName}/{extensionName}/{version}", 1, "1.0", "0.0"),
    at("603fe2ac-9723-48b9-88ad-09305aa6c6e1", "core", "projects", "_apis/{resource}/{*projectId}", 4, "1.0", "7.1"),
    at("dbeaf647-6167-421a-bda9-c9327b25e2e6", "Build", "Definitions", "{project}/_apis/build/{resource}/{definitionId}", 7, "1.0", "7.1"),
    at("0cd358e1-9217-4d94-8269-1c1ee6f93dcf", "Build", "Builds", "{project}/_apis/build/{resource}/{buildId}", 7, "1.0", "7.1"),
    at("35a80daf-7f30-45fc-86e8-6b813d9c90df", "build", "logs", "{project}/_apis/{area}/builds/{buildId}/{resource}/{logId}", 2, "2.0", "7.1"),
    at("8baac422-4c6e-4de5-8532-db96d92acffa", "build", "Timeline", "{project}/_apis/{area}/builds/{buildId}/{resource}/{timelineId}", 3, "2.0", "7.1"),
    at("1db06c96-014e-44e1-ac91-90b2d4b3e984", "build", "artifacts", "{project}/_apis/{area}/builds/{buildId}/{resource}/{artifactName}", 5, "2.0", "7.1"),
    at("28e1305e-2afe-47bf-abaf-cbb0e6a91988", "Pipelines", "pipelines", "{project}/_apis/{area}/{pipelineId}", 1, "5.1", "7.1"),
    at("7859261e-d2e9-4a68-b820-a5d84cc5bb3d", "Pipelines", "runs", "{project}/_apis/{area}/{pipelineId}/{resource}/{runId}", 2, "5.1", "7.1"),
    at("b5b9a4a4-e6cd-4096-853c-ab7d8b0c4eb2", "pipelinePermissions", "pipelinePermissions", "{project}/_apis/pipelines/{resource}/{resourceType}/{resourceId}", 1, "5.1", "0.0"),
    at("e85f1c62-adfc-4b74-b618-11a150fb195e", "serviceendpoint", "endpoints", "{project}/_apis/{area}/{resource}/{endpointId}", 4, "4.1", "7.1"),
    at("b5cc35c2-ff2b-491d-a085-24b6e9f396fd", "CustomerIntelligence", "Events", "_apis/{area}/{resource}", 1, "2.0", "0.0"),
    at("3e2b80f8-9e6f-441e-8393-005610692d9c", "FeatureAvailability", "FeatureFlags", "_apis/{resource}/{name}", 1, "1.0", "0.0"),
    at("00d9565f-ed9c-4a06-9a50-00e7896ccab4", "Location", "ConnectionData", "_apis/{resource}", 1, "1.0", "0.0"),
    at("e81700f7-3be2-46de-8624-2eb35882fcaa", "Location", "ResourceAreas", "_apis/{resource}/{areaId}", 1, "3.2", "0.0"),
    at("d810a47d-f4f4-4a62-a03f-fa1860585c4c", "Location", "ServiceDefinitions", "_apis/{resource}/{serviceType}/{identifier}", 1, "1.0", "0.0"),
];

impl Location {
    /// As `OPTIONS _apis` shows it.
    pub(super) fn json(&self) -> Value {
        json!({
            "id": self.id, "area": self.area, "resourceName": self.resource, "routeTemplate": self.template,
            "resourceVersion": self.resource_version, "minVersion": self.min_version, "maxVersion": MAX_VERSION,
            "releasedVersion": self.released_version,
        })
    }

    /// As `connectionData` shows it.
    pub(super) fn definition(&self) -> Value {
        json!({
            "serviceType": self.area, "identifier": self.id, "displayName": self.resource,
            "relativeToSetting": "context", "relativePath": format!("/{}", self.template),
            "resourceVersion": self.resource_version, "minVersion": self.min_version, "maxVersion": MAX_VERSION,
            "releasedVersion": self.released_version, "serviceOwner": super::discovery::SERVICE_OWNER,
            "toolId": self.area, "status": "active",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::LOCATIONS;

    #[test]
    fn no_id_stands_twice() {
        let ids: BTreeSet<&str> = LOCATIONS.iter().map(|location| location.id).collect();
        assert_eq!(ids.len(), LOCATIONS.len());
    }
}
