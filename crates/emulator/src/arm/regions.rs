//! The regions.

use serde_json::Value;

use super::refusal::Refusal;
use crate::faults::Faults;

/// Name and display name of each region in which everything is offered.
pub(super) const REGIONS: &[(&str, &str)] = &[
    ("australiaeast", "Australia East"),
    ("brazilsouth", "Brazil South"),
    ("canadacentral", "Canada Central"),
    ("centralindia", "Central India"),
    ("centralus", "Central US"),
    ("eastasia", "East Asia"),
    ("eastus", "East US"),
    ("eastus2", "East US 2"),
    ("francecentral", "France Central"),
    ("germanywestcentral", "Germany West Central"),
    ("japaneast", "Japan East"),
    ("koreacentral", "Korea Central"),
    ("northcentralus", "North Central US"),
    ("northeurope", "North Europe"),
    ("norwayeast", "Norway East"),
    ("southcentralus", "South Central US"),
    ("southeastasia", "Southeast Asia"),
    ("swedencentral", "Sweden Central"),
    ("switzerlandnorth", "Switzerland North"),
    ("uksouth", "UK South"),
    ("ukwest", "UK West"),
    ("westcentralus", "West Central US"),
    ("westeurope", "West Europe"),
    ("westus", "West US"),
    ("westus2", "West US 2"),
    ("westus3", "West US 3"),
];

/// The name of a region, whether it is written `westeurope` or `West Europe`.
pub(super) fn normalize(location: &str) -> String {
    location.chars().filter(|letter| !letter.is_whitespace()).collect::<String>().to_ascii_lowercase()
}

/// Whether there is such a region; takes what [`normalize`] gives.
pub(super) fn is_known(location: &str) -> bool {
    REGIONS.iter().any(|(name, _)| *name == location)
}

/// Whether a resource type is to be had in a region, which is one: everything is, but for what a fault says.
pub(super) fn is_offered(faults: &Faults, location: &str, kind: &str) -> bool {
    let is = |value: &Value, text: &str| value.as_str().is_some_and(|value| value.eq_ignore_ascii_case(text));
    let missing = faults.get("arm.not-offered");
    missing.is_none_or(|fault| !is(&fault["type"], kind) || !is(&fault["region"], location))
}

/// Refuses a place where a resource type is not to be had; takes what [`normalize`] gives.
pub(super) fn require(faults: &Faults, location: &str, kind: &str) -> Result<(), Refusal> {
    if is_known(location) && is_offered(faults, location, kind) {
        return Ok(());
    }
    let names = REGIONS.iter().map(|(name, _)| *name).filter(|name| is_offered(faults, name, kind));
    let message = format!(
        "The provided location '{location}' is not available for resource type '{kind}'. List of available regions for \
         the resource type is '{}'.",
        names.collect::<Vec<_>>().join(",")
    );
    Err(Refusal::new(400, "LocationNotAvailableForResourceType", message))
}
