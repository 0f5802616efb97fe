#!/usr/bin/env python3
"""Writes references/NAME.in.safetensors and NAME.out.safetensors: layers, losses and optimizers computed by PyTorch in
double from numbers that float holds exactly. test_eval.c computes them with `plugin eval`'s own code and compares. The
metadata of the .in file says which plugin, with which configuration, in training or evaluation."""
import json
import os
import struct

import torch
import torch.nn.functional as F
from torch import nn

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "references")
torch.manual_seed(20260731)
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


def case(name, kind, plugin, config, given, result, mode="train"):
    write(f"{HERE}/{name}.in.safetensors", given, {"kind": kind, "plugin": plugin, "config": config, "mode": mode})
    write(f"{HERE}/{name}.out.safetensors", result)


def layer(name, plugin, config, inputs, params, forward, buffers=None, mode="train", mask=None):
    """forward(inputs, params, buffers) -> y; it may move the buffers."""
    xs = {k: v.clone().requires_grad_(True) for k, v in inputs.items()}
    ps = {k: v.clone().requires_grad_(True) for k, v in params.items()}
    bs = {k: v.clone() for k, v in (buffers or {}).items()}
    given = {f"in.{k}": v for k, v in inputs.items()}
    given.update({f"param.{k}": v for k, v in params.items()})
    given.update({f"buf.{k}": v for k, v in (buffers or {}).items()})
    given.update({f"mask.{k}": v for k, v in (mask or {}).items()})
    y = forward(xs, ps, bs)
    result = {"out.y": y}
    if mode == "train":
        gout = draw(*y.shape)
        given["gout.y"] = gout
        y.backward(gout)
        result.update({f"gin.{k}": v.grad for k, v in xs.items()})
        result.update({f"gparam.{k}": v.grad for k, v in ps.items()})
    result.update({f"bufout.{k}": v for k, v in bs.items()})
    case(name, "layer", plugin, config, given, result, mode)


