/* Makes samples of pictures that are no part of the dataset. Must not know files, nor what the network says to them. */
#include <string.h>

#include "plugin/contract.h"
#include "train/blame.h"
#include "train/sizes.h"

bool data_takes_pictures(const data *d, errors *e)
{
    const cvy_shape *s = &d->info.sample;
    const bool image = s->rank == 3 && (s->dim[0] == 1 || s->dim[0] == 3);
    if (image) return true;
    text shape = {0};
    for (int i = 0; i < s->rank; i++) text_printf(&shape, "%s%lld", i ? ", " : "", (long long)s->dim[i]);
    errors_add(
        e, CVY_ERR_CONFIG, NULL,
        "`convoy eval RUN --json` and `convoy features RUN` work on any dataset's own samples",
        "the samples of %s are no pictures: (%s); pictures are (1, height, width) or (3, height, width)",
        d->plugin->name, text_str(&shape));
    text_free(&shape);
    return false;
}

/* ---- a picture as a sample of the dataset ---- */

static cvy_status import_call(const data *d, cvy_dataset_import *i, errors *e)
{
    errors own = {0};
    host h = host_make(&own, CVY_ERR_CONFIG, NULL, d->seed, NULL);
    i->host = &h.face;
    if (d->type->import(i, d->config) && !errors_count(&own))
        cvy_fail(i, "import failed without saying why");
    else if (!errors_count(&own) &&
             (i->shape.rank != 3 || i->shape.dim[0] != d->info.sample.dim[0] || !sizes_can_be(&i->shape)))
        cvy_fail(i, "import gave a shape that cannot be");
    return errors_count(&own) ? blame(&own, e, "dataset (%s)", d->plugin->name) : CVY_OK;
}

static bool import_has(const data *d)
{
    return CONTRACT_HAS(cvy_dataset, d->type, import) && d->type->import;
}

static cvy_dataset_import import_of(const data *d, const data_picture *p)
{
    return (cvy_dataset_import){.pixels = p->pixels,
                                .channels = (int32_t)d->info.sample.dim[0],
                                .height = p->height,
                                .width = p->width};
}

/* As the dataset's own code makes samples. `bytes` is as long as y. */
static cvy_status import_by_plugin(const data *d, const data_picture *p, float *y, uint8_t *bytes, errors *e)
{
    const bool scaled = d->info.element == CVY_U8;
    cvy_dataset_import i = import_of(d, p);
    i.sample = scaled ? (void *)bytes : (void *)y;
    cvy_status status = import_call(d, &i, e);
    const int64_t count = cvy_count(&i.shape);
    for (int64_t k = 0; scaled && !status && k < count; k++) y[k] = (float)bytes[k] * (1.0f / 255.0f);
    return status;
}

/* To the height and width of the samples, whatever the picture's shape: all of it is seen. */
static cvy_status import_resized(const data *d, const data_picture *p, float *y, errors *e)
{
    const cvy_shape *s = &d->info.sample;
    const int64_t channels = s->dim[0];
    int64_t count;
    float *x = NULL;
    if (!__builtin_mul_overflow(p->height, p->width, &count) &&
        !__builtin_mul_overflow(count, channels, &count) && count > 0)
        x = mem_try((size_t)count, sizeof *x);
    if (!x)
        return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for a picture of %lld x %lld",
                          (long long)p->height, (long long)p->width);
    for (int64_t k = 0; k < count; k++) x[k] = (float)p->pixels[k] * (1.0f / 255.0f);
    errors own = {0};
    host h = host_make(&own, CVY_ERR_CONFIG, NULL, d->seed, NULL);
    int failed = h.face.image_resize(&h.face, channels, x, p->height, p->width, y, s->dim[1], s->dim[2]);
    if (failed && !errors_count(&own)) h.face.fail(&h.face, "the picture could not be resized");
    mem_free(x);
    return errors_count(&own) ? blame(&own, e, "resizing") : CVY_OK;
}

/* ---- shapes ---- */

/* Those on the sample's way; all samples of one size share theirs. */
static cvy_status import_shapes(const data *d, const data_picture *p, const cvy_shape **shapes,
                                cvy_shape *own, errors *e)
{
    const data_how how = data_how_tested(d);
    *shapes = d->sizes[0].shapes[how];
    if (!import_has(d)) {
        if (!d->info.varied) return CVY_OK;
        *shapes = own;
        return sizes_of_other(d, &d->info.sample, how, own, e);
    }
    cvy_dataset_import i = import_of(d, p);
    cvy_status status = import_call(d, &i, e);
    if (status) return status;
    if (!d->info.varied && sizes_same(&i.shape, &d->info.sample)) return CVY_OK;
    if (!d->info.varied) {
        text found = {0}, wanted = {0};
        sizes_text(&i.shape, &found);
        sizes_text(&d->info.sample, &wanted);
        status = errors_add(e, CVY_ERR_CONFIG, NULL, NULL,
                            "dataset (%s): makes a sample of %s of it, and the run's are %s", d->plugin->name,
                            text_str(&found), text_str(&wanted));
        text_free(&found);
        text_free(&wanted);
        return status;
    }
    *shapes = own;
    return sizes_of_other(d, &i.shape, how, own, e);
}

/* By asking what the steps make of two sizes. */
bool data_imports_alike(const data *d)
{
    if (!d->info.varied) return true;
    cvy_shape *shapes = mem_array(d->n_steps + 1, sizeof *shapes);
    errors quiet = {0};
    bool alike = true;
    for (int i = 0; i < 2 && alike; i++) {
        cvy_shape raw = d->info.sample;
        raw.dim[1] += 37 * i;
        raw.dim[2] += 101 * i;
        alike = !sizes_of_other(d, &raw, data_how_tested(d), shapes, &quiet) &&
                sizes_same(&shapes[d->n_steps], &d->sample);
    }
    errors_free(&quiet);
    mem_free(shapes);
    return alike;
}

static bool import_room(const data *d, const cvy_shape *shapes, data_sample *out, size_t *largest)
{
    size_t all;
    *largest = 0;
    for (size_t k = 0; k <= d->n_steps; k++)
        if ((size_t)cvy_count(&shapes[k]) > *largest) *largest = (size_t)cvy_count(&shapes[k]);
    if (!size_mul(*largest, 3, &all)) return false; /* two sides of the chain, and the bytes */
    if (all <= out->floats) return true;
    mem_free(out->room);
    out->room = mem_try(all, sizeof *out->room);
    out->floats = out->room ? all : 0;
    return out->room != NULL;
}

/* ---- together ---- */

cvy_status data_import(const data *d, const data_picture *p, int32_t copy, data_sample *out, errors *e)
{
    cvy_shape *own = mem_array(d->n_steps + 1, sizeof *own);
    const cvy_shape *shapes;
    size_t largest;
    cvy_status status = import_shapes(d, p, &shapes, own, e);
    if (!status && !import_room(d, shapes, out, &largest))
        status = errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for the picture as a sample");
    if (!status) {
        float *x = out->room, *other = x + largest;
        status = import_has(d) ? import_by_plugin(d, p, x, (uint8_t *)(other + largest), e)
                               : import_resized(d, p, x, e);
        if (!status) status = data_finish(d, p->number, copy, shapes, x, other, &out->x, e);
        out->shape = shapes[d->n_steps];
    }
    mem_free(own);
    return status;
}

void data_sample_free(data_sample *s)
{
    mem_free(s->room);
    *s = (data_sample){0};
}
