/* Owns reading JPEG files by TurboJPEG; must not know any other format. The markers before the pixels are read here as well: so
 * a size costs a few bytes, and what is wrong has an offset. */
#include "image/image_own.h"

#include <string.h>
#ifdef CONVOY_JPEG
#include <turbojpeg.h>
#endif

#include "base/memory.h"

bool image_jpeg_is(const image_bytes *b)
{
    return b->n >= 3 && b->s[0] == 0xff && b->s[1] == 0xd8 && b->s[2] == 0xff;
}

/* ---- markers (ITU-T T.81, annex B) ---- */

enum {
    JPEG_TEM = 0x01,
    JPEG_SOF0 = 0xc0,
    JPEG_DHT = 0xc4,
    JPEG_JPG = 0xc8,
    JPEG_DAC = 0xcc,
    JPEG_RST0 = 0xd0,
    JPEG_RST7 = 0xd7,
    JPEG_SOI = 0xd8,
    JPEG_EOI = 0xd9,
    JPEG_SOS = 0xda
};

static size_t jpeg_u16(const uint8_t *s)
{
    return (size_t)s[0] << 8 | s[1];
}

static bool jpeg_alone(uint8_t marker) /* has no length and no content */
{
    return marker == JPEG_TEM || (marker >= JPEG_RST0 && marker <= JPEG_SOI);
}

static bool jpeg_is_frame(uint8_t marker)
{
    return marker >= JPEG_SOF0 && marker <= 0xcf && marker != JPEG_DHT && marker != JPEG_JPG &&
           marker != JPEG_DAC;
}

static image_found jpeg_short(const image_bytes *b, errors *e)
{
    if (!b->whole) return IMAGE_MORE;
    image_bad(b, b->n, e, "the file ends here, before the picture begins: a JPEG file cut short");
    return IMAGE_BAD;
}

static image_found jpeg_frame(const image_bytes *b, size_t at, uint8_t marker, size_t length, image_header *h,
                              errors *e)
{
    const uint8_t *s = b->s + at + 2;
    if (length < 8 || length < 8 + 3 * (size_t)s[7]) {
        image_bad(b, at, e, "the JPEG's frame header has %zu bytes, too few", length);
        return IMAGE_BAD;
    }
    h->height = (int64_t)jpeg_u16(s + 3);
    h->width = (int64_t)jpeg_u16(s + 5);
    h->components = s[7];
    h->channels = h->components == 1 ? 1 : 3;
    h->data_at = at;
    const char *what = NULL;
    if (marker != 0xc0 && marker != 0xc1 && marker != 0xc2 && marker != 0xc9 && marker != 0xca)
        what = "a lossless or hierarchical JPEG; baseline and progressive ones are read";
    else if (s[2] != 8)
        what = "a JPEG of more than 8 bits a channel; 8 are read";
    else if (h->height < 1 || h->width < 1)
        what = "the JPEG's height or width is 0";
    else if (h->components != 1 && h->components != 3 && h->components != 4)
        what = "the JPEG has neither 1, 3 nor 4 components";
    if (!what) return IMAGE_FOUND;
    image_bad(b, at, e, "%s", what);
    return IMAGE_BAD;
}

image_found image_jpeg_header(const image_bytes *b, image_header *h, errors *e)
{
    for (size_t at = 2;;) {
        if (at + 4 > b->n) return jpeg_short(b, e);
        if (b->s[at] != 0xff) { /* as the library does, look for the next marker */
            at++;
            continue;
        }
        const uint8_t marker = b->s[at + 1];
        if (marker == 0xff) { /* fill byte */
            at++;
            continue;
        }
        if (marker == 0 || jpeg_alone(marker)) {
            at += 2;
            continue;
        }
        if (marker == JPEG_EOI || marker == JPEG_SOS) {
            image_bad(b, at, e, "the JPEG has no frame header before its %s",
                      marker == JPEG_EOI ? "end" : "pixels");
            return IMAGE_BAD;
        }
        const size_t length = jpeg_u16(b->s + at + 2);
        if (length < 2) {
            image_bad(b, at, e, "a JPEG segment of %zu bytes, which cannot be", length);
            return IMAGE_BAD;
        }
        if (jpeg_is_frame(marker)) {
            if (length + 2 > b->n - at) return jpeg_short(b, e);
            return jpeg_frame(b, at, marker, length, h, e);
        }
        at += 2 + length;
        if (at > b->n) return jpeg_short(b, e);
    }
}

