"""PyTorch's side of tests/bench/train: its nets, and a process that trains one of them.

    torch_step.py NET BATCH STEPS THREADS SECONDS contiguous|channels-last
    torch_step.py --describe NET...

The first does what bench_step does (step.c), speaks with tests/bench/train as it does, and prints one line of JSON. The
second prints the parameters and multiply-adds of nets, which have to be those of Convoy's architecture files.
"""
import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional

# ---- the nets: each is the file of the same line in tests/bench/train, written once more -----------------------------


def conv_bn(inputs, outputs, kernel, stride=1, relu=True):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)]
    return layers + [nn.ReLU(inplace=True)] if relu else layers


def bn_conv(inputs, outputs, kernel):
    return [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True),
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)]


def ending(channels, classes=10):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]


class Residual(nn.Module):
    """relu(path(x) + shortcut(x)); the shortcut is a module, or none for option A of He et al. 2015, section 3.3: where
    the maps shrink every stride-th pixel is taken, and the new channels are zero."""

    def __init__(self, path, shortcut, stride, more):
        super().__init__()
        self.path = nn.Sequential(*path)
        self.shortcut, self.stride, self.zeros = shortcut, stride, (0, 0, 0, 0, more // 2, more - more // 2)
        self.same = stride == 1 and more == 0

    def forward(self, x):
        y = self.path(x)
        if self.shortcut is not None:
            x = self.shortcut(x)
        elif not self.same:
            x = functional.pad(x[:, :, ::self.stride, ::self.stride], self.zeros)
        return torch.relu_(y + x)


def stage(inputs, channels, blocks, stride, path, outputs, project):
    """`blocks` residual blocks of which the first has the stride; `path(inputs, channels, stride)` makes one's layers."""
    made = []
    for block in range(blocks):
        step = stride if block == 0 else 1
        changes = step != 1 or inputs != outputs
        shortcut = nn.Sequential(*conv_bn(inputs, outputs, 1, step, relu=False)) if project and changes else None
        made.append(Residual(path(inputs, channels, step), shortcut, step, outputs - inputs))
        inputs = outputs
    return made


def basic(inputs, channels, stride):
    return conv_bn(inputs, channels, 3, stride) + conv_bn(channels, channels, 3, relu=False)


def bottleneck(inputs, channels, stride):
    return (conv_bn(inputs, channels, 1) + conv_bn(channels, channels, 3, stride) +
            conv_bn(channels, 4 * channels, 1, relu=False))


def resnet20():
    """He, Zhang, Ren & Sun 2015, section 4.2, n = 3, shortcuts by option A."""
    return nn.Sequential(*conv_bn(3, 16, 3), *stage(16, 16, 3, 1, basic, 16, False),
                         *stage(16, 32, 3, 2, basic, 32, False), *stage(32, 64, 3, 2, basic, 64, False), *ending(64))


def resnet18():
    """The same authors' 18 layers behind a 3x3 stem at full resolution."""
    return nn.Sequential(*conv_bn(3, 64, 3), *stage(64, 64, 2, 1, basic, 64, True),
                         *stage(64, 128, 2, 2, basic, 128, True), *stage(128, 256, 2, 2, basic, 256, True),
                         *stage(256, 512, 2, 2, basic, 512, True), *ending(512))


def resnet50():
    """The same authors' 50 layers for 224x224 images, the stride on the 3x3 convolution."""
    return nn.Sequential(*conv_bn(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1), *stage(64, 64, 3, 1, bottleneck, 256, True),
                         *stage(256, 128, 4, 2, bottleneck, 512, True),
                         *stage(512, 256, 6, 2, bottleneck, 1024, True),
                         *stage(1024, 512, 3, 2, bottleneck, 2048, True), *ending(2048, 1000))


def vgg16():
    """Simonyan & Zisserman 2015, configuration D, with batch normalisation and one linear layer."""
    layers, inputs = [], 3
    for outputs, times in (64, 2), (128, 2), (256, 3), (512, 3), (512, 3):
        for _ in range(times):
            layers += conv_bn(inputs, outputs, 3)
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


class Together(nn.Module):
    """Branches on the same input, their outputs one after the other in the channels."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*branch) for branch in branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def inception():
    """The modules 3a, 3b and 4a of GoogLeNet (Szegedy et al. 2014, table 1) with batch normalisation."""
    def module(inputs, n1, reduce3, n3, reduce5, n5, projection):
        return Together(conv_bn(inputs, n1, 1), conv_bn(inputs, reduce3, 1) + conv_bn(reduce3, n3, 3),
                        conv_bn(inputs, reduce5, 1) + conv_bn(reduce5, n5, 5),
                        [nn.MaxPool2d(3, 1, 1)] + conv_bn(inputs, projection, 1))

    return nn.Sequential(*conv_bn(3, 64, 3), *conv_bn(64, 64, 1), *conv_bn(64, 192, 3), nn.MaxPool2d(2),
                         module(192, 64, 96, 128, 16, 32, 32), module(256, 128, 128, 192, 32, 96, 64),
                         nn.MaxPool2d(2), module(480, 192, 96, 208, 16, 48, 64), *ending(512))


class Dense(nn.Module):
    """x and, behind it, the maps made of it."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return torch.cat([x, self.layers(x)], 1)


def densenet():
    """Huang et al. 2017, table 2: DenseNet-BC, 40 layers, growth rate 12, maps halved between the blocks."""
    layers, maps, growth = [nn.Conv2d(3, 24, 3, padding=1, bias=False)], 24, 12
    for block in range(3):
        if block:
            layers += bn_conv(maps, maps // 2, 1) + [nn.AvgPool2d(2)]
            maps //= 2
        for _ in range(6):
            layers.append(Dense(*bn_conv(maps, 4 * growth, 1), *bn_conv(4 * growth, growth, 3)))
            maps += growth
    return nn.Sequential(*layers, nn.BatchNorm2d(maps), nn.ReLU(inplace=True), *ending(maps))


def alexnet():
    """Krizhevsky et al. 2012 in the form usual for 32x32 images."""
    layers, inputs = [], 3
    for outputs, stride, pool in (64, 2, True), (192, 1, True), (384, 1, False), (256, 1, False), (256, 1, True):
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(2)] if pool else []
        inputs = outputs
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.5), nn.Linear(1024, 4096), nn.ReLU(inplace=True),
                         nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 10))


