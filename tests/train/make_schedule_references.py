#!/usr/bin/env python3
"""Writes schedule_references.h: factors of PyTorch's schedulers at the start of each of 50 epochs of 10 steps, which
test_schedule.c compares with. reduce_on_plateau sees, after epoch e (from 0), the value that value_of() gives."""
import os
import torch
from torch.optim import lr_scheduler as S

EPOCHS, STEPS = 50, 10


def value_of(epoch):
    return 2 * 0.8 ** min(epoch, 12) + ((epoch * 7) % 5) / 1000 + (0.05 if epoch % 11 == 3 else 0) - 0.02 * (epoch // 30)


def per_epoch(make):
    def factors():
        w = torch.nn.Parameter(torch.zeros(1))
        o = torch.optim.SGD([w], lr=1.0)
        s = make(o)
        out = []
        for epoch in range(EPOCHS):
            out.append(o.param_groups[0]["lr"])
            o.step()
            s.step(value_of(epoch)) if isinstance(s, S.ReduceLROnPlateau) else s.step()
        return out
    return factors


def per_step(make):
    def factors():
        w = torch.nn.Parameter(torch.zeros(1))
        o = torch.optim.SGD([w], lr=1.0, momentum=0.9)
        s = make(o)
        out = []
        for step in range(EPOCHS * STEPS):
            if step % STEPS == 0:
                out.append(o.param_groups[0]["lr"])
            o.step()
            if step + 1 < EPOCHS * STEPS:
                s.step()
        return out
    return factors


def cycle(**options):
    return per_step(lambda o: S.OneCycleLR(o, max_lr=1.0, total_steps=EPOCHS * STEPS, **options))


CASES = [
    ("{type: step, every_epochs: 7, gamma: 0.3}", per_epoch(lambda o: S.StepLR(o, 7, 0.3))),
    ("{type: multi_step, milestones: [3, 10, 30]}", per_epoch(lambda o: S.MultiStepLR(o, [3, 10, 30], 0.1))),
    ("{type: multi_step, milestones: [20, 5, 20], gamma: 0.5}", per_epoch(lambda o: S.MultiStepLR(o, [20, 5, 20], 0.5))),
    ("exponential", per_epoch(lambda o: S.ExponentialLR(o, 0.95))),
    ("{type: exponential, gamma: 0.8, staircase: false}", per_epoch(lambda o: S.ExponentialLR(o, 0.8))),
    ("polynomial", per_epoch(lambda o: S.PolynomialLR(o, total_iters=EPOCHS, power=1.0))),
    ("{type: polynomial, power: 2.5}", per_epoch(lambda o: S.PolynomialLR(o, total_iters=EPOCHS, power=2.5))),
    ("cosine", per_epoch(lambda o: S.CosineAnnealingLR(o, EPOCHS))),
    ("{type: cosine, min_factor: 0.05}", per_epoch(lambda o: S.CosineAnnealingLR(o, EPOCHS, eta_min=0.05))),
    ("{type: cosine_restarts, cycle_epochs: 8}", per_epoch(lambda o: S.CosineAnnealingWarmRestarts(o, 8))),
    ("{type: cosine_restarts, cycle_epochs: 3, cycle_mult: 2, min_factor: 0.1}",
     per_epoch(lambda o: S.CosineAnnealingWarmRestarts(o, 3, 2, eta_min=0.1))),
    ("one_cycle", cycle()),
    ("{type: one_cycle, rise: 0.45, div_factor: 10, final_div_factor: 100, anneal: linear}",
     cycle(pct_start=0.45, div_factor=10, final_div_factor=100, anneal_strategy="linear")),
    ("{type: one_cycle, rise: 0.25, three_phase: true}", cycle(pct_start=0.25, three_phase=True)),
    ("{type: reduce_on_plateau, metric: train_loss, patience: 3, factor: 0.5}",
     per_epoch(lambda o: S.ReduceLROnPlateau(o, patience=3, factor=0.5))),
    ("{type: reduce_on_plateau, metric: train_loss, patience: 2, factor: 0.3, threshold: 0.01, threshold_mode: absolute, "
     "cooldown: 4, min_factor: 0.01}",
     per_epoch(lambda o: S.ReduceLROnPlateau(o, patience=2, factor=0.3, threshold=0.01, threshold_mode="abs", cooldown=4,
                                             min_lr=0.01))),
    ("{type: reduce_on_plateau, metric: train_accuracy, patience: 4, factor: 0.7, threshold: 0.001}",
     per_epoch(lambda o: S.ReduceLROnPlateau(o, mode="max", patience=4, factor=0.7, threshold=0.001))),
]


def main():
    row = lambda values: "{" + ", ".join(f"{v:.17g}" for v in values) + "}"
    out = [f"/* Written by make_schedule_references.py from PyTorch {torch.__version__}. */",
           "static const struct schedule_reference {", "    const char *schedule;", f"    double factors[{EPOCHS}];",
           "} schedule_references[] = {"]
    for schedule, factors in CASES:
        out.append(f'    {{"{schedule}",')
        out.append("     " + row(factors()) + "},")
    out.append("};\n")
    out.append("static const double schedule_values[] =")
    out.append("    " + row(value_of(e) for e in range(EPOCHS)) + ";\n")
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schedule_references.h")
    with open(path, "w") as f:
        f.write("\n".join(out))


main()
