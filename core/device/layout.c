/* Owns the arithmetic of memory layouts: sizes and offsets; must not know what a tensor is for. */
#include "device/layout.h"

static const struct {
    const char *name;
    int block;
} layouts[LAYOUT_COUNT] = {
    [LAYOUT_PLAIN] = {"plain", 1},
    [LAYOUT_C8] = {"c8", 8},
    [LAYOUT_C16] = {"c16", 16},
};

const char *layout_name(layout l)
{
    return layouts[l].name;
}

int layout_block(layout l)
{
    return layouts[l].block;
}

bool layout_fits(layout l, const cvy_shape *s)
{
    return l == LAYOUT_PLAIN || s->rank == 4;
}

int64_t tensor_elements(const tensor *t)
{
    int64_t n = cvy_count(&t->shape);
    if (t->layout == LAYOUT_PLAIN) return n;
    int64_t c = t->shape.dim[1], b = layout_block(t->layout);
    return t->shape.dim[0] * ((c + b - 1) / b * b) * t->shape.dim[2] * t->shape.dim[3];
}

size_t tensor_bytes(const tensor *t)
{
    return (size_t)tensor_elements(t) * (size_t)t->element;
}

tensor tensor_plain(const cvy_shape *s)
{
    return (tensor){*s, LAYOUT_PLAIN, (int)sizeof(float)};
}

int64_t tensor_offset(const tensor *t, int64_t n, int64_t c, int64_t h, int64_t w)
{
    const int64_t *d = t->shape.dim;
    if (t->layout == LAYOUT_PLAIN) return ((n * d[1] + c) * d[2] + h) * d[3] + w;
    int64_t b = layout_block(t->layout), blocks = (d[1] + b - 1) / b;
    return (((n * blocks + c / b) * d[2] + h) * d[3] + w) * b + c % b;
}
