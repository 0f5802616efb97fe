/* Shapes: ten classes of geometric figures drawn as they are read, each sample a function of (seed, split,
 * index).
 *
 * Place, size, angle and colours are drawn alike for all classes, figures being lighter or darker than what
 * is behind them with equal chance, so that no pixel by itself says anything about the class: a linear
 * classifier stays near chance, a small convolutional network passes 95 %. */
#include <math.h>
#include "draw.h"

typedef struct shapes_config {
    int64_t train, test, size[2], clutter, seed;
    double noise;
    int32_t grey;
} shapes_config;

enum { MAX_SIZE = 256, MAX_CLUTTER = 64, STEP = 8 /* between sizes */ };

static const cvy_param shapes_params[] = {
    CVY_INT(shapes_config, train, 8000, 1, 1000000000, "training samples"),
    CVY_ALSO("n_train train_size samples"),
    CVY_INT(shapes_config, test, 2000, 0, 1000000000, "test samples"),
    CVY_ALSO("n_test test_size"),
    CVY_PAIR(shapes_config, size, "32", 12, 256,
             "side of the square image, pixels; [24, 40]: images of different sizes, both sides drawn from "
             "24, 32, "
             "40, eights above the first"),
    CVY_ALSO("image_size width height resolution"),
    CVY_FLOAT(shapes_config, noise, 0.04, 0, 1,
              "standard deviation of the noise on each pixel, white being 1"),
    CVY_INT(shapes_config, clutter, 3, 0, 64, "small dots and bars strewn before and behind the figure"),
    CVY_ALSO("distractors"),
    CVY_BOOL(shapes_config, grey, false, "one channel instead of red, green and blue"),
    CVY_ALSO("gray greyscale grayscale"),
    CVY_INT(shapes_config, seed, -1, -1, 9007199254740992, "draws the samples; -1: the experiment's seed"),
    CVY_ALSO("random_state"),
};

/* The classes, in the order of their labels, then the clutter. */
typedef enum kind {
    CIRCLE,
    RING,
    SQUARE,
    TRIANGLE,
    STAR,
    CROSS,
    CRESCENT,
    HOURGLASS,
    STRIPES,
    CHECKER,
    CLASSES,
    BAR = CLASSES
} kind;

static const char *const class_names[CLASSES] = {"circle", "ring",     "square",    "triangle", "star",
                                                 "cross",  "crescent", "hourglass", "stripes",  "checker"};

/* ---- figures ---- */

typedef struct figure {
    kind kind;
    float x, y;         /* its middle, pixels */
    float sine, cosine; /* of its angle */
    float r;            /* its size: about the radius, pixels */
    float reach;        /* no part of it is farther than this from the middle */
    float colour[3];    /* at the middle, 0..255 */
    float slope[3];     /* what it gains per pixel along the figure's own u axis */
} figure;

static inline float larger(float a, float b)
{
    return a > b ? a : b;
}

static inline float smaller(float a, float b)
{
    return a < b ? a : b;
}

/* Signed distances from the edge in pixels, negative inside, at (u, v) from the middle in the figure's own
 * axes. They need to be right within a pixel of the edge only; so circles do without a root, (d^2 - r^2) / 2r
 * being the first order of d - r, and every row becomes a loop of plain arithmetic that the compiler
 * vectorises. */

static inline float round_edge(float u, float v, float r)
{
    return (u * u + v * v - r * r) * (0.5f / r);
}

static inline float circle(float u, float v, float r)
{
    return round_edge(u, v, 0.9f * r);
}

static inline float ring(float u, float v, float r)
{
    return larger(round_edge(u, v, r), -round_edge(u, v, 0.6f * r));
}

static inline float square(float u, float v, float r)
{
    return larger(fabsf(u), fabsf(v)) - 0.8f * r;
}

static inline float triangle(float u, float v, float r)
{
    return larger(v, 0.8660254f * fabsf(u) - 0.5f * v) - 0.55f * r;
}