def conv(name, shape, channels, kernel, extra="", bias=True, flip=False, **options):
    kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    groups = options.get("groups", 1)
    params = {"weight": draw(channels, shape[1] // groups, *kernel, scale=0.3)}
    if bias:
        params["bias"] = draw(channels)
    config = f"{{channels: {channels}, kernel: [{kernel[0]}, {kernel[1]}]"
    for key, value in options.items():
        config += f", {key}: {list(value) if isinstance(value, tuple) else value}"
    config += "" if bias else ", bias: false"
    config += ", mode: convolution}" if flip else "}"

    def forward(x, p, b):
        w = torch.flip(p["weight"], (2, 3)) if flip else p["weight"]
        return F.conv2d(x["x"], w, p.get("bias"), **options)

    layer(name, "conv2d", config, {"x": draw(*shape)}, params, forward)


conv("conv2d_3x3", (2, 3, 7, 9), 16, 3, padding=1)
conv("conv2d_blocks", (2, 16, 8, 8), 32, 3, padding=1, bias=False)
conv("conv2d_stride", (3, 5, 9, 8), 7, 3, padding=1, stride=2)
conv("conv2d_stem", (1, 3, 17, 15), 16, 7, padding=3, stride=2, bias=False)
conv("conv2d_1x1", (2, 16, 5, 5), 24, 1)
conv("conv2d_1x1_stride", (2, 8, 7, 6), 16, 1, stride=2, bias=False)
conv("conv2d_row", (2, 4, 5, 9), 6, (1, 5), padding=(0, 2), stride=(1, 2))
conv("conv2d_dilation", (2, 8, 9, 9), 8, 3, padding=2, dilation=2)
conv("conv2d_groups", (2, 8, 6, 6), 16, 3, padding=1, groups=4)
conv("conv2d_depthwise", (2, 16, 7, 7), 16, 3, padding=1, groups=16, bias=False)
conv("conv2d_pixel", (1, 3, 1, 1), 5, 3, padding=1)
conv("conv2d_5x5", (2, 6, 11, 11), 9, 5, padding=2)
conv("conv2d_flip", (2, 3, 6, 6), 4, 3, padding=1, flip=True)


def norm(x, weight, bias, mean, var, train, momentum=0.1, eps=1e-5):
    return F.batch_norm(x, mean, var, weight, bias, train, momentum, eps)


def batch_norm(name, shape, config="{}", mode="train", **options):
    c = shape[1]
    params = {"weight": draw(c), "bias": draw(c)}
    buffers = {"running_mean": draw(c), "running_var": draw(c).abs() + 0.5}
    layer(name, "batch_norm", config, {"x": draw(*shape) * 2 + 1}, params,
          lambda x, p, b: norm(x["x"], p["weight"], p["bias"], b["running_mean"], b["running_var"], mode == "train",
                               **options), buffers, mode)


batch_norm("batch_norm_train", (4, 6, 5, 7))
batch_norm("batch_norm_eval", (4, 6, 5, 7), mode="eval")
batch_norm("batch_norm_blocks", (3, 32, 4, 4))
batch_norm("batch_norm_vectors", (6, 5))
batch_norm("batch_norm_options", (2, 3, 4, 4), "{eps: 0.01, momentum: 0.3}", eps=0.01, momentum=0.3)
batch_norm("batch_norm_one", (1, 16, 3, 3))

simple = lambda f: lambda x, p, b: f(x["x"])
layer("max_pool2d", "max_pool2d", "{kernel: 2, stride: 2}", {"x": draw(2, 5, 8, 7)}, {},
      simple(lambda x: F.max_pool2d(x, 2, 2)))
layer("max_pool2d_overlap", "max_pool2d", "{kernel: 3, stride: 2, padding: 1}", {"x": draw(2, 16, 9, 7)}, {},
      simple(lambda x: F.max_pool2d(x, 3, 2, 1)))
layer("max_pool2d_same", "max_pool2d", "{kernel: 3, stride: 1, padding: 1}", {"x": draw(1, 4, 5, 5)}, {},
      simple(lambda x: F.max_pool2d(x, 3, 1, 1)))
layer("avg_pool2d", "avg_pool2d", "{kernel: 2, stride: 2}", {"x": draw(2, 16, 6, 8)}, {},
      simple(lambda x: F.avg_pool2d(x, 2, 2)))
layer("avg_pool2d_padding", "avg_pool2d", "{kernel: 3, stride: 2, padding: 1}", {"x": draw(2, 3, 7, 7)}, {},
      simple(lambda x: F.avg_pool2d(x, 3, 2, 1)))
layer("avg_pool2d_inside", "avg_pool2d", "{kernel: 3, stride: 2, padding: 1, count_padding: false}",
      {"x": draw(2, 3, 7, 7)}, {}, simple(lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)))
layer("global_avg_pool", "global_avg_pool", "{}", {"x": draw(3, 20, 5, 7)}, {}, simple(lambda x: x.mean((2, 3))))
layer("relu", "relu", "{}", {"x": draw(2, 17, 3, 5)}, {}, simple(F.relu))
layer("flatten", "flatten", "{}", {"x": draw(3, 4, 2, 5)}, {}, simple(lambda x: x.flatten(1)))
layer("linear", "linear", "{units: 11}", {"x": draw(5, 37)}, {"weight": draw(11, 37), "bias": draw(11)},
      lambda x, p, b: F.linear(x["x"], p["weight"], p["bias"]))
layer("linear_bare", "linear", "{units: 64, bias: false}", {"x": draw(1, 64)}, {"weight": draw(64, 64, scale=0.2)},
      lambda x, p, b: F.linear(x["x"], p["weight"]))
layer("add", "add", "{}", {"b": draw(2, 16, 3, 3), "a": draw(2, 16, 3, 3), "c": draw(2, 16, 3, 3)}, {},
      lambda x, p, b: x["a"] + x["b"] + x["c"])
layer("concat", "concat", "{}", {"z": draw(2, 3, 4, 5), "a": draw(2, 16, 4, 5), "m": draw(2, 1, 4, 5)}, {},
      lambda x, p, b: torch.cat((x["z"], x["a"], x["m"]), 1))
layer("shortcut_pad", "shortcut_pad", "{channels: 12, stride: 2}", {"x": draw(2, 4, 7, 6)}, {},
      simple(lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))))
