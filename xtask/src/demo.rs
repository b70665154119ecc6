//! The built product as a newcomer starts it: `nameward demo`, its link read off the console, Ctrl-C at the end.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::repo::{Repo, answers};

/// Longest wait for the banner, and for the end after Ctrl-C.
const START_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// Lines of output read ahead; the rest waits in the pipe.
const LINES_AHEAD: usize = 1_000;

/// A running demo.
pub(crate) struct Demo {
    child: Child,
    /// Address of the dashboard, such as `http://127.0.0.1:40123`.
    pub(crate) url: String,
    /// The token that signs in once.
    pub(crate) token: String,
}

impl Demo {
    /// Starts it on a free port and waits for the link.
    pub(crate) fn start(repo: &Repo) -> anyhow::Result<Demo> {
        let mut command = Command::new(repo.built("nameward"));
        command.args(["demo", "--web", "127.0.0.1:0"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start nameward demo")?;
        let lines = child.stdout.take().map(read_lines).transpose()?.context("the demo has no output")?;
        let until = Instant::now() + START_WITHIN;
        while let Ok(line) = lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            println!("{line}");
            if let Some((url, token)) = link(&line) {
                return Ok(Demo { child, url, token });
            }
        }
        child.kill()?;
        child.wait()?;
        bail!("the demo printed no link within {} s", START_WITHIN.as_secs());
    }

    /// Ends it as Ctrl-C does; whether it ended well, and in time.
    pub(crate) fn stop(mut self) -> anyhow::Result<bool> {
        answers(Command::new("kill").args(["-INT", &self.child.id().to_string()]));
        ends_well_within(&mut self.child, STOP_WITHIN)
    }
}

/// The lines of a child, read on a thread so that its pipe never fills.
fn read_lines(output: impl std::io::Read + Send + 'static) -> anyhow::Result<Receiver<String>> {
    let (send, lines) = sync_channel(LINES_AHEAD);
    std::thread::Builder::new().name("demo-output".to_owned()).spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody listens any more once the link was seen; reading goes on all the same.
            let _ = send.try_send(line);
        }
    })?;
    Ok(lines)
}

/// Address and token of a line with `http://…/?token=…`.
fn link(line: &str) -> Option<(String, String)> {
    let (url, rest) = line[line.find("http://")?..].split_once("/?token=")?;
    let token = rest.split_whitespace().next()?;
    Some((url.to_owned(), token.to_owned()))
}

/// Waits for a child, at most so long; ends it after.
pub(crate) fn ends_well_within(child: &mut Child, wait: Duration) -> anyhow::Result<bool> {
    let until = Instant::now() + wait;
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_read_off_the_banner() {
        let line = "  Dashboard  http://127.0.0.1:8053/?token=abc123   (the link signs in once)";
        assert_eq!(link(line), Some(("http://127.0.0.1:8053".to_owned(), "abc123".to_owned())));
        assert_eq!(link("see http://127.0.0.1:8053/"), None);
        assert_eq!(link("no link"), None);
    }

    #[test]
    fn a_child_that_does_not_end_is_ended() {
        let begun = Instant::now();
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        assert!(!ends_well_within(&mut child, Duration::from_millis(200)).unwrap());
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}