def perceptron(*widths):
    layers = [nn.Flatten()]
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True)]
    return layers[:-1]


def lenet():
    """LeCun et al. 1998 as frameworks have it on colour images."""
    return nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5),
                         nn.ReLU(inplace=True), nn.MaxPool2d(2), *perceptron(400, 120, 84, 10))


def mlp():
    return nn.Sequential(*perceptron(3072, 512, 512, 10))


NETS = {net.__name__: net for net in (resnet20, resnet18, vgg16, inception, densenet, alexnet, lenet, mlp, resnet50)}


def sample(net):
    """(channels, height, width), classes"""
    return ((3, 224, 224), 1000) if net == "resnet50" else ((3, 32, 32), 10)


# ---- the process ---------------------------------------------------------------------------------------------------


def describe(net):
    model, macs = NETS[net]().eval(), 0

    def count(layer, _, y):
        nonlocal macs
        macs += y[0].numel() * layer.weight[0].numel()

    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(count)
    with torch.no_grad():
        model(torch.zeros(1, *sample(net)[0]))
    return {"params": sum(p.numel() for p in model.parameters()), "macs": macs}


def peak_resident_mb():
    with open("/proc/self/status") as f:  # getrusage() would count what the parent had before exec, too
        return next(int(line.split()[1]) // 1024 for line in f if line.startswith("VmHWM"))


def train(net, batch, steps, threads, limit, channels_last):
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    imported = peak_resident_mb()
    shape, classes = sample(net)
    model = NETS[net]().train()
    x, labels = torch.randn(batch, *shape), torch.randint(0, classes, (batch,))
    if channels_last:
        model, x = model.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def step():
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return time.perf_counter() - start, loss

    warm = 0
    for _ in range(3):
        if warm < 2:
            warm += step()[0]
    print("ready", flush=True)
    sys.stdin.readline()
    seconds, start, used = [], time.perf_counter(), time.process_time()
    while len(seconds) < steps and (len(seconds) < 3 or time.perf_counter() - start < limit):
        spent, loss = step()
        seconds.append(spent)
    used = time.process_time() - used
    print(json.dumps({
        "params": sum(p.numel() for p in model.parameters()),
        "img_s": batch / statistics.median(seconds),
        "img_s_best": batch / min(seconds),
        "cpu_ms": 1e3 * used / (batch * len(seconds)),
        "steps": len(seconds),
        "rss_MB": peak_resident_mb(),
        "rss_start_MB": imported,
        "loss": loss.item(),
        "torch": torch.__version__,
        "onednn": next((line.strip(" -\n") for line in torch.__config__.show().splitlines() if "DNN v" in line), "?"),
    }))


def blas():
    """The file of the library that multiplies matrices for PyTorch; "" where it is part of PyTorch itself (MKL in wheels)."""
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "blas" in line.rsplit("/", 1)[-1]}
    return min(files, key=lambda file: ("openblas" not in file, file)) if files else ""


def main():
    if sys.argv[1] == "--describe":
        print(json.dumps({"torch": torch.__version__, "blas": blas(), **{net: describe(net) for net in sys.argv[2:]}}))
    else:
        net, batch, steps, threads, seconds, layout = sys.argv[1:]
        train(net, int(batch), int(steps), int(threads), float(seconds), layout == "channels-last")


if __name__ == "__main__":
    main()
