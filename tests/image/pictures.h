/* Pictures for tests: PNG files put together by hand, with zlib's stored blocks, and JPEG files by TurboJPEG where this build has
 * it. Knows nothing of how they are read. */
#ifndef TESTS_IMAGE_PICTURES_H
#define TESTS_IMAGE_PICTURES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef CONVOY_JPEG
#include <turbojpeg.h>
#endif

typedef struct picture {
    uint8_t s[65536];
    size_t n;
} picture;

static inline void picture_u32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(v >> (24 - 8 * i));
}

static inline uint32_t picture_crc(const uint8_t *p, size_t n)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static inline void picture_chunk(picture *p, const char *type, const void *data, size_t n)
{
    uint8_t *to = p->s + p->n;
    picture_u32(to, (uint32_t)n);
    memcpy(to + 4, type, 4);
    if (n) memcpy(to + 8, data, n);
    picture_u32(to + 8 + n, picture_crc(to + 4, n + 4));
    p->n += n + 12;
}

static inline void picture_begin(picture *p, uint32_t w, uint32_t h, int depth, int colour)
{
    uint8_t head[13] = {0};
    memcpy(p->s, "\x89PNG\r\n\x1a\n", 8);
    p->n = 8;
    picture_u32(head, w);
    picture_u32(head + 4, h);
    head[8] = (uint8_t)depth;
    head[9] = (uint8_t)colour;
    picture_chunk(p, "IHDR", head, 13);
}

/* Rows of `row` bytes each, without their filters; and the end. */
static inline void picture_rows(picture *p, const void *rows, size_t h, size_t row)
{
    static uint8_t z[65536];
    const size_t n = h * (row + 1);
    uint32_t a = 1, b = 0;
    z[0] = 0x78;
    z[1] = 1;
    z[2] = 1;
    z[3] = (uint8_t)n;
    z[4] = (uint8_t)(n >> 8);
    z[5] = (uint8_t)~n;
    z[6] = (uint8_t)(~n >> 8);
    for (size_t i = 0; i < h; i++) {
        z[7 + i * (row + 1)] = 0;
        memcpy(z + 8 + i * (row + 1), (const uint8_t *)rows + i * row, row);
    }
    for (size_t i = 0; i < n; i++) {
        a = (a + z[7 + i]) % 65521;
        b = (b + a) % 65521;
    }
    picture_u32(z + 7 + n, b << 16 | a);
    picture_chunk(p, "IDAT", z, n + 11);
    picture_chunk(p, "IEND", NULL, 0);
}

/* 8 bits a channel; colour 0: grey, 2: RGB, 4: grey and alpha, 6: RGB and alpha; pixels interleaved. */
static inline void picture_png(picture *p, const void *pixels, uint32_t h, uint32_t w, int colour)
{
    const uint32_t channels = colour == 0 ? 1 : colour == 2 ? 3 : colour == 4 ? 2 : 4;
    picture_begin(p, w, h, 8, colour);
    picture_rows(p, pixels, h, (size_t)w * channels);
}

#ifdef CONVOY_JPEG
/* channels 1: grey, 3: RGB, 4: CMYK. */
static inline void picture_jpeg(picture *p, const void *pixels, int h, int w, int channels, int quality,
                                int progressive)
{
    tjhandle t = tjInitCompress();
    unsigned char *s = NULL;
    unsigned long n = 0;
    tjCompress2(t, pixels, w, 0, h,
                channels == 1   ? TJPF_GRAY
                : channels == 3 ? TJPF_RGB
                                : TJPF_CMYK,
                &s, &n, channels == 1 ? TJSAMP_GRAY : TJSAMP_444, quality,
                progressive ? TJFLAG_PROGRESSIVE : 0);
    p->n = n < sizeof p->s ? n : 0;
    if (s) memcpy(p->s, s, p->n);
    tjFree(s);
    tjDestroy(t);
}
#endif

/* The same every time: no two pixels of a row alike. */
static inline void picture_fill(uint8_t *x, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) x[i] = (uint8_t)((i * 37 + i / 16 * 11 + seed * 53) % 251);
}

#endif
