"""Loads a checkpoint of rfx-train into PyTorch modules.

    python load_checkpoint.py RUN/checkpoint.safetensors [--compare FILE] [--save MODEL.pt]

Needs torch, safetensors and networks.py beside it. The modules' names are the checkpoint's, so `load_state_dict` takes
them strictly: nothing missing, nothing left over. ResNets of images of 64 x 64 or more also load into torchvision's.
`--compare` takes a safetensors file with `input` and `logits` and prints how far this module's logits are from those;
`--save` writes the module's state_dict for `torch.load`. Also a module to import:

    from load_checkpoint import load
    model, state = load("runs/random/checkpoint.safetensors")
"""

import argparse
import json

import torch
from networks import build
from safetensors import safe_open

# Not parameters of the network: the optimiser's buffers and the sums behind the running means.
OTHERS = ("momentum/", "running/")


def load(path):
    """Returns the module in evaluation mode and the rest of the run's state (a dict)."""
    with safe_open(path, "pt") as file:
        metadata = json.loads(file.metadata()["rfx"])
        assert metadata["format"] == "rfx-checkpoint/1", metadata["format"]
        state = metadata["state"]
        tensors = {name: file.get_tensor(name) for name in file.keys() if not name.startswith(OTHERS)}
    module = build(state["model"], state["shape"], state["classes"])
    # Strictly, but for the counters of batches that PyTorch's batch normalisation keeps and nothing here uses: a state
    # without a version, as this one, may lack them.
    module.load_state_dict(tensors, strict=True)
    return module.eval(), state


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Load a checkpoint of rfx-train into PyTorch.")
    parser.add_argument("checkpoint")
    parser.add_argument("--compare", metavar="FILE", help="safetensors file with `input` and `logits`")
    parser.add_argument("--save", metavar="FILE", help="write the state_dict for torch.load")
    args = parser.parse_args()
    model, state = load(args.checkpoint)
    count = sum(p.numel() for p in model.parameters())
    report = {"model": state["model"], "parameters": count, "epochs": state["epoch"], "steps": state["step"]}
    if args.compare:
        with safe_open(args.compare, "pt") as file:
            ours, theirs = model(file.get_tensor("input")), file.get_tensor("logits")
        report["difference"] = ((ours - theirs).abs().max() / theirs.std()).item()
    if args.save:
        torch.save(model.state_dict(), args.save)
    print(json.dumps(report))
