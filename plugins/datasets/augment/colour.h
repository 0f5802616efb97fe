/* Colour operations on an image in place, pixels on [0, 1]. Owns their formulas, which are torchvision's; must not know
 * who draws their factors. */
#ifndef AUGMENT_COLOUR_H
#define AUGMENT_COLOUR_H

#include "image.h"

typedef struct colour_image {
    float *y;         /* (channels, pixels) */
    int64_t channels; /* 1 or 3 where a grey value is needed */
    int64_t pixels;
} colour_image;

/* The image that is to be worked on, x copied to y. */
static inline colour_image colour_begin(const cvy_augment_call *call)
{
    image_copy(call);
    return (colour_image){call->y, call->in->dim[0], call->in->dim[1] * call->in->dim[2]};
}

/* ITU-R BT.601's luma. */
static inline float colour_luma(float r, float g, float b)
{
    return 0.2989f * r + 0.587f * g + 0.114f * b;
}

static inline void colour_brightness(const colour_image *c, double factor)
{
    const float f = (float)factor;
    const int64_t n = c->channels * c->pixels;
    for (int64_t i = 0; i < n; i++) c->y[i] = image_clamp(f * c->y[i]);
}

/* Towards, or away from, the mean of the grey image. */
static inline void colour_contrast(const colour_image *c, double factor)
{
    const float *r = c->y, *g = r + c->pixels, *b = g + c->pixels;
    double sum = 0;
    if (c->channels == 3)
        for (int64_t i = 0; i < c->pixels; i++) sum += (double)colour_luma(r[i], g[i], b[i]);
    else
        for (int64_t i = 0; i < c->pixels; i++) sum += (double)r[i];
    const float f = (float)factor, rest = (float)((1 - factor) * (sum / (double)c->pixels));
    const int64_t n = c->channels * c->pixels;
    for (int64_t i = 0; i < n; i++) c->y[i] = image_clamp(f * c->y[i] + rest);
}

/* Towards, or away from, the grey image. A grey image stays as it is. */
static inline void colour_saturation(const colour_image *c, double factor)
{
    if (c->channels != 3) return;
    float *restrict r = c->y, *restrict g = r + c->pixels, *restrict b = g + c->pixels;
    const float f = (float)factor, rest = (float)(1 - factor);
    for (int64_t i = 0; i < c->pixels; i++) {
        const float grey = rest * colour_luma(r[i], g[i], b[i]);
        r[i] = image_clamp(f * r[i] + grey);
        g[i] = image_clamp(f * g[i] + grey);
        b[i] = image_clamp(f * b[i] + grey);
    }
}

/* Hue, saturation and value (Smith 1978); hue on [0, 6), red at 0, green at 2, blue at 4. `shift` in turns. */
static inline void colour_hue(const colour_image *c, double shift)
{
    if (c->channels != 3) return;
    float *restrict red = c->y, *restrict green = red + c->pixels, *restrict blue = green + c->pixels;
    for (int64_t i = 0; i < c->pixels; i++) {
        const float r = red[i], g = green[i], b = blue[i];
        const float most = r > g ? (r > b ? r : b) : (g > b ? g : b),
                    least = r < g ? (r < b ? r : b) : (g < b ? g : b), span = most - least;
        if (!(span > 0) || !(most > 0)) continue; /* grey has no hue */
        float hue = r >= most ? (g - b) / span : g >= most ? 2 + (b - r) / span : 4 + (r - g) / span;
        hue += 6 * (float)shift;
        hue -= 6 * floorf(hue / 6);
        const int sector = hue >= 1 ? hue >= 2 ? hue >= 3 ? hue >= 4 ? hue >= 5 ? 5 : 4 : 3 : 2 : 1 : 0;
        const float part = hue - (float)sector, s = span / most;
        const float low = image_clamp(most * (1 - s)), falls = image_clamp(most * (1 - s * part)),
                    rises = image_clamp(most * (1 - s * (1 - part)));
        /* Sector by sector each colour goes around this ring: red from 0 on, green from 4, blue from 2. */
        const float ring[6] = {most, falls, low, low, rises, most};
        red[i] = ring[sector];
        green[i] = ring[(sector + 4) % 6];
        blue[i] = ring[(sector + 2) % 6];
    }
}

static inline void colour_invert(const colour_image *c)
{
    const int64_t n = c->channels * c->pixels;
    for (int64_t i = 0; i < n; i++) c->y[i] = 1 - c->y[i];
}

