//! `--download` against a server on this machine that drops connections, ignores ranges, and sends other bytes, other
//! lengths, errors, redirects and nothing at all.

mod program;
mod server;
#[path = "../../loader/tests/support/mod.rs"]
mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::AtomicBool,
    time::Duration,
};

use program::{PACK, Ran, names, run, send};
use rfx_loader::ErrorKind;
use rfx_tools::{
    download::{DownloadError, PublishedFile, Transfer},
    progress::{Progress, Unit},
};
use server::{Act, Asked, ETAG, Server};
use sha2::{Digest, Sha256};

const NAME: &str = "file.bin";
const BYTES: usize = 300_000;

fn content() -> Vec<u8> {
    (0..BYTES as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn published() -> PublishedFile {
    let digest: String = Sha256::digest(content()).iter().map(|b| format!("{b:02x}")).collect();
    PublishedFile { name: NAME, bytes: BYTES as u64, sha256: digest.leak() }
}

/// A server, a folder, and what came of a download.
struct Case {
    folder: tempfile::TempDir,
    server: Server,
}

impl Case {
    fn new(acts: impl Into<Vec<Act>>) -> Case {
        let server = Server::start(vec![(NAME.into(), content())], acts.into());
        Case { folder: tempfile::tempdir().unwrap(), server }
    }

    fn fetch(&self) -> Result<(), DownloadError> {
        let cancel = AtomicBool::new(false);
        let progress = Progress::new("downloading", Unit::Bytes, true, &cancel);
        let (patience, pause) = (Duration::from_secs(2), Duration::from_millis(1));
        let transfer = Transfer { patience, pause, cancel: &cancel, progress: &progress };
        transfer.fetch(&published(), &format!("{}{NAME}", self.server.base), self.folder.path()).map(|path| {
            assert_eq!(path, self.folder.path().join(NAME));
        })
    }

    /// Fetches, and checks that the file is there, whole and alone.
    #[track_caller]
    fn succeeds(&self) {
        self.fetch().unwrap();
        assert!(fs::read(self.folder.path().join(NAME)).unwrap() == content());
        assert_eq!(names(self.folder.path()), [NAME]);
    }

    /// First bytes that were asked for, request by request.
    fn froms(&self) -> Vec<Option<usize>> {
        self.server.asked().into_iter().map(|a| a.from).collect()
    }

    fn part(&self) -> Option<Vec<u8>> {
        fs::read(self.folder.path().join(format!("{NAME}.part"))).ok()
    }
}

#[test]
fn a_file_is_fetched_once_and_then_checked_only() {
    let case = Case::new([]);
    case.succeeds();
    case.succeeds();
    assert_eq!(case.server.asked(), [Asked { path: NAME.into(), from: None, if_range: None }]);
}

#[test]
fn dropped_connections_are_gone_on_with_where_they_dropped() {
    let case = Case::new([Act::Cut(100_000), Act::Cut(50_000), Act::Cut(0), Act::Close]);
    case.succeeds();
    // How much of what was sent arrives before the cut is the system's affair; never less than before, and with the tag.
    let asked = case.server.asked();
    assert_eq!(asked.len(), 5);
    assert_eq!(case.froms(), [None, Some(100_000), Some(150_000), Some(150_000), Some(150_000)]);
    assert!(asked[1..].iter().all(|a| a.if_range.as_deref() == Some(ETAG)), "{asked:?}");
}

#[test]
fn errors_that_pass_are_waited_for() {
    let case = Case::new([Act::Status(503), Act::Status(500), Act::Status(429), Act::Close, Act::Serve]);
    case.succeeds();
    assert_eq!(case.server.asked().len(), 5);
}

#[test]
fn a_server_that_stalls_is_left() {
    let case = Case::new([Act::Stall(1000), Act::Stall(0)]);
    case.succeeds();
    assert_eq!(case.froms(), [None, Some(1000), Some(1000)]);
}

#[test]
fn a_server_that_ignores_ranges_is_put_up_with() {
    let case = Case::new([Act::Cut(100_000), Act::IgnoreRange(200_000), Act::IgnoreRange(usize::MAX)]);
    case.succeeds();
    assert_eq!(case.froms(), [None, Some(100_000), Some(200_000)]);
    // But not for ever: bytes that were there before are no progress.
    let case = Case::new(vec![Act::IgnoreRange(100_000); 100]);
    let error = case.fetch().unwrap_err();
    assert!(matches!(error, DownloadError::Network { tries: 6, .. }), "{error}");
    assert!(case.server.asked().len() <= 8);
}

#[test]
fn lengths_that_are_not_told_or_parts_that_were_not_asked_for() {
    let case = Case::new([Act::Chunked(120_000), Act::WrongPart, Act::Chunked(BYTES)]);
    case.succeeds();
    assert_eq!(case.froms(), [None, Some(120_000), None]);
}

#[test]
fn redirects_are_followed_but_not_in_circles() {
    let case = Case::new([Act::Redirect("/elsewhere/"), Act::Cut(100), Act::Redirect("/third/"), Act::Serve]);
    case.succeeds();
    let paths: Vec<_> = case.server.asked().into_iter().map(|a| (a.path, a.from)).collect();
    let at = |folder: &str, from| (format!("{folder}{NAME}"), from);
    assert_eq!(paths, [at("", None), at("elsewhere/", None), at("", Some(100)), at("third/", Some(100))]);
    let case = Case::new(vec![Act::Redirect("/"); 100]);
    let error = case.fetch().unwrap_err();
    assert!(error.to_string().contains("redirect"), "{error}");
}

#[test]
fn other_bytes_are_named_and_deleted() {
    let mut other = content();
    other[BYTES / 2] ^= 1;
    let case = Case::new([Act::Other(other)]);
    let error = case.fetch().unwrap_err();
    assert_eq!(error.kind().exit_code(), 3);
    let DownloadError::Checksum { expected, found, .. } = &error else { panic!("{error}") };
    assert_eq!(expected, published().sha256);
    assert!(found != expected && found.len() == 64 && error.to_string().contains(found.as_str()));
    assert!(names(case.folder.path()).is_empty());
}

#[test]
fn parts_of_two_files_are_thrown_away_and_the_whole_is_fetched() {
    let case = Case::new([]);
    let wrong = vec![7; 1000];
    fs::write(case.folder.path().join(format!("{NAME}.part")), wrong).unwrap();
    case.succeeds();
    assert_eq!(case.froms(), [Some(1000), None]);
    // A part that is too long, or whole already.
    for length in [BYTES + 1, BYTES] {
        let case = Case::new([]);
        let mut bytes = content();
        bytes.resize(length, 0);
        fs::write(case.folder.path().join(format!("{NAME}.part")), bytes).unwrap();
        case.succeeds();
        assert_eq!(case.froms().len(), usize::from(length > BYTES));
    }
}

#[test]
fn another_length_is_refused_before_the_bytes_come() {
    for other in [content()[1..].to_vec(), [content(), vec![0]].concat(), b"<html>moved</html>".to_vec()] {
        let found = other.len().to_string();
        let case = Case::new([Act::Other(other)]);
        let error = case.fetch().unwrap_err();
        let DownloadError::Length { expected: 300_000, found: f, .. } = &error else { panic!("{error}") };
        assert_eq!(*f, found);
    }
    // Also of a part, and where the length is told by the end alone.
    let case = Case::new([Act::Cut(1000), Act::Other(content()[1..].to_vec())]);
    assert!(matches!(case.fetch().unwrap_err(), DownloadError::Length { .. }));
    let server = Server::start(vec![(NAME.into(), vec![1; BYTES + 5000])], vec![Act::Chunked(usize::MAX)]);
    let case = Case { folder: tempfile::tempdir().unwrap(), server };
    let error = case.fetch().unwrap_err();
    assert!(error.to_string().contains("expected 300000 bytes, found more"), "{error}");
    assert!(names(case.folder.path()).is_empty());
}

#[test]
fn what_is_not_there_is_told_at_once() {
    for status in [400, 401, 403, 404, 410] {
        let case = Case::new(vec![Act::Status(status); 3]);
        let error = case.fetch().unwrap_err();
        assert!(matches!(error, DownloadError::Status { status: s, .. } if s == status), "{error}");
        assert_eq!((case.server.asked().len(), error.kind()), (1, ErrorKind::Environment));
    }
}

#[test]
fn a_server_that_stays_away_is_given_up_and_the_part_is_kept() {
    let case = Case::new([vec![Act::Cut(5000)], vec![Act::Close; 100]].concat());
    let error = case.fetch().unwrap_err();
    let DownloadError::Network { tries: 6, have: 5000, bytes: 300_000, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(error.kind(), ErrorKind::Environment);
    assert_eq!(case.part().unwrap(), content()[..5000]);
    assert!(!case.folder.path().join(NAME).exists());
}

#[test]
fn a_file_in_the_way_is_neither_used_nor_overwritten() {
    let case = Case::new([]);
    fs::write(case.folder.path().join(NAME), "mine").unwrap();
    let error = case.fetch().unwrap_err();
    assert!(matches!(error, DownloadError::Present { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Input);
    assert_eq!(fs::read(case.folder.path().join(NAME)).unwrap(), b"mine");
    assert!(case.server.asked().is_empty());
}

#[test]
fn two_downloads_of_one_file_do_not_mix() {
    let case = Case::new([]);
    let part = fs::File::create(case.folder.path().join(format!("{NAME}.part"))).unwrap();
    part.lock().unwrap();
    let error = case.fetch().unwrap_err();
    assert!(matches!(error, DownloadError::Busy { .. }), "{error}");
    drop(part);
    case.succeeds();
}

/// Runs `rfx-pack` without any proxy that the machine's environment may name.
fn pack(args: &str, paths: &[&dyn AsRef<std::ffi::OsStr>], cache: &Path) -> Command {
    let mut command = Command::new(PACK);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.env("XDG_CACHE_HOME", cache).args(args.split_whitespace());
    command.args(paths.iter().map(|p| p.as_ref().to_os_string())).stdin(Stdio::null());
    command
}

#[test]
fn mnist_is_downloaded_packed_and_the_same_as_from_its_folder() {
    let test = "mnist_is_downloaded_packed_and_the_same_as_from_its_folder";
    let Some(data) = support::real_data("mnist", test) else { return };
    let files = program::contents(&data);
    let acts = vec![Act::Status(503), Act::Cut(2_000_000), Act::Serve];
    let server = Server::start(files, acts);
    let tmp = tempfile::tempdir().unwrap();
    let at = |name: &str| tmp.path().join(name);
    let args = format!("mnist --download --json --mirror {} --out", server.base);
    let ran = Ran::of(pack(&args, &[&at("a")], &at("cache")).output().unwrap()).ended(0);
    assert!(ran.err.contains("trying again"), "{}", ran.err);
    assert_eq!(names(&at("cache/rfx/mnist")).len(), 4);
    assert_eq!(server.asked().len(), 6);
    // From the cache, with a folder of one's own, and without a download: the same data set.
    let again = Ran::of(pack(&args, &[&at("b")], &at("cache")).output().unwrap()).ended(0);
    assert_eq!(server.asked().len(), 6);
    let plain = run(PACK, "mnist -q --json --out", &[&at("c"), &data]).ended(0);
    for other in [&again, &plain] {
        assert_eq!(other.json()["content"], ran.json()["content"]);
        assert_eq!(other.json()["pack"], ran.json()["pack"]);
    }
}

#[test]
fn failures_of_the_network_end_with_exit_code_3_and_no_output() {
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().join("out");
    let server = Server::start(Vec::new(), Vec::new());
    for (command, file) in [
        ("cifar10", "cifar-10-binary.tar.gz"),
        ("cifar100", "cifar-100-binary.tar.gz"),
        ("mnist", "train-images-idx3-ubyte.gz"),
        ("fashion-mnist", "train-images-idx3-ubyte.gz"),
    ] {
        let args = format!("{command} -q --download --mirror {}", server.base);
        let ran = Ran::of(pack(&args, &[&"--out", &out], tmp.path()).output().unwrap());
        ran.refused(3, &[file, "HTTP status 404", "help: "]);
        assert!(!out.exists());
    }
    // Nobody listens there: that port was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let args = format!("mnist -q --download --mirror http://{free}/");
    let mut child = pack(&args, &[&"--out", &out], tmp.path()).stderr(Stdio::piped()).spawn().unwrap();
    // It would be tried for half a minute; a signal ends the waiting.
    while !tmp.path().join("rfx/mnist/train-images-idx3-ubyte.gz.part").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    send("INT", &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!out.exists());
}

#[test]
fn a_signal_stops_a_download_that_stalls_and_a_rerun_goes_on() {
    let test = "a_signal_stops_a_download_that_stalls_and_a_rerun_goes_on";
    let Some(data) = support::real_data("mnist", test) else { return };
    let server = Server::start(program::contents(&data), vec![Act::Stall(3_000_000)]);
    let tmp = tempfile::tempdir().unwrap();
    let (keep, out) = (tmp.path().join("keep"), tmp.path().join("out"));
    let args = format!("mnist -q --download --mirror {}", server.base);
    let start = || pack(&args, &[&keep, &"--out", &out], tmp.path());
    let child = start().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let part = keep.join("train-images-idx3-ubyte.gz.part");
    while fs::metadata(&part).map_or(0, |m| m.len()) < 3_000_000 {
        std::thread::sleep(Duration::from_millis(5));
    }
    send("INT", &child);
    let ran = Ran::of(child.wait_with_output().unwrap());
    ran.refused(
        130,
        &["stopped after 3000000 of 9912422 bytes", "help: the same command goes on from there"],
    );
    Ran::of(start().output().unwrap()).ended(0);
    assert_eq!(server.asked()[1].from, Some(3_000_000));
    assert!(out.join("dataset.json").exists() && !part.exists());
}

#[test]
fn usage() {
    let tmp = tempfile::tempdir().unwrap();
    for (args, part) in [
        ("cifar10 --mirror http://127.0.0.1/ x --out y", "--download"),
        ("cifar10 --download --mirror ftp://127.0.0.1/ --out y", "expected an address"),
        ("generated --download --out y", "--download"),
    ] {
        Ran::of(pack(args, &[], tmp.path()).output().unwrap()).refused(2, &[part]);
    }
    let mut nowhere = pack("cifar10 -q --download --out y", &[], tmp.path());
    nowhere.env_remove("XDG_CACHE_HOME").env_remove("HOME");
    Ran::of(nowhere.output().unwrap()).refused(2, &["no folder to download to", "help: name one as SRC"]);
}
