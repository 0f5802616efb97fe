"""Sets the search of bench_search beside Optuna's TPESampler(multivariate=True, group=True), by median regret and quartiles.

    compare.py BENCH_SEARCH [SEEDS [TRIALS]]

Needs Optuna (Debian: python3-optuna). A measurement, not a test.
"""
import math
import subprocess
import sys

import numpy as np
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
bench = sys.argv[1]
seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
trials = int(sys.argv[3]) if len(sys.argv) > 3 else 100


def branin(t):
    x, y = t.suggest_float("x0", -5, 10), t.suggest_float("x1", 0, 15)
    a = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return a * a + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10 - 0.39788735772973816


ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
A = np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]])
P = 1e-4 * np.array([[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
                     [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]])


def hartmann6(t):
    x = np.array([t.suggest_float("x%d" % i, 0, 1) for i in range(6)])
    return 3.32236801141551 - float(np.sum(ALPHA * np.exp(-np.sum(A * (x - P) ** 2, axis=1))))


def rosenbrock4(t):
    x = [t.suggest_float("x%d" % i, -2.048, 2.048) for i in range(4)]
    return sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(3))


def mixed(t):
    kind = t.suggest_categorical("type", ["sgd", "adam", "rmsprop"])
    lr = math.log10(t.suggest_float("lr", 1e-5, 1, log=True))
    depth = t.suggest_int("depth", 1, 8)
    activation = {"a": 0.3, "b": 0, "c": 0.1, "d": 0.5}[t.suggest_categorical("activation", ["a", "b", "c", "d"])]
    base, best = {"sgd": (0.05, -1), "adam": (0, -3), "rmsprop": (0.2, -3.5)}[kind]
    value = base + 0.5 * (lr - best) ** 2 + 0.05 * (depth - 5) ** 2 + activation
    if kind == "sgd":
        value += 2 * (t.suggest_float("momentum", 0, 0.99) - 0.9) ** 2
    if kind == "adam":
        value += 0.3 * (math.log10(t.suggest_float("beta", 1e-5, 0.5, log=True)) + 3) ** 2
    return value


def ours(method, parallelism):
    out = {}
    lines = subprocess.run([bench, method, str(parallelism), str(seeds), str(trials)], check=True, capture_output=True, text=True)
    for line in lines.stdout.splitlines():
        name, _, regret = line.split()
        out.setdefault(name, []).append(float(regret))
    return out


def theirs(function, seed):
    import warnings
    warnings.simplefilter("ignore")
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(multivariate=True, group=True, seed=seed))
    study.optimize(function, n_trials=trials)
    return study.best_value


def shown(values):
    low, median, high = np.percentile(values, [25, 50, 75])
    return "%.3g (%.3g to %.3g)" % (median, low, high)


methods = {"tpe": ours("tpe", 1), "tpe, parallelism 4": ours("tpe", 4), "sobol": ours("sobol", 1), "random": ours("random", 1)}
print("| function | Optuna TPE | " + " | ".join(methods) + " | no worse beyond its quartiles |")
print("|" + "---|" * (len(methods) + 3))
for function in (branin, hartmann6, rosenbrock4, mixed):
    name = function.__name__
    optuna_values = [theirs(function, seed) for seed in range(seeds)]
    fine = np.median(methods["tpe"][name]) <= np.percentile(optuna_values, 75)
    cells = [shown(m[name]) for m in methods.values()]
    print("| " + " | ".join([name, shown(optuna_values)] + cells + ["yes" if fine else "NO"]) + " |", flush=True)
