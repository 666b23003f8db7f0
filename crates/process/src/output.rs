//! What a child prints, as lines of bounded length.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::mpsc,
    time,
};

use crate::Child;

/// The longest line that is passed on, in bytes; the rest of a longer one is dropped and the line marked.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// Lines that wait for the reader before the child has to. A child that prints faster than we forward is slowed down
/// instead of filling our memory.
const LINES_WAITING_MAX: usize = 64;

/// How long the pipe must be silent, once the child has ended, before we believe that all it wrote has been read. An
/// orphan may hold the pipe open for ever, so its end cannot be waited for.
const SILENCE_AFTER_EXIT: Duration = Duration::from_millis(50);

/// How long we read on at most once the child has ended, for orphans that never fall silent.
const READ_ON_AFTER_EXIT: Duration = Duration::from_secs(1);

/// Where a line was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// One line a child printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where.
    pub stream: Stream,
    /// The text without its line ending; what is not UTF-8 is replaced by U+FFFD.
    pub text: String,
    /// The line was longer than [`LINE_BYTES_MAX`] and its rest was dropped.
    pub truncated: bool,
}

/// The lines of a child, in order for each stream. Ends when both streams are closed, or shortly after the child's end.
#[derive(Debug)]
pub struct Lines {
    lines: mpsc::Receiver<Line>,
}

impl Lines {
    /// The next line, or `None` when there will be no more.
    pub async fn next(&mut self) -> Option<Line> {
        self.lines.recv().await
    }
}

/// Starts to read both streams of a child.
pub(crate) fn read(
    output: Option<impl AsyncRead + Send + Unpin + 'static>,
    errors: Option<impl AsyncRead + Send + Unpin + 'static>,
    child: &Child,
) -> Lines {
    let (sender, lines) = mpsc::channel(LINES_WAITING_MAX);
    if let Some(output) = output {
        tokio::spawn(forward(output, Stream::Output, child.clone(), sender.clone()));
    }
    if let Some(errors) = errors {
        tokio::spawn(forward(errors, Stream::Error, child.clone(), sender));
    }
    Lines { lines }
}

/// Reads one stream to its end. When nobody listens any more it reads on and drops, because a child that writes into a
/// closed pipe would be killed by SIGPIPE.
async fn forward(
    mut source: impl AsyncRead + Unpin,
    stream: Stream,
    child: Child,
    sender: mpsc::Sender<Line>,
) {
    let mut splitter = Splitter::new(stream);
    let mut chunk = vec![0; 8 * 1024];
    let mut read_on_until = None;
    loop {
        let count = match read_on_until {
            None => tokio::select! {
                biased;
                count = source.read(&mut chunk) => count.unwrap_or(0),
                _ = child.wait() => {
                    read_on_until = Some(time::Instant::now() + READ_ON_AFTER_EXIT);
                    continue;
                }
            },
            Some(until) if time::Instant::now() >= until => 0,
            Some(_) => match time::timeout(SILENCE_AFTER_EXIT, source.read(&mut chunk)).await {
                Ok(Ok(count)) => count,
                Ok(Err(_)) | Err(_) => 0,
            },
        };
        if count == 0 {
            break;
        }
        for line in splitter.push(&chunk[..count]) {
            drop(sender.send(line).await);
        }
    }
    if let Some(line) = splitter.finish() {
        drop(sender.send(line).await);
    }
}

/// Cuts bytes into lines.
struct Splitter {
    stream: Stream,
    line: Vec<u8>,
    truncated: bool,
}

impl Splitter {
    fn new(stream: Stream) -> Self {
        Self { stream, line: Vec::new(), truncated: false }
    }

    /// The lines that these bytes complete.
    fn push(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let room = LINE_BYTES_MAX - self.line.len();
            self.truncated |= piece.len() > room;
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if pieces.peek().is_some() {
                lines.push(self.take());
            }
        }
        lines
    }

    /// The last line, if it had no ending.
    fn finish(&mut self) -> Option<Line> {
        (!self.line.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Line {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let text = text.strip_suffix('\r').unwrap_or(&text).to_owned();
        Line { stream: self.stream, text, truncated: std::mem::take(&mut self.truncated) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the chunks and gives each line's text, with `…` after one that was cut.
    fn split(chunks: &[&[u8]]) -> Vec<String> {
        let mut splitter = Splitter::new(Stream::Output);
        let mut lines: Vec<Line> = chunks.iter().flat_map(|chunk| splitter.push(chunk)).collect();
        lines.extend(splitter.finish());
        lines.into_iter().map(|line| line.text + if line.truncated { "…" } else { "" }).collect()
    }

    #[test]
    fn lines_end_with_or_without_carriage_return() {
        assert_eq!(split(&[b"one\ntwo\r\n", b"thr", b"ee\n\nlast"]), ["one", "two", "three", "", "last"]);
    }

    #[test]
    fn a_carriage_return_inside_a_line_stays() {
        assert_eq!(split(&[b"10%\r20%\r", b"\n"]), ["10%\r20%"]);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(split(&[b"caf\xe9\n"]), ["caf\u{fffd}"]);
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        let long = vec![b'x'; LINE_BYTES_MAX - 1];
        let lines = split(&[&long, b"yzzz", b"zzz\nnext\n"]);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].ends_with("xy…"));
        assert_eq!(lines[1], "next");
    }
}
