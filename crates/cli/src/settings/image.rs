//! The grammar of image references, `registry/repository:tag@digest`, and what to say where one breaks it. The service
//! refuses such a reference only after an agent was registered for it.

use super::checks::Refused;

/// Longest tag.
const LONGEST_TAG: usize = 128;

/// Checks a reference that may begin with a registry's host.
pub(super) fn check(reference: &str, host: Option<&str>) -> Result<(), Refused> {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    let name = host.and_then(|host| name.strip_prefix(host)?.strip_prefix('/')).unwrap_or(name);
    let (repository, tag) = match name.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (name, None),
    };
    let problem = repository_problem(repository)
        .or_else(|| tag.and_then(tag_problem))
        .or_else(|| digest.and_then(digest_problem));
    problem.map_or(Ok(()), |(what, remedy)| Err(Refused { what: format!("is {reference:?}{what}"), remedy }))
}

/// Lower-case letters and digits, joined by a dot, one or two underscores, or hyphens; parts between slashes.
fn repository_problem(repository: &str) -> Option<(String, String)> {
    if repository.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some((
            format!(", and the repository {repository:?} has capital letters, which no registry takes"),
            format!("write it {}", repository.to_ascii_lowercase()),
        ));
    }
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        is_end(bytes.first())
            && is_end(bytes.last())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
            && !["..", "___", "._", "_.", "-.", ".-", "-_", "_-"].iter().any(|joint| part.contains(joint))
    };
    (!repository.split('/').all(is_part)).then(|| {
        (
            format!(", and {repository:?} is no name of a repository"),
            "give it as registry/name:tag; names have lower-case letters and digits, with . _ - between"
                .to_owned(),
        )
    })
}

fn tag_problem(tag: &str) -> Option<(String, String)> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let begins = tag.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric() || first == b'_');
    (!begins || tag.len() > LONGEST_TAG || !tag.bytes().all(allowed)).then(|| {
        (
            format!(", and {tag:?} is no tag"),
            format!("give a tag of at most {LONGEST_TAG} letters, digits and . _ -"),
        )
    })
}

fn digest_problem(digest: &str) -> Option<(String, String)> {
    let hexadecimal = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let length = |algorithm: &str| match algorithm {
        "sha256" => Some(64),
        "sha512" => Some(128),
        _ => None,
    };
    let fine = digest
        .split_once(':')
        .is_some_and(|(algorithm, sum)| length(algorithm) == Some(sum.len()) && hexadecimal(sum));
    (!fine).then(|| {
        (
            format!(", and {digest:?} is no digest"),
            "give it as sha256: and 64 hexadecimal digits, as `docker images --digests` prints it".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::check;

    fn said(reference: &str, host: Option<&str>) -> String {
        check(reference, host)
            .map_or_else(|refused| format!("{}; {}", refused.what, refused.remedy), |()| "fine".to_owned())
    }

    #[test]
    fn references_that_registries_take() {
        let digest = format!("contoso.azurecr.io/team/agent@sha256:{}", "0f".repeat(32));
        for (reference, host) in [
            ("agent", None),
            ("agent:1.0_x-2", None),
            ("team/my__agent.v2-x--y:1", None),
            ("Contoso.azurecr.io/agent", Some("Contoso.azurecr.io")),
            ("localhost:5000/agent:1", Some("localhost:5000")),
            (&digest, Some("contoso.azurecr.io")),
        ] {
            assert_eq!(said(reference, host), "fine", "{reference}");
        }
    }

    #[test]
    fn references_that_no_registry_takes() {
        insta::assert_snapshot!(said("r.io/Team/Agent:1", Some("r.io")), @r#"is "r.io/Team/Agent:1", and the repository "Team/Agent" has capital letters, which no registry takes; write it team/agent"#);
        insta::assert_snapshot!(said("agent;rm:1", None), @r#"is "agent;rm:1", and "agent;rm" is no name of a repository; give it as registry/name:tag; names have lower-case letters and digits, with . _ - between"#);
        insta::assert_snapshot!(said("agent:-1", None), @r#"is "agent:-1", and "-1" is no tag; give a tag of at most 128 letters, digits and . _ -"#);
        insta::assert_snapshot!(said("agent@sha256:12", None), @r#"is "agent@sha256:12", and "sha256:12" is no digest; give it as sha256: and 64 hexadecimal digits, as `docker images --digests` prints it"#);
        for reference in
            ["", "/agent", "agent/", "a//b", "-agent", "agent-", "a..b", "a___b", "agent:", "ägent", "a:b:c"]
        {
            assert_ne!(said(reference, None), "fine", "{reference:?}");
        }
    }
}
