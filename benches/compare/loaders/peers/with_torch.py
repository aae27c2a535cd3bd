"""PyTorch: its DataLoader as users write it and with whole batches, and ready tensors in memory."""

import math

from . import CIFAR, PHOTOS, peer
from ..workloads import CORES


def make_one(task):
    """A function of an index that gives that image, planar, corrupted on the fly, before any transform."""
    import torch

    # Photographs stay in the file.
    photos = task.workload.source == "photos"
    images = torch.from_numpy(task.images(mapped=photos))
    images = images.permute(0, 3, 1, 2) if photos else images
    means, deviations = (torch.from_numpy(part).view(3, 1, 1) for part in task.statistics())
    generator = torch.Generator()

    def noise(index):
        generator.manual_seed(index)
        return torch.randn(3, task.side, task.side, generator=generator).mul_(deviations).add_(means)

    def perm(index):
        generator.manual_seed(index)
        positions = torch.randperm(1024, generator=generator)
        return images[index].view(3, 1024).index_select(1, positions).view(3, 32, 32)

    return {"noise": noise, "perm": perm}.get(task.workload.image, images.__getitem__)


def transforms(task):
    """What each image goes through, of torchvision where it has it."""
    import torch
    from torchvision.transforms import v2

    class Whiten(torch.nn.Module):
        def forward(self, image):
            deviation, mean = torch.std_mean(image, correction=0)
            return (image - mean) / deviation.clamp_min(task.floor / 255)

    workload, levels = task.workload, v2.ToDtype(torch.float32, scale=True)
    if workload.dtype == "uint8":
        return v2.CenterCrop(task.side) if workload.source == "photos" else torch.nn.Identity()
    if workload.image == "resized":
        means, deviations = (task.statistics() / 255).tolist()
        geometry = [v2.RandomResizedCrop(task.side, antialias=True), v2.RandomHorizontalFlip()]
        return v2.Compose([*geometry, levels, v2.Normalize(means, deviations)])
    if workload.image == "noise":
        return v2.Compose([v2.Lambda(lambda image: image / 255), Whiten()])
    return v2.Compose([v2.CenterCrop(task.side), levels, Whiten()])


def prefetch(workers):
    return dict(num_workers=workers, persistent_workers=True, prefetch_factor=4) if workers else {}


@peer("torch", CIFAR + PHOTOS, ("torch", "torchvision"), "DataLoader, transforms per image; workers",
      workers=(2 * CORES, CORES, 0))  # fmt: skip
def per_item(task, workers):
    import torch
    from torch.utils.data import DataLoader, Dataset

    one, transform, table = make_one(task), transforms(task), task.label_table().tolist()

    class Images(Dataset):
        def __len__(self):
            return len(table)

        def __getitem__(self, index):
            return transform(one(index)), table[index]

    order = torch.Generator().manual_seed(task.seed)
    loader = DataLoader(Images(), batch_size=task.batch, shuffle=True, generator=order, **prefetch(workers))
    return lambda number: iter(loader)


def make_batch(task):
    """A function of a tensor of indices that gives those images of CIFAR as they are delivered, arithmetic batched."""
    import torch

    workload, window, one = task.workload, task.window(32), make_one(task)
    images = torch.from_numpy(task.images())

    def whiten(pixels):
        pixels = pixels.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        rows = pixels.view(len(pixels), -1)
        rows.sub_(rows.mean(1, keepdim=True))
        # Faster than var_mean.
        deviations = torch.linalg.vector_norm(rows, dim=1, keepdim=True).mul_(1 / math.sqrt(rows.shape[1]))
        rows.mul_(deviations.clamp_min_(task.floor).reciprocal_())
        return pixels

    def batch(indices):
        if workload.image == "noise":
            return whiten(torch.stack([one(index) for index in indices.tolist()]))
        if workload.image == "perm":
            pixels = torch.stack([one(index) for index in indices.tolist()])
        else:
            pixels = images.index_select(0, indices)
        return pixels if workload.dtype == "uint8" else whiten(pixels[:, :, window, window])

    return batch


@peer("torch-batched", CIFAR, ("torch",), "DataLoader that fetches whole batches, batched arithmetic; workers",
      workers=(CORES, 0))  # fmt: skip
def batched(task, workers):
    import torch
    from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

    batch, table = make_batch(task), torch.from_numpy(task.label_table())

    class Images(Dataset):
        def __len__(self):
            return len(table)

        def __getitem__(self, indices):
            indices = torch.tensor(indices)
            return batch(indices), table[indices]

    images = Images()
    sampler = RandomSampler(images, generator=torch.Generator().manual_seed(task.seed))
    batches = BatchSampler(sampler, task.batch, drop_last=False)
    loader = DataLoader(images, sampler=batches, batch_size=None, **prefetch(workers))
    return lambda number: iter(loader)


@peer("ram-torch", CIFAR + ("imagenet-raw-u8",), ("torch",), "ready tensors in memory, index_select on all cores",
      precomputes=("plain", "noise", "perm", "imagenet-raw-u8"))  # fmt: skip
def ready(task):
    import torch

    torch.set_num_threads(CORES)
    table, photos = torch.from_numpy(task.label_table()), task.workload.source == "photos"
    if photos:
        window = task.window(256)
        kept = torch.from_numpy(task.images(mapped=True)[:, window, window].copy())
    else:
        batch = make_batch(task)
        kept = torch.cat([batch(indices) for indices in torch.arange(len(table)).split(1000)])
    shape, rows = kept.shape[1:], kept.flatten(1)
    ring = [torch.empty((task.batch, rows.shape[1]), dtype=rows.dtype) for _ in range(3)]  # new memory is slower

    def epoch(number):
        for k, indices in enumerate(torch.from_numpy(task.order(number)).split(task.batch)):
            out = torch.index_select(rows, 0, indices, out=ring[k % 3][: len(indices)]).view(-1, *shape)
            yield out.permute(0, 3, 1, 2) if photos else out, table.index_select(0, indices)

    return epoch