/* Five points: two reflections bring every point beside the upper one (Quilez, 2D distance functions). */
static inline float star(float u, float v, float r)
{
    const float kx = 0.80901699f, ky = -0.58778525f; /* normal of the first mirror */
    const float inner = 0.42f, ex = -inner * ky,
                ey = inner * kx - 1; /* edge, from the tip to the notch, by r */
    const float length = 0.7049f;    /* of (ex, ey) */
    float a = fabsf(u), b = v;
    float fold = 2 * larger(kx * a + ky * b, 0);
    a -= fold * kx;
    b -= fold * ky;
    fold = 2 * larger(ky * b - kx * a, 0);
    a += fold * kx;
    b -= fold * ky;
    a = fabsf(a);
    b -= 1.1f * r;
    return (b * ex - a * ey) * (1 / length);
}

static inline float cross(float u, float v, float r)
{
    float a = fabsf(u), b = fabsf(v);
    return larger(smaller(a, b) - 0.28f * r, larger(a, b) - 0.95f * r);
}

static inline float crescent(float u, float v, float r)
{
    return larger(round_edge(u, v, r), -round_edge(u - 0.5f * r, v, 0.8f * r));
}

static inline float hourglass(float u, float v, float r)
{
    return larger(fabsf(v) - 0.85f * r, (fabsf(u) - 0.85f * fabsf(v)) * 0.76f - 0.04f * r);
}

static inline float stripes(float u, float v, float r)
{
    float a = fabsf(u);
    float bar = smaller(a, fabsf(a - 0.68f * r)) - 0.17f * r; /* three, wide as the gaps between them */
    return larger(bar, fabsf(v) - 0.85f * r);
}

/* A wave along one axis of the checkerboard, whose sign is that of the cell and whose size the distance from
 * its edge. */
static inline float wave(float u, float quarter)
{
    float w = quarter - fabsf(fabsf(u) - quarter);
    return u < 0 ? -w : w;
}

static inline float checker(float u, float v, float r)
{
    float a = wave(u, 0.225f * r), b = wave(v, 0.225f * r),
          edge = smaller(fabsf(a), fabsf(b)); /* 4 x 4 cells */
    return larger(a * b > 0 ? -edge : edge, larger(fabsf(u), fabsf(v)) - 0.9f * r);
}

static inline float bar(float u, float v, float r)
{
    return larger(fabsf(u) - r, fabsf(v) - 0.3f * r);
}

/* The share of each pixel in columns [begin, end) of row y that the figure covers. Inlined with a fixed
 * `distance`. */
static inline __attribute__((always_inline)) void
cover(const figure *f, int y, int begin, int end, float *restrict out, float (*distance)(float, float, float))
{
    float dy = (float)y + 0.5f - f->y, x0 = (float)begin + 0.5f - f->x;
    float u0 = f->cosine * x0 + f->sine * dy, v0 = f->cosine * dy - f->sine * x0;
    float du = f->cosine, dv = -f->sine, r = f->r;
    for (int i = 0; i < end - begin; i++) {
        float t = 0.5f - distance(u0 + (float)i * du, v0 + (float)i * dv, r);
        out[i] = smaller(larger(t, 0), 1);
    }
}

static void figure_cover(const figure *f, int y, int begin, int end, float *out)
{
    switch (f->kind) {
    case CIRCLE:
        cover(f, y, begin, end, out, circle);
        break;
    case RING:
        cover(f, y, begin, end, out, ring);
        break;
    case SQUARE:
        cover(f, y, begin, end, out, square);
        break;
    case TRIANGLE:
        cover(f, y, begin, end, out, triangle);
        break;
    case STAR:
        cover(f, y, begin, end, out, star);
        break;
    case CROSS:
        cover(f, y, begin, end, out, cross);
        break;
    case CRESCENT:
        cover(f, y, begin, end, out, crescent);
        break;
    case HOURGLASS:
        cover(f, y, begin, end, out, hourglass);
        break;
    case STRIPES:
        cover(f, y, begin, end, out, stripes);
        break;
    case CHECKER:
        cover(f, y, begin, end, out, checker);
        break;
    default:
        cover(f, y, begin, end, out, bar);
        break;
    }
}

/* ---- a picture ---- */

typedef struct picture {
    int height, width, channels, n;
    figure figures[MAX_CLUTTER + 1];     /* from back to front */
    float colour[3], across[3], down[3]; /* background: in the top left corner, gained per pixel */
    float noise;                         /* standard deviation, 0..255 */
    uint32_t noise_key;
} picture;

