#!/usr/bin/python3
"""Writes references.txt: what PyTorch computes (in double) for the layers of plugins/layers.

Run by hand when a layer or a case is added: /usr/bin/python3 make_references.py (PyTorch 1.13 wrote the tracked
file). The tests read the file and need no Python. Inputs are not in it: both sides draw them from fill()."""
import os

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
MASK = 0xFFFFFFFF
lines = []


def fill(shape, ident):
    """rig_fill() of harness.c."""
    count = 1
    for d in shape:
        count *= d
    values = []
    for i in range(count):
        h = (i * 2654435761 + ident * 40503 + 12345) & MASK
        h ^= h >> 15
        h = (h * 2246822519) & MASK
        h ^= h >> 13
        values.append((h % 257 - 128) / 64)
    return torch.tensor(values).reshape(shape)


def write(name, tensor):
    lines.append(" ".join([name] + ["%.6g" % v for v in tensor.detach().flatten().tolist()]))


def case(layer, params, shapes, function, weights=(), buffers=(), train=True):
    """function(inputs, weights, buffers) -> output; the buffers are changed by it in training."""
    x = [fill(s, k).requires_grad_() for k, s in enumerate(shapes)]
    w = [fill(s, 10 + k).requires_grad_() for k, s in enumerate(weights)]
    lines.append("case %s {%s}" % (layer, params))
    lines.append("train %d" % train)
    for s in shapes:
        lines.append("in " + " ".join(map(str, s)))
    for k, b in enumerate(buffers):
        write("before%d" % k, b)
    y = function(x, w, buffers)
    y.backward(fill(tuple(y.shape), 50))
    lines.append("out " + " ".join(map(str, y.shape)))
    write("y", y)
    for k, t in enumerate(x):
        write("gx%d" % k, t.grad)
    for k, t in enumerate(w):
        write("gw%d" % k, t.grad)
    for k, b in enumerate(buffers):
        write("after%d" % k, b)


def pair(v):
    return (v, v) if isinstance(v, int) else tuple(v)


