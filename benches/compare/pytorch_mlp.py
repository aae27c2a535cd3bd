"""The PyTorch twin of `rfx-train run --model mlp-1x512`; mlp.py times both in one sitting.

Everything that PyTorch users do to be fast on a CPU with CIFAR-10 in memory: the whole training set is whitened once
and kept as floats, batches are gathered with index_select, evaluation runs in large batches under inference_mode.
Same network, initialisation, optimiser, schedule and batch size as the paper's: 2352-512-10, N(0, 2/(in+out)), SGD
with momentum 0.9, learning rate 0.01 x 0.95 per epoch, batch 128, the short last batch kept.

    python pytorch_mlp.py DIR [--labels true|random] [--samples 50000] [--epochs 3] [--threads 2]

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
    records = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 3073)
    images = records[:, 1:].reshape(-1, 3, 32, 32)[:, :, 2:30, 2:30].reshape(-1, 2352).astype(np.float64)
    deviation = np.maximum(images.std(axis=1, keepdims=True), 255 / np.sqrt(2352))
    images = (images - images.mean(axis=1, keepdims=True)) / deviation
    return torch.from_numpy(images.astype(np.float32)), torch.from_numpy(records[:, 0].astype(np.int64))


def linear(inputs, outputs):
    layer = torch.nn.Linear(inputs, outputs)
    torch.nn.init.normal_(layer.weight, std=(2 / (inputs + outputs)) ** 0.5)
    torch.nn.init.zeros_(layer.bias)
    return layer


@torch.inference_mode()
def evaluate(net, images, labels, batch=1000):
    loss = right = 0.0
    for start in range(0, len(images), batch):
        logits, wanted = net(images[start : start + batch]), labels[start : start + batch]
        loss += torch.nn.functional.cross_entropy(logits, wanted, reduction="sum").item()
        right += (logits.argmax(1) == wanted).sum().item()
    return loss / len(images), right / len(images)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--labels", choices=["true", "random"], default="true")
    parser.add_argument("--samples", type=int, default=50_000, help="train on the first so many")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    parts = [load(args.dir / f"data_batch_{i}.bin") for i in range(1, 6)]
    images, labels = (torch.cat([p[i] for p in parts])[: args.samples].clone() for i in range(2))
    test_images, test_labels = load(args.dir / "test_batch.bin")
    if args.labels == "random":
        labels = torch.randint(10, labels.shape)
    net = torch.nn.Sequential(linear(2352, 512), torch.nn.ReLU(), linear(512, 10))
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.95)
    seconds, steps = [], 0
    for epoch in range(args.epochs):
        started = time.perf_counter()
        for rows in torch.randperm(len(images)).split(128):
            optimiser.zero_grad(set_to_none=True)
            logits = net(images.index_select(0, rows))
            torch.nn.functional.cross_entropy(logits, labels.index_select(0, rows)).backward()
            optimiser.step()
            steps += 1
        schedule.step()
        loss, accuracy = evaluate(net, images, labels)
        test_loss, test_accuracy = evaluate(net, test_images, test_labels)
        seconds.append(time.perf_counter() - started)
        row = dict(epoch=epoch + 1, step=steps, train_loss=loss, train_accuracy=accuracy, test_loss=test_loss)
        print(json.dumps(row | dict(test_accuracy=test_accuracy, seconds=seconds[-1])), flush=True)
    print(json.dumps(dict(median_seconds_per_epoch=statistics.median(seconds), torch=torch.__version__)))


if __name__ == "__main__":
    main()
