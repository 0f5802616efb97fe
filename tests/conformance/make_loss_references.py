#!/usr/bin/env python3
"""Writes loss_references.h: PyTorch's cross_entropy, in double, on the logits that test_loss.c draws too.

Logit k of sample i is ((i * 31 + k * 17 + i * k * 7) % 41 - 20) * scale, its label (i * 3 + 1) % classes."""
import os
import torch
import torch.nn.functional as F

CASES = [(4, 5, 0.125), (3, 10, 1.0), (2, 3, 500.0), (1, 2, 0.001), (3, 4, 1e-6)]


def main():
    out = [f"/* Written by make_loss_references.py from PyTorch {torch.__version__}. */", "static const struct reference {",
           "    int n, classes;", "    double scale, loss, gradient[32];", "} references[] = {"]
    for n, classes, scale in CASES:
        y = torch.tensor([[((i * 31 + k * 17 + i * k * 7) % 41 - 20) * scale for k in range(classes)] for i in range(n)],
                         dtype=torch.float64, requires_grad=True)
        labels = torch.tensor([(i * 3 + 1) % classes for i in range(n)])
        loss = F.cross_entropy(y, labels)
        loss.backward()
        gradient = ", ".join(f"{v:.17g}" for v in y.grad.flatten().tolist())
        out.append(f"    {{{n}, {classes}, {scale!r}, {loss.item():.17g},\n     {{{gradient}}}}},")
    out.append("};\n")
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "loss_references.h")
    with open(path, "w") as f:
        f.write("\n".join(out))


main()