keep = (torch.rand(4, 33) >= 0.3).to(D)
layer("dropout", "dropout", "{p: 0.3}", {"x": draw(4, 33)}, {}, simple(lambda x: x * keep / 0.7), mask={"x": keep})
layer("dropout_eval", "dropout", "{p: 0.3}", {"x": draw(4, 33)}, {}, simple(lambda x: x * 1.0), mode="eval")


def bn_tensors(params, buffers, path, c):
    params[f"{path}.weight"], params[f"{path}.bias"] = draw(c) * 0.2 + 1, draw(c) * 0.2
    buffers[f"{path}.running_mean"], buffers[f"{path}.running_var"] = draw(c) * 0.1, draw(c).abs() + 0.5


def bn(x, p, b, path, train):
    return norm(x, p[f"{path}.weight"], p[f"{path}.bias"], b[f"{path}.running_mean"], b[f"{path}.running_var"], train)


def residual(name, shape, channels, blocks, stride, shortcut, mode="train"):
    params, buffers = {}, {}
    for k in range(blocks):
        c_in = shape[1] if k == 0 else channels
        for j, (a, n) in enumerate(((c_in, 1), (channels, 2))):
            params[f"block{k}.conv{n}.weight"] = draw(channels, a, 3, 3, scale=0.2)
            bn_tensors(params, buffers, f"block{k}.bn{n}", channels)
        if k == 0 and (stride != 1 or c_in != channels) and shortcut == "projection":
            params["block0.shortcut.conv.weight"] = draw(channels, c_in, 1, 1, scale=0.3)
            bn_tensors(params, buffers, "block0.shortcut.bn", channels)
    train = mode == "train"

    def forward(x, p, b):
        y = x["x"]
        for k in range(blocks):
            s = stride if k == 0 else 1
            f = F.relu(bn(F.conv2d(y, p[f"block{k}.conv1.weight"], None, s, 1), p, b, f"block{k}.bn1", train))
            f = bn(F.conv2d(f, p[f"block{k}.conv2.weight"], None, 1, 1), p, b, f"block{k}.bn2", train)
            if y.shape != f.shape:
                if shortcut == "projection":
                    y = bn(F.conv2d(y, p["block0.shortcut.conv.weight"], None, s), p, b, "block0.shortcut.bn", train)
                else:
                    extra = f.shape[1] - y.shape[1]
                    y = F.pad(y[:, :, ::s, ::s], (0, 0, 0, 0, extra // 2, extra - extra // 2))
            y = F.relu(f + y)
        return y

    config = f"{{channels: {channels}, blocks: {blocks}, stride: {stride}, shortcut: {shortcut}}}"
    layer(name, "residual", config, {"x": draw(*shape)}, params, forward, buffers, mode)


residual("residual_identity", (2, 16, 6, 6), 16, 1, 1, "projection")
residual("residual_projection", (2, 8, 8, 7), 16, 2, 2, "projection")
residual("residual_pad", (2, 8, 8, 8), 16, 1, 2, "pad")
residual("residual_eval", (2, 8, 8, 8), 16, 2, 2, "projection", "eval")


def inception(name, shape, sizes, norms, mode="train"):
    n1, r3, n3, r5, n5, pool = sizes
    params, buffers = {}, {}
    branches = (("branch1x1", shape[1], n1, 1), ("branch3x3.reduce", shape[1], r3, 1), ("branch3x3", r3, n3, 3),
                ("branch5x5.reduce", shape[1], r5, 1), ("branch5x5", r5, n5, 5), ("branch_pool", shape[1], pool, 1))
    for path, a, c, k in branches:
        params[f"{path}.conv.weight"] = draw(c, a, k, k, scale=0.3)
        if norms:
            bn_tensors(params, buffers, f"{path}.bn", c)
        else:
            params[f"{path}.conv.bias"] = draw(c)

    def forward(x, p, b):
        def step(x, path, k):
            x = F.conv2d(x, p[f"{path}.conv.weight"], p.get(f"{path}.conv.bias"), 1, k // 2)
            return F.relu(bn(x, p, b, f"{path}.bn", mode == "train") if norms else x)

        x = x["x"]
        return torch.cat((step(x, "branch1x1", 1), step(step(x, "branch3x3.reduce", 1), "branch3x3", 3),
                          step(step(x, "branch5x5.reduce", 1), "branch5x5", 5),
                          step(F.max_pool2d(x, 3, 1, 1), "branch_pool", 1)), 1)

    config = (f"{{n1x1: {n1}, n3x3_reduce: {r3}, n3x3: {n3}, n5x5_reduce: {r5}, n5x5: {n5}, pool_proj: {pool}, "
              f"batch_norm: {'true' if norms else 'false'}}}")
    layer(name, "inception", config, {"x": draw(*shape)}, params, forward, buffers, mode)


inception("inception", (2, 12, 7, 7), (8, 6, 16, 4, 8, 5), True)
inception("inception_bias", (2, 16, 5, 6), (8, 8, 16, 8, 16, 8), False)
inception("inception_eval", (1, 12, 7, 7), (8, 6, 16, 4, 8, 5), True, "eval")


def loss(name, plugin, config, x, target, forward):
    x0 = x.clone().requires_grad_(True)
    y = forward(x0, target)
    y.backward()
    case(name, "loss", plugin, config, {"in.x": x, "const.target": target.to(D)}, {"out.y": y, "gin.x": x0.grad})


labels = torch.tensor([3, 0, 9, 1, 1, 7])
loss("softmax_cross_entropy", "softmax_cross_entropy", "{}", draw(6, 10, scale=3), labels, F.cross_entropy)
loss("softmax_cross_entropy_large", "softmax_cross_entropy", "{}", draw(6, 10, scale=80), labels, F.cross_entropy)


def optimizer(name, plugin, config, make, steps=12):
    w = nn.Parameter(draw(3, 4))
    given, traj, grads = {"w0": w.detach().clone()}, [w.detach().clone()], []
    o = make([w])
    for _ in range(steps):
        w.grad = draw(3, 4)
        grads.append(w.grad.clone())
        o.step()
        traj.append(w.detach().clone())
    given["grads"] = torch.stack(grads)
    case(name, "optimizer", plugin, config, given, {"traj": torch.stack(traj)})


O = torch.optim
optimizer("sgd", "sgd", "{lr: 0.1}", lambda p: O.SGD(p, 0.1))
optimizer("sgd_nesterov", "sgd", "{lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 0.01}",
          lambda p: O.SGD(p, 0.05, 0.9, 0, 0.01, True))
optimizer("adam", "adam", "{lr: 0.1}", lambda p: O.Adam(p, 0.1))
optimizer("adam_options", "adam", "{lr: 0.02, beta1: 0.8, beta2: 0.95, eps: 0.001, weight_decay: 0.1}",
          lambda p: O.Adam(p, 0.02, (0.8, 0.95), 0.001, 0.1))
optimizer("adagrad", "adagrad", "{lr: 0.2, lr_decay: 0.1}", lambda p: O.Adagrad(p, 0.2, 0.1))
optimizer("rmsprop", "rmsprop", "{lr: 0.02, alpha: 0.9, momentum: 0.9, centered: true}",
          lambda p: O.RMSprop(p, 0.02, 0.9, 1e-8, 0, 0.9, True))


def pool(name, plugin, config, shape, forward, ties=False):
    x = draw(*shape)
    layer(name, plugin, config, {"x": x.mul(1.5).round() if ties else x}, {}, simple(forward))


pool("max_pool1d_ceil", "max_pool1d", "{kernel: 3, stride: 2, ceil_mode: true}", (2, 5, 8),
     lambda x: F.max_pool1d(x, 3, 2, 0, 1, True), True)
pool("max_pool2d_ceil", "max_pool2d", "{kernel: 3, stride: 2, ceil_mode: true}", (2, 17, 8, 6),
     lambda x: F.max_pool2d(x, 3, 2, 0, 1, True), True)
pool("max_pool2d_ceil_padding", "max_pool2d", "{kernel: [2, 3], stride: [3, 2], padding: 1, ceil_mode: true}",
     (2, 4, 7, 8), lambda x: F.max_pool2d(x, (2, 3), (3, 2), 1, 1, True))
pool("max_pool2d_dilation", "max_pool2d", "{kernel: 3, stride: 2, padding: 1, dilation: [2, 1]}", (2, 16, 9, 7),
     lambda x: F.max_pool2d(x, 3, 2, 1, (2, 1)), True)
pool("max_pool2d_wide", "max_pool2d", "{kernel: 17, stride: 2, padding: 8}", (1, 3, 17, 20),
     lambda x: F.max_pool2d(x, 17, 2, 8))  # more places in a window than a byte can tell
pool("max_pool2d_behind", "max_pool2d", "{kernel: 2, stride: 1, padding: same}", (2, 16, 4, 5),
     lambda x: F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-float("inf")), 2, 1))
pool("max_pool3d", "max_pool3d", "{kernel: [2, 3, 2], stride: 2, padding: [1, 1, 0], ceil_mode: true}",
     (2, 3, 5, 6, 7), lambda x: F.max_pool3d(x, (2, 3, 2), 2, (1, 1, 0), 1, True), True)
pool("avg_pool1d_ceil", "avg_pool1d", "{kernel: 4, stride: 3, padding: 1, ceil_mode: true}", (2, 3, 9),
     lambda x: F.avg_pool1d(x, 4, 3, 1, True))
pool("avg_pool2d_ceil", "avg_pool2d", "{kernel: 3, stride: 2, padding: 1, ceil_mode: true}", (2, 17, 6, 8),
     lambda x: F.avg_pool2d(x, 3, 2, 1, True))
pool("avg_pool2d_ceil_inside", "avg_pool2d",
     "{kernel: 3, stride: 2, padding: 1, ceil_mode: true, count_padding: false}", (2, 5, 6, 8),
     lambda x: F.avg_pool2d(x, 3, 2, 1, True, False))
pool("avg_pool3d", "avg_pool3d", "{kernel: 2, stride: [1, 2, 2], padding: [1, 0, 1], ceil_mode: true}",
     (2, 3, 3, 5, 6), lambda x: F.avg_pool3d(x, 2, (1, 2, 2), (1, 0, 1), True))
pool("global_max_pool", "global_max_pool", "{}", (3, 18, 5, 7), lambda x: F.adaptive_max_pool2d(x, 1).flatten(1), True)
pool("global_max_pool_sequences", "global_max_pool", "{}", (2, 3, 300),
     lambda x: F.adaptive_max_pool1d(x, 1).flatten(1))
pool("global_avg_pool_volumes", "global_avg_pool", "{}", (2, 3, 2, 5, 3), lambda x: x.mean((2, 3, 4)))
pool("adaptive_avg_pool", "adaptive_avg_pool", "{output: [3, 7]}", (2, 4, 7, 5),
     lambda x: F.adaptive_avg_pool2d(x, (3, 7)))
pool("adaptive_avg_pool_sequences", "adaptive_avg_pool", "{output: [4]}", (2, 3, 10),
     lambda x: F.adaptive_avg_pool1d(x, 4))
layer("subsample", "subsample", "{kernel: 2}", {"x": draw(3, 6, 8, 7)}, {"coefficient": draw(6), "bias": draw(6)},
      lambda x, p, b: F.avg_pool2d(x["x"], 2, divisor_override=1) * p["coefficient"].view(1, -1, 1, 1)
      + p["bias"].view(1, -1, 1, 1))
