//! Headers of arrays, of any bytes; `corpus/npy` has what NumPy writes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rfx_fuzz::told;
use rfx_loader::npy::Header;

fuzz_target!(|bytes: &[u8]| {
    match Header::parse(bytes) {
        Ok(header) => {
            assert!(header.start <= bytes.len() as u64 && header.element.bytes > 0);
            let elements = header.shape.iter().try_fold(1u64, |product, &n| product.checked_mul(n));
            let bytes = elements.and_then(|n| n.checked_mul(header.element.bytes.into()));
            assert_eq!(header.data_bytes(), bytes);
            let element = vec![0x80; header.element.bytes.min(16) as usize];
            let integer = header.element.integer(&element);
            assert!(integer.is_none() || element.len() <= 8);
        }
        Err(error) => told(&error),
    }
});
