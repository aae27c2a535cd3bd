//! Shards: safetensors files with a sample per row, written by [`pack`](crate::pack), mapped and checked here.
//!
//! `FORMAT.md` beside this crate is the authority. Nothing in a shard is trusted unread: lengths are bounded before
//! anything is allocated, the header is parsed strictly, the head (everything before the records) is compared with
//! its digest when the shard is first mapped, and records with their hashes when they are first read. A mapping
//! costs address space and no copy; opening one reads its head. Raw records and encoded images are slices of it; compressed
//! records are decompressed into memory of the thread that reads them.

mod codec;
mod error;
mod header;
#[allow(unsafe_code)] // memory maps; the promise behind them is written there
mod map;
mod reader;
#[allow(unsafe_code)] // a signal handler, installed only on request
mod sigbus;
mod validate;

pub use codec::{Codec, Decoder};
pub use error::FormatError;
pub use header::{
    DATA_ALIGN, MAX_HEADER_BYTES, ShardForm, ShardMetadata, encode_header, head_bytes, is_column_name,
};
pub use sigbus::install_sigbus_guard;

pub(crate) use codec::Dictionary;
pub(crate) use error::{at_byte, io_kind, shown};
pub(crate) use header::{COLUMN_BYTES, SHAPE_BYTES, json_message, json_offset};
pub(crate) use reader::{MappedShard, open_file};
pub(crate) use validate::Expected;
