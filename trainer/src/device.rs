//! Where training runs, and how CUDA is brought in late.

use std::{ffi::CStr, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A device by name: `cpu` or `cuda:N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceName {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU by index.
    Cuda(usize),
}

/// A device that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// Not a device's name.
    #[error("device `{found}` is unknown: expected cpu or cuda:N")]
    Name {
        /// The text found.
        found: String,
    },
    /// libtorch's CUDA half is not on this machine.
    #[error(
        "libtorch_cuda.so could not be loaded ({reason}): --device cuda needs PyTorch 2.11 with CUDA; put its lib \
         folder into LD_LIBRARY_PATH, e.g. LD_LIBRARY_PATH=$(python3 -c 'import torch, os; \
         print(os.path.dirname(torch.__file__) + \"/lib\")')"
    )]
    Library {
        /// The dynamic linker's words.
        reason: String,
    },
    /// The library is there, a driver or card is not.
    #[error("CUDA is not available: found {found} devices, asked for number {wanted}; check `nvidia-smi`")]
    NoCard {
        /// Devices that libtorch sees.
        found: i64,
        /// The index asked for.
        wanted: usize,
    },
}

impl DeviceName {
    /// Loads what the device needs and returns it. To be called before anything else asks libtorch about CUDA: its
    /// first answer is remembered.
    ///
    /// # Errors
    /// [`DeviceError::Library`] or [`DeviceError::NoCard`].
    pub fn prepare(self) -> Result<tch::Device, DeviceError> {
        let DeviceName::Cuda(index) = self else { return Ok(tch::Device::Cpu) };
        // The binary links libtorch_cpu alone, so that it runs without CUDA; registering the CUDA half takes no more
        // than loading it, with its symbols global.
        // SAFETY: a constant NUL-terminated name; the library's initialisers are those PyTorch itself runs.
        let handle =
            unsafe { libc::dlopen(c"libtorch_cuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
        if handle.is_null() {
            // SAFETY: dlerror returns null or a NUL-terminated string, valid until the next call on this thread.
            let message = unsafe { libc::dlerror() };
            let reason = if message.is_null() {
                "no reason given".to_owned()
            } else {
                // SAFETY: not null, as checked.
                unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned()
            };
            return Err(DeviceError::Library { reason });
        }
        let found = tch::Cuda::device_count();
        if !tch::Cuda::is_available() || index as i64 >= found {
            return Err(DeviceError::NoCard { found, wanted: index });
        }
        Ok(tch::Device::Cuda(index))
    }
}

impl FromStr for DeviceName {
    type Err = DeviceError;
    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "cpu" => Ok(DeviceName::Cpu),
            "cuda" => Ok(DeviceName::Cuda(0)),
            _ => match text.strip_prefix("cuda:").and_then(|n| n.parse().ok()) {
                Some(index) => Ok(DeviceName::Cuda(index)),
                None => Err(DeviceError::Name { found: text.into() }),
            },
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceName::Cpu => f.write_str("cpu"),
            DeviceName::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl TryFrom<String> for DeviceName {
    type Error = DeviceError;
    fn try_from(text: String) -> Result<Self, DeviceError> {
        text.parse()
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> String {
        name.to_string()
    }
}
