//! What can be downloaded, from where, and which bytes it has to be.
//!
//! Lengths and SHA-256 are those that TensorFlow Datasets records (`tensorflow_datasets/url_checksums`, repository
//! tensorflow/datasets). Of the CIFAR archives the authors publish MD5 sums, and of MNIST and Fashion-MNIST torchvision
//! records them (`torchvision/datasets/mnist.py`): the files with these SHA-256 have those.

/// A data set as it is published.
#[derive(Debug)]
pub struct Published {
    /// The command of `rfx-pack` that reads it.
    pub name: &'static str,
    /// Where its files are, with a slash at the end.
    pub base: &'static str,
    /// Its files.
    pub files: &'static [PublishedFile],
}

/// One file.
#[derive(Debug)]
pub struct PublishedFile {
    /// Its name.
    pub name: &'static str,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in lowercase hexadecimal.
    pub sha256: &'static str,
}

/// CIFAR-10 in its binary version, at its author's.
pub const CIFAR10: Published = Published {
    name: "cifar10",
    base: "https://www.cs.toronto.edu/~kriz/",
    files: &[PublishedFile {
        name: "cifar-10-binary.tar.gz",
        bytes: 170_052_171,
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    }],
};

/// CIFAR-100 in its binary version, at its author's.
pub const CIFAR100: Published = Published {
    name: "cifar100",
    base: "https://www.cs.toronto.edu/~kriz/",
    files: &[PublishedFile {
        name: "cifar-100-binary.tar.gz",
        bytes: 168_513_733,
        sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    }],
};

/// MNIST, at the mirror that torchvision uses: its author's server asks for a password.
pub const MNIST: Published = Published {
    name: "mnist",
    base: "https://ossci-datasets.s3.amazonaws.com/mnist/",
    files: &[
        PublishedFile {
            name: "train-images-idx3-ubyte.gz",
            bytes: 9_912_422,
            sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        },
        PublishedFile {
            name: "train-labels-idx1-ubyte.gz",
            bytes: 28_881,
            sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        },
        PublishedFile {
            name: "t10k-images-idx3-ubyte.gz",
            bytes: 1_648_877,
            sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        },
        PublishedFile {
            name: "t10k-labels-idx1-ubyte.gz",
            bytes: 4_542,
            sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ],
};

/// Fashion-MNIST, at its authors'; that server speaks no TLS, but the checksums decide.
pub const FASHION_MNIST: Published = Published {
    name: "fashion-mnist",
    base: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    files: &[
        PublishedFile {
            name: "train-images-idx3-ubyte.gz",
            bytes: 26_421_880,
            sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        },
        PublishedFile {
            name: "train-labels-idx1-ubyte.gz",
            bytes: 29_515,
            sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        },
        PublishedFile {
            name: "t10k-images-idx3-ubyte.gz",
            bytes: 4_422_102,
            sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        },
        PublishedFile {
            name: "t10k-labels-idx1-ubyte.gz",
            bytes: 5_148,
            sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ],
};

impl Published {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_name_a_length_and_a_digest() {
        for set in [&CIFAR10, &CIFAR100, &MNIST, &FASHION_MNIST] {
            assert!(set.base.starts_with("http") && set.base.ends_with('/'), "{}", set.base);
            for file in set.files {
                let digits = file.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                assert!(digits && file.sha256.len() == 64 && file.bytes > 0, "{}", file.name);
                assert!(!file.name.contains('/'), "{}", file.name);
            }
        }
    }
}
