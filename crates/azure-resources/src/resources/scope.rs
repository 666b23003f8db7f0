//! Ids.

use uuid::Uuid;

use super::ResourceKind;

/// The namespace in which a template's `guid()` makes its ids (Assumed: read off its results, not documented). With it
/// a template and this program give the same name to the same role.
pub const GUID_NAMESPACE: Uuid = Uuid::from_u128(0x11fb_06fb_712d_4ddd_98c7_e71b_bd58_8830);

/// A resource group in a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceGroupId {
    subscription: String,
    name: String,
}

impl ResourceGroupId {
    /// The resource group of that name.
    pub fn new(subscription: impl Into<String>, name: impl Into<String>) -> Self {
        Self { subscription: subscription.into(), name: name.into() }
    }

    /// Its subscription.
    pub fn subscription(&self) -> &str {
        &self.subscription
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its resource id.
    pub fn id(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/{}", self.subscription, self.name)
    }

    /// The id of a resource in it.
    pub fn resource(&self, kind: ResourceKind, name: &str) -> String {
        format!("{}/providers/{}/{name}", self.id(), kind.resource_type())
    }

    /// An id made of `words`, the same each time: what a template's `guid(subscription().subscriptionId, …)` gives.
    pub(crate) fn guid(&self, words: &[&str]) -> String {
        let text = [&[self.subscription.as_str()], words].concat().join("-");
        Uuid::new_v5(&GUID_NAMESPACE, text.as_bytes()).to_string()
    }
}

/// The resource group and the subscription that an id lies in.
pub fn group_of(id: &str) -> Option<ResourceGroupId> {
    let mut parts = id.trim_start_matches('/').split('/');
    let (first, subscription, second, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let fits = first.eq_ignore_ascii_case("subscriptions") && second.eq_ignore_ascii_case("resourceGroups");
    fits.then(|| ResourceGroupId::new(subscription, name))
}

#[cfg(test)]
mod tests {
    use super::{ResourceGroupId, group_of};
    use crate::resources::ResourceKind;

    #[test]
    fn ids_are_put_together_and_taken_apart() {
        let group = ResourceGroupId::new("s", "rg");
        let id = group.resource(ResourceKind::VirtualNetwork, "v");
        assert_eq!(id, "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v");
        assert_eq!(group_of(&id.to_lowercase()), Some(group));
        assert_eq!(group_of("/subscriptions/s"), None);
    }

    #[test]
    fn a_guid_is_the_same_for_the_same_words_and_another_for_others() {
        let group = ResourceGroupId::new("s", "rg");
        assert_eq!(group.guid(&["a", "b"]), group.guid(&["a", "b"]));
        assert_ne!(group.guid(&["a", "b"]), group.guid(&["a", "c"]));
        assert_ne!(group.guid(&["a"]), ResourceGroupId::new("t", "rg").guid(&["a"]));
    }
}
