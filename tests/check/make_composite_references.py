#!/usr/bin/env python3
"""Writes references/NAME.{in,out}.safetensors for the layers made of layers, computed by PyTorch in double from numbers
that float holds exactly, weights named by Convoy's paths; what make_references.py says of its files holds of these. Run by
hand when a case is added."""
import json
import os
import struct
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "references")
D = torch.float64


def write(path, tensors, metadata=None):
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, t in tensors.items():
        raw = t.detach().to(torch.float32).contiguous().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def draw(*shape, scale=1.0):
    return (torch.randn(*shape) * scale).to(torch.float32).to(D)


def case(name, plugin, config, net, shape, mode="train"):
    torch.manual_seed(sum(map(ord, name)))
    net = net.to(D).train(mode == "train")
    given = {}
    for path, p in net.named_parameters():
        owner = net.get_submodule(path.rsplit(".", 1)[0])
        if isinstance(owner, nn.BatchNorm2d):
            p.data = draw(*p.shape, scale=0.2)
            if path.endswith("weight"):
                p.data += 1
        else:
            p.data = draw(*p.shape, scale=p[0].numel() ** -0.5 if p.dim() > 1 else 0.2)
        p.data = p.data.to(torch.float32).to(D)
        given[f"param.{path}"] = p.data.clone()
    buffers = {k: b for k, b in net.named_buffers() if "num_batches" not in k}
    for path, b in buffers.items():
        b.copy_(draw(*b.shape).abs() + 0.5 if path.endswith("var") else draw(*b.shape, scale=0.1))
        given[f"buf.{path}"] = b.clone()
    x = draw(*shape).requires_grad_(True)
    given = {"in.x": x, **given}
    y = net(x)
    result = {"out.y": y}
    if mode == "train":
        given["gout.y"] = draw(*y.shape)
        y.backward(given["gout.y"])
        for path, mask in getattr(net, "masks", {}).items():
            given[f"mask.{path}"] = mask
        result["gin.x"] = x.grad
        result.update({f"gparam.{k}": p.grad for k, p in net.named_parameters()})
    result.update({f"bufout.{k}": b for k, b in buffers.items()})
    write(f"{HERE}/{name}.in.safetensors", given, {"kind": "layer", "plugin": plugin, "config": config, "mode": mode})
    write(f"{HERE}/{name}.out.safetensors", result)


