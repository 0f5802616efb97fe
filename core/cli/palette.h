/* Colours for numbers: from dark to light as evenly as the eye sees it (equal steps of lightness in CIELAB, from violet over
 * blue and green to yellow), and greys around a middle. Knows no picture. */
#ifndef CLI_PALETTE_H
#define CLI_PALETTE_H

#include <stdint.h>

enum { PALETTE_ANCHORS = 17 };

static const uint8_t palette_anchors[PALETTE_ANCHORS][3] = {
    {49, 20, 80},    {47, 36, 97},    {42, 50, 112},  {33, 65, 127},  {18, 79, 141},  {1, 95, 141},
    {1, 110, 143},   {5, 124, 145},   {0, 139, 147},  {3, 154, 147},  {25, 169, 142}, {68, 182, 132},
    {106, 195, 119}, {134, 207, 107}, {166, 218, 93}, {202, 228, 78}, {241, 235, 63}};

/* v on [0, 1]; what lies outside, or is no number, counts as the nearest end (as 0). */
static inline void palette_heat(double v, uint8_t colour[3])
{
    const double at = v > 0 ? v < 1 ? v * (PALETTE_ANCHORS - 1) : PALETTE_ANCHORS - 1 : 0;
    const int i = at < PALETTE_ANCHORS - 2 ? (int)at : PALETTE_ANCHORS - 2;
    for (int c = 0; c < 3; c++) {
        const double a = palette_anchors[i][c], b = palette_anchors[i + 1][c];
        colour[c] = (uint8_t)(a + (at - i) * (b - a) + 0.5);
    }
}

/* v on [-1, 1]: black, grey, white. */
static inline uint8_t palette_grey(double v)
{
    return (uint8_t)(v > -1 ? v < 1 ? 127.5 + 127.5 * v + 0.5 : 255 : 0);
}

#endif