def conv(shape, channels, kernel=3, stride=1, padding=0, dilation=1, groups=1, bias=True, mode="cross_correlation"):
    params = "channels: %d, kernel: %s, stride: %s, padding: %s, dilation: %s, groups: %d, bias: %s, mode: %s" % (
        channels, list(pair(kernel)), list(pair(stride)), list(pair(padding)), list(pair(dilation)), groups,
        "true" if bias else "false", mode)
    weights = [(channels, shape[1] // groups) + pair(kernel)] + ([(channels,)] if bias else [])

    def function(x, w, _):
        kernel_ = torch.flip(w[0], [2, 3]) if mode == "convolution" else w[0]
        return F.conv2d(x[0], kernel_, w[1] if bias else None, stride, padding, dilation, groups)

    case("conv2d", params, [shape], function, weights)


def pool(layer, shape, kernel, stride=None, padding=0, count_padding=None):
    params = "kernel: %s, padding: %s" % (list(pair(kernel)), list(pair(padding)))
    if stride is not None:
        params += ", stride: %s" % list(pair(stride))
    if layer == "max_pool2d":
        case(layer, params, [shape], lambda x, w, b: F.max_pool2d(x[0], kernel, stride, padding))
        return
    if count_padding is not None:
        params += ", count_padding: %s" % ("true" if count_padding else "false")
    count = True if count_padding is None else count_padding
    case(layer, params, [shape], lambda x, w, b: F.avg_pool2d(x[0], kernel, stride, padding, False, count))


def batch_norm(shape, train, eps=1e-5, momentum=0.1):
    c = shape[1]
    buffers = [fill((c,), 200), fill((c,), 201) ** 2 + 0.5]
    case("batch_norm", "eps: %g, momentum: %g" % (eps, momentum), [shape],
         lambda x, w, b: F.batch_norm(x[0], b[0], b[1], w[0], w[1], train, momentum, eps), [(c,), (c,)], buffers, train)


conv((2, 3, 5, 7), 4, padding=1)
conv((1, 2, 6, 6), 3, kernel=3)
conv((2, 2, 4, 5), 3, kernel=1)
conv((1, 1, 1, 1), 2, kernel=1)
conv((1, 2, 1, 1), 2, kernel=3, padding=1)
conv((2, 3, 7, 6), 2, kernel=(1, 5), padding=(0, 2))
conv((2, 2, 7, 6), 3, kernel=(5, 2), padding=(2, 1), stride=(2, 3))
conv((1, 3, 9, 8), 2, kernel=3, stride=2, padding=1)
conv((1, 2, 5, 5), 4, kernel=1, stride=2, bias=False)
conv((1, 2, 8, 7), 2, kernel=3, dilation=2, padding=2)
conv((1, 2, 9, 6), 2, kernel=(3, 2), dilation=(3, 2), padding=(1, 2), stride=(1, 2))
conv((2, 4, 5, 4), 6, groups=2, padding=1)
conv((1, 6, 4, 5), 6, groups=6, padding=1, bias=False)
conv((1, 3, 5, 5), 6, groups=3, kernel=2, stride=2)
conv((2, 2, 5, 4), 3, kernel=(3, 2), padding=1, mode="convolution")
conv((1, 4, 6, 5), 4, kernel=3, groups=2, dilation=2, padding=2, stride=2, mode="convolution")
conv((1, 3, 15, 13), 2, kernel=7, stride=2, padding=3)

for x in ("max_pool2d", "avg_pool2d"):
    pool(x, (2, 3, 6, 8), 2)
    pool(x, (2, 2, 7, 5), 3, 2, 1)
    pool(x, (1, 2, 5, 7), 3, 1, 1)
    pool(x, (1, 2, 7, 6), (2, 3), (3, 1), (1, 0))
    pool(x, (1, 2, 7, 9), 3, 2)
    pool(x, (1, 1, 1, 1), 2, 1, 1)
pool("avg_pool2d", (2, 2, 7, 5), 3, 2, 1, False)
pool("avg_pool2d", (1, 2, 5, 6), (2, 4), (2, 3), (1, 2), False)
pool("avg_pool2d", (1, 2, 5, 6), (2, 4), (2, 3), (1, 2), True)

for mode in (True, False):
    batch_norm((3, 4, 5, 3), mode)
    batch_norm((2, 3, 1, 1), mode)
    batch_norm((1, 2, 3, 4), mode, eps=0.1, momentum=0.5)
    batch_norm((6, 5), mode)
    batch_norm((2, 3, 7), mode, momentum=0.0)
    batch_norm((2, 3, 4, 4), mode, momentum=1.0)

case("linear", "units: 4", [(3, 7)], lambda x, w, b: F.linear(x[0], w[0], w[1]), [(4, 7), (4,)])
case("linear", "units: 5, bias: false", [(1, 3)], lambda x, w, b: F.linear(x[0], w[0]), [(5, 3)])
case("linear", "units: classes", [(2, 33)], lambda x, w, b: F.linear(x[0], w[0], w[1]), [(10, 33), (10,)])
case("relu", "", [(2, 3, 4, 5)], lambda x, w, b: F.relu(x[0]))
case("global_avg_pool", "", [(2, 3, 5, 4)], lambda x, w, b: x[0].mean((2, 3)))
case("global_avg_pool", "", [(1, 2, 1, 1)], lambda x, w, b: x[0].mean((2, 3)))
case("flatten", "", [(2, 3, 4, 2)], lambda x, w, b: x[0].flatten(1))
case("add", "", [(2, 3, 2, 2)] * 3, lambda x, w, b: x[0] + x[1] + x[2])
case("concat", "", [(2, 3, 2, 2), (2, 1, 2, 2), (2, 2, 2, 2)], lambda x, w, b: torch.cat(x, 1))
case("dropout", "p: 0.3", [(2, 9)], lambda x, w, b: F.dropout(x[0], 0.3, False), train=False)
case("shortcut_pad", "channels: 7, stride: 2", [(2, 4, 5, 6)],
     lambda x, w, b: F.pad(x[0][:, :, ::2, ::2], (0, 0, 0, 0, 1, 2)))

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "references.txt")
with open(path, "w") as f:
    f.write("# By make_references.py, PyTorch %s. Inputs, weights and gy come from rig_fill().\n" % torch.__version__)
    f.write("\n".join(lines) + "\n")
print(path, os.path.getsize(path), "bytes")
