/* Owns reading and writing PNG files by libpng's simplified interface; must not know any other format. The chunks are walked
 * here first: their checksums are checked, so that damage has an offset, and all but those with pixels are taken out, since
 * libpng would follow a gamma or a profile and samples are the pixels as they are stored. */
#include "image/image_own.h"

#include <pthread.h>
#include <string.h>
#ifdef CONVOY_PNG
#include <png.h>
#endif

#include "base/file.h"
#include "base/memory.h"

static const uint8_t png_signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

bool image_png_is(const image_bytes *b)
{
    return b->n >= 8 && !memcmp(b->s, png_signature, 8);
}

static uint32_t png_u32(const uint8_t *s)
{
    return (uint32_t)s[0] << 24 | (uint32_t)s[1] << 16 | (uint32_t)s[2] << 8 | s[3];
}

/* ---- CRC-32 (ISO 3309), eight bytes a step ---- */

static uint32_t png_table[8][256];
static pthread_once_t png_prepared = PTHREAD_ONCE_INIT;

static void png_prepare(void)
{
    for (uint32_t k = 0; k < 256; k++) {
        uint32_t crc = k;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        png_table[0][k] = crc;
    }
    for (int t = 1; t < 8; t++)
        for (int k = 0; k < 256; k++) {
            const uint32_t crc = png_table[t - 1][k];
            png_table[t][k] = crc >> 8 ^ png_table[0][crc & 255];
        }
}

static uint32_t png_crc(const uint8_t *p, size_t n)
{
    pthread_once(&png_prepared, png_prepare);
    uint32_t crc = ~0u;
    for (; n >= 8; p += 8, n -= 8) {
        const uint32_t low =
            crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        crc = png_table[7][low & 255] ^ png_table[6][low >> 8 & 255] ^ png_table[5][low >> 16 & 255] ^
              png_table[4][low >> 24] ^ png_table[3][p[4]] ^ png_table[2][p[5]] ^ png_table[1][p[6]] ^
              png_table[0][p[7]];
    }
    for (; n; p++, n--) crc = crc >> 8 ^ png_table[0][(crc ^ *p) & 255];
    return ~crc;
}

/* ---- chunks ---- */

enum { PNG_GREY = 0, PNG_RGB = 2, PNG_PALETTE = 3, PNG_GREY_ALPHA = 4, PNG_RGB_ALPHA = 6 };

static bool png_may_have(int colour, int depth)
{
    if (depth == 8)
        return colour == PNG_GREY || colour == PNG_RGB || colour == PNG_PALETTE || colour == PNG_GREY_ALPHA ||
               colour == PNG_RGB_ALPHA;
    if (depth == 16)
        return colour == PNG_GREY || colour == PNG_RGB || colour == PNG_GREY_ALPHA || colour == PNG_RGB_ALPHA;
    return (depth == 1 || depth == 2 || depth == 4) && (colour == PNG_GREY || colour == PNG_PALETTE);
}

static image_found png_refuse(const image_bytes *b, size_t at, const char *what, errors *e)
{
    image_bad(b, at, e, "%s", what);
    return IMAGE_BAD;
}

image_found image_png_header(const image_bytes *b, image_header *h, errors *e)
{
    if (b->n < 33 && !b->whole) return IMAGE_MORE;
    if (b->n < 33)
        return png_refuse(b, b->n, "the file ends here, before the picture begins: a PNG file cut short", e);
    const uint8_t *s = b->s;
    if (png_u32(s + 8) != 13 || memcmp(s + 12, "IHDR", 4) != 0)
        return png_refuse(b, 8,
                          memcmp(s + 12, "CgBI", 4)
                              ? "the PNG does not begin with its header (IHDR)"
                              : "Apple's own form of PNG (CgBI), which only its programs read",
                          e);
    if (png_crc(s + 12, 17) != png_u32(s + 29))
        return png_refuse(b, 8, "damaged: the PNG's header has a wrong checksum", e);
    const uint32_t width = png_u32(s + 16), height = png_u32(s + 20);
    const int colour = s[25];
    if (width < 1 || height < 1 || width > INT32_MAX || height > INT32_MAX)
        return png_refuse(b, 16, "the PNG's height or width cannot be", e);
    if (!png_may_have(colour, s[24])) return png_refuse(b, 24, "the PNG has an unknown kind of pixels", e);
    if (s[26] || s[27] || s[28] > 1)
        return png_refuse(b, 26, "the PNG has an unknown compression, filter or interlacing", e);
    h->height = height;
    h->width = width;
    h->channels = colour == PNG_GREY || colour == PNG_GREY_ALPHA ? 1 : 3;
    h->components = h->channels + (colour == PNG_GREY_ALPHA || colour == PNG_RGB_ALPHA);
    h->data_at = 33;
    return IMAGE_FOUND;
}

