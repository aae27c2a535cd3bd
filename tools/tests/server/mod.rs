//! A server on this machine that behaves as badly as it is told to, one behaviour per request.
#![allow(dead_code)] // each test file uses some of it

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

/// How a request is answered.
#[derive(Clone, Debug)]
pub enum Act {
    /// As asked: the whole or the part.
    Serve,
    /// As asked, but the connection is cut after so many bytes of the body.
    Cut(usize),
    /// As asked, but nothing comes any more after so many bytes.
    Stall(usize),
    /// The whole, whatever was asked for, cut after so many bytes.
    IgnoreRange(usize),
    /// The whole in chunks, its length untold, ended cleanly after so many bytes.
    Chunked(usize),
    /// These bytes in place of the file's.
    Other(Vec<u8>),
    /// A part that begins elsewhere.
    WrongPart,
    Status(u16),
    /// Elsewhere on this server.
    Redirect(&'static str),
    /// No answer: the connection is closed.
    Close,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    /// First byte of the part.
    pub from: Option<usize>,
    pub if_range: Option<String>,
}

pub struct Server {
    pub base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

pub const ETAG: &str = "\"tag-1\"";

impl Server {
    /// Serves `files` by name. Requests are answered by `acts` in turn, and as asked after those.
    pub fn start(files: Vec<(String, Vec<u8>)>, acts: Vec<Act>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            let (mut acts, mut held) = (VecDeque::from(acts), Vec::new());
            for connection in listener.incoming().flatten() {
                let act = acts.pop_front().unwrap_or(Act::Serve);
                // A connection whose other end has gone is no concern of the test.
                held.extend(answer(connection, &files, act, &log).unwrap_or_default());
            }
        });
        Server { base, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until so many requests have come.
    pub fn wait_for(&self, requests: usize) {
        while self.asked().len() < requests {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Answers one request; gives the connection back if it shall stay open.
fn answer(
    mut connection: TcpStream,
    files: &[(String, Vec<u8>)],
    act: Act,
    log: &Mutex<Vec<Asked>>,
) -> std::io::Result<Option<TcpStream>> {
    let (mut path, mut from, mut if_range) = (String::new(), None, None);
    for line in BufReader::new(&connection).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(rest) = line.strip_prefix("GET /") {
            path = rest.split(' ').next().unwrap_or_default().to_owned();
        }
        let (name, value) = line.split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "range" => from = value.strip_prefix("bytes=").and_then(|v| v.strip_suffix('-')?.parse().ok()),
            "if-range" => if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    log.lock().unwrap().push(Asked { path: path.clone(), from, if_range: if_range.clone() });
    let name = path.rsplit('/').next().unwrap_or_default();
    let file = files.iter().find(|(n, _)| n == name).map(|(_, bytes)| bytes.clone());
    let Some(mut file) = file else {
        return connection.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").map(|()| None);
    };
    let mut cut = usize::MAX;
    let mut stall = false;
    match act {
        Act::Serve => {}
        Act::Cut(n) => cut = n,
        Act::Stall(n) => (cut, stall) = (n, true),
        Act::IgnoreRange(n) => (from, cut) = (None, n),
        Act::Other(bytes) => file = bytes,
        Act::WrongPart => from = from.map(|f| f + 1),
        Act::Chunked(n) => {
            connection
                .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")?;
            for chunk in file[..n.min(file.len())].chunks(1000) {
                write!(connection, "{:x}\r\n", chunk.len())?;
                connection.write_all(chunk)?;
                connection.write_all(b"\r\n")?;
            }
            return connection.write_all(b"0\r\n\r\n").map(|()| None);
        }
        Act::Status(status) => {
            let body = "not this time";
            write!(connection, "HTTP/1.1 {status} Odd\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
            return Ok(None);
        }
        Act::Redirect(to) => {
            write!(connection, "HTTP/1.1 302 Found\r\nLocation: {to}{name}\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(None);
        }
        Act::Close => return Ok(None),
    }
    // The file has not changed if the tag is the one that was given out.
    let from = from.filter(|&f| f < file.len() && if_range.is_none_or(|tag| tag == ETAG));
    let (status, range) = match from {
        Some(f) => {
            ("206 Partial Content", format!("Content-Range: bytes {f}-{}/{}\r\n", file.len() - 1, file.len()))
        }
        None => ("200 OK", String::new()),
    };
    let body = &file[from.unwrap_or(0)..];
    write!(
        connection,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{range}ETag: {ETAG}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    connection.write_all(&body[..cut.min(body.len())])?;
    Ok(stall.then_some(connection))
}
