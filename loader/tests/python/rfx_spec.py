"""The text form of a corruption: a preset (`random-labels`), or `labels=uniform:p=0.5 inputs=gaussian seed=1`."""

from dataclasses import dataclass, field


@dataclass
class LabelNoise:
    p: float = 0.0
    exclude_true: bool = False  # the new class is never the old one
    exact: bool = False  # exactly round(p n) labels of the split, not about p n
    resample: float = 0.0  # the share of samples redrawn in every epoch >= 1
    kind: str = "uniform"
    options: dict = field(default_factory=dict)  # as written, for the other kinds


@dataclass
class InputNoise:
    kind: str
    positions: bool = False  # move whole pixels, not single values
    amount: float = 1.0
    resample: float = 0.0
    stored: bool = False  # on the stored image, before crop and flip
    options: dict = field(default_factory=dict)


PRESETS = ("shuffled-pixels", "random-pixels", "gaussian")


@dataclass
class Spec:
    labels: LabelNoise | None = None
    inputs: InputNoise | None = None
    seed: int | None = None  # the corruption's own; otherwise the run's
    test_inputs: bool = True
    test_labels: bool = False

    def seed_or(self, run_seed):
        return run_seed if self.seed is None else self.seed

    def labels_of(self, split):
        return self.labels if split == "train" or self.test_labels else None

    def inputs_of(self, split):
        return self.inputs if split == "train" or self.test_inputs else None

    @classmethod
    def parse(cls, text):
        spec = cls()
        for part in split_unquoted(text, " "):
            name, _, value = part.partition("=")
            if part.partition(":")[0] in PRESETS:
                spec.inputs = _input_noise(part)
            elif part.startswith("partially-corrupted:"):
                spec.labels = LabelNoise(float(part.partition(":")[2].removeprefix("p=")))
            elif part == "random-labels":
                spec.labels = LabelNoise(1.0)
            elif name == "labels" and value != "clean":
                spec.labels = _label_noise(value)
            elif name == "inputs" and value != "clean":
                spec.inputs = _input_noise(value)
            elif name == "seed":
                spec.seed = int(value)
            elif name == "test-inputs":
                spec.test_inputs = value == "same"
            elif name == "test-labels":
                spec.test_labels = value == "same"
            elif part not in ("true-labels", "labels=clean", "inputs=clean"):
                raise ValueError(f"what is {part!r} in the corruption {text!r}?")
        return spec


def _label_noise(text):
    kind, _, rest = text.partition(":")
    options = _options(rest)
    return LabelNoise(
        p=float(options.get("p", 0.0)),
        exclude_true="exclude-true" in options,
        exact="exact" in options,
        resample=float(options.get("resample", 0.0)),
        kind=kind,
        options=options,
    )


def _input_noise(text):
    kind, _, rest = text.partition(":")
    options = _options(rest)
    return InputNoise(
        kind,
        positions="positions" in options,
        amount=float(options.get("amount", 1.0)),
        resample=float(options.get("resample", 0.0)),
        stored=options.get("at") == "stored",
        options=options,
    )


def _options(text):
    pairs = (item.partition("=")[::2] for item in split_unquoted(text, ","))
    return {key: unquoted(value) for key, value in pairs}


def split_unquoted(text, separator):
    """The parts between separators that are not in double quotes, empty ones left out."""
    parts, quoted = [""], False
    for character in text:
        quoted ^= character == '"'
        if character == separator and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part]


def unquoted(value):
    return value[1:-1].replace('""', '"') if value.startswith('"') else value
