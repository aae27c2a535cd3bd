//! Pickles that want more than data: over 500 payloads, each put into a sound batch in place of one of its parts, all
//! refused, and nothing of them done. And the sound batch itself, so that the refusals are of the payloads.

use std::{collections::BTreeSet, fs, path::Path};

use rfx_loader::{
    ErrorKind,
    source::{
        Cifar10, Source, SourceError,
        pickle::{MAX_DEPTH, MAX_INSTRUCTIONS, PickleError, Value, parse},
    },
};

const IMAGES: usize = 2;

/// Parts of a batch that a payload may take the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Key,
    Label,
    Labels,
    FileNames,
    Array,
    Dtype,
    State,
    End,
}

const PARTS: [Part; 8] =
    [Part::Key, Part::Label, Part::Labels, Part::FileNames, Part::Array, Part::Dtype, Part::State, Part::End];

fn string(text: &[u8]) -> Vec<u8> {
    [b"U", &[text.len() as u8][..], text].concat()
}

fn text(text: &str) -> Vec<u8> {
    [b"\x8c", &[text.len() as u8][..], text.as_bytes()].concat()
}

fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

/// A batch of two images as Python 2 wrote it, `payload` in the place of `part`.
fn batch(payload: Option<(Part, &[u8])>) -> Vec<u8> {
    let part = |here, sound: Vec<u8>| match payload {
        Some((part, payload)) if part == here => payload.to_vec(),
        _ => sound,
    };
    let pixels: Vec<u8> = (0..IMAGES * 3072).map(|i| i as u8).collect();
    let dtype = [
        &global("numpy", "dtype")[..],
        &string(b"u1"),
        b"K\0K\x01\x87R",
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb",
    ]
    .concat();
    let array = [
        &global("numpy.core.multiarray", "_reconstruct")[..],
        &global("numpy", "ndarray"),
        b"K\0\x85U\x01b\x87R",
    ]
    .concat();
    let state = [
        b"(K\x01K\x02M\0\x0c\x86",
        &part(Part::Dtype, dtype)[..],
        b"\x89T",
        &(pixels.len() as u32).to_le_bytes(),
        &pixels,
        b"t",
    ]
    .concat();
    let label = part(Part::Label, b"K\x05".to_vec());
    let labels = [b"](K\x03", &label[..], b"e"].concat();
    let names = [b"](", &string(b"a.png")[..], &string(b"b.png"), b"e"].concat();
    [
        b"\x80\x02}q\0(",
        &part(Part::Key, string(b"labels"))[..],
        &part(Part::Labels, labels),
        &string(b"data"),
        &part(Part::Array, array),
        &part(Part::State, state),
        b"b",
        &string(b"filenames"),
        &part(Part::FileNames, names),
        b"u",
        &part(Part::End, b".".to_vec()),
    ]
    .concat()
}

/// Opens a folder whose first batch is `bytes` and whose others are sound.
fn open(folder: &Path, bytes: &[u8]) -> Result<Cifar10, SourceError> {
    for name in ["data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        fs::write(folder.join(name), batch(None)).unwrap();
    }
    fs::write(folder.join("data_batch_1"), bytes).unwrap();
    Cifar10::open_any_count(folder)
}

