//! The rules of network security groups: which are valid, and what they decide.
//!
//! What is enforced is what goes out of a subnet: whether it may call out at all, and whether it may reach a service
//! that the emulator itself stands for. Rules about single addresses, ports or what comes in are kept and shown, no
//! more: a Docker network has no filter for them.

use serde_json::{Value, json};

use crate::arm::addresses::Range;
use crate::arm::refusal::Refusal;

/// The priorities that a rule may have.
const PRIORITIES: std::ops::RangeInclusive<u64> = 100..=4096;

/// The rules that every group has, as names and properties.
pub(super) fn defaults() -> Vec<(&'static str, Value)> {
    let rule = |direction: &str, priority: u32, access: &str, from: &str, to: &str| {
        json!({
            "direction": direction, "priority": priority, "access": access, "protocol": "*",
            "sourcePortRange": "*", "destinationPortRange": "*", "sourceAddressPrefix": from,
            "destinationAddressPrefix": to, "provisioningState": "Succeeded",
        })
    };
    vec![
        ("AllowVnetInBound", rule("Inbound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork")),
        ("AllowAzureLoadBalancerInBound", rule("Inbound", 65001, "Allow", "AzureLoadBalancer", "*")),
        ("DenyAllInBound", rule("Inbound", 65500, "Deny", "*", "*")),
        ("AllowVnetOutBound", rule("Outbound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork")),
        ("AllowInternetOutBound", rule("Outbound", 65001, "Allow", "*", "Internet")),
        ("DenyAllOutBound", rule("Outbound", 65500, "Deny", "*", "*")),
    ]
}

fn text<'a>(rule: &'a Value, member: &str) -> &'a str {
    rule["properties"][member].as_str().unwrap_or_default()
}

/// A member that is there once (`…Prefix`) or as a list (`…Prefixes`).
fn texts<'a>(rule: &'a Value, one: &str, many: &str) -> Vec<&'a str> {
    let listed = rule["properties"][many].as_array().into_iter().flatten();
    let single = rule["properties"][one].as_str().filter(|text| !text.is_empty());
    single.into_iter().chain(listed.filter_map(Value::as_str)).collect()
}

fn priority(rule: &Value) -> u64 {
    rule["properties"]["priority"].as_u64().unwrap_or_default()
}

/// Checks the rules of a group, each and against each other. Assumed: the code for a priority out of range.
pub(super) fn check(rules: &[Value]) -> Result<(), Refusal> {
    for rule in rules {
        let name = rule["name"].as_str().unwrap_or_default();
        check_choices(rule, name)?;
        if !PRIORITIES.contains(&priority(rule)) {
            let message = format!(
                "Security rule {name} has an invalid priority. Value provided: {}. Allowed range {}-{}.",
                rule["properties"]["priority"],
                PRIORITIES.start(),
                PRIORITIES.end()
            );
            return Err(Refusal::new(400, "SecurityRuleInvalidPriority", message));
        }
        check_places(rule)?;
    }
    for (index, rule) in rules.iter().enumerate() {
        let same = |other: &&Value| {
            priority(other) == priority(rule) && text(other, "direction") == text(rule, "direction")
        };
        if let Some(other) = rules[..index].iter().find(same) {
            let message = format!(
                "Security rule {} conflicts with rule {}. Rules cannot have the same Priority and Direction.",
                rule["name"].as_str().unwrap_or_default(),
                other["name"].as_str().unwrap_or_default()
            );
            return Err(Refusal::new(400, "SecurityRuleConflict", message));
        }
    }
    Ok(())
}

fn check_choices(rule: &Value, name: &str) -> Result<(), Refusal> {
    for (member, choices) in [
        ("access", &["Allow", "Deny"][..]),
        ("direction", &["Inbound", "Outbound"]),
        ("protocol", &["*", "Tcp", "Udp", "Icmp", "Esp", "Ah"]),
    ] {
        if !choices.iter().any(|choice| choice.eq_ignore_ascii_case(text(rule, member))) {
            let problem = format!(
                "Member '{member}' of security rule '{name}' must be one of '{}'. Path 'properties'",
                choices.join(",")
            );
            return Err(Refusal::content(&problem));
        }
    }
    Ok(())
}

/// Ports and addresses.
fn check_places(rule: &Value) -> Result<(), Refusal> {
    let ports = [texts(rule, "sourcePortRange", "sourcePortRanges"), destination_ports(rule)];
    for port in ports.iter().flatten() {
        if ports_of(port).is_none() {
            let message = format!(
                "Security rule has invalid Port range. Value provided: {port}. Value should be an integer OR integer \
                 range with '-' delimiter. Valid range 0-65535."
            );
            return Err(Refusal::new(400, "SecurityRuleInvalidPortRange", message));
        }
    }
    let prefixes = [texts(rule, "sourceAddressPrefix", "sourceAddressPrefixes"), destinations(rule)];
    for prefix in prefixes.iter().flatten() {
        let is_range = Range::parse(prefix).is_some() || prefix.parse::<std::net::IpAddr>().is_ok();
        let is_tag = prefix.starts_with(|first: char| first.is_ascii_alphabetic());
        if *prefix != "*" && !is_range && !is_tag {
            let message = format!("Security rule has invalid Address prefix. Value provided: {prefix}");
            return Err(Refusal::new(400, "SecurityRuleInvalidAddressPrefix", message));
        }
    }
    if ports.iter().chain(&prefixes).any(Vec::is_empty) {
        // Assumed: the code and the text.
        let message =
            "Required security rule parameters are missing: source and destination need addresses and ports.";
        return Err(Refusal::new(400, "SecurityRuleParameterMissing", message));
    }
    Ok(())
}

fn destinations(rule: &Value) -> Vec<&str> {
    texts(rule, "destinationAddressPrefix", "destinationAddressPrefixes")
}

