//! What of a request may be written down: an allow-list, everything else is masked.

use url::Url;

/// Names in a query whose values are no secrets and help to read a log. Signed addresses (`t`, `c`, `s`, `h` of
/// Resource Manager's operations, the signatures of storage) are not among them.
const QUERY: [&str; 17] = [
    "$expand",
    "$top",
    "actionFilter",
    "agentName",
    "api-version",
    "client_id",
    "completedRequestCount",
    "includeAssignedRequest",
    "includeCapabilities",
    "msi_res_id",
    "platform",
    "poolName",
    "poolType",
    "queueName",
    "resource",
    "tail",
    "timestamps",
];

/// The address without user, password, fragment, and without the values of a query that are not known to be harmless.
pub(crate) fn url(url: &Url) -> String {
    let host = crate::request::host_of(url);
    let mut text = format!("{}://{host}{}", url.scheme(), url.path());
    for (position, (name, value)) in url.query_pairs().enumerate() {
        let value = if QUERY.contains(&name.as_ref()) { value.as_ref() } else { "***" };
        let separator = if position == 0 { '?' } else { '&' };
        text.extend([separator.to_string().as_str(), &name, "=", value]);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn shows_what_is_known_to_be_harmless_and_nothing_else() {
        let shown = |text: &str| super::url(&text.parse().expect("an address"));
        assert_eq!(
            shown("https://me:pw@host:8443/a/b?api-version=1#x"),
            "https://host:8443/a/b?api-version=1"
        );
        assert_eq!(
            shown("https://host/op?api-version=1&t=9&c=MII&s=sig&h=hash"),
            "https://host/op?api-version=1&t=***&c=***&s=***&h=***"
        );
    }
}