/* Paints figure f into one row, (channels, MAX_SIZE). */
static void paint(const picture *p, const figure *f, int y, float row[3][MAX_SIZE])
{
    float cover_buffer[MAX_SIZE];
    if (fabsf((float)y + 0.5f - f->y) > f->reach) return;
    float left = f->x - f->reach, right = f->x + f->reach + 1;
    int begin = left < 0 ? 0 : (int)left, end = right > (float)p->width ? p->width : (int)right;
    if (begin >= end) return;
    figure_cover(f, y, begin, end, cover_buffer);

    float dy = (float)y + 0.5f - f->y, u0 = f->cosine * ((float)begin + 0.5f - f->x) + f->sine * dy;
    for (int k = 0; k < p->channels; k++) {
        float *restrict out = row[k] + begin;
        const float *restrict share = cover_buffer;
        float colour = f->colour[k] + f->slope[k] * u0, gain = f->slope[k] * f->cosine;
        for (int i = 0; i < end - begin; i++) out[i] += share[i] * (colour + (float)i * gain - out[i]);
    }
}

/* Adds noise and rounds. The noise is the sum of a hash's four bytes, close enough to a normal distribution;
 * the hash is lowbias32 (Wellons 2018) of the pixel's number. */
static void finish(const float *restrict row, int n, float noise, uint32_t number, uint8_t *restrict out)
{
    float scale = noise / 147.8f; /* the sum's standard deviation: sqrt(4 (256^2 - 1) / 12) */
    for (int i = 0; i < n; i++) {
        uint32_t h = number + (uint32_t)i;
        h = (h ^ h >> 16) * 0x7feb352du;
        h = (h ^ h >> 15) * 0x846ca68bu;
        h ^= h >> 16;
        int32_t sum = (int32_t)((h & 255) + (h >> 8 & 255) + (h >> 16 & 255) + (h >> 24)) - 510;
        float v = row[i] + scale * (float)sum + 0.5f;
        out[i] = (uint8_t)(int32_t)smaller(larger(v, 0), 255.5f);
    }
}

static void render(const picture *p, uint8_t *pixels)
{
    float row[3][MAX_SIZE];
    uint32_t area = (uint32_t)(p->height * p->width);
    for (int y = 0; y < p->height; y++) {
        for (int k = 0; k < p->channels; k++) {
            float left = p->colour[k] + (float)y * p->down[k], gain = p->across[k];
            for (int i = 0; i < p->width; i++) row[k][i] = left + (float)i * gain;
        }
        for (int i = 0; i < p->n; i++) paint(p, &p->figures[i], y, row);
        for (int k = 0; k < p->channels; k++) {
            uint32_t first = (uint32_t)k * area + (uint32_t)(y * p->width);
            finish(row[k], p->width, p->noise, p->noise_key + first, pixels + first);
        }
    }
}

/* A colour of about the given lightness (0..1), as 0..255. */
static void draw_colour(draw *d, float lightness, float colour[3])
{
    for (int k = 0; k < 3; k++) {
        float c = 255 * (lightness + between(d, -0.18f, 0.18f));
        colour[k] = smaller(larger(c, 0), 255);
    }
}

static void draw_slopes(draw *d, float range, float slope[3])
{
    for (int k = 0; k < 3; k++) slope[k] = between(d, -range, range);
}

static void draw_angle(draw *d, figure *f)
{
    float angle = between(d, 0, 6.2831853f);
    f->sine = sinf(angle);
    f->cosine = cosf(angle);
}

/* Its size is by the shorter side. */
static figure draw_figure(draw *d, kind class, float height, float width, float background)
{
    figure f = {.kind = class};
    f.r = smaller(height, width) * between(d, 0.27f, 0.42f);
    f.reach = 1.2f * f.r + 1;
    f.x = between(d, 0.9f * f.r, width - 0.9f * f.r);
    f.y = between(d, 0.9f * f.r, height - 0.9f * f.r);
    draw_angle(d, &f);

    float contrast = between(d, 0.35f, 0.65f) * (draw_u64(d) >> 63 ? 1.0f : -1.0f);
    if (background + contrast < 0 || background + contrast > 1) contrast = -contrast;
    draw_colour(d, background + contrast, f.colour);
    draw_slopes(d, 25 / f.r, f.slope);
    return f;
}

