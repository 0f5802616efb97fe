/* Runs a network forward over samples. Must not know what becomes of the outputs, nor where samples come from. */
#include "train/forward.h"

#include <string.h>

#include "train/evaluation.h"

/* ---- where the network ends ---- */

static bool forward_is_within(const char *path, const char *composite)
{
    const size_t n = strlen(composite);
    return n > 0 && strncmp(path, composite, n) == 0 && path[n] == '.';
}

/* The layer's node; of a composite the last. -1: there is none. */
static int forward_find(const net *n, const char *path)
{
    int last = -1;
    for (size_t i = 1; i < n->n_nodes; i++) {
        if (!strcmp(n->nodes[i].path, path)) return (int)i;
        if (forward_is_within(n->nodes[i].path, path)) last = (int)i;
    }
    return last;
}

static cvy_status forward_no_layer(const net *n, const char *path, errors *e)
{
    const char **names = mem_array(n->n_nodes, sizeof *names);
    size_t n_names = 0;
    for (size_t i = 1; i < n->n_nodes; i++) names[n_names++] = n->nodes[i].path;
    const char *near = text_nearest(path, names, n_names);
    text hint = {0};
    if (near)
        text_printf(&hint, "did you mean \"%s\"?", near);
    else
        text_printf(&hint, "its last layers: %s%s%s; `convoy model` shows all",
                    n_names > 1 ? names[n_names - 2] : "", n_names > 1 ? ", " : "",
                    n_names ? names[n_names - 1] : "");
    cvy_status status =
        errors_add(e, CVY_ERR_CONFIG, NULL, text_str(&hint), "the network has no layer \"%s\"", path);
    text_free(&hint);
    mem_free(names);
    return status;
}

int forward_layer(const net *n, const char *path, errors *e)
{
    const int unit = forward_find(n, path);
    if (unit < 0) forward_no_layer(n, path, e);
    return unit;
}

cvy_status forward_cut(setup *s, const char *path, errors *e)
{
    const int unit = forward_layer(s->net, path, e);
    if (unit < 0) return errors_status(e);
    s->net->output = unit;
    return CVY_OK;
}

/* ---- at work ---- */

cvy_status forward_make_room(forward *f, const cvy_shape *sample, int64_t n, errors *e)
{
    size_t floats;
    const bool fits = size_mul((size_t)n, (size_t)cvy_count(sample), &floats);
    if (fits && floats <= f->room) return CVY_OK;
    mem_free(f->x);
    f->x = fits ? mem_try(floats, sizeof *f->x) : NULL;
    f->room = f->x ? floats : 0;
    if (f->x) return CVY_OK;
    return errors_add(e, CVY_ERR_RESOURCE, NULL, "--batch takes fewer",
                      "not enough memory for a batch of %lld samples", (long long)n);
}

cvy_status forward_open(forward *f, const setup *s, const checkpoint_weights *w, int64_t samples,
                        const char *hint, errors *e)
{
    *f = (forward){.s = s, .batch = samples};
    cvy_status status = stepper_open_evaluation(&f->steps, s, samples, e);
    if (!status) status = evaluation_load(f->steps.state, w, hint, e);
    return status ? status : forward_make_room(f, &s->data->sample, samples, e);
}

void forward_close(forward *f)
{
    if (f->s) stepper_close(&f->steps);
    mem_free(f->x);
    *f = (forward){0};
}

cvy_status forward_run(forward *f, const cvy_shape *sample, int64_t n, const float **y, cvy_shape *shape,
                       errors *e)
{
    const int64_t each = cvy_count(sample), whole = (size_t)each <= f->room / (size_t)f->batch ? f->batch : n;
    plan *p = plans_get(&f->steps.plans, sample, whole, false, false, e);
    *y = NULL;
    if (!p) return errors_status(e);
    /* What a short batch lacks is zeros: samples do not see each other in evaluation. */
    memset(f->x + n * each, 0, (size_t)((whole - n) * each) * sizeof(float));
    cvy_status status = plan_forward(p, f->x, 0, 0, e);
    if (status) return status;
    *y = plan_output(p, shape);
    shape->dim[0] = n;
    return CVY_OK;
}

cvy_status forward_part(forward *f, data_part part, stepper_see *see, void *ctx, errors *e)
{
    const batch *b;
    loader_start(f->steps.loader, part, 0, f->batch, 0);
    while ((b = loader_next(f->steps.loader, e))) {
        const float *y;
        cvy_shape shape;
        memcpy(f->x, b->x, (size_t)(b->n * cvy_count(&b->shape)) * sizeof(float));
        cvy_status status = forward_run(f, &b->shape, b->n, &y, &shape, e);
        if (!status) status = see(ctx, y, &shape, b, e);
        if (status) return status;
    }
    return errors_status(e);
}
