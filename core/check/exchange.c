/* Owns which tensors of a case were asked for and which were given; must not know what they mean. */
#include "check/exchange.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

void exchange_open(exchange *x, const char *file, const safetensors *in, errors *e)
{
    *x = (exchange){.file = file, .in = in, .taken = mem_array(in->n + 1, sizeof(bool)), .e = e};
}

void exchange_close(exchange *x)
{
    mem_free(x->taken);
    mem_free(x->out);
    arena_free(&x->memory);
    *x = (exchange){0};
}

void exchange_shape_text(const cvy_shape *s, text *out)
{
    text_char(out, '(');
    for (int i = 0; i < s->rank; i++) text_printf(out, "%s%" PRId64, i ? ", " : "", s->dim[i]);
    text_char(out, ')');
}

void exchange_complain(exchange *x, const char *hint, const char *fmt, ...)
{
    text what = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&what, fmt, ap);
    va_end(ap);
    place at = PLACE_FILE(x->file);
    errors_add(x->e, CVY_ERR_CONFIG, &at, hint, "%s", text_str(&what));
    text_free(&what);
}

static const safetensor *take(exchange *x, const char *name, const cvy_shape *expected, bool required)
{
    text shape = {0}, found = {0};
    if (expected) exchange_shape_text(expected, &shape);
    const safetensor *t = safetensors_find(x->in, name);
    if (t) x->taken[t - x->in->items] = true;
    bool fits = t && (!expected || cvy_shape_same(&t->shape, expected));
    if (!t && required) {
        exchange_complain(x, NULL, "tensor \"%s\" is missing%s%s", name, expected ? ", expected shape " : "",
                          text_str(&shape));
    } else if (t && !fits) {
        exchange_shape_text(&t->shape, &found);
        exchange_complain(x, NULL, "tensor \"%s\" has shape %s, expected %s", name, text_str(&found),
                          text_str(&shape));
    }
    text_free(&shape);
    text_free(&found);
    return fits ? t : NULL;
}

const safetensor *exchange_take(exchange *x, const char *name, const cvy_shape *expected)
{
    return take(x, name, expected, true);
}

const safetensor *exchange_take_if(exchange *x, const char *name, const cvy_shape *expected)
{
    return take(x, name, expected, false);
}

const safetensor *exchange_next(exchange *x, const char *prefix, size_t *i)
{
    for (; *i < x->in->n; ++*i) {
        if (!text_starts(x->in->items[*i].name, prefix)) continue;
        x->taken[*i] = true;
        return &x->in->items[(*i)++];
    }
    return NULL;
}

void exchange_surplus(exchange *x, const char *takes)
{
    for (size_t i = 0; i < x->in->n; i++) {
        if (x->taken[i]) continue;
        text shape = {0};
        exchange_shape_text(&x->in->items[i].shape, &shape);
        exchange_complain(x, takes, "tensor \"%s\" of shape %s has no place here", x->in->items[i].name,
                          text_str(&shape));
        text_free(&shape);
    }
}

float *exchange_give(exchange *x, const char *name, const cvy_shape *shape)
{
    int64_t count = cvy_count(shape);
    float *data = arena_array(&x->memory, (size_t)(count > 0 ? count : 1), sizeof *data);
    x->out = MEM_GROW(x->out, x->n_out, &x->cap_out);
    x->out[x->n_out++] = (safetensor){arena_text(&x->memory, name), *shape, data, count};
    return data;
}
