//! Types as the services publish them, and values held against them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Where a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the service, whole.
    Request,
    /// To the service, only what is to be changed.
    Change,
    /// From the service.
    Reply,
}

/// What is wrong with a value. Never the value itself, which may be a secret; only one of a fixed set of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    WrongType { published: &'static str, found: &'static str },
    OutOfBounds,
    Missing,
    ReadOnly,
    Confidential,
    UnknownWord(String),
    UnknownProperty,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongType { published, found } => {
                write!(f, "is {found}, and {published} is published")
            }
            Self::OutOfBounds => f.write_str("is longer, shorter, larger or smaller than is published"),
            Self::Missing => f.write_str("is required and not there"),
            Self::ReadOnly => f.write_str("is sent, and is the service's alone to say"),
            Self::Confidential => f.write_str("is told, and is confidential"),
            Self::UnknownWord(word) => write!(f, "is {word:?}, which is none of the published words"),
            Self::UnknownProperty => f.write_str("is not published"),
        }
    }
}

/// A fault, and where in the value it is: `properties.containers[0].name`.
pub(crate) type Found = (String, Fault);

/// Bits of a property.
const REQUIRED: u32 = 1;
const READ_ONLY: u32 = 2;
const WRITE_ONLY: u32 = 4;

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "$ref")]
    path: String,
}

impl Reference {
    fn index(&self) -> usize {
        self.path.strip_prefix("#/").and_then(|index| index.parse().ok()).expect("a reference into the file")
    }
}

#[derive(Deserialize)]
struct Property {
    r#type: Reference,
    flags: u32,
}

type Properties = BTreeMap<String, Property>;

#[derive(Deserialize)]
#[serde(tag = "$type", rename_all_fields = "camelCase")]
#[expect(clippy::enum_variant_names, reason = "these are the file's own names")]
enum Type {
    AnyType,
    BooleanType,
    StringType {
        min_length: Option<usize>,
        max_length: Option<usize>,
        #[serde(default)]
        sensitive: bool,
    },
    StringLiteralType {
        value: String,
    },
    IntegerType {
        min_value: Option<i64>,
        max_value: Option<i64>,
    },
    ArrayType {
        item_type: Reference,
    },
    UnionType {
        elements: Vec<Reference>,
    },
    ObjectType {
        properties: Properties,
        additional_properties: Option<Reference>,
    },
    DiscriminatedObjectType {
        base_properties: Properties,
        discriminator: String,
        elements: BTreeMap<String, Reference>,
    },
    ResourceType {
        name: String,
        body: Reference,
    },
    ResourceFunctionType {
        name: String,
        resource_type: String,
        input: Option<Reference>,
        output: Reference,
    },
}

/// The types of one file: those of a provider in one version of its API.
pub(crate) struct Types(Vec<Type>);

impl Types {
    /// Reads a file.
    pub(crate) fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    /// The body of a resource of this type, `Microsoft.Storage/storageAccounts`.
    pub(crate) fn resource(&self, resource_type: &str) -> Option<usize> {
        self.0.iter().find_map(|known| match known {
            Type::ResourceType { name, body } => {
                let name = name.split('@').next().unwrap_or_default();
                name.eq_ignore_ascii_case(resource_type).then(|| body.index())
            }
            _ => None,
        })
    }

    /// What an action on a resource takes and gives.
    pub(crate) fn action(&self, of: &str, action: &str) -> Option<(Option<usize>, usize)> {
        self.0.iter().find_map(|known| match known {
            Type::ResourceFunctionType { name, resource_type, input, output } => {
                (name.eq_ignore_ascii_case(action) && resource_type.eq_ignore_ascii_case(of))
                    .then(|| (input.as_ref().map(Reference::index), output.index()))
            }
            _ => None,
        })
    }

    /// Holds the body of a resource against its type. Its name and type are in the path, and may be left out of what is
    /// sent.
    pub(crate) fn check_resource(&self, body: usize, value: &Value, way: Way) -> Vec<Found> {
        let mut found = self.check(body, value, way);
        let in_path = |at: &str| ["name", "id", "type"].contains(&at);
        found.retain(|(at, fault)| way == Way::Reply || *fault != Fault::Missing || !in_path(at));
        found
    }

