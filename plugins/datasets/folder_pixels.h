/* What becomes of a picture: its resizing and cropping, and one picture's file as a sample. Private to the image_folder dataset;
 * must not know which pictures there are. */
#ifndef DATASETS_FOLDER_PIXELS_H
#define DATASETS_FOLDER_PIXELS_H

#include <math.h>
#include "folder_index.h"

typedef struct folder_form {
    int32_t channels;
    int64_t resize[2]; /* [0, 0]: none; [n, 0]: the shorter side; else height and width */
    int64_t crop[2];   /* [0, 0]: none */
    int32_t draft;     /* JPEGs are decoded no larger than resizing needs */
} folder_form;

/* Sizes of a picture on its way to a sample. */
typedef struct folder_size {
    int64_t scaled[2], cropped[2];
} folder_size;

/* 0: fine; else why this picture cannot become a sample. */
static inline const char *folder_size_of(const folder_form *f, int64_t h, int64_t w, folder_size *s)
{
    int64_t pixels;
    s->scaled[0] = h;
    s->scaled[1] = w;
    if (f->resize[1]) {
        memcpy(s->scaled, f->resize, sizeof s->scaled);
    } else if (f->resize[0]) { /* the longer side is cut to whole pixels, as torchvision does */
        const int longer = h <= w;
        int64_t product;
        if (__builtin_mul_overflow(f->resize[0], longer ? w : h, &product)) return "would become too large";
        s->scaled[!longer] = f->resize[0];
        s->scaled[longer] = product / (longer ? h : w);
    }
    if (__builtin_mul_overflow(s->scaled[0], s->scaled[1], &pixels) || pixels > FOLDER_MOST_PIXELS)
        return "would become too large by `resize`";
    memcpy(s->cropped, f->crop[0] ? f->crop : s->scaled, sizeof s->cropped);
    if (s->cropped[0] > s->scaled[0] || s->cropped[1] > s->scaled[1])
        return f->resize[0] ? "is smaller than `crop` when it has been resized: write a larger `resize`"
                            : "is smaller than `crop`: write `resize` too, with at least crop's longer side";
    return NULL;
}

static inline int64_t folder_sample_bytes(const folder_form *f, const folder_size *s)
{
    return f->channels * s->cropped[0] * s->cropped[1];
}

/* The centre, as torchvision rounds it (halves to even). */
static inline int64_t folder_margin(int64_t from, int64_t to)
{
    const int64_t d = from - to;
    return d / 2 + (d % 2 && d / 2 % 2);
}

/* A picture's pixels (channels, h, w) as a sample; s is folder_size_of() it. */
static inline int folder_shape(const cvy_host *host, const folder_form *f, const folder_size *s,
                               const uint8_t *x, int64_t h, int64_t w, uint8_t *y)
{
    const int64_t c = f->channels, h2 = s->scaled[0], w2 = s->scaled[1],
                  top = folder_margin(h2, s->cropped[0]), left = folder_margin(w2, s->cropped[1]);
    const int scaled = h != h2 || w != w2;
    float *from = NULL, *to = NULL;
    int rc = 0;
    if (scaled) {
        from = malloc((size_t)(c * h * w) * sizeof *from);
        to = malloc((size_t)(c * h2 * w2) * sizeof *to);
        if (!from || !to) rc = host->fail(host, "not enough memory to resize a picture");
        for (int64_t i = 0; i < c * h * w && !rc; i++) from[i] = (float)x[i];
        if (!rc) rc = host->image_resize(host, c, from, h, w, to, h2, w2);
    }
    for (int64_t p = 0; p < c && !rc; p++)
        for (int64_t i = 0; i < s->cropped[0]; i++) {
            const int64_t at = (p * h2 + top + i) * w2 + left;
            uint8_t *row = y + (p * s->cropped[0] + i) * s->cropped[1];
            if (!scaled) memcpy(row, x + at, (size_t)s->cropped[1]);
            for (int64_t j = 0; j < s->cropped[1] && scaled; j++) row[j] = (uint8_t)(to[at + j] + 0.5f);
        }
    free(from);
    free(to);
    return rc;
}

/* The picture of a record as a sample. Nonzero after reporting. Decoded at its own size even if it is to become much smaller, but
 * under `draft`: a JPEG at half its size is a slightly other picture, and these are to be those that others train on.
 * why: NULL, or FOLDER_WHY bytes for what is wrong with the file, which is then not reported. */
static inline int folder_decode(const cvy_host *host, const folder_form *f, const folder_index *x,
                                const folder_record *r, const folder_size *s, uint8_t *y, char *why)
{
    char *path = files_join(x->root, folder_name(&x->list, r));
    if (!path) return host->fail(host, "out of memory");
    size_t n;
    uint8_t *pixels = NULL;
    unsigned char *bytes = folder_read_file(host, path, &n);
    cvy_image image = {
        .file = path, .bytes = bytes, .n_bytes = n, .channels = f->channels, .most = FOLDER_MOST_PIXELS};
    if (f->draft && f->resize[0]) memcpy(image.least, s->scaled, sizeof image.least);
    if (why) image.why = why, image.why_size = FOLDER_WHY;
    int rc = bytes ? host->image_size(host, &image) : -1;
    if (!rc && (image.stored_height != r->height || image.stored_width != r->width))
        rc = host->fail_at(
            host, path, -1,
            "the picture has changed since the dataset was opened: %lld x %lld, expected %u x %u",
            (long long)image.stored_height, (long long)image.stored_width, r->height, r->width);
    const int direct = !rc && image.height == s->cropped[0] && image.width == s->cropped[1] &&
                       image.height == s->scaled[0] && image.width == s->scaled[1];
    if (!rc && !direct && !(pixels = malloc((size_t)(f->channels * image.height * image.width))))
        rc = host->fail_at(host, path, -1, "not enough memory to decode it");
    if (!rc) rc = host->image_read(host, &image, direct ? y : pixels);
    if (!rc && !direct) rc = folder_shape(host, f, s, pixels, image.height, image.width, y);
    free(pixels);
    free(bytes);
    free(path);
    return rc;
}

#endif
