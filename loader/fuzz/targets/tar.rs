//! Archives that anybody may have made: members lie inside, and none leads out of where it would be unpacked.
#![no_main]

use std::io;

use libfuzzer_sys::fuzz_target;
use rfx_fuzz::told;
use rfx_loader::source::parsers::index;

fuzz_target!(|bytes: &[u8]| {
    // The checksum is put right where there is a header, so that the fuzzer gets behind it.
    let mut bytes = bytes.to_vec();
    for block in bytes.chunks_exact_mut(512) {
        if block[156] != 0 && block[157] == 0 {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
            block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
    }
    let read = |offset: u64, out: &mut [u8]| {
        let part = usize::try_from(offset).ok().and_then(|o| bytes.get(o..)?.get(..out.len()));
        out.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    };
    let members = match index(&read, 0, bytes.len() as u64) {
        Ok(members) => members,
        Err(error) => return told(&error),
    };
    for member in members {
        assert!(member.offset.checked_add(member.length).is_some_and(|end| end <= bytes.len() as u64));
        assert!(!member.name.starts_with('/') && !member.name.split('/').any(|p| p == ".."));
        assert!(!member.name.contains('\0'));
        // An archive in the archive, as ImageNet's are.
        let _ = index(&read, member.offset, member.offset + member.length);
    }
});