#ifdef CONVOY_JPEG

/* Whether an end-of-image marker follows, as far as markers tell: pixels have none but restarts. */
static bool jpeg_ends(const image_bytes *b, size_t at)
{
    while (at + 2 <= b->n) {
        const uint8_t *next = memchr(b->s + at, 0xff, b->n - at - 1);
        if (!next) return false;
        at = (size_t)(next - b->s);
        const uint8_t marker = b->s[at + 1];
        if (marker == JPEG_EOI) return true;
        if (marker == 0xff) {
            at++;
        } else if (marker == 0 || jpeg_alone(marker)) {
            at += 2;
        } else {
            if (at + 4 > b->n) return false;
            at += 2 + jpeg_u16(b->s + at + 2);
        }
    }
    return false;
}

/* What cameras and old programs write, and every reader lets pass: none of it says that pixels are missing. */
static bool jpeg_harmless(const char *said)
{
    return strstr(said, "extraneous bytes before marker") || strstr(said, "unknown JFIF revision") ||
           strstr(said, "Unknown Adobe color transform");
}

static cvy_status jpeg_problem(const image_bytes *b, const image_header *h, tjhandle t, errors *e)
{
    const char *said = tjGetErrorStr2(t);
    const bool ends = jpeg_ends(b, h->data_at);
    if (ends && tjGetErrorCode(t) == TJERR_WARNING && jpeg_harmless(said)) return CVY_OK;
    if (strstr(said, "emory allocation failure") || strstr(said, "nsufficient memory"))
        return image_no_memory(b, e);
    if (!ends)
        return image_bad(b, b->n, e,
                         "the file ends here, in the middle of the picture: a JPEG file cut short");
    return image_bad(b, h->data_at, e, "damaged: the JPEG's pixels behind this cannot be decoded: %s", said);
}

/* Adobe's CMYK, the only one there is in practice, is stored inverted: 255 is no ink. Rounded as PIL does. */
static void jpeg_rgb_of_cmyk(uint8_t *x, size_t n)
{
    for (size_t k = 0; k < n; k++, x += 4) {
        const unsigned black = x[3];
        for (int c = 0; c < 3; c++) {
            const unsigned ink = (255u - x[c]) * black + 128, used = ((ink >> 8) + ink) >> 8;
            x[c] = (uint8_t)(black > used ? black - used : 0);
        }
    }
}

cvy_status image_jpeg_read(const image_bytes *b, const image_header *h, int denominator, int32_t channels,
                           uint8_t *pixels, errors *e)
{
    const int64_t height = (h->height + denominator - 1) / denominator,
                  width = (h->width + denominator - 1) / denominator;
    const size_t n = (size_t)(height * width); /* at most 2^32, by the header's 16 bits each */
    const int format = h->components == 1 ? TJPF_GRAY : h->components == 3 ? TJPF_RGB : TJPF_CMYK;
    const bool direct = h->components == 1;
    int flags = TJFLAG_ACCURATEDCT;
#ifdef TJFLAG_LIMITSCANS
    flags |= TJFLAG_LIMITSCANS; /* a small file can hold thousands, each over all pixels */
#endif
    uint8_t *x = direct ? pixels : mem_try(n, (size_t)h->components);
    tjhandle t = x ? tjInitDecompress() : NULL;
    cvy_status status = CVY_OK;
    if (!t)
        status = image_no_memory(b, e);
    else if (tjDecompress2(t, b->s, (unsigned long)b->n, x, (int)width, 0, (int)height, format, flags) != 0)
        status = jpeg_problem(b, h, t, e);
    if (t) tjDestroy(t);
    if (!status && direct) {
        for (int c = 1; c < channels; c++) memcpy(pixels + (size_t)c * n, pixels, n);
    } else if (!status) {
        if (format == TJPF_CMYK) jpeg_rgb_of_cmyk(x, n);
        image_planes(x, n, h->components, pixels, channels);
    }
    if (!direct) mem_free(x);
    return status;
}

const char *image_has_jpeg(void)
{
    return "libjpeg-turbo";
}

#else

cvy_status image_jpeg_read(const image_bytes *b, const image_header *h, int denominator, int32_t channels,
                           uint8_t *pixels, errors *e)
{
    (void)h, (void)denominator, (void)channels, (void)pixels;
    return image_no_library(b->file, "libjpeg-turbo, which reads JPEG files", "libturbojpeg0-dev", e);
}

const char *image_has_jpeg(void)
{
    return NULL;
}

#endif
