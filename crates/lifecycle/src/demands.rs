//! Which jobs an agent can take: the demands of a job against the capabilities of an agent.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The capability by which a job asks for one agent.
const AGENT_NAME: &str = "Agent.Name";

/// Whether an agent of that name and with these capabilities meets every demand of a job.
///
/// A demand is `name` (the capability is there), `name -equals value`, or `name -gtVersion version` (at least that
/// version). Names and values compare without regard to case, as the service does. What is none of the three is the
/// name of a capability.
pub fn demands_met(name: &str, capabilities: &BTreeMap<String, String>, demands: &[String]) -> bool {
    demands.iter().all(|demand| is_met(name, capabilities, demand))
}

fn is_met(name: &str, capabilities: &BTreeMap<String, String>, demand: &str) -> bool {
    let demand = demand.trim();
    let of = |wanted: &str| {
        if wanted.eq_ignore_ascii_case(AGENT_NAME) {
            return Some(name);
        }
        let found = capabilities.iter().find(|(known, _)| known.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.as_str())
    };
    let mut words = demand.splitn(3, char::is_whitespace);
    let (first, operator, value) = (words.next().unwrap_or_default(), words.next(), words.next());
    match (operator.map(str::to_ascii_lowercase).as_deref(), value.map(str::trim)) {
        (Some("-equals"), Some(value)) => of(first).is_some_and(|has| has.eq_ignore_ascii_case(value)),
        (Some("-gtversion"), Some(value)) => of(first).is_some_and(|has| is_at_least(has, value)),
        _ => of(demand).is_some(),
    }
}

/// Compares versions number by number; what is missing, or no number, counts as 0.
fn is_at_least(has: &str, wanted: &str) -> bool {
    let number = |part: Option<&str>| part.map_or(0, |part| part.trim().parse::<u64>().unwrap_or_default());
    let (mut has, mut wanted) = (has.split('.'), wanted.split('.'));
    loop {
        let (ours, theirs) = (has.next(), wanted.next());
        if ours.is_none() && theirs.is_none() {
            return true;
        }
        match number(ours).cmp(&number(theirs)) {
            Ordering::Equal => {}
            other => return other == Ordering::Greater,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::demands_met;

    fn capabilities() -> BTreeMap<String, String> {
        [("Agent.Version", "4.275.0"), ("docker", ""), ("os", "Debian 13")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn met(demands: &[&str]) -> bool {
        let demands: Vec<_> = demands.iter().map(|&demand| demand.to_owned()).collect();
        demands_met("one", &capabilities(), &demands)
    }

    #[test]
    fn each_form_of_a_demand() {
        let table = [
            ("docker", true),
            ("DOCKER", true),
            (" docker ", true),
            ("java", false),
            ("Agent.Name", true),
            ("agent.name -equals ONE", true),
            ("Agent.Name -equals two", false),
            ("java -equals 17", false),
            ("os -equals Debian 13", true),
            ("os -EQUALS debian 13", true),
            ("os -equals Debian", false),
            ("docker -equals", false),
            ("Agent.Version -gtVersion 4.275", true),
            ("Agent.Version -gtVersion 4.275.0", true),
            ("Agent.Version -gtVersion 4.99.9", true),
            ("Agent.Version -gtVersion 4.275.1", false),
            ("Agent.Version -gtVersion 5", false),
            ("docker -gtVersion 0", true),
            ("java -gtVersion 0", false),
            ("Agent.Name -unknown one", false),
        ];
        for (demand, expected) in table {
            assert_eq!(met(&[demand]), expected, "{demand}");
        }
    }

    /// Every set of these demands: met where each is.
    #[test]
    fn all_of_them_have_to_be_met() {
        let all =
            [("docker", true), ("java", false), ("Agent.Name -equals one", true), ("x -equals y", false)];
        for set in 0..1_u32 << all.len() {
            let chosen: Vec<_> =
                (0..all.len()).filter(|bit| set >> bit & 1 == 1).map(|bit| all[bit]).collect();
            let demands: Vec<_> = chosen.iter().map(|(demand, _)| *demand).collect();
            assert_eq!(met(&demands), chosen.iter().all(|(_, alone)| *alone), "{demands:?}");
        }
    }

    /// Every pair of short versions, against the order of their numbers.
    #[test]
    fn versions_compare_by_their_numbers() {
        let versions: Vec<[u64; 2]> =
            (0..12).flat_map(|major| (0..12).map(move |minor| [major, minor])).collect();
        for has in &versions {
            for wanted in &versions {
                let text = |version: &[u64; 2]| format!("{}.{}", version[0], version[1]);
                let capabilities = [("v".to_owned(), text(has))].into();
                let demand = [format!("v -gtVersion {}", text(wanted))];
                assert_eq!(demands_met("one", &capabilities, &demand), has >= wanted, "{has:?} {wanted:?}");
            }
        }
    }
}