    /// Holds a value against a type.
    pub(crate) fn check(&self, index: usize, value: &Value, way: Way) -> Vec<Found> {
        let mut checker = Checker { types: self, way, found: Vec::new() };
        checker.value(index, value, "");
        checker.found
    }
}

/// A walk through a value, beside its type.
struct Checker<'a> {
    types: &'a Types,
    way: Way,
    found: Vec<Found>,
}

impl Checker<'_> {
    fn fault(&mut self, at: &str, fault: Fault) {
        self.found.push((at.to_owned(), fault));
    }

    fn value(&mut self, index: usize, value: &Value, at: &str) {
        match (&self.types.0[index], value) {
            (Type::AnyType | Type::ResourceType { .. } | Type::ResourceFunctionType { .. }, _)
            | (Type::BooleanType, Value::Bool(_)) => {}
            (Type::StringType { min_length, max_length, sensitive }, Value::String(text)) => {
                let length = text.chars().count();
                if min_length.is_some_and(|least| length < least)
                    || max_length.is_some_and(|most| length > most)
                {
                    self.fault(at, Fault::OutOfBounds);
                }
                if *sensitive && self.way == Way::Reply {
                    self.fault(at, Fault::Confidential);
                }
            }
            (Type::StringLiteralType { value }, Value::String(text)) => {
                if value != text {
                    self.fault(at, Fault::UnknownWord(text.clone()));
                }
            }
            // These files know no fractions, and call an integer what may be any number.
            (Type::IntegerType { min_value, max_value }, Value::Number(number)) => {
                let number = number.as_i64();
                let below = |least: i64| number.is_some_and(|number| number < least);
                let above = |most: i64| number.is_some_and(|number| number > most);
                if min_value.is_some_and(below) || max_value.is_some_and(above) {
                    self.fault(at, Fault::OutOfBounds);
                }
            }
            (Type::ArrayType { item_type }, Value::Array(items)) => {
                let item_type = item_type.index();
                for (position, item) in items.iter().enumerate() {
                    self.value(item_type, item, &format!("{at}[{position}]"));
                }
            }
            (Type::UnionType { elements }, _) => self.union(elements, value, at),
            (Type::ObjectType { properties, additional_properties }, Value::Object(members)) => {
                self.object(&[properties], additional_properties.as_ref(), members, at);
            }
            (
                Type::DiscriminatedObjectType { base_properties, discriminator, elements },
                Value::Object(members),
            ) => self.discriminated(base_properties, discriminator, elements, members, at),
            (published, _) => {
                self.fault(at, Fault::WrongType { published: kind(published), found: kind_of(value) });
            }
        }
    }

    /// One of several. A word must be one of those that are published, although most sets are open to more.
    fn union(&mut self, elements: &[Reference], value: &Value, at: &str) {
        let words: Vec<&str> = elements
            .iter()
            .filter_map(|element| match &self.types.0[element.index()] {
                Type::StringLiteralType { value } => Some(value.as_str()),
                _ => None,
            })
            .collect();
        match value {
            Value::String(text) if !words.is_empty() => {
                // Services answer FULL where Full is published, and clients take it.
                let told = self.way == Way::Reply;
                let is = |word: &&str| *word == text || told && word.eq_ignore_ascii_case(text);
                if !words.iter().any(is) {
                    self.fault(at, Fault::UnknownWord(text.clone()));
                }
            }
            _ => {
                let each = elements.iter().map(|element| self.types.check(element.index(), value, self.way));
                let best = each.min_by_key(Vec::len).unwrap_or_default();
                self.found.extend(best.into_iter().map(|(below, fault)| (joined(at, &below), fault)));
            }
        }
    }

    fn discriminated(
        &mut self,
        base: &Properties,
        discriminator: &str,
        elements: &BTreeMap<String, Reference>,
        members: &Map<String, Value>,
        at: &str,
    ) {
        let types = self.types;
        let at_word = joined(at, discriminator);
        match members.get(discriminator).and_then(Value::as_str) {
            None => self.fault(&at_word, Fault::Missing),
            Some(word) => match elements.get(word).map(|element| &types.0[element.index()]) {
                Some(Type::ObjectType { properties, additional_properties }) => {
                    self.object(&[base, properties], additional_properties.as_ref(), members, at);
                }
                _ => self.fault(&at_word, Fault::UnknownWord(word.to_owned())),
            },
        }
    }

    fn is_confidential(&self, property: &Property) -> bool {
        matches!(self.types.0[property.r#type.index()], Type::StringType { sensitive: true, .. })
    }

    fn object(
        &mut self,
        published: &[&Properties],
        others: Option<&Reference>,
        members: &Map<String, Value>,
        at: &str,
    ) {
        for (name, property) in published.iter().copied().flatten() {
            let required = property.flags & REQUIRED != 0;
            let expected = match self.way {
                Way::Request => required && property.flags & READ_ONLY == 0,
                Way::Change => false,
                Way::Reply => required && property.flags & WRITE_ONLY == 0 && !self.is_confidential(property),
            };
            if expected && !members.contains_key(name) {
                self.fault(&joined(at, name), Fault::Missing);
            }
        }
        for (name, value) in members {
            let at = joined(at, name);
            match published.iter().find_map(|properties| properties.get(name)) {
                Some(property) if self.way == Way::Reply && property.flags & WRITE_ONLY != 0 => {
                    self.fault(&at, Fault::Confidential);
                }
                Some(property) if self.way != Way::Reply && property.flags & READ_ONLY != 0 => {
                    self.fault(&at, Fault::ReadOnly);
                }
                Some(property) => self.value(property.r#type.index(), value, &at),
                None => match others {
                    Some(others) => self.value(others.index(), value, &at),
                    None => self.fault(&at, Fault::UnknownProperty),
                },
            }
        }
    }
}

fn joined(at: &str, name: &str) -> String {
    if at.is_empty() || name.is_empty() || name.starts_with('[') {
        format!("{at}{name}")
    } else {
        format!("{at}.{name}")
    }
}

fn kind(published: &Type) -> &'static str {
    match published {
        Type::BooleanType => "a boolean",
        Type::StringType { .. } | Type::StringLiteralType { .. } => "a string",
        Type::IntegerType { .. } => "a number",
        Type::ArrayType { .. } => "an array",
        Type::ObjectType { .. } | Type::DiscriminatedObjectType { .. } => "an object",
        _ => "anything",
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::{Types, Way};

    /// A resource as small as one can be that has each kind of type.
    pub(crate) fn types() -> Types {
        let text = json!([
            {"$type": "StringType", "minLength": 1, "maxLength": 4},
            {"$type": "IntegerType", "minValue": 1, "maxValue": 9},
            {"$type": "BooleanType"},
            {"$type": "StringLiteralType", "value": "Linux"},
            {"$type": "StringLiteralType", "value": "Windows"},
            {"$type": "StringType"},
            {"$type": "UnionType", "elements": [{"$ref": "#/3"}, {"$ref": "#/4"}, {"$ref": "#/5"}]},
            {"$type": "StringType", "sensitive": true},
            {"$type": "ObjectType", "name": "Tags", "properties": {}, "additionalProperties": {"$ref": "#/5"}},
            {"$type": "ObjectType", "name": "Item", "properties": {
                "os": {"type": {"$ref": "#/6"}, "flags": 1},
                "count": {"type": {"$ref": "#/1"}, "flags": 0},
                "state": {"type": {"$ref": "#/5"}, "flags": 3},
                "password": {"type": {"$ref": "#/7"}, "flags": 0},
                "key": {"type": {"$ref": "#/5"}, "flags": 4},
            }},
            {"$type": "ArrayType", "itemType": {"$ref": "#/9"}},
            {"$type": "DiscriminatedObjectType", "name": "Source", "discriminator": "kind",
             "baseProperties": {"kind": {"type": {"$ref": "#/5"}, "flags": 1}}, "elements": {"Git": {"$ref": "#/12"}}},
            {"$type": "ObjectType", "name": "Git", "properties": {
                "url": {"type": {"$ref": "#/5"}, "flags": 1}, "word": {"type": {"$ref": "#/7"}, "flags": 1},
            }},
            {"$type": "ObjectType", "name": "Thing", "properties": {
                "id": {"type": {"$ref": "#/5"}, "flags": 10},
                "name": {"type": {"$ref": "#/0"}, "flags": 9},
                "tags": {"type": {"$ref": "#/8"}, "flags": 0},
                "on": {"type": {"$ref": "#/2"}, "flags": 0},
                "items": {"type": {"$ref": "#/10"}, "flags": 1},
                "source": {"type": {"$ref": "#/11"}, "flags": 0},
            }},
            {"$type": "ResourceType", "name": "Microsoft.Test/things@2025-01-01", "body": {"$ref": "#/13"}},
            {"$type": "ResourceFunctionType", "name": "turn", "resourceType": "Microsoft.Test/things",
             "apiVersion": "2025-01-01", "output": {"$ref": "#/9"}},
        ]);
        Types::read(&text.to_string()).expect("types")
    }

    fn faults(value: &Value, way: Way) -> Vec<String> {
        let types = types();
        let body = types.resource("microsoft.test/THINGS").expect("the type");
        let found = types.check_resource(body, value, way);
        found.into_iter().map(|(at, fault)| format!("{at} {fault}")).collect()
    }

    #[test]
    fn what_is_as_published_passes() {
        let sent = json!({
            "tags": {"any": "thing"}, "on": true, "source": {"kind": "Git", "url": "x", "word": "w"},
            "items": [{"os": "Linux", "count": 2.5, "password": "p", "key": "k"}],
        });
        assert_eq!(faults(&sent, Way::Request), [""; 0]);
        let told = json!({"id": "/x", "name": "a", "source": {"kind": "Git", "url": "x"}, "items": [{"os": "Windows", "state": "Running"}]});
        assert_eq!(faults(&told, Way::Reply), [""; 0]);
        assert_eq!(faults(&json!({"tags": {}}), Way::Change), [""; 0]);
        assert!(types().action("Microsoft.Test/Things", "TURN").is_some());
        assert!(types().resource("Microsoft.Test/other").is_none());
    }

    #[test]
    fn each_fault_is_found_where_it_is() {
        let sent = |items: Value| json!({ "items": items });
        let with = |name: &str, value: Value| {
            let mut sent = sent(json!([]));
            sent[name] = value;
            sent
        };
        for (value, fault) in [
            (
                sent(json!([{"os": "Linux", "count": "3"}])),
                "items[0].count is a string, and a number is published",
            ),
            (sent(json!([{"os": 1}])), "items[0].os is a number, and a string is published"),
            (sent(json!({})), "items is an object, and an array is published"),
            (sent(json!(null)), "items is null, and an array is published"),
            (
                sent(json!([{"os": "Linux", "count": 10}])),
                "items[0].count is longer, shorter, larger or smaller than is published",
            ),
            (with("name", json!("")), "name is longer, shorter, larger or smaller than is published"),
            (with("name", json!("abcde")), "name is longer, shorter, larger or smaller than is published"),
            (json!({}), "items is required and not there"),
            (sent(json!([{}])), "items[0].os is required and not there"),
            (
                sent(json!([{"os": "Linux", "state": "x"}])),
                "items[0].state is sent, and is the service's alone to say",
            ),
            (with("id", json!("/x")), "id is sent, and is the service's alone to say"),
            (
                sent(json!([{"os": "linux"}])),
                "items[0].os is \"linux\", which is none of the published words",
            ),
            (sent(json!([{"os": "Linux", "oss": 1}])), "items[0].oss is not published"),
            (with("tags", json!({"any": 1})), "tags.any is a number, and a string is published"),
            (with("source", json!({"url": "x"})), "source.kind is required and not there"),
            (
                with("source", json!({"kind": "Svn"})),
                "source.kind is \"Svn\", which is none of the published words",
            ),
            (with("source", json!({"kind": "Git", "uri": "x"})), "source.url is required and not there"),
        ] {
            assert_eq!(faults(&value, Way::Request).first().map(String::as_str), Some(fault));
        }
    }

    #[test]
    fn a_reply_keeps_secrets_and_says_everything_else() {
        for (item, fault) in [
            (json!({"os": "LINUX"}), "items[0].state is required and not there"),
            (
                json!({"os": "Linux", "state": "x", "password": "p"}),
                "items[0].password is told, and is confidential",
            ),
            (json!({"os": "Linux", "state": "x", "key": "k"}), "items[0].key is told, and is confidential"),
        ] {
            assert_eq!(faults(&json!({"name": "a", "items": [item]}), Way::Reply), [fault]);
        }
        assert_eq!(faults(&json!({"items": []}), Way::Reply), ["name is required and not there"]);
    }
}