/// What runs, reads, writes or loads when a careless program unpickles it.
const DANGEROUS: [(&str, &str); 44] = [
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("os", "popen"),
    ("os", "execl"),
    ("os", "remove"),
    ("subprocess", "Popen"),
    ("subprocess", "check_output"),
    ("commands", "getoutput"),
    ("pty", "spawn"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "open"),
    ("builtins", "getattr"),
    ("builtins", "__import__"),
    ("__builtin__", "eval"),
    ("__builtin__", "execfile"),
    ("__builtin__", "file"),
    ("__builtin__", "bytearray"),
    ("operator", "attrgetter"),
    ("functools", "partial"),
    ("functools", "reduce"),
    ("importlib", "import_module"),
    ("runpy", "run_path"),
    ("code", "interact"),
    ("webbrowser", "open"),
    ("shutil", "rmtree"),
    ("socket", "socket"),
    ("urllib.request", "urlopen"),
    ("ctypes", "CDLL"),
    ("pickle", "loads"),
    ("marshal", "loads"),
    ("types", "FunctionType"),
    ("copyreg", "_reconstructor"),
    ("copy_reg", "__newobj__"),
    ("_codecs", "decode"),
    ("codecs", "encode"),
    ("numpy", "load"),
    ("numpy", "memmap"),
    ("numpy", "ndarray.tofile"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.multiarray", "fromfile"),
    ("numpy.testing._private.utils", "runstring"),
    ("torch.storage", "_load_from_bytes"),
];

/// Calls of `module.name`, each in a way of its own, and whether the refusal must name it.
fn calls(module: &str, name: &str, marker: &Path) -> Vec<(Vec<u8>, bool)> {
    let command = format!("touch {}", marker.display());
    let argument = [b"X", &(command.len() as u32).to_le_bytes()[..], command.as_bytes()].concat();
    let (global, argument) = (global(module, name), &argument[..]);
    let stack = [text(module), text(name), b"\x93".to_vec()].concat();
    let inst = [b"(", argument, format!("i{module}\n{name}\n").as_bytes()].concat();
    vec![
        ([&global[..], argument, b"\x85R"].concat(), true),
        ([&stack[..], argument, b"\x85R"].concat(), true),
        (inst, true),
        ([b"(", &global[..], argument, b"o"].concat(), true),
        ([&global[..], argument, b"\x85\x81"].concat(), true),
        ([&global[..], argument, b"\x85}\x92"].concat(), true),
        // Hidden: the name comes out of the memo, put together from parts.
        (
            [&text(module)[..], b"q\x01", &text(name), b"q\x02h\x01h\x02\x93", argument, b"\x85R"].concat(),
            true,
        ),
        // Text of another kind is no name.
        (
            [&string(module.as_bytes())[..], &string(name.as_bytes()), b"\x93", argument, b"\x85R"].concat(),
            false,
        ),
    ]
}

#[test]
fn the_sound_batch_is_read() {
    let bytes = batch(None);
    let pickle = parse(&bytes).unwrap();
    let data = pickle.entry(pickle.root(), "data").unwrap().unwrap();
    let Value::Array { shape, data } = pickle.value(data) else { panic!("{:?}", pickle.value(data)) };
    assert_eq!(shape, &[IMAGES as u64, 3072]);
    assert_eq!(pickle.bytes(*data).unwrap().len(), IMAGES * 3072);
    let tmp = tempfile::tempdir().unwrap();
    let source = open(tmp.path(), &bytes).unwrap();
    assert_eq!((source.label(0, 0).unwrap(), source.label(0, 1).unwrap()), (3, 5));
    let mut image = vec![0; 3072];
    source.read(0, 1, &mut image).unwrap();
    assert_eq!(image, (3072..6144).map(|i| i as u8).collect::<Vec<_>>());
}

#[test]
fn over_five_hundred_payloads_are_refused_and_nothing_is_called() {
    let tmp = tempfile::tempdir().unwrap();
    let marker = tmp.path().join("called");
    let mut payloads = BTreeSet::new();
    for (i, (module, name)) in DANGEROUS.into_iter().enumerate() {
        for (k, (call, named)) in calls(module, name, &marker).into_iter().enumerate() {
            for part in [PARTS[(i + k) % PARTS.len()], PARTS[(i + 3 * k + 1) % PARTS.len()]] {
                let bytes = batch(Some((part, &call)));
                match parse(&bytes).expect_err(&format!("{module}.{name} as {part:?}, {k}")) {
                    PickleError::Refused { module: m, name: n, offset } => {
                        assert_eq!((&*m, &*n), (module, name));
                        assert!((offset as usize) < bytes.len());
                    }
                    other => assert!(!named, "{module}.{name} as {part:?}, {k}: {other}"),
                }
                payloads.insert(bytes);
            }
        }
    }
    assert!(payloads.len() >= 500, "{}", payloads.len());
    let mut refused = 0;
    for payload in &payloads {
        let error = open(tmp.path(), payload).expect_err("a payload");
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains("data_batch_1"), "{error}");
        refused += 1;
    }
    assert_eq!(refused, payloads.len());
    assert!(!marker.exists());
}

