//! `logs`: what an agent's container printed.

use std::time::Duration;

use lifecycle::{AgentName, ComputePhase};
use tokio::time::sleep;

use crate::errors::Failure;
use crate::report::Report;
use crate::services::{ErrorKind, Groups, ServiceError};

/// Between two looks; the service has no stream.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Prints the log, and with `follow` goes on until the container ends.
pub(crate) async fn logs(
    groups: &impl Groups,
    name: &AgentName,
    (tail, follow): (Option<u32>, bool),
    report: &Report,
) -> Result<(), Failure> {
    // Who follows needs the whole reading, to tell later what is new in the next.
    let mut shown = read(groups, name, tail.filter(|_| !follow)).await?;
    report.container_output(last_lines(&shown, tail));
    while follow && still_going(groups, name).await? {
        sleep(LOOK_AGAIN).await;
        let now = match read(groups, name, None).await {
            Ok(text) => text,
            // Gone between two looks: it took itself down.
            Err(Failure::NoSuchAgent(_)) => return Ok(()),
            Err(failure) => return Err(failure),
        };
        report.container_output(news(&shown, &now));
        shown = now;
    }
    Ok(())
}

async fn read(groups: &impl Groups, name: &AgentName, tail: Option<u32>) -> Result<String, Failure> {
    let failed = |error: ServiceError| Failure::Service { doing: format!("read the log of {name}"), error };
    match groups.logs(name, tail).await {
        Ok(Some(text)) => Ok(text),
        Ok(None) if groups.group(name).await.map_err(failed)?.is_none() => {
            Err(Failure::NoSuchAgent(name.clone()))
        }
        Ok(None) => Ok(String::new()),
        Err(error) => Err(failed(error)),
    }
}

async fn still_going(groups: &impl Groups, name: &AgentName) -> Result<bool, Failure> {
    match groups.group(name).await {
        Ok(Some(group)) => Ok(!matches!(group.phase, ComputePhase::Exited | ComputePhase::Deleting)),
        Ok(None) => Ok(false),
        Err(error) if matches!(error.kind, ErrorKind::Throttled | ErrorKind::Unavailable) => Ok(true),
        Err(error) => Err(Failure::Service { doing: format!("look at {name}"), error }),
    }
}

/// The last lines of a text; all of them where no number is given.
fn last_lines(text: &str, count: Option<u32>) -> &str {
    let Some(count) = count else { return text };
    let lines = text.split_inclusive('\n').count();
    let skipped = lines.saturating_sub(count as usize);
    let start = text.split_inclusive('\n').take(skipped).map(str::len).sum();
    &text[start..]
}

/// What a new reading has that was not shown. The service keeps a window: old lines fall out at its beginning, so a new
/// reading begins with some end of the one before.
fn news<'a>(shown: &str, now: &'a str) -> &'a str {
    let mut rest = shown;
    loop {
        if let Some(news) = now.strip_prefix(rest) {
            return news;
        }
        rest = rest.split_once('\n').map_or("", |(_, after)| after);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lifecycle::{AgentName, AgentStatus};

    use super::{last_lines, logs, news};
    use crate::arguments::Output;
    use crate::errors::Failure;
    use crate::fake::World;
    use crate::report::{Masker, Talk, capture};
    use crate::services::Services as _;

    async fn run(world: &World, follow: bool) -> (Result<(), Failure>, String) {
        let (report, results, _) = capture::report(Talk::Plain, Output::Text, Masker::default());
        let name = AgentName::new("a1").expect("valid");
        let outcome = logs(world.groups(), &name, (None, follow), &report).await;
        (outcome, results.text())
    }

    #[tokio::test(start_paused = true)]
    async fn what_it_printed_so_far() {
        let world = World::default();
        world.add_pair("a1", AgentStatus::Online);
        world.log_line_every_second("a1");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(run(&world, false).await, (Ok(()), "line 1\nline 2\n".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn following_shows_each_line_once_until_the_container_ends() {
        let world = World::default();
        world.add_pair("a1", AgentStatus::Online);
        world.log_line_every_second("a1");
        world.exit_after("a1", Duration::from_secs(7), 0);
        let (outcome, text) = run(&world, true).await;
        assert_eq!(outcome, Ok(()));
        assert_eq!(text, "line 1\nline 2\nline 3\nline 4\nline 5\nline 6\nline 7\n");
    }

    #[tokio::test(start_paused = true)]
    async fn no_such_agent() {
        let (outcome, _) = run(&World::default(), false).await;
        assert_eq!(outcome, Err(Failure::NoSuchAgent(AgentName::new("a1").expect("valid"))));
    }

    #[test]
    fn the_end_of_a_text() {
        assert_eq!(last_lines("a\nb\nc\n", Some(2)), "b\nc\n");
        assert_eq!(last_lines("a\nb", Some(1)), "b");
        assert_eq!(last_lines("a\n", Some(9)), "a\n");
        assert_eq!(last_lines("a\nb\n", None), "a\nb\n");
    }

    #[test]
    fn what_is_new() {
        let table = [
            ("", "a\n", "a\n"),
            ("a\n", "a\nb\n", "b\n"),
            ("a\nb\n", "b\nc\n", "c\n"),
            ("1\n2\n3\n4\n5\n6\n", "3\n4\n5\n6\n7\n", "7\n"),
            ("a\n", "a\n", ""),
            ("a\nb", "a\nbc\n", "c\n"),
        ];
        for (shown, now, expected) in table {
            assert_eq!(news(shown, now), expected, "{shown:?} {now:?}");
        }
    }
}
