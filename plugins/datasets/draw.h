/* Random numbers for datasets that draw their samples: fast, and a function of (seed, split, index). Private to the
 * plugins of this folder. */
#ifndef DATASETS_DRAW_H
#define DATASETS_DRAW_H

#include "convoy/dataset.h"

/* SplitMix64 (Steele, Lea and Flood 2014): the run's generator only gives the key, since a sample wants
 * thousands of numbers within microseconds. */
typedef struct draw {
    uint64_t state;
} draw;

static inline uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint64_t draw_u64(draw *d)
{
    return mix(d->state += 0x9e3779b97f4a7c15u);
}

static inline float between(draw *d, float lo, float hi)
{
    return lo + (hi - lo) * ((float)(draw_u64(d) >> 40) * (1.0f / 16777216.0f));
}

/* About normal with deviation 1: the sum of four 16-bit numbers. */
static inline float draw_noise(draw *d)
{
    const uint64_t h = draw_u64(d);
    const int32_t sum = (int32_t)((h & 65535) + (h >> 16 & 65535) + (h >> 32 & 65535) + (h >> 48)) - 131070;
    return (float)sum * (1.0f / 37836.8f); /* sqrt(4 (65536^2 - 1) / 12) */
}

/* The numbers of a sample. `seed` -1: the experiment's. `purpose`: the plugin's name. */
static inline draw draw_open(const cvy_dataset_read *r, const char *purpose, int64_t seed)
{
    draw d;
    if (seed < 0) {
        cvy_random random = r->host->random(r->host, purpose, (uint64_t)r->index, r->split);
        uint64_t high = random.next(&random);
        d.state = high << 32 | random.next(&random);
    } else {
        d.state = mix((uint64_t)seed + 0x632be59bd9b4e019u) + (uint64_t)r->split;
        d.state = mix(mix(d.state) + (uint64_t)r->index);
    }
    return d;
}

#endif