#[test]
fn the_refusal_names_file_byte_module_and_name() {
    let tmp = tempfile::tempdir().unwrap();
    let payload = [&global("os", "system")[..], b"U\x04true\x85R"].concat();
    let bytes = batch(Some((Part::Labels, &payload)));
    let error = open(tmp.path(), &bytes).unwrap_err();
    let SourceError::PickleRefused { module, name, offset, .. } = &error else { panic!("{error}") };
    assert_eq!((&**module, &**name), ("os", "system"));
    assert_eq!(bytes[*offset as usize..][..10], *b"cos\nsystem");
    let text = error.to_string();
    assert!(text.contains("data_batch_1: pickle at byte 14") && text.contains("os.system"), "{text}");
    // A module's name may be anything; what is shown of it is bounded and without control characters.
    let long = [b"c\x1b[31m", &[b'x'; 200][..], b"\nf\n"].concat();
    let text = parse(&batch(Some((Part::Label, &long)))).unwrap_err().to_string();
    assert!(text.len() < 250 && !text.contains('\x1b'), "{text}");
}

#[test]
fn every_instruction_that_no_data_set_needs_is_refused() {
    // What is understood, by CPython's pickletools; every other byte is refused wherever an instruction may be.
    let understood = b"\x80\x95.(N\x88\x89JKMTUBC\x8e\x96X\x8c\x8dt\x85\x86\x87]ae}suhjqr\x94c\x93iRb";
    let mut refused = 0;
    for opcode in (0..=255u8).filter(|o| !understood.contains(o)) {
        for part in PARTS {
            let payload = [&[opcode][..], b"\x01\0\0\0a\na\n"].concat();
            let error = parse(&batch(Some((part, &payload)))).unwrap_err();
            assert!(matches!(error, PickleError::Instruction { .. }), "{opcode:#x} as {part:?}: {error}");
            refused += 1;
        }
    }
    assert_eq!(refused, (256 - understood.len()) * PARTS.len());
    for (code, name) in [("\u{51}", "BINPERSID"), ("P0\n", "PERSID"), ("o", "OBJ"), ("I1\n", "INT")] {
        let text = parse(&batch(Some((Part::Label, code.as_bytes())))).unwrap_err().to_string();
        assert!(text.contains(&format!("refused instruction {name}")), "{text}");
    }
    let ext = parse(&batch(Some((Part::Label, b"\x82\x01")))).unwrap_err().to_string();
    assert!(ext.contains("EXT1"), "{ext}");
}

/// What is wrong with `payload` in the place of `part`: a rule.
#[track_caller]
fn breaks_a_rule(part: Part, payload: &[u8], says: &str) {
    let error = parse(&batch(Some((part, payload)))).unwrap_err();
    assert!(matches!(error, PickleError::Rule { .. }), "{error}");
    assert!(error.to_string().contains(says), "{says}: {error}");
}

