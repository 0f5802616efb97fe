#!/usr/bin/env python3
"""Writes optimizer_references.h: trajectories of PyTorch's optimizers, which test_optimizers.c follows.

The gradient is a function of weight, element and step that both sides compute: (w - i / 8) * (i + 1) / 4 + d, where
d = ((step * 37 + i * 11) % 64 - 32) / 64. The schedule's factor of step t is 1 / (1 + t / 8)."""
import os
import torch

N, STEPS, KEPT = 6, 12, (1, 2, 12)

CASES = [
    ("sgd", "lr: 0.1", torch.optim.SGD, dict(lr=0.1)),
    ("sgd", "lr: 0.05, momentum: 0.9", torch.optim.SGD, dict(lr=0.05, momentum=0.9)),
    ("sgd", "lr: 0.05, momentum: 0.8, dampening: 0.3, weight_decay: 0.1", torch.optim.SGD,
     dict(lr=0.05, momentum=0.8, dampening=0.3, weight_decay=0.1)),
    ("sgd", "lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 0.01", torch.optim.SGD,
     dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01)),
    ("adagrad", "", torch.optim.Adagrad, dict()),
    ("adagrad", "lr: 0.2, lr_decay: 0.1, weight_decay: 0.05, initial_accumulator: 0.5, eps: 0.001", torch.optim.Adagrad,
     dict(lr=0.2, lr_decay=0.1, weight_decay=0.05, initial_accumulator_value=0.5, eps=0.001)),
    ("rmsprop", "", torch.optim.RMSprop, dict()),
    ("rmsprop", "lr: 0.02, alpha: 0.9, momentum: 0.9", torch.optim.RMSprop, dict(lr=0.02, alpha=0.9, momentum=0.9)),
    ("rmsprop", "lr: 0.02, alpha: 0.8, eps: 0.01, centered: true", torch.optim.RMSprop,
     dict(lr=0.02, alpha=0.8, eps=0.01, centered=True)),
    ("rmsprop", "lr: 0.02, eps: 0.01, weight_decay: 0.1, momentum: 0.5, centered: true", torch.optim.RMSprop,
     dict(lr=0.02, eps=0.01, weight_decay=0.1, momentum=0.5, centered=True)),
    ("adam", "", torch.optim.Adam, dict()),
    ("adam", "lr: 0.05, beta1: 0.8, beta2: 0.95, eps: 0.001, weight_decay: 0.1", torch.optim.Adam,
     dict(lr=0.05, betas=(0.8, 0.95), eps=0.001, weight_decay=0.1)),
]


def trajectory(kind, options, dtype):
    i = torch.arange(N, dtype=dtype)
    w = torch.nn.Parameter((i - 2.5) / 2)
    optimizer = kind([w], **options)
    lr = optimizer.param_groups[0]["lr"]
    kept = []
    for step in range(1, STEPS + 1):
        d = torch.tensor([((step * 37 + k * 11) % 64 - 32) / 64 for k in range(N)], dtype=dtype)
        w.grad = (w.detach() - i / 8) * ((i + 1) / 4) + d
        optimizer.param_groups[0]["lr"] = lr / (1 + step / 8)
        optimizer.step()
        if step in KEPT:
            kept.append(w.detach().clone())
    return kept


def main():
    out = [f"/* Written by make_optimizer_references.py from PyTorch {torch.__version__}: weights after steps 1, 2 and 12, in "
           "double and in\n * float. */", "static const struct reference {",
           "    const char *optimizer, *params;",
           f"    double exact[{len(KEPT)}][{N}];", f"    float single[{len(KEPT)}][{N}];", "} references[] = {"]
    for name, params, kind, options in CASES:
        exact = trajectory(kind, options, torch.float64)
        single = trajectory(kind, options, torch.float32)
        row = lambda values: "{" + ", ".join(values) + "}"
        out.append(f'    {{"{name}",')
        out.append(f'     "{params}",')
        out.append("     {" + ",\n      ".join(row(f"{v:.17g}" for v in t.tolist()) for t in exact) + "},")
        out.append("     {" + ",\n      ".join(row(f"{v:.9e}f" for v in t.tolist()) for t in single) + "}},")
    out.append("};\n")
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizer_references.h")
    with open(path, "w") as f:
        f.write("\n".join(out))


main()