fn destination_ports(rule: &Value) -> Vec<&str> {
    texts(rule, "destinationPortRange", "destinationPortRanges")
}

/// The first and last of a range of ports.
fn ports_of(text: &str) -> Option<(u16, u16)> {
    if text == "*" {
        return Some((0, u16::MAX));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

/// The rules about what goes out, in the order in which they are asked.
fn outbound(rules: &[Value]) -> Vec<&Value> {
    let mut rules: Vec<&Value> =
        rules.iter().filter(|rule| text(rule, "direction").eq_ignore_ascii_case("Outbound")).collect();
    rules.sort_by_key(|rule| priority(rule));
    rules
}

fn allows(rule: &Value) -> bool {
    text(rule, "access").eq_ignore_ascii_case("Allow")
}

/// Whether anything may go out to the internet: not if the first rule that is about all of it denies, unless one
/// before allows some of it.
pub(super) fn may_call_out(rules: &[Value]) -> bool {
    let everywhere = ["*", "Internet", "0.0.0.0/0"];
    for rule in outbound(rules) {
        if allows(rule) && destinations(rule).iter().any(|to| !to.eq_ignore_ascii_case("VirtualNetwork")) {
            return true;
        }
        let whole =
            destinations(rule).iter().any(|to| everywhere.iter().any(|all| all.eq_ignore_ascii_case(to)))
                && text(rule, "protocol") == "*"
                && destination_ports(rule).contains(&"*");
        if whole {
            return false;
        }
    }
    true
}

/// The port of HTTPS.
const HTTPS: u16 = 443;

/// Whether a service with this tag may be reached over HTTPS: what the first rule says that is about it. Without one,
/// the rule that every group has allows it.
pub(super) fn may_reach(rules: &[Value], tag: &str) -> bool {
    let regional = format!("{tag}.").to_ascii_lowercase();
    let is_about = |to: &str| {
        let to = to.to_ascii_lowercase();
        ["*", "0.0.0.0/0", "internet", "azurecloud"].contains(&to.as_str())
            || to == tag.to_ascii_lowercase()
            || to.starts_with(&regional)
    };
    let applies = |rule: &&Value| {
        let mut ports = destination_ports(rule).into_iter().filter_map(ports_of);
        let protocol = ["*", "tcp"].contains(&text(rule, "protocol").to_ascii_lowercase().as_str());
        protocol
            && destinations(rule).into_iter().any(is_about)
            && ports.any(|(first, last)| (first..=last).contains(&HTTPS))
    };
    outbound(rules).into_iter().find(applies).is_none_or(allows)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{check, may_call_out, may_reach};

    fn rule(priority: u32, access: &str, to: &str, port: &str) -> Value {
        json!({"name": format!("r{priority}"), "properties": {
            "priority": priority, "direction": "Outbound", "access": access, "protocol": "*",
            "sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": to,
            "destinationPortRange": port,
        }})
    }

    #[test]
    fn the_way_out_is_closed_by_what_denies_all_of_it() {
        for (rules, open) in [
            (vec![], true),
            (vec![rule(100, "Deny", "Internet", "*")], false),
            (vec![rule(100, "Deny", "*", "*")], false),
            (vec![rule(100, "Deny", "0.0.0.0/0", "*")], false),
            (vec![rule(100, "Deny", "Internet", "80")], true),
            (vec![rule(100, "Deny", "8.8.8.8", "*")], true),
            (vec![rule(200, "Deny", "*", "*"), rule(100, "Allow", "Internet", "443")], true),
            (vec![rule(100, "Deny", "*", "*"), rule(200, "Allow", "Internet", "443")], false),
            (vec![rule(200, "Deny", "*", "*"), rule(100, "Allow", "VirtualNetwork", "*")], false),
        ] {
            assert_eq!(may_call_out(&rules), open, "{rules:?}");
        }
    }

    #[test]
    fn the_first_rule_about_a_service_decides() {
        for (rules, reached) in [
            (vec![], true),
            (vec![rule(100, "Deny", "Storage", "443")], false),
            (vec![rule(100, "Deny", "Storage.WestEurope", "*")], false),
            (vec![rule(100, "Deny", "Internet", "1-1000")], false),
            (vec![rule(100, "Deny", "Storage", "80")], true),
            (vec![rule(100, "Deny", "Sql", "443")], true),
            (vec![rule(200, "Deny", "*", "*"), rule(100, "Allow", "Storage", "443")], true),
        ] {
            assert_eq!(may_reach(&rules, "Storage"), reached, "{rules:?}");
        }
    }

    #[test]
    fn each_mistake_in_a_rule_has_its_code() {
        for (rules, code) in [
            (vec![rule(100, "Deny", "*", "*"), rule(101, "Allow", "Storage.WestEurope", "0-443")], None),
            (vec![rule(99, "Deny", "*", "*")], Some("SecurityRuleInvalidPriority")),
            (vec![rule(4097, "Deny", "*", "*")], Some("SecurityRuleInvalidPriority")),
            (vec![rule(100, "Deny", "*", "*"), rule(100, "Allow", "*", "1")], Some("SecurityRuleConflict")),
            (vec![rule(100, "Never", "*", "*")], Some("InvalidRequestContent")),
            (vec![rule(100, "Deny", "*", "443-80")], Some("SecurityRuleInvalidPortRange")),
            (vec![rule(100, "Deny", "10.0.0.0/99", "*")], Some("SecurityRuleInvalidAddressPrefix")),
            (vec![rule(100, "Deny", "", "*")], Some("SecurityRuleParameterMissing")),
        ] {
            assert_eq!(check(&rules).err().map(|refusal| refusal.code.into_owned()).as_deref(), code);
        }
    }
}