#[test]
fn names_that_are_known_do_nothing_but_what_they_stand_for() {
    let call = |g: &[u8], arguments: &[u8]| [g, arguments, b"R"].concat();
    let (reconstruct, ndarray) =
        (global("numpy.core.multiarray", "_reconstruct"), global("numpy", "ndarray"));
    let (dtype, encode) = (global("numpy", "dtype"), global("_codecs", "encode"));
    // Called with other arguments than NumPy gives them, or not callable at all.
    breaks_a_rule(Part::Label, &call(&ndarray, b"K\x01\x85"), "arguments");
    breaks_a_rule(Part::Label, &call(&reconstruct, b"K\x01K\x02K\x03\x87"), "numpy.ndarray");
    let subclass = [&reconstruct[..], &dtype, b"K\0\x85U\x01b\x87R"].concat();
    breaks_a_rule(Part::Array, &subclass, "numpy.ndarray");
    breaks_a_rule(Part::Label, &call(&dtype, b"U\x02O8K\0K\x01\x87"), "found O8");
    breaks_a_rule(Part::Label, &call(&dtype, b"U\x02f4K\0K\x01\x87"), "found f4");
    breaks_a_rule(Part::Label, &call(&encode, &[&text("a")[..], &text("zip"), b"\x86"].concat()), "latin1");
    breaks_a_rule(
        Part::Label,
        &call(&encode, &[&text("\u{20ac}")[..], &text("latin1"), b"\x86"].concat()),
        "Latin-1",
    );
    breaks_a_rule(Part::Label, &call(b"K\x01", b"K\x01\x85"), "call");
    breaks_a_rule(Part::Label, &call(b"]", b"K\x01\x85"), "call");
    breaks_a_rule(Part::Label, &call(&dtype, b"]"), "a tuple");
    // State for what has none.
    for object in [&b"]"[..], b"}", b"N", b"K\x01", &ndarray, &dtype, &encode] {
        breaks_a_rule(Part::Label, &[object, b"K\x01K\x02\x86b"].concat(), "state");
    }
    // State of another kind, and with contents that do not fit.
    breaks_a_rule(Part::State, b"}", "state");
    let array = |rest: &[u8]| [b"(K\x01", rest, b"t"].concat();
    let sound_dtype = [&dtype[..], b"U\x02u1K\0K\x01\x87R"].concat();
    breaks_a_rule(Part::State, &array(&[b"K\x02\x85", &sound_dtype[..], b"\x88U\x02ab"].concat()), "Fortran");
    breaks_a_rule(
        Part::State,
        &array(&[b"K\x03\x85", &sound_dtype[..], b"\x89U\x02ab"].concat()),
        "found 2 bytes",
    );
    let huge = b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87";
    breaks_a_rule(Part::State, &array(&[huge, &sound_dtype[..], b"\x89U\x02ab"].concat()), "array");
    breaks_a_rule(
        Part::State,
        &array(&[b"J\xff\xff\xff\xff\x85", &sound_dtype[..], b"\x89U\x02ab"].concat()),
        "shape",
    );
    breaks_a_rule(Part::State, &array(&[b"K\x02\x85", &sound_dtype[..], b"\x89]"].concat()), "a byte string");
    breaks_a_rule(Part::State, &array(b"K\x02\x85N\x89U\x02ab"), "dtype");
}

