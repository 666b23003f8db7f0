//! Network security groups and their rules.

use hyper::Method;
use serde_json::{Value, json};

use super::{NAMESPACE, Subnet, keep, refuse_busy, rules, tagged, users};
use crate::State;
use crate::arm::gate::{Call, on};
use crate::arm::refusal::Refusal;
use crate::arm::resources::{self, Resource};
use crate::arm::{operations, pages};
use crate::http::{Reply, Router};

pub(super) const KIND: &str = "Microsoft.Network/networkSecurityGroups";
const READ: &str = "Microsoft.Network/networkSecurityGroups/read";
const RULES: &str = "securityRules";

pub(super) fn routes(router: &mut Router) {
    let of_group = format!("/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{KIND}");
    let one = format!("{of_group}/{{name}}");
    on(router, Method::GET, &format!("/subscriptions/{{subscription}}/providers/{KIND}"), READ, list);
    on(router, Method::GET, &of_group, READ, list);
    on(router, Method::GET, &one, READ, get);
    on(router, Method::PUT, &one, "Microsoft.Network/networkSecurityGroups/write", put);
    on(router, Method::DELETE, &one, "Microsoft.Network/networkSecurityGroups/delete", delete);
    let rules = format!("{one}/{RULES}");
    let rule = format!("{rules}/{{rule}}");
    let action = "Microsoft.Network/networkSecurityGroups/securityRules/read";
    on(router, Method::GET, &rules, action, rule_list);
    on(router, Method::GET, &rule, action, rule_get);
    on(router, Method::PUT, &rule, "Microsoft.Network/networkSecurityGroups/securityRules/write", rule_put);
    on(
        router,
        Method::DELETE,
        &rule,
        "Microsoft.Network/networkSecurityGroups/securityRules/delete",
        rule_delete,
    );
}

/// The rules that filter what a subnet sends and gets, without those that every group has.
pub(super) fn rules_of(state: &State, subnet: &Subnet) -> Vec<Value> {
    let id = subnet.network_security_group.as_deref().unwrap_or_default().to_ascii_lowercase();
    state.arm.resources.get(&id).map(list_of).unwrap_or_default()
}

fn list_of(group: &Resource) -> Vec<Value> {
    group.properties[RULES].as_array().cloned().unwrap_or_default()
}

fn show(state: &State, group: &Resource) -> Value {
    let mut shown = group.show(state);
    let rules: Vec<Value> = list_of(group).iter().map(|rule| show_rule(&group.id, rule)).collect();
    shown["properties"][RULES] = Value::Array(rules);
    let defaults = rules::defaults().into_iter().map(|(name, properties)| {
        let id = format!("{}/defaultSecurityRules/{name}", group.id);
        let kind = format!("{KIND}/defaultSecurityRules");
        tagged(json!({"id": id, "name": name, "type": kind, "properties": properties}))
    });
    shown["properties"]["defaultSecurityRules"] = Value::Array(defaults.collect());
    let subnets = users(state, &group.id);
    if !subnets.is_empty() {
        let subnets = subnets.into_iter().map(|id| json!({ "id": id }));
        shown["properties"]["subnets"] = Value::Array(subnets.collect());
    }
    tagged(shown)
}

fn show_rule(group: &str, rule: &Value) -> Value {
    let name = rule["name"].as_str().unwrap_or_default();
    let mut properties = rule["properties"].clone();
    properties["provisioningState"] = Value::from("Succeeded");
    tagged(json!({
        "id": format!("{group}/{RULES}/{name}"), "name": name,
        "type": "Microsoft.Network/networkSecurityGroups/securityRules", "properties": properties,
    }))
}

fn list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    Ok(pages::page(state, call, resources::listed(state, call, KIND, show)))
}

fn get(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    Ok(Reply::json(200, &show(state, resources::find(state, call, KIND)?)))
}

