/* Solids: volumes that hold one of eight bodies, computed as they are read, each sample a function of (seed, split,
 * index). Place, size and attitude are drawn alike for all classes. */
#include <math.h>
#include "draw.h"

typedef struct solids_config {
    int64_t train, test, size, seed;
    double noise;
} solids_config;

static const cvy_param solids_params[] = {
    CVY_INT(solids_config, train, 2000, 1, 1000000000, "training samples"),
    CVY_ALSO("n_train train_size samples"),
    CVY_INT(solids_config, test, 400, 0, 1000000000, "test samples"),
    CVY_ALSO("n_test test_size"),
    CVY_INT(solids_config, size, 32, 12, 128, "side of the cube, voxels"),
    CVY_ALSO("resolution depth height width"),
    CVY_FLOAT(solids_config, noise, 0.1, 0, 1,
              "standard deviation of the noise on each voxel, a full one being 1"),
    CVY_INT(solids_config, seed, -1, -1, 9007199254740992, "draws the samples; -1: the experiment's seed"),
    CVY_ALSO("random_state"),
};

typedef enum body { BALL, CUBE, CYLINDER, CONE, TORUS, OCTAHEDRON, CROSS, TUBE, CLASSES } body;

static const char *const class_names[CLASSES] = {"ball",  "cube",       "cylinder", "cone",
                                                 "torus", "octahedron", "cross",    "tube"};

static inline float larger(float a, float b)
{
    return a > b ? a : b;
}

static inline float smaller(float a, float b)
{
    return a < b ? a : b;
}

/* About the distance from the surface in units of the body's size, negative inside, at (x, y, z) from the middle in the
 * body's own directions. */
static inline float distance(body b, float x, float y, float z)
{
    const float u = fabsf(x), v = fabsf(y), w = fabsf(z), rho = sqrtf(x * x + y * y);
    switch (b) {
    case BALL:
        return sqrtf(rho * rho + z * z) - 0.85f;
    case CUBE:
        return larger(larger(u, v), w) - 0.68f;
    case CYLINDER:
        return larger(rho - 0.55f, w - 0.85f);
    case CONE:
        return larger(-z - 0.7f, (rho - 0.47f * (0.9f - z)) * 0.905f);
    case TORUS:
        return sqrtf((rho - 0.65f) * (rho - 0.65f) + z * z) - 0.28f;
    case OCTAHEDRON:
        return (u + v + w - 1.1f) * 0.577f;
    case CROSS:
        return larger(smaller(smaller(larger(u, v), larger(v, w)), larger(u, w)) - 0.25f,
                      larger(larger(u, v), w) - 0.95f);
    default:
        return larger(fabsf(rho - 0.55f) - 0.16f, w - 0.8f);
    }
}

/* A rotation drawn uniformly: that of a random unit quaternion (Shoemake 1992). */
static void draw_rotation(draw *d, float m[9])
{
    const float u = between(d, 0, 1), a = between(d, 0, 6.2831853f), b = between(d, 0, 6.2831853f);
    const float s = sqrtf(1 - u), t = sqrtf(u);
    const float x = s * sinf(a), y = s * cosf(a), z = t * sinf(b), w = t * cosf(b);
    const float rows[9] = {1 - 2 * (y * y + z * z), 2 * (x * y - z * w),     2 * (x * z + y * w),
                           2 * (x * y + z * w),     1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
                           2 * (x * z - y * w),     2 * (y * z + x * w),     1 - 2 * (x * x + y * y)};
    for (int i = 0; i < 9; i++) m[i] = rows[i];
}

static int solids_read(cvy_dataset_read *r, const void *config, const void *state)
{
    const solids_config *c = config;
    (void)state;
    r->label = (int32_t)(r->index % CLASSES);
    if (!r->pixels) return 0;

    draw d = draw_open(r, "solids", c->seed);
    const float size = (float)c->size, radius = size * between(&d, 0.28f, 0.42f), scale = 1 / radius;
    const float room = 0.5f * size - radius, noise = 255 * (float)c->noise;
    float middle[3], m[9];
    for (int k = 0; k < 3; k++) middle[k] = 0.5f * size + between(&d, -room, room);
    draw_rotation(&d, m);
    const float full = between(&d, 170, 255), empty = between(&d, 0, 60);
    uint8_t *out = r->pixels;
    for (int64_t k = 0; k < c->size; k++) // (1, D, H, W)
        for (int64_t i = 0; i < c->size; i++)
            for (int64_t j = 0; j < c->size; j++) {
                const float z = ((float)k + 0.5f - middle[0]) * scale,
                            y = ((float)i + 0.5f - middle[1]) * scale,
                            x = ((float)j + 0.5f - middle[2]) * scale;
                const float from = distance((body)r->label, m[0] * x + m[1] * y + m[2] * z,
                                            m[3] * x + m[4] * y + m[5] * z, m[6] * x + m[7] * y + m[8] * z);
                const float share = smaller(larger(0.5f - from * radius, 0), 1); /* of the voxel, about */
                const float v = empty + share * (full - empty) + noise * draw_noise(&d) + 0.5f;
                *out++ = (uint8_t)(int32_t)smaller(larger(v, 0), 255.5f);
            }
    return 0;
}

static int solids_open(cvy_dataset_open *o, const void *config, void **state)
{
    const solids_config *c = config;
    o->info.n[CVY_TRAIN] = c->train;
    o->info.n[CVY_TEST] = c->test;
    o->info.sample = (cvy_shape){4, {1, c->size, c->size, c->size, 0, 0}};
    o->info.element = CVY_U8;
    o->info.classes = CLASSES;
    o->info.class_names = class_names;
    o->info.fingerprint[0] = 0; /* configuration and seed decide all */
    *state = NULL;
    return 0;
}

static void solids_close(void *state)
{
    (void)state;
}

static const cvy_dataset solids_type = {
    .size = sizeof(cvy_dataset), .open = solids_open, .read = solids_read, .close = solids_close};

CVY_PLUGIN(CVY_DATASET, solids, "volumes voxels synthetic_volumes",
           "generated volumes that hold one of eight bodies at random places, sizes and attitudes; needs no "
           "download",
           "", solids_config, &solids_type, CVY_PARAMS(solids_params));