#ifdef CONVOY_PNG

#ifndef PNG_IMAGE_FLAG_16BIT_sRGB
#error "libpng 1.6 or later is needed"
#endif

static bool png_has_pixels(const uint8_t *type)
{
    return !memcmp(type, "IHDR", 4) || !memcmp(type, "PLTE", 4) || !memcmp(type, "IDAT", 4) ||
           !memcmp(type, "IEND", 4);
}

/* Checks the chunks and counts the bytes of those with pixels; with `to`, copies these there. *end: where the picture ends. */
static cvy_status png_walk(const image_bytes *b, uint8_t *to, size_t *kept, size_t *end, size_t *data_at,
                           errors *e)
{
    *data_at = 0;
    *kept = 8;
    if (to) memcpy(to, b->s, 8);
    for (size_t at = 8;;) {
        if (b->n - at < 12) break;
        const uint8_t *s = b->s + at;
        const uint32_t length = png_u32(s);
        if (length > INT32_MAX)
            return image_bad(b, at, e, "damaged: a PNG chunk of %u bytes, which cannot be", length);
        if (length > b->n - at - 12) break;
        const size_t size = (size_t)length + 12;
        if (png_has_pixels(s + 4)) {
            if (!to && png_crc(s + 4, (size_t)length + 4) != png_u32(s + 8 + length))
                return image_bad(b, at, e, "damaged: the PNG's chunk %.4s has a wrong checksum",
                                 (const char *)s + 4);
            if (!*data_at && s[4] == 'I' && s[5] == 'D') *data_at = at;
            if (to) memcpy(to + *kept, s, size);
            *kept += size;
        } else if (!(s[4] & 0x20)) {
            return image_bad(
                b, at, e,
                "the PNG has a chunk that must not be skipped and is not known here: %02x %02x %02x %02x",
                s[4], s[5], s[6], s[7]);
        }
        at += size;
        *end = at;
        if (!memcmp(s + 4, "IEND", 4)) return CVY_OK;
    }
    return image_bad(b, b->n, e, "the file ends here, in the middle of the picture: a PNG file cut short");
}

static cvy_status png_decode(const image_bytes *b, const uint8_t *s, size_t n, size_t data_at,
                             const image_header *h, uint8_t *x, errors *e)
{
    static const uint32_t formats[] = {0, PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB, PNG_FORMAT_RGBA};
    png_image image = {.version = PNG_IMAGE_VERSION};
    int good = png_image_begin_read_from_memory(&image, s, n);
    if (good) {
        image.format = formats[h->components];
        image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB; /* 16 bits are scaled, not taken for linear light */
        good = (int64_t)image.width == h->width && (int64_t)image.height == h->height &&
               png_image_finish_read(&image, NULL, x, 0, NULL);
    }
    cvy_status status = CVY_OK;
    if (!good && strstr(image.message, "memory"))
        status = image_no_memory(b, e);
    else if (!good)
        status = image_bad(b, data_at, e, "damaged: the PNG's pixels behind this cannot be decoded: %s",
                           image.message);
    png_image_free(&image);
    return status;
}

