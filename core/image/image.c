/* Owns the way from a file or bytes to the decoder that can read them, and the limits; must not know any format's inside. */
#include "image/image_own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

#define IMAGE_MOST       ((int64_t)1 << 27) /* pixels, where the caller does not say */
#define IMAGE_MOST_BYTES ((size_t)1 << 30)  /* of a file */
#define IMAGE_FIRST      ((size_t)16 << 10) /* bytes in which most files have their header */

/* ---- messages ---- */

cvy_status image_bad(const image_bytes *b, size_t offset, errors *e, const char *fmt, ...)
{
    text what = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&what, fmt, ap);
    va_end(ap);
    place at = PLACE_AT(b->file, offset);
    cvy_status status = errors_add(e, CVY_ERR_CONFIG, &at, NULL, "%s", text_str(&what));
    text_free(&what);
    return status;
}

cvy_status image_no_memory(const image_bytes *b, errors *e)
{
    place at = PLACE_FILE(b->file);
    return errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "not enough memory for this picture");
}

cvy_status image_no_library(const char *file, const char *library, const char *package, errors *e)
{
    place at = PLACE_FILE(file);
    return errors_add(e, CVY_ERR_PLUGIN, &at, NULL,
                      "this build of Convoy has no %s: apt-get install %s, then configure and build again",
                      library, package);
}

static cvy_status image_no_file(const char *file, int error, errors *e)
{
    place at = PLACE_FILE(file);
    bool machine = error == EIO || error == ENOMEM || error == EMFILE || error == ENFILE;
    return errors_add(e, machine ? CVY_ERR_RESOURCE : CVY_ERR_CONFIG, &at, NULL, "cannot be read: %s",
                      strerror(error));
}

/* ---- bytes ---- */

typedef struct image_source {
    image_bytes b;
    uint8_t *own; /* what b points to, or NULL */
    int fd;       /* or -1 */
    size_t size;  /* of the file */
} image_source;

static void image_close(image_source *s)
{
    if (s->fd >= 0) close(s->fd);
    mem_free(s->own);
}

