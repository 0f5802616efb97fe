/* What the files of this room share: a file's bytes, its header, messages about it. Private to the room. */
#ifndef IMAGE_IMAGE_OWN_H
#define IMAGE_IMAGE_OWN_H

#include <stddef.h>
#include "image/image.h"

typedef struct image_bytes {
    const char *file; /* for messages */
    const uint8_t *s;
    size_t n;
    bool whole; /* the file has no more than these */
} image_bytes;

typedef struct image_header {
    int64_t height, width;
    int32_t channels;   /* 1 or 3: what the file has, alpha not counted */
    int32_t components; /* of a JPEG: 1, 3 or 4; of a PNG: with alpha */
    size_t data_at;     /* where the compressed pixels begin, or something near */
} image_header;

typedef enum image_found {
    IMAGE_FOUND,
    IMAGE_MORE, /* the header goes on behind these bytes, which are not whole */
    IMAGE_BAD   /* reported */
} image_found;

/* The first bytes of such a file. */
bool image_jpeg_is(const image_bytes *b);
bool image_png_is(const image_bytes *b);

image_found image_jpeg_header(const image_bytes *b, image_header *h, errors *e);
image_found image_png_header(const image_bytes *b, image_header *h, errors *e);

/* The whole file, at 1 / `denominator` of its size; pixels: (channels, ceil(height / d), ceil(width / d)). */
cvy_status image_jpeg_read(const image_bytes *b, const image_header *h, int denominator, int32_t channels,
                           uint8_t *pixels, errors *e);
cvy_status image_png_read(const image_bytes *b, const image_header *h, int32_t channels, uint8_t *pixels,
                          errors *e);

/* What a file is that is neither JPEG nor PNG: "a GIF picture"; NULL: not known. */
const char *image_other(const image_bytes *b);

/* Reports a damaged file. */
cvy_status image_bad(const image_bytes *b, size_t offset, errors *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
cvy_status image_no_memory(const image_bytes *b, errors *e);
/* That the library for it was not built in. */
cvy_status image_no_library(const char *file, const char *library, const char *package, errors *e);

/* n pixels of `from` interleaved bytes each (1: grey, 2: grey and alpha, 3: RGB, 4: RGB and alpha) as `to` planes (1 or 3). */
void image_planes(const uint8_t *x, size_t n, int from, uint8_t *y, int to);

#endif