cvy_status image_png_read(const image_bytes *b, const image_header *h, int32_t channels, uint8_t *pixels,
                          errors *e)
{
    size_t kept, end, data_at, bytes;
    const size_t n =
        (size_t)h->height * (size_t)h->width; /* does not overflow: image_begin() has multiplied it */
    cvy_status status = png_walk(b, NULL, &kept, &end, &data_at, e);
    if (status) return status;
    if (!data_at) return image_bad(b, end, e, "the PNG has no pixels (no IDAT chunk)");
    if (!size_mul(n, (size_t)h->components, &bytes)) return image_no_memory(b, e);
    const bool direct = h->components == 1;
    uint8_t *x = direct ? pixels : mem_try(bytes, 1), *copy = kept == end ? NULL : mem_try(kept, 1);
    if (!x || (!copy && kept != end)) {
        status = image_no_memory(b, e);
    } else {
        size_t at = data_at;
        if (copy) status = png_walk(b, copy, &kept, &end, &at, e);
        if (!status) status = png_decode(b, copy ? copy : b->s, kept, data_at, h, x, e);
    }
    if (!status && direct)
        for (int c = 1; c < channels; c++) memcpy(pixels + (size_t)c * n, pixels, n);
    else if (!status)
        image_planes(x, n, h->components, pixels, channels);
    mem_free(copy);
    if (!direct) mem_free(x);
    return status;
}

/* ---- writing ---- */

static cvy_status png_encode(const char *path, const uint8_t *x, int32_t channels, uint32_t h, uint32_t w,
                             errors *e)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = w,
                       .height = h,
                       .format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB};
    png_alloc_size_t n = PNG_IMAGE_PNG_SIZE_MAX(image);
    place at = PLACE_FILE(path);
    uint8_t *s = mem_try(n, 1);
    cvy_status status = CVY_OK;
    if (!s)
        status = errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "not enough memory to write this picture");
    else if (!png_image_write_to_memory(&image, s, &n, 0, x, 0, NULL))
        status = errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "cannot be written as PNG: %s", image.message);
    else
        status = file_replace(path, s, n, e);
    png_image_free(&image);
    mem_free(s);
    return status;
}

cvy_status image_write_png(const char *path, const uint8_t *pixels, bool interleaved, int32_t channels,
                           int64_t h, int64_t w, errors *e)
{
    int64_t plane, bytes;
    place at = PLACE_FILE(path);
    if ((channels != 1 && channels != 3) || h < 1 || w < 1 || h > 1000000 || w > 1000000 ||
        __builtin_mul_overflow(h, w, &plane) || __builtin_mul_overflow(plane, channels, &bytes) ||
        bytes > INT32_MAX)
        return errors_add(e, CVY_ERR_CONFIG, &at, NULL,
                          "a picture of %d channels and %lld x %lld pixels cannot be written as PNG",
                          (int)channels, (long long)h, (long long)w);
    if (interleaved || channels == 1) return png_encode(path, pixels, channels, (uint32_t)h, (uint32_t)w, e);
    uint8_t *x = mem_try((size_t)bytes, 1);
    if (!x) return errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "not enough memory to write this picture");
    for (int64_t k = 0; k < plane; k++)
        for (int c = 0; c < 3; c++) x[3 * k + c] = pixels[c * plane + k];
    cvy_status status = png_encode(path, x, channels, (uint32_t)h, (uint32_t)w, e);
    mem_free(x);
    return status;
}

const char *image_has_png(void)
{
    return "libpng " PNG_LIBPNG_VER_STRING;
}

#else

cvy_status image_png_read(const image_bytes *b, const image_header *h, int32_t channels, uint8_t *pixels,
                          errors *e)
{
    (void)h, (void)channels, (void)pixels;
    return image_no_library(b->file, "libpng, which reads PNG files", "libpng-dev", e);
}

cvy_status image_write_png(const char *path, const uint8_t *pixels, bool interleaved, int32_t channels,
                           int64_t h, int64_t w, errors *e)
{
    (void)pixels, (void)interleaved, (void)channels, (void)h, (void)w;
    return image_no_library(path, "libpng, which writes PNG files", "libpng-dev", e);
}

const char *image_has_png(void)
{
    return NULL;
}

#endif
