#!/usr/bin/env python3
"""The same as bench_image by PIL and torchvision, on the files that it made: image.py FOLDER"""
import sys, time, os
import numpy as np
from PIL import Image
try:
    import torch, torchvision
    torch.set_num_threads(1)
except ImportError:
    torch = None

def rate(what, f):
    best = 1e9
    for _ in range(5):
        begin, n = time.perf_counter(), 0
        while time.perf_counter() - begin < 0.4:
            f(); n += 1
        best = min(best, (time.perf_counter() - begin) / n)
    print(f"{what:52} {1 / best:8.0f} images/s")

def pil(path, size=None, draft=None):
    i = Image.open(path)
    if draft: i.draft("RGB", draft)
    i = i.convert("RGB")
    if size: i = i.resize(size, Image.BILINEAR)
    return np.ascontiguousarray(np.asarray(i).transpose(2, 0, 1))

d = sys.argv[1] if len(sys.argv) > 1 else "."
small, photo, large, png = (os.path.join(d, n) for n in ("bench_256.jpg", "bench_500.jpg", "bench_2048.jpg", "bench_256.png"))
rate("PIL JPEG 256x256", lambda: pil(small))
rate("PIL JPEG 500x375", lambda: pil(photo))
rate("PIL JPEG 500x375, resized to 224x224", lambda: pil(photo, (224, 224)))
rate("PIL JPEG 2048x1536", lambda: pil(large))
rate("PIL JPEG 2048x1536 at a quarter (draft)", lambda: pil(large, None, (512, 384)))
rate("PIL JPEG 2048x1536, resized to 224x224", lambda: pil(large, (224, 224)))
rate("PIL JPEG 2048x1536 at a half, resized to 224x224", lambda: pil(large, (224, 224), (1024, 768)))
rate("PIL PNG 256x256", lambda: pil(png))
if torch:
    try:
        read = lambda p: torchvision.io.read_image(p, torchvision.io.ImageReadMode.RGB)
        rate("torchvision.io JPEG 256x256", lambda: read(small))
        rate("torchvision.io JPEG 500x375", lambda: read(photo))
        rate("torchvision.io PNG 256x256", lambda: read(png))
    except Exception as e:
        print("torchvision.io:", e)