def conv(a, b, k, stride=1, groups=1, bias=False):
    return nn.Conv2d(a, b, k, stride, k // 2, groups=groups, bias=bias)


class SqueezeExcitation(nn.Module):
    def __init__(self, c, ratio):
        super().__init__()
        self.reduce, self.expand = nn.Linear(c, c // ratio), nn.Linear(c // ratio, c)

    def forward(self, x):
        return x * torch.sigmoid(self.expand(F.relu(self.reduce(x.mean((2, 3))))))[:, :, None, None]


class Block(nn.Module):
    """One residual block called block0; parts as the plugins name them."""

    def __init__(self, **parts):
        super().__init__()
        self.block0 = nn.ModuleDict(parts)

    def part(self, name, x):
        return self.block0[name](x) if name in self.block0 else x


class Bottleneck(Block):
    def __init__(self, a, channels, out, stride, groups, squeeze):
        super().__init__(conv1=conv(a, channels, 1), bn1=nn.BatchNorm2d(channels),
                         conv2=conv(channels, channels, 3, stride, groups), bn2=nn.BatchNorm2d(channels),
                         conv3=conv(channels, out, 1), bn3=nn.BatchNorm2d(out), se=SqueezeExcitation(out, squeeze),
                         shortcut=nn.Sequential(OrderedDict(conv=conv(a, out, 1, stride), bn=nn.BatchNorm2d(out))))

    def forward(self, x):
        f = F.relu(self.part("bn1", self.part("conv1", x)))
        f = F.relu(self.part("bn2", self.part("conv2", f)))
        f = self.part("se", self.part("bn3", self.part("conv3", f)))
        return F.relu(f + self.part("shortcut", x))


class Preactivated(Block):
    def __init__(self, a, channels, stride, dropout):
        super().__init__(bn1=nn.BatchNorm2d(a), conv1=conv(a, channels, 3, stride), bn2=nn.BatchNorm2d(channels),
                         conv2=conv(channels, channels, 3),
                         shortcut=nn.Sequential(OrderedDict(conv=conv(a, channels, 1, stride))))
        self.p, self.masks = dropout, {}

    def forward(self, x):
        before = F.relu(self.part("bn1", x))
        f = F.relu(self.part("bn2", self.part("conv1", before)))
        mask = self.masks["block0.dropout"] = (torch.rand(f.shape) >= self.p).to(D)
        return self.part("conv2", f * mask / (1 - self.p)) + self.part("shortcut", before)


class Dropped(Block):
    """A basic block whose convolutions some samples skip."""

    def __init__(self, channels, p):
        super().__init__(conv1=conv(channels, channels, 3, bias=True), conv2=conv(channels, channels, 3, bias=True))
        self.p, self.masks = p, {}

    def forward(self, x):
        mask = self.masks["block0.drop_path"] = (torch.rand(len(x)) >= self.p).to(D)
        f = self.part("conv2", F.relu(self.part("conv1", x)))
        return F.relu(f * mask[:, None, None, None] / (1 - self.p) + x)


class Dense(nn.Module):
    def __init__(self, a, layers, growth, width):
        super().__init__()
        for i in range(layers):
            self.add_module(f"layer{i}", nn.ModuleDict(OrderedDict(
                bn1=nn.BatchNorm2d(a + i * growth), conv1=conv(a + i * growth, width * growth, 1),
                bn2=nn.BatchNorm2d(width * growth), conv2=conv(width * growth, growth, 3))))

    def forward(self, x):
        features = [x]
        for part in self.children():
            f = F.relu(part["bn1"](torch.cat(features, 1)))
            features.append(part["conv2"](F.relu(part["bn2"](part["conv1"](f)))))
        return torch.cat(features, 1)


class Transition(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.bn, self.conv = nn.BatchNorm2d(a), conv(a, b, 1)

    def forward(self, x):
        return F.avg_pool2d(self.conv(F.relu(self.bn(x))), 2)


class Naive(nn.Module):
    def __init__(self, a, *channels):
        super().__init__()
        for k, c in zip((1, 3, 5), channels):
            self.add_module(f"branch{k}x{k}", nn.ModuleDict({"conv": conv(a, c, k, bias=True)}))

    def forward(self, x):
        return torch.cat([F.relu(b["conv"](x)) for b in self.children()] + [F.max_pool2d(x, 3, 1, 1)], 1)


if __name__ == "__main__":
    case("bottleneck", "bottleneck", "{channels: 8, expansion: 2, groups: 4, stride: 2, squeeze_excitation: 4}",
         Bottleneck(6, 8, 16, 2, 4, 4), (4, 6, 7, 5))
    case("bottleneck_eval", "bottleneck", "{channels: 4, expansion: 3, squeeze_excitation: 2}",
         Bottleneck(6, 4, 12, 1, 1, 2), (2, 6, 5, 4), mode="eval")
    case("preact_residual", "preact_residual", "{channels: 8, stride: 2, dropout: 0.3}", Preactivated(5, 8, 2, 0.3),
         (4, 5, 6, 7))
    case("residual_drop_path", "residual", "{channels: 5, batch_norm: false, drop_path: 0.4}", Dropped(5, 0.4), (6, 5, 4, 3))
    case("dense_block", "dense_block", "{layers: 3, growth: 4, width: 2}", Dense(6, 3, 4, 2), (3, 6, 5, 4))
    case("dense_transition", "dense_transition", "{compression: 0.4}", Transition(10, 4), (3, 10, 4, 6))
    case("squeeze_excitation", "squeeze_excitation", "{ratio: 4}", SqueezeExcitation(12, 4), (3, 12, 4, 5))
    case("inception_naive", "inception_naive", "{n1x1: 3, n3x3: 4, n5x5: 2, batch_norm: false}", Naive(4, 3, 4, 2),
         (2, 4, 6, 5))
