"""PyTorch by the recipe of experiments/winograd_vs_direct.yaml, to see that accuracies are of the same kind.

    torch_recipe.py FOLDER [SEED [EPOCHS]]

FOLDER has the binary files of CIFAR-10 (data_batch_1.bin to test_batch.bin). Trains ResNet-20 on 45,000 images, another draw of
them than Convoy's, by SGD with momentum 0.9 and weight decay 1e-4, batch 128, learning rate 0.1 behind one epoch of warm-up
and down a half cosine; images are padded by 4, cropped, flipped, normalised. Prints a line an epoch: validation and test accuracy.
"""
import math
import sys
import time

import numpy
import torch
from torch.nn import functional

from torch_step import resnet20

BATCH, VALIDATION = 128, 5000


def load(folder, names):
    rows = numpy.concatenate([numpy.fromfile("%s/%s.bin" % (folder, name), numpy.uint8).reshape(-1, 3073) for name in names])
    return torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32).copy()), torch.from_numpy(rows[:, 0].astype(numpy.int64))


def accuracy(net, images, labels, normal):
    net.eval()
    with torch.no_grad():
        right = sum(int((net(normal(images[i:i + 500])).argmax(1) == labels[i:i + 500]).sum()) for i in range(0, len(images), 500))
    return 100 * right / len(images)


def augmented(images):
    """Each image cropped somewhere out of its padded self, and flipped or not."""
    n = len(images)
    padded = functional.pad(images, (4, 4, 4, 4))
    top, left = torch.randint(0, 9, (2, n)).tolist()
    cut = torch.stack([padded[i, :, top[i]:top[i] + 32, left[i]:left[i] + 32] for i in range(n)])
    return torch.where((torch.rand(n) < 0.5)[:, None, None, None], cut.flip(3), cut)


def main():
    folder, seed, epochs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1, int(sys.argv[3]) if len(sys.argv) > 3 else 10
    torch.manual_seed(seed)
    torch.set_num_threads(2)
    images, labels = load(folder, ["data_batch_%d" % i for i in range(1, 6)])
    test_images, test_labels = load(folder, ["test_batch"])
    order = torch.randperm(len(images))
    validation, training = order[:VALIDATION], order[VALIDATION:]
    part = images[training].float().div(255)
    mean, deviation = part.mean((0, 2, 3))[:, None, None], part.std((0, 2, 3))[:, None, None]

    def normal(x):
        return ((x.float().div(255) - mean) / deviation).contiguous(memory_format=torch.channels_last)

    net = resnet20().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    steps = math.ceil(len(training) / BATCH)
    for epoch in range(epochs):
        net.train()
        began, drawn = time.time(), training[torch.randperm(len(training))]
        for step in range(steps):
            at = epoch + (step + 1) / steps
            rate = at if at < 1 else 0.5 * (1 + math.cos(math.pi * (at - 1) / max(epochs - 1, 1)))
            for group in optimizer.param_groups:
                group["lr"] = 0.1 * rate
            chosen = drawn[step * BATCH:(step + 1) * BATCH]
            optimizer.zero_grad()
            functional.cross_entropy(net(normal(augmented(images[chosen]))), labels[chosen]).backward()
            optimizer.step()
        print("seed %d epoch %d  validation %.2f %%  test %.2f %%  %.0f s" %
              (seed, epoch + 1, accuracy(net, images[validation], labels[validation], normal),
               accuracy(net, test_images, test_labels, normal), time.time() - began), flush=True)


if __name__ == "__main__":
    main()
