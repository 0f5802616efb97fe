/* Waves: sequences of eight wave forms computed as they are read, each sample a function of (seed, split, index).
 *
 * Phase, frequency, amplitude, sign and offset are drawn alike for all classes, so that no single value says anything
 * about the class: a linear classifier stays near chance, a small 1-D convolutional network does not. */
#include <math.h>
#include "draw.h"

typedef struct waves_config {
    int64_t train, test, length, seed;
    double noise;
} waves_config;

static const cvy_param waves_params[] = {
    CVY_INT(waves_config, train, 4000, 1, 1000000000, "training samples"),
    CVY_ALSO("n_train train_size samples"),
    CVY_INT(waves_config, test, 1000, 0, 1000000000, "test samples"),
    CVY_ALSO("n_test test_size"),
    CVY_INT(waves_config, length, 128, 32, 65536,
            "values of a sequence, over which a wave repeats 3 to 8 times"),
    CVY_ALSO("size timesteps sequence_length"),
    CVY_FLOAT(waves_config, noise, 0.2, 0, 10,
              "standard deviation of the noise on each value; amplitudes lie between 0.6 and 1.4"),
    CVY_INT(waves_config, seed, -1, -1, 9007199254740992, "draws the samples; -1: the experiment's seed"),
    CVY_ALSO("random_state"),
};

typedef enum wave_form { SINE, SQUARE, SAWTOOTH, TRIANGLE, PULSE, CHIRP, BEAT, DECAY, CLASSES } wave_form;

static const char *const class_names[CLASSES] = {"sine",  "square", "sawtooth", "triangle",
                                                 "pulse", "chirp",  "beat",     "decay"};

#define TURN 6.2831853f

typedef struct wave {
    wave_form form;
    float cycles, phase; /* over the whole sequence; 0..1 */
    float extra;         /* what only some forms have */
} wave;

/* At time t of [0, 1]; about -1 to 1 */
static inline float wave_at(const wave *w, float t)
{
    const float turns = w->cycles * t + w->phase, p = turns - floorf(turns);
    switch (w->form) {
    case SQUARE:
        return p < 0.5f ? 1 : -1;
    case SAWTOOTH:
        return 2 * p - 1;
    case TRIANGLE:
        return 4 * fabsf(p - 0.5f) - 1;
    case PULSE:
        return p < 0.15f ? 1 : -0.18f;
    case CHIRP: /* the frequency grows linearly to `extra` times what it was; its mean is `cycles` */
        return sinf(TURN * (2 * w->cycles / (1 + w->extra) * (t + 0.5f * (w->extra - 1) * t * t) + w->phase));
    case BEAT:
        return sinf(TURN * turns) * cosf(TURN * w->extra * t);
    case DECAY:
        return sinf(TURN * turns) * expf(-w->extra * t);
    default:
        return sinf(TURN * turns);
    }
}

static int waves_read(cvy_dataset_read *r, const void *config, const void *state)
{
    const waves_config *c = config;
    (void)state;
    r->label = (int32_t)(r->index % CLASSES);
    if (!r->pixels) return 0;

    draw d = draw_open(r, "waves", c->seed);
    wave w = {.form = (wave_form)r->label};
    w.cycles = between(&d, 3, 8);
    w.phase = between(&d, 0, 1);
    const float share = between(&d, 0, 1), amplitude = between(&d, 0.6f, 1.4f),
                offset = between(&d, -0.3f, 0.3f);
    const float sign = draw_u64(&d) >> 63 ? 1.0f : -1.0f, noise = (float)c->noise;
    const int backwards = draw_u64(&d) >> 63 != 0;
    if (w.form == CHIRP) w.extra = 3 + 3 * share;
    if (w.form == BEAT) w.extra = 0.75f + 0.75f * share;
    if (w.form == DECAY) w.extra = 2.5f + 2.5f * share;

    float *x = r->pixels;
    const float step = 1.0f / (float)c->length;
    for (int64_t i = 0; i < c->length; i++) {
        const float t = (float)(backwards ? c->length - 1 - i : i) * step;
        x[i] = sign * amplitude * wave_at(&w, t) + offset + noise * draw_noise(&d);
    }
    return 0;
}

static int waves_open(cvy_dataset_open *o, const void *config, void **state)
{
    const waves_config *c = config;
    o->info.n[CVY_TRAIN] = c->train;
    o->info.n[CVY_TEST] = c->test;
    o->info.sample = (cvy_shape){2, {1, c->length, 0, 0, 0, 0}};
    o->info.element = CVY_F32;
    o->info.classes = CLASSES;
    o->info.class_names = class_names;
    o->info.fingerprint[0] = 0; /* configuration and seed decide all */
    *state = NULL;
    return 0;
}

static void waves_close(void *state)
{
    (void)state;
}

static const cvy_dataset waves_type = {
    .size = sizeof(cvy_dataset), .open = waves_open, .read = waves_read, .close = waves_close};

CVY_PLUGIN(
    CVY_DATASET, waves, "signals sequences timeseries synthetic_sequences",
    "generated sequences of eight wave forms at random phases, frequencies and amplitudes; needs no download",
    "", waves_config, &waves_type, CVY_PARAMS(waves_params));