fn put(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let (body, id) = (call.body()?, resources::id(call, KIND));
    refuse_busy(state, call, &id)?;
    let known = resources::find(state, call, KIND).ok().map(|known| known.location.as_str());
    let location = resources::location(&state.faults, (&body, call), KIND, known)?;
    let asked = body["properties"][RULES].as_array().cloned().unwrap_or_default();
    rules::check(&asked)?;
    let resource = Resource {
        id,
        name: call.param("name").to_owned(),
        kind: KIND.to_owned(),
        location,
        tags: resources::tags(&body),
        sku: Value::Null,
        properties: json!({ RULES: asked.iter().map(bare).collect::<Vec<_>>() }),
    };
    Ok(keep(state, call, resource, show))
}

/// A rule without what only replies hold.
fn bare(rule: &Value) -> Value {
    let mut properties = rule["properties"].clone();
    if let Some(properties) = properties.as_object_mut() {
        properties.remove("provisioningState");
    }
    json!({"name": rule["name"], "properties": properties})
}

fn delete(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let Ok(group) = resources::find(state, call, KIND) else { return Ok(Reply::status(204)) };
    let (id, location) = (group.id.clone(), group.location.clone());
    refuse_busy(state, call, &id)?;
    let users = users(state, &id);
    if !users.is_empty() {
        let message = format!(
            "Network security group {id} cannot be deleted because it is in use by the following resources: {}. In \
             order to delete the Network security group, remove the association with the resource(s). To learn how to \
             do this, see aka.ms/deletensg.",
            users.join(", ")
        );
        return Err(Refusal::new(400, "InUseNetworkSecurityGroupCannotBeDeleted", message));
    }
    let operation = operations::delete(state, &id);
    Ok(operations::accepted_deletion(NAMESPACE, call, &location, operation))
}

fn is_named(rule: &Value, name: &str) -> bool {
    rule["name"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(name))
}

fn rule_list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let group = resources::find(state, call, KIND)?;
    let shown = list_of(group).iter().map(|rule| show_rule(&group.id, rule)).collect();
    Ok(pages::page(state, call, shown))
}

fn rule_get(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let (group, name) = (resources::find(state, call, KIND)?, call.param("rule"));
    let rule = list_of(group).into_iter().find(|rule| is_named(rule, name)).ok_or_else(|| {
        let message =
            format!("Security rule '{name}' in network security group '{}' was not found.", group.name);
        Refusal::new(404, "NotFound", message)
    })?;
    Ok(Reply::json(200, &show_rule(&group.id, &rule)))
}

/// Puts other rules in the place of a group's, and gives the operation by which that is done.
fn replace(state: &mut State, id: &str, rules: Vec<Value>) -> uuid::Uuid {
    if let Some(group) = state.arm.resources.get_mut(&id.to_ascii_lowercase()) {
        group.properties[RULES] = Value::Array(rules);
    }
    operations::settle(state, id)
}

fn rule_put(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let (body, group, name) = (call.body()?, resources::find(state, call, KIND)?, call.param("rule"));
    let (id, location, mut all) = (group.id.clone(), group.location.clone(), list_of(group));
    refuse_busy(state, call, &id)?;
    let count = all.len();
    all.retain(|rule| !is_named(rule, name));
    let status = if all.len() < count { 200 } else { 201 };
    all.push(json!({"name": name, "properties": bare(&body)["properties"]}));
    rules::check(&all)?;
    let operation = replace(state, &id, all);
    let shown = Reply { status: Reply::status(status).status, ..rule_get(state, call)? };
    Ok(operations::accepted(shown, NAMESPACE, call, &location, operation))
}

fn rule_delete(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let group = resources::find(state, call, KIND)?;
    let (id, location, mut all) = (group.id.clone(), group.location.clone(), list_of(group));
    refuse_busy(state, call, &id)?;
    let count = all.len();
    all.retain(|rule| !is_named(rule, call.param("rule")));
    if all.len() == count {
        return Ok(Reply::status(204));
    }
    let operation = replace(state, &id, all);
    Ok(operations::accepted_deletion(NAMESPACE, call, &location, operation))
}
