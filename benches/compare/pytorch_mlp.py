"""The PyTorch twin of `rfx-train run --model mlp-1x512`; mlp.py times both in one sitting.

With `--loader tensors`, everything that PyTorch users do to be fast on a CPU with CIFAR-10 in memory: the whole training
set is whitened once and kept as floats, batches are gathered with index_select. With `--loader dataloader`, what they
usually do: a Dataset that crops and whitens one image, and DataLoader with a worker process per thread, for training and
evaluation. Either way evaluation runs in large batches under inference_mode. Same network, initialisation, optimiser, schedule and batch size as the paper's: 2352-512-10, N(0, 2/(in+out)), SGD
with momentum 0.9, learning rate 0.01 x 0.95 per epoch, batch 128, the short last batch kept.

    python pytorch_mlp.py DIR [--loader tensors] [--labels true|random] [--samples 50000] [--epochs 3] [--threads 2]

DIR holds data_batch_1.bin ... test_batch.bin. Prints one JSON object per epoch and the median seconds per epoch.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch


def load(path):
    """Images of 3 x 32 x 32 in bytes, and labels."""
    records = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 3073)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)


def whitened(images):
    """The paper's crop and whitening of `images`, as f32."""
    values = images[:, :, 2:30, 2:30].reshape(-1, 2352).astype(np.float64)
    deviation = np.maximum(values.std(axis=1, keepdims=True), 255 / np.sqrt(2352))
    values = (values - values.mean(axis=1, keepdims=True)) / deviation
    return torch.from_numpy(values.astype(np.float32))


class Tensors:
    """Batches of floats that lie in memory."""

    def __init__(self, images, labels):
        self.images, self.labels = whitened(images), torch.from_numpy(labels)

    def shuffled(self):
        for rows in torch.randperm(len(self.labels)).split(128):
            yield self.images.index_select(0, rows), self.labels.index_select(0, rows)

    def in_order(self):
        return zip(self.images.split(1000), self.labels.split(1000))


class Images(torch.utils.data.Dataset):
    """One image at a time, in f32 as most pipelines compute."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        image = torch.from_numpy(self.images[i, :, 2:30, 2:30].reshape(-1).astype(np.float32))
        return (image - image.mean()) / image.std(correction=0).clamp(min=255 / 2352**0.5), self.labels[i]


class Loaders:
    """Batches of DataLoader."""

    def __init__(self, images, labels, workers):
        options = dict(num_workers=workers, persistent_workers=True)
        dataset = Images(images, labels)
        self.training = torch.utils.data.DataLoader(dataset, batch_size=128, shuffle=True, **options)
        self.evaluation = torch.utils.data.DataLoader(dataset, batch_size=1000, **options)

    def shuffled(self):
        return self.training

    def in_order(self):
        return self.evaluation


def linear(inputs, outputs):
    layer = torch.nn.Linear(inputs, outputs)
    torch.nn.init.normal_(layer.weight, std=(2 / (inputs + outputs)) ** 0.5)
    torch.nn.init.zeros_(layer.bias)
    return layer


@torch.inference_mode()
def evaluate(net, batches):
    loss = right = n = 0
    for images, wanted in batches:
        logits = net(images)
        loss += torch.nn.functional.cross_entropy(logits, wanted, reduction="sum").item()
        right += (logits.argmax(1) == wanted).sum().item()
        n += len(wanted)
    return loss / n, right / n


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--loader", choices=["tensors", "dataloader"], default="tensors")
    parser.add_argument("--labels", choices=["true", "random"], default="true")
    parser.add_argument("--samples", type=int, default=50_000, help="train on the first so many")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    parts = [load(args.dir / f"data_batch_{i}.bin") for i in range(1, 6)]
    images, labels = (np.concatenate([p[i] for p in parts])[: args.samples] for i in range(2))
    if args.labels == "random":
        labels = torch.randint(10, labels.shape).numpy()
    kind = Tensors if args.loader == "tensors" else lambda *data: Loaders(*data, args.threads)
    train, test = kind(images, labels), kind(*load(args.dir / "test_batch.bin"))
    net = torch.nn.Sequential(linear(2352, 512), torch.nn.ReLU(), linear(512, 10))
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.95)
    seconds, steps = [], 0
    for epoch in range(args.epochs):
        started = time.perf_counter()
        for images, labels in train.shuffled():
            optimiser.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(net(images), labels).backward()
            optimiser.step()
            steps += 1
        schedule.step()
        loss, accuracy = evaluate(net, train.in_order())
        test_loss, test_accuracy = evaluate(net, test.in_order())
        seconds.append(time.perf_counter() - started)
        row = dict(epoch=epoch + 1, step=steps, train_loss=loss, train_accuracy=accuracy, test_loss=test_loss)
        print(json.dumps(row | dict(test_accuracy=test_accuracy, seconds=seconds[-1])), flush=True)
    print(json.dumps(dict(median_seconds_per_epoch=statistics.median(seconds), torch=torch.__version__)))


if __name__ == "__main__":
    main()
