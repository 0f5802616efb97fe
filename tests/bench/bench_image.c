/* How fast pictures are decoded and scaled on one core: `bench_image [FOLDER]`. Makes the files in FOLDER that image.py reads too,
 * so that the two can be compared. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "image/image.h"

#ifndef CONVOY_JPEG
int main(void)
{
    puts("this build has no libjpeg-turbo");
    return 0;
}
#else
#include <turbojpeg.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Something like a photograph: slopes, edges and a little noise. */
static uint8_t *scene(int h, int w)
{
    uint8_t *x = mem_alloc((size_t)(3 * h * w));
    uint32_t seed = 1;
    for (int i = 0; i < h; i++)
        for (int j = 0; j < w; j++)
            for (int c = 0; c < 3; c++) {
                seed = seed * 1664525 + 1013904223;
                double v = 128 + 60 * sin(i * 0.05 + c) + 40 * cos(j * 0.08 - i * 0.02) +
                           ((i / 24 + j / 40) % 2 ? 20 : -20) + (double)(seed >> 24) / 16;
                x[(i * w + j) * 3 + c] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
            }
    return x;
}

static char *make(const char *folder, const char *name, int h, int w, bool png)
{
    errors e = {0};
    char *path = path_join(folder, name);
    uint8_t *x = scene(h, w);
    if (png) {
        image_write_png(path, x, true, 3, h, w, &e);
    } else {
        tjhandle t = tjInitCompress();
        unsigned char *s = NULL;
        unsigned long n = 0;
        tjCompress2(t, x, w, 0, h, TJPF_RGB, &s, &n, TJSAMP_420, 85, 0);
        file_replace(path, s, n, &e);
        printf("%s: %lu bytes\n", name, n);
        tjFree(s);
        tjDestroy(t);
    }
    errors_free(&e);
    mem_free(x);
    return path;
}

static void decode(const char *what, const char *path, int64_t least, int64_t to)
{
    errors e = {0};
    char *s;
    size_t n;
    if (file_read(path, 1 << 28, &s, &n, &e)) return;
    cvy_image i = {.file = path, .bytes = s, .n_bytes = n, .channels = 3, .least = {least, least}};
    image_size(&i, &e);
    uint8_t *pixels = mem_alloc((size_t)(3 * i.height * i.width));
    float *x = mem_array((size_t)(3 * i.height * i.width), sizeof *x),
          *y = mem_array((size_t)(3 * to * to + 1), sizeof *y);
    double best = 1e9;
    for (int round = 0; round < 5; round++) {
        const double begin = now();
        int count = 0;
        for (; now() - begin < 0.4; count++) {
            if (image_read(&i, pixels, &e)) printf("%s\n", e.items[0].what);
            if (!to) continue;
            for (int64_t k = 0; k < 3 * i.height * i.width; k++) x[k] = (float)pixels[k];
            image_resize(3, x, i.height, i.width, y, to, to, &e);
        }
        const double each = (now() - begin) / count;
        if (each < best) best = each;
    }
    printf("%-44s %8.0f images/s\n", what, 1 / best);
    mem_free(pixels);
    mem_free(x);
    mem_free(y);
    mem_free(s);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : ".";
    char *small = make(folder, "bench_256.jpg", 256, 256, false),
         *photo = make(folder, "bench_500.jpg", 375, 500, false),
         *large = make(folder, "bench_2048.jpg", 1536, 2048, false),
         *png = make(folder, "bench_256.png", 256, 256, true);
    decode("JPEG 256x256", small, 0, 0);
    decode("JPEG 500x375", photo, 0, 0);
    decode("JPEG 500x375, resized to 224x224", photo, 0, 224);
    decode("JPEG 2048x1536", large, 0, 0);
    decode("JPEG 2048x1536 at a quarter", large, 384, 0);
    decode("JPEG 2048x1536, resized to 224x224", large, 0, 224);
    decode("JPEG 2048x1536 at a half, resized to 224x224", large, 448, 224);
    decode("PNG 256x256", png, 0, 0);
    mem_free(small);
    mem_free(photo);
    mem_free(large);
    mem_free(png);
    return 0;
}
#endif