#[test]
fn lengths_that_lie_are_refused_before_anything_is_allocated() {
    for (code, length) in [
        (b'T', &[0xff, 0xff, 0xff, 0x7f][..]),
        (b'T', &[0xff, 0xff, 0xff, 0xff]),
        (b'B', &[0xff, 0xff, 0xff, 0xff]),
        (b'X', &[0xff, 0xff, 0xff, 0xff]),
        (0x8e, &[0xff; 8]),
        (0x96, &[0xff; 8]),
        (0x8d, &[0, 0, 0, 0, 0, 0, 0, 0x80]),
        (0x95, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    ] {
        let payload = [&[code], length, b"abc"].concat();
        for part in PARTS {
            let error = parse(&batch(Some((part, &payload)))).unwrap_err();
            assert!(matches!(error, PickleError::Rule { .. }), "{code:#x} as {part:?}: {error}");
        }
    }
    breaks_a_rule(Part::Label, b"X\x02\0\0\0\xff\xfe", "UTF-8");
    breaks_a_rule(Part::Label, &[&b"c"[..], &[b'a'; 300]].concat(), "no end of line");
}

#[test]
fn bombs_of_memo_depth_count_and_repetition_are_refused() {
    breaks_a_rule(Part::Label, b"h\x63", "memo");
    breaks_a_rule(Part::Label, b"j\xff\xff\xff\xff", "memo");
    breaks_a_rule(Part::Label, b"K\x01r\xff\xff\xff\xff", "memo");
    breaks_a_rule(Part::Label, &[&b"K\x01"[..], &[0x94; 200]].concat(), "memo");
    // Each level holds the one before twice: 2^40 values for whoever writes them out, 120 bytes here.
    let doubling = [&b"]q\x01"[..], &b"h\x01h\x01\x86q\x01".repeat(40)].concat();
    breaks_a_rule(Part::Label, &doubling, "nesting");
    breaks_a_rule(Part::Label, &[&b"N"[..], &[0x85; 1000]].concat(), "nesting");
    breaks_a_rule(Part::Label, &[b'('; 1000], "nesting");
    let lists = [&b"]"[..], &b"q\x01]h\x01a".repeat(usize::from(MAX_DEPTH) + 1)].concat();
    breaks_a_rule(Part::Label, &lists, "nesting");
    breaks_a_rule(Part::FileNames, &[&b"]("[..], &vec![b'N'; MAX_INSTRUCTIONS]].concat(), "instructions");
    // The same long text encoded again and again would be a megabyte each time.
    let long = [b"X", &(1u32 << 20).to_le_bytes()[..], &vec![b'a'; 1 << 20], b"q\x01"].concat();
    let again = [&global("_codecs", "encode")[..], b"h\x01", &text("latin1"), b"\x86R"].concat();
    let bomb = [b"](", &long[..], &again.repeat(1000), b"e"].concat();
    breaks_a_rule(Part::FileNames, &bomb, "texts");
}

#[test]
fn lists_that_contain_themselves_are_harmless() {
    let bytes = b"\x80\x02]q\x01h\x01a.";
    let pickle = parse(bytes).unwrap();
    assert_eq!(pickle.value(pickle.root()), &Value::List(vec![pickle.root()]));
    let tmp = tempfile::tempdir().unwrap();
    for payload in [&b"]q\x01h\x01a"[..], b"}q\x01U\x01xh\x01s"] {
        let error = open(tmp.path(), &batch(Some((Part::Labels, payload)))).unwrap_err().to_string();
        assert!(error.contains("data_batch_1: labels"), "{error}");
    }
}

#[test]
fn what_is_no_whole_pickle_is_refused() {
    let sound = batch(None);
    for end in 0..sound.len() {
        assert!(parse(&sound[..end]).is_err(), "cut at {end}");
    }
    for (bytes, says) in [
        (&b""[..], "an empty file"),
        (b"<html>", "bytes 3c 68"),
        (b"(lp0\n.", "80 02 to 80 05"),
        (b"\x80\x01N.", "80 02 to 80 05"),
        (b"\x80\x06N.", "80 02 to 80 05"),
        (b"\x80\x02.", "one value"),
        (b"\x80\x02NN.", "one value"),
        (b"\x80\x02(N.", "one value"),
        (b"\x80\x02N.N", "nothing after the pickle"),
        (b"\x80\x02\x80\x02N.", "instruction PROTO"),
        (b"\x80\x02a.", "stack"),
        (b"\x80\x02Ne.", "a mark"),
        (b"\x80\x02](\x85.", "stack"),
        (b"\x80\x02}(Nu.", "a key alone"),
        (b"\x80\x02K\x01(NNu.", "a dictionary"),
        (b"\x80\x02}Na.", "a list"),
    ] {
        let text = parse(bytes).unwrap_err().to_string();
        assert!(text.contains(says), "{says}: {text}");
    }
}

#[test]
fn a_flipped_bit_gives_other_data_or_an_error_but_no_panic() {
    // Pixels, labels and names carry no checksum of their own: a flip there is other data, which only the published
    // files' own checksum could tell. Everything else is structure.
    let sound = batch(None);
    let pixels = sound.windows(3).position(|w| w == [0, 1, 2]).unwrap();
    let mut refused = 0;
    let structure: Vec<usize> =
        (0..sound.len()).filter(|i| !(pixels..pixels + IMAGES * 3072).contains(i)).collect();
    for &at in &structure {
        for bit in 0..8 {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << bit;
            refused += usize::from(parse(&bytes).is_err());
        }
    }
    assert!(refused * 2 > structure.len() * 8, "{refused} of {}", structure.len() * 8);
}
