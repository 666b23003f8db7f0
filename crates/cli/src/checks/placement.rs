//! Where to try, and with which size: what was asked for first, then what may stand in for it where a region has no
//! room. Pure.
//!
//! The order is that of the least surprise: another zone first, then another size, then another region.

use std::fmt;

use crate::services::Usage;
use crate::settings::{ProvisionSettings, Size};

/// A place and a size for a container group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placement {
    /// The region.
    pub(crate) location: String,
    /// The availability zone, if one was asked for.
    pub(crate) zone: Option<String>,
    /// Cores and memory.
    pub(crate) size: Size,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.location)?;
        if let Some(zone) = &self.zone {
            write!(f, " zone {zone}")?;
        }
        write!(f, " with {}", self.size)
    }
}

/// The regions to try: `location`, and what may stand in for it.
pub(crate) fn locations(settings: &ProvisionSettings, location: &str) -> Vec<String> {
    without_repetition(std::iter::once(location.to_owned()).chain(settings.fallbacks.locations.clone()))
}

/// Every placement to try in `location` and what may stand in for it, in order, each once.
pub(crate) fn placements(settings: &ProvisionSettings, location: &str) -> Vec<Placement> {
    let fallbacks = &settings.fallbacks;
    let asked = Size { cpu: settings.container.cpu, memory_gb: settings.container.memory_gb };
    let sizes = without_repetition(std::iter::once(asked).chain(fallbacks.sizes.iter().copied()));
    let zones = std::iter::once(settings.container.zone.clone());
    let zones = without_repetition(zones.chain(fallbacks.zones.iter().cloned().map(Some)));
    let mut placements = Vec::new();
    for location in locations(settings, location) {
        for size in &sizes {
            for zone in &zones {
                placements.push(Placement { location: location.clone(), zone: zone.clone(), size: *size });
            }
        }
    }
    placements
}

/// What a placement lacks by the quotas of its region: the limit's name in words, how much may be, is, and is wanted.
pub(crate) fn shortage(usages: &[Usage], size: Size, count: u32) -> Option<Shortage> {
    let count = f64::from(count);
    let wanted =
        [("ContainerGroups", count, "container groups"), ("StandardCores", count * size.cpu, "cores")];
    wanted.into_iter().find_map(|(name, more, words)| {
        let usage = usages.iter().find(|usage| usage.name.eq_ignore_ascii_case(name))?;
        let is_short = usage.used + more > usage.limit;
        is_short.then_some(Shortage { words, limit: usage.limit, used: usage.used, wanted: more })
    })
}

/// A quota that does not suffice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shortage {
    /// What there is too little of.
    pub(crate) words: &'static str,
    /// How much may be.
    pub(crate) limit: f64,
    /// How much there is.
    pub(crate) used: f64,
    /// How much is wanted besides.
    pub(crate) wanted: f64,
}

fn without_repetition<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut list = Vec::new();
    for item in items {
        if !list.contains(&item) {
            list.push(item);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::{placements, shortage};
    use crate::fake;
    use crate::services::Usage;
    use crate::settings::{Fallbacks, ProvisionSettings, Size};

    fn listed(settings: &ProvisionSettings) -> String {
        placements(settings, "westeurope").iter().map(|placement| format!("{placement}\n")).collect()
    }

    #[test]
    fn what_was_asked_for_is_all_where_nothing_may_stand_in() {
        assert_eq!(listed(&fake::settings()), "westeurope with 1 CPU and 1 GB\n");
    }

    #[test]
    fn another_zone_then_another_size_then_another_region() {
        let mut settings = fake::settings();
        settings.container.zone = Some("1".to_owned());
        settings.fallbacks = Fallbacks {
            locations: vec!["northeurope".to_owned(), "westeurope".to_owned()],
            zones: vec!["2".to_owned()],
            sizes: vec![Size { cpu: 0.5, memory_gb: 1.5 }],
        };
        insta::assert_snapshot!(listed(&settings), @"
        westeurope zone 1 with 1 CPU and 1 GB
        westeurope zone 2 with 1 CPU and 1 GB
        westeurope zone 1 with 0.5 CPU and 1.5 GB
        westeurope zone 2 with 0.5 CPU and 1.5 GB
        northeurope zone 1 with 1 CPU and 1 GB
        northeurope zone 2 with 1 CPU and 1 GB
        northeurope zone 1 with 0.5 CPU and 1.5 GB
        northeurope zone 2 with 0.5 CPU and 1.5 GB
        ");
    }

    #[test]
    fn exactly_enough_is_enough() {
        let usages = |used| vec![Usage { name: "StandardCores".to_owned(), used, limit: 10.0 }];
        let size = Size { cpu: 2.0, memory_gb: 1.0 };
        assert_eq!(shortage(&usages(8.0), size, 1), None);
        assert_eq!(shortage(&usages(6.0), size, 2), None);
        assert_eq!(shortage(&usages(8.0), size, 2).map(|short| short.wanted), Some(4.0));
        assert_eq!(shortage(&usages(9.0), size, 1).map(|short| short.words), Some("cores"));
        assert_eq!(shortage(&[], size, 1), None, "what the service does not count is not short");
    }
}
