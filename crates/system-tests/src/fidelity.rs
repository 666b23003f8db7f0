//! `docs/fidelity.md`, held against what the clients that judge the emulator really asked it.
//!
//! Its rows have three cells: a route; who judges it (`az: networks, storage; Python: networks`); what is only assumed
//! about it. In a route `{subscription}` at the beginning stands for `/subscriptions/{subscription}`, `{group}` for
//! `{subscription}/resourceGroups/{group}`, and `{scope}` for anything that roles and locks are put on.

use std::collections::BTreeSet;
use std::path::Path;

use emulator::http::{Routers, Service};

use crate::World;

/// The services that have a table, each under this heading.
const SECTIONS: [(&str, Service); 2] =
    [("Resource Manager", Service::Arm), ("Entra ID and managed identity", Service::Entra)];

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    section: String,
    route: String,
    judges: Vec<String>,
}

/// Every row of the page.
fn rows() -> Vec<Row> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fidelity.md");
    parse(&std::fs::read_to_string(page).expect("the page"))
}

fn parse(page: &str) -> Vec<Row> {
    let mut section = "";
    let mut rows = Vec::new();
    for line in page.lines() {
        section = line.strip_prefix("## ").unwrap_or(section);
        let Some((route, rest)) = line.strip_prefix("| `").and_then(|line| line.split_once("` | ")) else {
            continue;
        };
        let cell = rest.split(" |").next().unwrap_or_default();
        let (section, route) = (section.to_owned(), route.to_owned());
        rows.push(Row { section, route, judges: judges(cell) });
    }
    rows
}

/// `az: a, b; Python: c` names three judges; `—` none.
fn judges(cell: &str) -> Vec<String> {
    let clients = cell.split("; ").filter_map(|client| client.split_once(": "));
    clients
        .flat_map(|(client, subjects)| {
            subjects.split(", ").map(move |subject| format!("{client}: {subject}"))
        })
        .collect()
}

/// A route as the page writes it.
fn written(method: &str, pattern: &str) -> String {
    if let Some(at) = pattern.find("/providers/Microsoft.Authorization/") {
        return format!("{method} {{scope}}{}", &pattern[at..]);
    }
    let subscription = "/subscriptions/{subscription}";
    let group = format!("{subscription}/resourceGroups/{{group}}/");
    let below = |whole: &str| pattern.strip_prefix(whole).map(str::to_owned);
    let short = below(&group).map(|rest| format!("{{group}}/{rest}"));
    let short =
        short.or_else(|| below(&format!("{subscription}/")).map(|rest| format!("{{subscription}}/{rest}")));
    format!("{method} {}", short.as_deref().unwrap_or(pattern))
}

/// Fails unless the page has a row for each route of the services it is about, and none for another.
pub fn every_route_has_a_row() {
    let (routers, rows) = (Routers::default(), rows());
    for (heading, service) in SECTIONS {
        let routes: BTreeSet<_> =
            routers.all(service).map(|(method, pattern)| written(method, pattern)).collect();
        let listed: Vec<_> = rows.iter().filter(|row| row.section == heading).collect();
        let named: BTreeSet<_> = listed.iter().map(|row| row.route.clone()).collect();
        assert_eq!(named.len(), listed.len(), "docs/fidelity.md has a row twice under {heading:?}");
        compare(&format!("docs/fidelity.md, {heading:?}, and the emulator's routes"), &routes, &named);
    }
}

fn compare(what: &str, real: &BTreeSet<String>, page: &BTreeSet<String>) {
    let missing: Vec<_> = real.difference(page).collect();
    let wrong: Vec<_> = page.difference(real).collect();
    assert!(
        missing.is_empty() && wrong.is_empty(),
        "{what}: the page lacks {missing:#?}, has {wrong:#?} wrongly"
    );
}

impl World {
    /// Fails unless the page names this judge for just those routes that were asked in this world and did what they
    /// were asked.
    pub fn was_judged_by(&self, judge: &str) {
        let routers = Routers::default();
        let asked: BTreeSet<_> = self.emulator().read(|state| {
            let route = |request: &String| {
                let (request, status) = request.rsplit_once(' ')?;
                let (method, path) = request.split_once(' ')?;
                let service = Service::of(path, |name| state.devops.is_organization(name));
                SECTIONS.iter().find(|(_, known)| *known == service).filter(|_| status < "400")?;
                Some(written(method, routers.taken(service, method, path)?))
            };
            state.requests.keys().filter_map(route).collect()
        });
        let rows = rows().into_iter().filter(|row| row.judges.iter().any(|known| known == judge));
        let named = rows.map(|row| row.route).collect();
        compare(&format!("docs/fidelity.md and what {judge:?} asked"), &asked, &named);
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, written};

    #[test]
    fn a_row_names_a_route_and_its_judges() {
        let page = "## Entra ID\n| Route | Judged by | Assumed |\n|---|---|---|\n\
                    | `GET /a` | az: one, two; Python: one | x |\n## Other\n| `PUT /b` | — | |\n";
        let rows = parse(page);
        assert_eq!((rows[0].section.as_str(), rows[0].route.as_str()), ("Entra ID", "GET /a"));
        assert_eq!(rows[0].judges, ["az: one", "az: two", "Python: one"]);
        assert_eq!((rows[1].section.as_str(), rows[1].judges.len(), rows.len()), ("Other", 0, 2));
    }

    #[test]
    fn routes_are_written_short() {
        let short = |pattern| written("GET", pattern);
        assert_eq!(short("/subscriptions/{subscription}/resourceGroups/{group}/x"), "GET {group}/x");
        let locks = "/subscriptions/{subscription}/providers/Microsoft.Authorization/locks";
        assert_eq!(short(locks), "GET {scope}/providers/Microsoft.Authorization/locks");
        let group = "GET {subscription}/resourceGroups/{group}";
        assert_eq!(short("/subscriptions/{subscription}/resourceGroups/{group}"), group);
        assert_eq!(short("/subscriptions/{subscription}"), "GET /subscriptions/{subscription}");
    }
}