static figure draw_clutter(draw *d, float height, float width)
{
    figure f = {.kind = draw_u64(d) >> 63 ? BAR : CIRCLE};
    f.r = smaller(height, width) * (f.kind == BAR ? between(d, 0.06f, 0.12f) : between(d, 0.03f, 0.06f));
    f.reach = 1.2f * f.r + 1;
    f.x = between(d, 0, width);
    f.y = between(d, 0, height);
    draw_angle(d, &f);
    draw_colour(d, between(d, 0, 1), f.colour);
    return f;
}

/* The sides come of numbers of their own, so that they are known without drawing the picture. */
static cvy_shape shapes_shape(const cvy_dataset_read *r, const shapes_config *c)
{
    cvy_shape shape = {3, {c->grey ? 1 : 3, c->size[0], c->size[0], 0, 0, 0}};
    if (c->size[0] == c->size[1]) return shape;
    draw d = draw_open(r, "shapes size", c->seed < 0 ? -1 : c->seed + 1);
    const uint64_t sizes = (uint64_t)(c->size[1] - c->size[0]) / STEP + 1;
    for (int i = 0; i < 2; i++) shape.dim[1 + i] += STEP * (int64_t)((draw_u64(&d) >> 32) * sizes >> 32);
    return shape;
}

static int shapes_read(cvy_dataset_read *r, const void *config, const void *state)
{
    const shapes_config *c = config;
    (void)state;
    r->label = (int32_t)(r->index % CLASSES);
    r->shape = shapes_shape(r, c);
    if (!r->pixels) return 0;

    draw d = draw_open(r, "shapes", c->seed);
    float height = (float)r->shape.dim[1], width = (float)r->shape.dim[2],
          background = between(&d, 0.15f, 0.85f);
    picture p;
    p.height = (int)r->shape.dim[1];
    p.width = (int)r->shape.dim[2];
    p.channels = c->grey ? 1 : 3;
    p.noise = 255 * (float)c->noise;
    p.noise_key = (uint32_t)draw_u64(&d);
    draw_colour(&d, background, p.colour);
    draw_slopes(&d, 40 / width, p.across);
    draw_slopes(&d, 40 / height, p.down);
    for (int k = 0; k < 3; k++) /* it is the middle's */
        p.colour[k] -= height == width ? 0.5f * width * (p.across[k] + p.down[k])
                                       : 0.5f * (width * p.across[k] + height * p.down[k]);

    p.n = (int)c->clutter + 1;
    int place = p.n / 2; /* half of the clutter lies behind */
    for (int i = 0; i < p.n; i++)
        p.figures[i] = i == place ? draw_figure(&d, (kind)r->label, height, width, background)
                                  : draw_clutter(&d, height, width);
    render(&p, r->pixels);
    return 0;
}

static int shapes_open(cvy_dataset_open *o, const void *config, void **state)
{
    const shapes_config *c = config;
    const int64_t most = c->size[1] - (c->size[1] - c->size[0]) % STEP;
    if (c->size[1] < c->size[0])
        return cvy_fail(o, "size: [%lld, %lld] is empty; give the smaller side first", (long long)c->size[0],
                        (long long)c->size[1]);
    o->info.n[CVY_TRAIN] = c->train;
    o->info.n[CVY_TEST] = c->test;
    o->info.sample = (cvy_shape){3, {c->grey ? 1 : 3, most, most, 0, 0, 0}};
    o->info.varied = most > c->size[0];
    o->info.element = CVY_U8;
    o->info.classes = CLASSES;
    o->info.class_names = class_names;
    o->info.fingerprint[0] = 0; /* configuration and seed decide all */
    *state = NULL;
    return 0;
}

static void shapes_close(void *state)
{
    (void)state;
}

static const cvy_dataset shapes_type = {
    .size = sizeof(cvy_dataset), .open = shapes_open, .read = shapes_read, .close = shapes_close};

CVY_PLUGIN(CVY_DATASET, shapes, "synthetic FakeData toy geometric figures",
           "generated images of ten geometric figures at random places, sizes, angles and colours; needs no "
           "download",
           "", shapes_config, &shapes_type, CVY_PARAMS(shapes_params));