static cvy_status image_open(const cvy_image *i, image_source *s, errors *e)
{
    *s = (image_source){.b = {.file = i->file ? i->file : "a picture in memory"}, .fd = -1};
    if (i->bytes || !i->file) {
        s->b.s = i->bytes;
        s->b.n = s->size = i->n_bytes;
        s->b.whole = true;
        return CVY_OK;
    }
    struct stat st;
    s->fd = open(i->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (s->fd < 0 || fstat(s->fd, &st) != 0) return image_no_file(i->file, errno, e);
    place at = PLACE_FILE(i->file);
    if (!S_ISREG(st.st_mode))
        return errors_add(e, CVY_ERR_CONFIG, &at, NULL, "%s, expected a picture",
                          S_ISDIR(st.st_mode) ? "a folder" : "not a regular file");
    if ((uint64_t)st.st_size > IMAGE_MOST_BYTES)
        return errors_add(e, CVY_ERR_CONFIG, &at, NULL, "%lld bytes; the most for a picture are %zu",
                          (long long)st.st_size, IMAGE_MOST_BYTES);
    s->size = (size_t)st.st_size;
    return CVY_OK;
}

/* The file's first n bytes, or all of it. */
static cvy_status image_fetch(image_source *s, size_t n, errors *e)
{
    if (s->b.whole || s->b.n >= n) return CVY_OK;
    if (n > s->size) n = s->size;
    uint8_t *more = mem_try(n + 1, 1);
    if (!more) return image_no_memory(&s->b, e);
    if (s->own) memcpy(more, s->own, s->b.n);
    mem_free(s->own);
    s->b.s = s->own = more;
    while (s->b.n < n) {
        ssize_t got = pread(s->fd, more + s->b.n, n - s->b.n, (off_t)s->b.n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return image_no_file(s->b.file, errno, e);
        if (got == 0) break; /* it became shorter meanwhile */
        s->b.n += (size_t)got;
    }
    s->b.whole = s->b.n < n || n == s->size;
    return CVY_OK;
}

/* ---- the header ---- */

static cvy_status image_unknown(const image_bytes *b, errors *e)
{
    const char *other = image_other(b);
    if (!b->n) return image_bad(b, 0, e, "the file is empty, expected a JPEG or PNG picture");
    if (other) return image_bad(b, 0, e, "%s; JPEG and PNG pictures are read", other);
    char found[40] = "";
    for (size_t k = 0; k < b->n && k < 8; k++) snprintf(found + 3 * k, 4, " %02x", b->s[k]);
    return image_bad(
        b, 0, e,
        "neither a JPEG (which begins with ff d8 ff) nor a PNG picture (89 50 4e 47): it begins with%s",
        found);
}

static image_found image_look(const image_bytes *b, image_header *h, errors *e)
{
    if (image_jpeg_is(b)) return image_jpeg_header(b, h, e);
    if (image_png_is(b)) return image_png_header(b, h, e);
    image_unknown(b, e);
    return IMAGE_BAD;
}

static int image_denominator(const cvy_image *i, const image_header *h, bool jpeg)
{
    if (!jpeg || (i->least[0] < 1 && i->least[1] < 1)) return 1;
    for (int d = 8; d > 1; d /= 2)
        if ((h->height + d - 1) / d >= i->least[0] && (h->width + d - 1) / d >= i->least[1]) return d;
    return 1;
}

/* Everything but the pixels: what is wrong up to here costs no memory. */
static cvy_status image_begin(cvy_image *i, image_source *s, image_header *h, int *denominator, errors *e)
{
    cvy_status status = image_open(i, s, e);
    if (!status) status = image_fetch(s, IMAGE_FIRST, e);
    if (status) return status;
    image_found found = image_look(&s->b, h, e);
    if (found == IMAGE_MORE) { /* a long profile or a preview comes first */
        status = image_fetch(s, s->size, e);
        if (status) return status;
        found = image_look(&s->b, h, e);
    }
    if (found != IMAGE_FOUND) return CVY_ERR_CONFIG;
    const int64_t most = i->most > 0 ? i->most : IMAGE_MOST;
    int64_t pixels;
    if (__builtin_mul_overflow(h->height, h->width, &pixels) || pixels > most)
        return image_bad(&s->b, 0, e, "%lld x %lld pixels (height x width) are more than the allowed %lld",
                         (long long)h->height, (long long)h->width, (long long)most);
    const int d = *denominator = image_denominator(i, h, image_jpeg_is(&s->b));
    i->stored_height = h->height;
    i->stored_width = h->width;
    i->height = (h->height + d - 1) / d;
    i->width = (h->width + d - 1) / d;
    if (i->channels == 0) i->channels = h->channels;
    if (i->channels != 1 && i->channels != 3)
        return errors_add(e, CVY_ERR_PLUGIN, NULL, NULL, "a picture with %d channels was asked for: 1 or 3",
                          (int)i->channels);
    return CVY_OK;
}

/* Messages about what the file holds go where the caller wants them. */
static cvy_status image_end(const cvy_image *i, cvy_status status, errors *own, bool contents, errors *e)
{
    if (status == CVY_ERR_CONFIG && contents && i->why && i->why_size > 0 && own->n) {
        const message *m = &own->items[0];
        if (m->offset >= 0)
            snprintf(i->why, i->why_size, "byte %lld: %s", m->offset, m->what);
        else
            snprintf(i->why, i->why_size, "%s", m->what);
    } else {
        errors_move(e, own);
    }
    errors_free(own);
    return status;
}

cvy_status image_size(cvy_image *i, errors *e)
{
    image_source s;
    image_header h;
    int denominator;
    errors own = {0};
    if (i->why && i->why_size > 0) i->why[0] = 0;
    cvy_status status = image_begin(i, &s, &h, &denominator, &own);
    image_close(&s);
    return image_end(i, status, &own, s.b.n > 0 || s.b.whole, e);
}

cvy_status image_read(cvy_image *i, uint8_t *pixels, errors *e)
{
    image_source s;
    image_header h;
    int denominator;
    errors own = {0};
    if (i->why && i->why_size > 0) i->why[0] = 0;
    cvy_status status = image_begin(i, &s, &h, &denominator, &own);
    if (!status) status = image_fetch(&s, s.size, &own);
    if (!status)
        status = image_jpeg_is(&s.b) ? image_jpeg_read(&s.b, &h, denominator, i->channels, pixels, &own)
                                     : image_png_read(&s.b, &h, i->channels, pixels, &own);
    image_close(&s);
    return image_end(i, status, &own, s.b.n > 0 || s.b.whole, e);
}

/* ---- pixels ---- */

void image_planes(const uint8_t *x, size_t n, int from, uint8_t *y, int to)
{
    const bool coloured = from >= 3;
    if (!coloured) {
        for (size_t k = 0; k < n; k++) y[k] = x[k * (size_t)from];
        for (int c = 1; c < to; c++) memcpy(y + (size_t)c * n, y, n);
    } else if (to == 1) { /* 0.299 R + 0.587 G + 0.114 B in 16-bit fixed point, as PIL rounds it */
        for (size_t k = 0; k < n; k++) {
            const uint8_t *p = x + k * (size_t)from;
            y[k] = (uint8_t)((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
        }
    } else {
        uint8_t *r = y, *g = y + n, *b = y + 2 * n;
        for (size_t k = 0; k < n; k++) {
            const uint8_t *p = x + k * (size_t)from;
            r[k] = p[0];
            g[k] = p[1];
            b[k] = p[2];
        }
    }
}

/* ---- other formats ---- */

static bool image_begins(const image_bytes *b, size_t at, const char *with, size_t n)
{
    return b->n >= at + n && memcmp(b->s + at, with, n) == 0;
}

/* Text that a server or a version control system put in the place of a picture. */
static const char *image_other_text(const image_bytes *b)
{
    size_t at = 0;
    if (image_begins(b, 0, "\xef\xbb\xbf", 3)) at = 3;
    while (at < b->n && (b->s[at] == ' ' || b->s[at] == '\n' || b->s[at] == '\r' || b->s[at] == '\t')) at++;
    if (at < b->n && b->s[at] == '<') {
        char lower[10] = "";
        for (size_t k = 0; k < 9 && at + k < b->n; k++) {
            const uint8_t c = b->s[at + k];
            lower[k] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
        if (!strncmp(lower, "<!doctype", 9) || !strncmp(lower, "<html", 5) || !strncmp(lower, "<head", 5))
            return "an HTML page, as a server answers when the picture is gone";
        if (!strncmp(lower, "<svg", 4)) return "an SVG drawing";
        return "XML text";
    }
    if (image_begins(b, at, "version https://git-lfs", 23))
        return "a pointer of Git LFS in place of the file (git lfs pull fetches it)";
    return NULL;
}

const char *image_other(const image_bytes *b)
{
    static const struct {
        const char *name, *magic;
        size_t at, n;
    } known[] = {
        {"a GIF picture", "GIF8", 0, 4},
        {"a BMP picture", "BM", 0, 2},
        {"a WebP picture", "WEBP", 8, 4},
        {"a HEIC picture", "ftyphei", 4, 7},
        {"a HEIC picture", "ftyphev", 4, 7},
        {"a HEIF picture", "ftypmif1", 4, 8},
        {"an AVIF picture", "ftypavif", 4, 8},
        {"a video", "ftyp", 4, 4},
        {"a TIFF picture", "II*\0", 0, 4},
        {"a TIFF picture", "MM\0*", 0, 4},
        {"a JPEG 2000 picture", "\0\0\0\x0cjP  ", 0, 8},
        {"a JPEG 2000 picture", "\xff\x4f\xff\x51", 0, 4},
        {"a JPEG XL picture", "\0\0\0\x0cJXL ", 0, 8},
        {"a JPEG XL picture", "\xff\x0a", 0, 2},
        {"a Photoshop picture", "8BPS", 0, 4},
        {"an icon", "\0\0\1\0", 0, 4},
        {"a gzip archive", "\x1f\x8b", 0, 2},
        {"a zip archive", "PK\3\4", 0, 4},
        {"a PDF document", "%PDF", 0, 4},
        {"a PNM picture", "P5", 0, 2},
        {"a PNM picture", "P6", 0, 2},
    };
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (image_begins(b, known[k].at, known[k].magic, known[k].n)) return known[k].name;
    size_t zeros = 0;
    while (zeros < b->n && !b->s[zeros]) zeros++;
    if (zeros >= 16) return "zeros, as an interrupted copy leaves them";
    return image_other_text(b);
}
