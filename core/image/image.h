/* Pictures: JPEG and PNG files into planes of bytes, their scaling, PNG files written. Reports by errors, never prints; must
 * not know what a picture is for. */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "convoy/image.h"

/* What is behind cvy_host.image_size and image_read. A file that is no picture, or a damaged one, is CVY_ERR_CONFIG: reported
 * with its byte offset, or written to i->why if the caller wants that. Everything else (no memory, a library that was not
 * built in, a file that cannot be opened) is always reported. */
cvy_status image_size(cvy_image *i, errors *e);
cvy_status image_read(cvy_image *i, uint8_t *pixels, errors *e);

/* (planes, h, w) at x as (planes, h2, w2) at y, which do not overlap; see cvy_host.image_resize. */
cvy_status image_resize(int64_t planes, const float *x, int64_t h, int64_t w, float *y, int64_t h2,
                        int64_t w2, errors *e);

/* Replaces path atomically. pixels are (channels, h, w), or (h, w, channels) when interleaved; channels 1 or 3. */
cvy_status image_write_png(const char *path, const uint8_t *pixels, bool interleaved, int32_t channels,
                           int64_t h, int64_t w, errors *e);

/* Whether this build has the libraries, and their versions as they name themselves; NULL: it has not. */
const char *image_has_jpeg(void);
const char *image_has_png(void);

#endif
