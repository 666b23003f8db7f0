//! What a network security group lets out.

use serde_json::Value;

/// What the rules say of connections to somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WayOut {
    /// They are let out.
    Open,
    /// They are not.
    Closed {
        /// Name of the rule that decides so.
        rule: String,
    },
}

/// Whether a security group, as Resource Manager shows it, lets TCP connections out to a port of any address behind one
/// of these service tags, such as `AzureDevOps`.
///
/// The first rule by priority that covers all of them decides. What covers only some addresses, or comes from only some
/// of the subnet, decides nothing here: it may be meant for others.
pub fn way_out(group: &Value, tags: &[&str], port: u16) -> WayOut {
    let rules = ["securityRules", "defaultSecurityRules"].map(|kind| group["properties"][kind].as_array());
    let rules = rules.into_iter().flatten().flatten();
    let mut rules: Vec<_> = rules.filter(|rule| covers(&rule["properties"], tags, port)).collect();
    rules.sort_by_key(|rule| rule["properties"]["priority"].as_u64());
    match rules.first() {
        Some(rule) if is(&rule["properties"]["access"], "Deny") => {
            WayOut::Closed { rule: rule["name"].as_str().unwrap_or_default().to_owned() }
        }
        _ => WayOut::Open,
    }
}

fn covers(rule: &Value, tags: &[&str], port: u16) -> bool {
    let everywhere = ["*", "Internet", "0.0.0.0/0"];
    let anywhere =
        |prefix: &str| everywhere.iter().chain(tags).any(|known| known.eq_ignore_ascii_case(prefix));
    let from_all = |prefix: &str| {
        ["*", "VirtualNetwork", "0.0.0.0/0"].iter().any(|known| known.eq_ignore_ascii_case(prefix))
    };
    is(&rule["direction"], "Outbound")
        && (is(&rule["protocol"], "Tcp") || is(&rule["protocol"], "*"))
        && both(rule, "destinationPortRange").any(|range| has_port(range, port))
        && both(rule, "destinationAddressPrefix").any(anywhere)
        && both(rule, "sourceAddressPrefix").any(from_all)
}

fn is(value: &Value, word: &str) -> bool {
    value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(word))
}

/// One value or several: `destinationPortRange`, `destinationPortRanges`; a prefix's plural is `Prefixes`.
fn both<'a>(rule: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    let plural = if name.ends_with('x') { format!("{name}es") } else { format!("{name}s") };
    let several = rule[plural.as_str()].as_array().into_iter().flatten();
    several.chain([&rule[name]]).filter_map(Value::as_str)
}

fn has_port(range: &str, port: u16) -> bool {
    match range.split_once('-') {
        Some((first, last)) => {
            first.parse().is_ok_and(|first: u16| first <= port)
                && last.parse().is_ok_and(|last: u16| port <= last)
        }
        None => range == "*" || range.parse() == Ok(port),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{WayOut, way_out};

    fn rule(name: &str, (priority, access): (u32, &str), to: &str, ports: &str) -> Value {
        json!({"name": name, "properties": {
            "priority": priority, "access": access, "direction": "Outbound", "protocol": "Tcp",
            "destinationAddressPrefix": to, "destinationPortRange": ports, "sourceAddressPrefix": "*",
        }})
    }

    fn of(rules: &[Value]) -> WayOut {
        let defaults = [
            rule("AllowInternetOutBound", (65_001, "Allow"), "Internet", "*"),
            rule("DenyAllOutBound", (65_500, "Deny"), "*", "*"),
        ];
        let group = json!({"properties": {"securityRules": rules, "defaultSecurityRules": defaults}});
        way_out(&group, &["AzureDevOps"], 443)
    }

    #[test]
    fn the_first_rule_that_covers_it_decides() {
        let closed = |rule: &str| WayOut::Closed { rule: rule.to_owned() };
        let deny = || rule("deny", (300, "Deny"), "Internet", "*");
        let table = [
            (vec![], WayOut::Open),
            (vec![deny()], closed("deny")),
            (vec![deny(), rule("allow", (200, "Allow"), "AzureDevOps", "443")], WayOut::Open),
            (vec![deny(), rule("late", (400, "Allow"), "AzureDevOps", "443")], closed("deny")),
            (vec![deny(), rule("other", (200, "Allow"), "Storage", "443")], closed("deny")),
            (vec![rule("ssh", (100, "Deny"), "*", "22")], WayOut::Open),
            (vec![rule("some", (100, "Deny"), "*", "400-500")], closed("some")),
            (vec![rule("one", (100, "Deny"), "10.0.0.0/8", "*")], WayOut::Open),
        ];
        for (rules, expected) in table {
            assert_eq!(of(&rules), expected, "{rules:?}");
        }
    }

    #[test]
    fn several_values_and_what_comes_in() {
        let mut several = rule("several", (100, "Deny"), "x", "x");
        several["properties"]["destinationAddressPrefixes"] = json!(["Storage", "AzureDevOps"]);
        several["properties"]["destinationPortRanges"] = json!(["80", "443"]);
        assert_eq!(of(&[several.clone()]), WayOut::Closed { rule: "several".to_owned() });
        several["properties"]["direction"] = "Inbound".into();
        assert_eq!(of(&[several]), WayOut::Open);
    }
}
