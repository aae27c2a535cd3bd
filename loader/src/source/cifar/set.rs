//! What distinguishes CIFAR-10 from CIFAR-100, and the binary from the Python version of either.

/// Bytes of an image: 3 x 32 x 32, planar.
pub(super) const IMAGE_BYTES: usize = 3 * 32 * 32;

/// Samples of the official splits.
pub(super) const TRAIN: usize = 50_000;
pub(super) const TEST: usize = 10_000;

/// One of the two data sets.
#[derive(Debug)]
pub(super) struct Set {
    /// [`Source::kind`](crate::source::Source::kind).
    pub kind: &'static str,
    /// As people write it.
    pub title: &'static str,
    /// The classes, in label order.
    pub classes: Names,
    /// The classes' classes, in the order of the coarse labels; empty where there are none.
    pub superclasses: Names,
    pub binary: Files,
    pub python: Files,
    /// The key of a Python batch under which the labels are.
    pub label_key: &'static str,
}

/// The official names of classes, separated by spaces.
#[derive(Debug)]
pub(super) struct Names(&'static str);

impl Names {
    pub fn count(&self) -> usize {
        self.all().count()
    }

    pub fn all(&self) -> impl Iterator<Item = &'static str> {
        self.0.split_ascii_whitespace()
    }
}

/// The files of one version.
#[derive(Debug)]
pub(super) struct Files {
    /// The training files in official order, then the test file.
    pub data: &'static [&'static str],
    /// The files with the names of classes and, in a file or under a key of its own, of superclasses.
    pub names: &'static [&'static str],
    /// The folder that the archive unpacks to.
    pub folder: &'static str,
    /// The archive as published, and without its compression.
    pub archives: [&'static str; 2],
}

impl Set {
    /// Bytes of a record of the binary version before its image: the coarse label, where there is one, and the label.
    pub fn label_bytes(&self) -> usize {
        1 + usize::from(self.has_superclasses())
    }

    pub fn has_superclasses(&self) -> bool {
        self.superclasses.count() > 0
    }
}

impl Files {
    /// Split of data file number `file`: 0 train, 1 test.
    pub fn split(&self, file: usize) -> usize {
        usize::from(file + 1 == self.data.len())
    }

    /// Official number of records of data file number `file`.
    pub fn records(&self, file: usize) -> usize {
        if self.split(file) == 1 { TEST } else { TRAIN / (self.data.len() - 1) }
    }

    /// All files: those with data, then those with names.
    pub fn all(&self) -> impl Iterator<Item = &'static str> {
        self.data.iter().chain(self.names).copied()
    }
}

/// CIFAR-10.
pub(super) const CIFAR10: Set = Set {
    kind: "cifar10",
    title: "CIFAR-10",
    classes: Names("airplane automobile bird cat deer dog frog horse ship truck"),
    superclasses: Names(""),
    binary: Files {
        data: &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
            "test_batch.bin",
        ],
        names: &["batches.meta.txt"],
        folder: "cifar-10-batches-bin",
        archives: ["cifar-10-binary.tar.gz", "cifar-10-binary.tar"],
    },
    python: Files {
        data: &["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"],
        names: &["batches.meta"],
        folder: "cifar-10-batches-py",
        archives: ["cifar-10-python.tar.gz", "cifar-10-python.tar"],
    },
    label_key: "labels",
};

/// CIFAR-100.
pub(super) const CIFAR100: Set = Set {
    kind: "cifar100",
    title: "CIFAR-100",
    classes: Names(
        "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly \
         camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup \
         dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower \
         leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid \
         otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray \
         road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar \
         sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle \
         wardrobe whale willow_tree wolf woman worm",
    ),
    superclasses: Names(
        "aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices \
         household_furniture insects large_carnivores large_man-made_outdoor_things \
         large_natural_outdoor_scenes large_omnivores_and_herbivores medium_mammals non-insect_invertebrates \
         people reptiles small_mammals trees vehicles_1 vehicles_2",
    ),
    binary: Files {
        data: &["train.bin", "test.bin"],
        names: &["fine_label_names.txt", "coarse_label_names.txt"],
        folder: "cifar-100-binary",
        archives: ["cifar-100-binary.tar.gz", "cifar-100-binary.tar"],
    },
    python: Files {
        data: &["train", "test"],
        names: &["meta"],
        folder: "cifar-100-python",
        archives: ["cifar-100-python.tar.gz", "cifar-100-python.tar"],
    },
    label_key: "fine_labels",
};