/* What is at least as bright as the threshold is inverted. */
static inline void colour_solarize(const colour_image *c, double threshold)
{
    const float t = (float)threshold;
    const int64_t n = c->channels * c->pixels;
    for (int64_t i = 0; i < n; i++) c->y[i] = c->y[i] >= t ? 1 - c->y[i] : c->y[i];
}

/* ---- in 256 levels ---- */

static inline int colour_level(float v)
{
    const float level = v * 255 + 0.5f;
    return level > 0 ? level < 255 ? (int)level : 255 : 0;
}

/* Keeps the upper `bits` of the 8. */
static inline void colour_posterize(const colour_image *c, int bits)
{
    const int mask = 0xff & ~(0xff >> bits);
    const int64_t n = c->channels * c->pixels;
    for (int64_t i = 0; i < n; i++) c->y[i] = (float)(colour_level(c->y[i]) & mask) * (1.0f / 255.0f);
}

static inline void colour_histogram(const float *y, int64_t n, int64_t count[256])
{
    memset(count, 0, 256 * sizeof *count);
    for (int64_t i = 0; i < n; i++) count[colour_level(y[i])]++;
}

/* Darkest and brightest value of a channel, or of what is left of it without the share `cut` of its pixels at each
 * end. */
static inline void colour_ends(const float *y, int64_t n, double cut, float *lo, float *hi)
{
    *lo = *hi = y[0];
    if (!(cut > 0)) {
        for (int64_t i = 1; i < n; i++) {
            *lo = y[i] < *lo ? y[i] : *lo;
            *hi = y[i] > *hi ? y[i] : *hi;
        }
        return;
    }
    int64_t count[256];
    colour_histogram(y, n, count);
    const int64_t gone = (int64_t)(cut * (double)n);
    int first = 0, last = 255;
    for (int64_t seen = count[0]; first < 255 && seen <= gone;) seen += count[++first];
    for (int64_t seen = count[255]; last > 0 && seen <= gone;) seen += count[--last];
    *lo = (float)first / 255;
    *hi = (float)last / 255;
}

/* Each channel linearly so that it reaches from 0 to 1; one that is constant stays. */
static inline void colour_stretch(const colour_image *c, double cut)
{
    for (int64_t k = 0; k < c->channels; k++) {
        float *y = c->y + k * c->pixels, lo, hi;
        colour_ends(y, c->pixels, cut, &lo, &hi);
        const float factor = 1 / (hi - lo);
        if (!(hi > lo) || !isfinite(factor)) continue;
        for (int64_t i = 0; i < c->pixels; i++) y[i] = image_clamp((y[i] - lo) * factor);
    }
}

/* Each channel through its own cumulative histogram of 256 levels, in whole numbers as PIL's ImageOps.equalize() and
 * torchvision do it. */
static inline void colour_equalize(const colour_image *c)
{
    for (int64_t k = 0; k < c->channels; k++) {
        float *y = c->y + k * c->pixels, table[256];
        int64_t count[256];
        colour_histogram(y, c->pixels, count);
        int last = 255;
        while (last > 0 && !count[last]) last--;
        const int64_t step = (c->pixels - count[last]) / 255;
        if (!step) continue; /* one level, or too few pixels: it stays */
        int64_t below = step / 2;
        for (int level = 0; level < 256; level++) {
            const int64_t to = below / step;
            table[level] = (float)(to < 255 ? to : 255) / 255;
            below += count[level];
        }
        for (int64_t i = 0; i < c->pixels; i++) y[i] = table[colour_level(y[i])];
    }
}

/* ---- neighbours ---- */

/* Away from, or towards, the image smoothed by (1 1 1, 1 5 1, 1 1 1) / 13; the outermost pixels stay. `x` is a copy of
 * the image. */
static inline void colour_sharpness(const colour_image *c, const float *x, int64_t h, int64_t w,
                                    double factor)
{
    const float f = (float)factor, rest = (float)(1 - factor);
    const int64_t n = c->channels * c->pixels;
    for (int64_t k = 0; k < c->channels; k++)
        for (int64_t i = 1; i < h - 1; i++) {
            const float *at = x + k * c->pixels + i * w;
            float *y = c->y + k * c->pixels + i * w;
            for (int64_t j = 1; j < w - 1; j++) {
                const float ring = at[j - w - 1] + at[j - w] + at[j - w + 1] + at[j - 1] + at[j + 1] +
                                   at[j + w - 1] + at[j + w] + at[j + w + 1];
                y[j] = f * at[j] + rest * ((ring + 5 * at[j]) / 13);
            }
        }
    if (h > 2 && w > 2)
        for (int64_t i = 0; i < n; i++) c->y[i] = image_clamp(c->y[i]);
}

#endif
