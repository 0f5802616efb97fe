#!/usr/bin/env python3
"""Writes optimizer_references.h: trajectories of PyTorch's optimizers, and of some that it lacks written out here, which
test_optimizers.c follows.

The gradient is a function of weight, element and step that both sides compute: (w - i / 8) * (i + 1) / 4 + d, where
d = ((step * 37 + i * 11) % 64 - 32) / 64. The schedule's factor of step t is 1 / (1 + t / 8)."""
import os
import torch

N, STEPS, KEPT = 6, 12, (1, 2, 12)


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2, line by line."""

    def __init__(self, params, lr, betas=(0.9, 0.99), weight_decay=0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (b1, b2), lr = group["betas"], group["lr"]
            for w in group["params"]:
                m = self.state[w].setdefault("m", torch.zeros_like(w))
                c = b1 * m + (1 - b1) * w.grad
                w -= lr * (c.sign() + group["weight_decay"] * w)
                m.mul_(b2).add_(w.grad, alpha=1 - b2)


class NAdam(torch.optim.Optimizer):
    """As PyTorch documents it. Its own of 1.13 keeps the product of momenta in single precision, and its loop over single
    tensors counts one momentum twice."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, psi=momentum_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (b1, b2), lr = group["betas"], group["lr"]
            for w in group["params"]:
                s = self.state[w]
                if not s:
                    s.update(t=0, product=1.0, m=torch.zeros_like(w), v=torch.zeros_like(w))
                s["t"] += 1
                g = w.grad + group["weight_decay"] * w
                mu, after = (b1 * (1 - 0.5 * 0.96 ** (t * group["psi"])) for t in (s["t"], s["t"] + 1))
                s["product"] *= mu
                s["m"].mul_(b1).add_(g, alpha=1 - b1)
                s["v"].mul_(b2).add_(g * g, alpha=1 - b2)
                m = after * s["m"] / (1 - s["product"] * after) + (1 - mu) * g / (1 - s["product"])
                w -= lr * m / ((s["v"] / (1 - b2 ** s["t"])).sqrt() + group["eps"])


class ConvexMomentum(torch.optim.Optimizer):
    """w + a (w - w_previous) - (1 - a) lr (g + decay w)."""

    def __init__(self, params, lr, momentum=0.9, weight_decay=0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            a, lr = group["momentum"], group["lr"]
            for w in group["params"]:
                was = self.state[w].get("was", w.clone())
                self.state[w]["was"] = w.clone()
                w.add_(a * (w - was) - (1 - a) * lr * (w.grad + group["weight_decay"] * w))

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
    ("adam", "lr: 0.05, beta2: 0.9, amsgrad: true", torch.optim.Adam,
     dict(lr=0.05, betas=(0.9, 0.9), amsgrad=True)),
    ("adam", "lr: 0.05, beta1: 0.8, beta2: 0.95, eps: 0.001, weight_decay: 0.1", torch.optim.Adam,
     dict(lr=0.05, betas=(0.8, 0.95), eps=0.001, weight_decay=0.1)),
    ("adamw", "", torch.optim.AdamW, dict()),
    ("adamw", "lr: 0.05, beta1: 0.8, beta2: 0.9, eps: 0.001, weight_decay: 0.3, amsgrad: true", torch.optim.AdamW,
     dict(lr=0.05, betas=(0.8, 0.9), eps=0.001, weight_decay=0.3, amsgrad=True)),
    ("nadam", "", NAdam, dict()),
    ("nadam", "lr: 0.05, beta1: 0.8, beta2: 0.95, eps: 0.001, weight_decay: 0.1, momentum_decay: 0.05", NAdam,
     dict(lr=0.05, betas=(0.8, 0.95), eps=0.001, weight_decay=0.1, momentum_decay=0.05)),
    ("nadam", "lr: 0.05, beta1: 0.99, momentum_decay: 300", NAdam,
     dict(lr=0.05, betas=(0.99, 0.999), momentum_decay=300)),
    ("adadelta", "", torch.optim.Adadelta, dict()),
    ("adadelta", "lr: 0.5, rho: 0.95, eps: 0.001, weight_decay: 0.1", torch.optim.Adadelta,
     dict(lr=0.5, rho=0.95, eps=0.001, weight_decay=0.1)),
    ("lion", "lr: 0.05", Lion, dict(lr=0.05)),
    ("lion", "lr: 0.05, beta1: 0.8, beta2: 0.9, weight_decay: 0.3", Lion,
     dict(lr=0.05, betas=(0.8, 0.9), weight_decay=0.3)),
    ("convex_momentum", "lr: 0.1", ConvexMomentum, dict(lr=0.1)),
    ("convex_momentum", "lr: 0.3, momentum: 0.6, weight_decay: 0.1", ConvexMomentum,
     dict(lr=0.3, momentum=0.6, weight_decay=0.1)),
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
