//! One HTTP request for a file, or for the rest of one.
//!
//! The request runs on a thread of its own, which sends what comes through a bounded channel. So whoever waits for it can
//! give up when nothing has come for a while, however slow the whole is, and at once when a signal asks to stop. A
//! thread that is given up ends with its connection, or with the process.

use std::{
    io::Read,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use ureq::{Agent, http::HeaderMap};

/// Bytes of one message at most.
const PIECE_BYTES: usize = 1 << 16;

/// Time between two looks at the interrupt flag.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The beginning of a response.
#[derive(Debug)]
pub(super) struct Head {
    pub status: u16,
    /// Length of the body.
    pub length: Option<u64>,
    /// Of a part: its first byte, and the length of the whole where the server tells.
    pub range: Option<(u64, Option<u64>)>,
    /// A tag that stands for exactly these bytes.
    pub etag: Option<String>,
}

/// What comes.
pub(super) enum Message {
    Head(Head),
    Bytes(Vec<u8>),
    End,
    Failed(String),
}

/// Why nothing comes.
#[derive(Debug)]
pub(super) enum Stopped {
    Failed(String),
    Interrupted,
}

/// A request being answered.
pub(super) struct Response<'a> {
    messages: Receiver<Message>,
    cancel: &'a AtomicBool,
    patience: Duration,
}

/// A client that follows redirects and keeps no connection open.
pub(super) fn agent(patience: Duration) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(5)
        .max_idle_connections(0) // a connection that the server closed meanwhile would be one more failure
        .timeout_connect(Some(patience))
        .timeout_recv_response(Some(patience))
        .user_agent(concat!("rfx-pack/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

impl<'a> Response<'a> {
    /// Asks for `url`, from byte `from` on, of the file that had the tag `etag` when its first bytes came.
    pub fn ask(
        agent: &Agent,
        url: &str,
        from: u64,
        etag: Option<&str>,
        patience: Duration,
        cancel: &'a AtomicBool,
    ) -> Self {
        let mut request = agent.get(url);
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
            if let Some(etag) = etag {
                request = request.header("If-Range", etag);
            }
        }
        let (sender, messages) = sync_channel(8);
        std::thread::spawn(move || {
            // An error of the channel means that nobody waits any more.
            let _ = match request.call() {
                Ok(response) => send(response, &sender),
                Err(error) => sender.send(Message::Failed(error.to_string())),
            };
        });
        Response { messages, cancel, patience }
    }

    /// The next message: never [`Message::Failed`].
    pub fn next(&self) -> Result<Message, Stopped> {
        let start = Instant::now();
        loop {
            // Relaxed: no other memory goes with the flag.
            if self.cancel.load(Ordering::Relaxed) {
                return Err(Stopped::Interrupted);
            }
            match self.messages.recv_timeout(LOOK_EVERY) {
                Ok(Message::Failed(reason)) => return Err(Stopped::Failed(reason)),
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Timeout) if start.elapsed() < self.patience => {}
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = self.patience.as_secs();
                    return Err(Stopped::Failed(format!("nothing came for {seconds} seconds")));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Stopped::Failed("the request ended without an answer".into()));
                }
            }
        }
    }
}

type Sent = Result<(), std::sync::mpsc::SendError<Message>>;

fn send(response: ureq::http::Response<ureq::Body>, sender: &SyncSender<Message>) -> Sent {
    let headers = response.headers();
    sender.send(Message::Head(Head {
        status: response.status().as_u16(),
        length: text(headers, "content-length").and_then(|t| t.parse().ok()),
        range: text(headers, "content-range").and_then(content_range),
        // A weak tag stands for the same meaning, not the same bytes, and must not be used here (RFC 9110, 13.1.5).
        etag: text(headers, "etag").filter(|t| t.starts_with('"')).map(str::to_owned),
    }))?;
    let mut body = response.into_body().into_reader();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match body.read(&mut piece) {
            Ok(0) => return sender.send(Message::End),
            Ok(n) => sender.send(Message::Bytes(piece[..n].to_vec()))?,
            Err(error) => return sender.send(Message::Failed(error.to_string())),
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// First byte and whole length in `bytes 5-9/10` or `bytes 5-9/*`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, whole) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    let whole = if whole == "*" { None } else { Some(whole.parse().ok()?) };
    Some((first.parse().ok()?, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 0-9/*"), Some((0, None)));
        for wrong in ["", "bytes", "bytes */10", "bytes 5/10", "lines 5-9/10", "bytes -9/10", "bytes 5-9/x"] {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
    }
}
