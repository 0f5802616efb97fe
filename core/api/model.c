/* Owns networks with weights outside of runs: forward passes, and tensors read, written, saved and loaded. Must not know
 * training. */
#include <inttypes.h>
#include <string.h>

#include "api/api.h"
#include "base/parallel.h"
#include "device/buffer.h"
#include "train/safetensors.h"
#include "train/weights.h"

#define MOST_SAMPLES 256 /* computed at once */

cvy_status api_start_weights(const cvy_experiment *x, state *into, errors *e)
{
    if (x->trainable) return setup_load_weights(x->s, into, e);
    return x->s->init.from ? weights_load(&x->s->init, into, e) : CVY_OK;
}

cvy_model *cvy_model_build(const cvy_experiment *x, cvy_error **error)
{
    api_call c = api_begin();
    cvy_model *m = mem_alloc(sizeof *m);
    m->x = x;
    m->threads = parallel_threads();
    if (x)
        m->state = state_new(x->s->net, x->x->seed, false, &c.e);
    else
        api_missing("experiment", &c.e);
    if (m->state) api_start_weights(x, m->state, &c.e);
    if (api_end(&c, error) == CVY_OK) return m;
    cvy_model_free(m);
    return NULL;
}

void api_model_release(cvy_model *m)
{
    plan_free(m->plan);
    buffer_free(m->memory, m->memory_bytes);
    buffer_free(m->input, m->input_bytes);
    m->plan = NULL;
    m->memory = m->input = NULL;
    m->samples = 0;
}

void cvy_model_free(cvy_model *m)
{
    if (!m || m->borrowed) return;
    api_model_release(m);
    state_free(m->state);
    mem_free(m);
}

cvy_model_info cvy_model_describe(const cvy_model *m)
{
    const net *n = m->state->net;
    return (cvy_model_info){.input = api_sample(&n->nodes[0].out),
                            .output = api_sample(&n->nodes[n->output].out),
                            .parameters = n->parameters,
                            .macs = n->macs,
                            .tensors = n->n_weights + n->n_buffers};
}

/* ---- forward passes ---- */

static cvy_status make_ready(cvy_model *m, int64_t samples, errors *e)
{
    if (m->plan && m->samples == samples) return CVY_OK;
    api_model_release(m);
    machine here = machine_here();
    plan_options o = {.batch = samples, .seed = m->x->x->seed};
    m->plan = plan_new(m->state->net, m->state, &here, &o, e);
    if (!m->plan) return errors_status(e);
    m->memory_bytes = plan_bytes(m->plan);
    m->memory = buffer_new(m->memory_bytes, e);
    m->input_bytes = (size_t)samples * (size_t)cvy_sample_count(&m->state->net->nodes[0].out) * sizeof(float);
    m->input = buffer_new(m->input_bytes, e);
    if (!m->memory || !m->input) {
        api_model_release(m);
        return CVY_ERR_RESOURCE;
    }
    plan_bind(m->plan, m->memory);
    m->samples = samples;
    return CVY_OK;
}

static cvy_status forward(cvy_model *m, const float *images, int64_t n, float *out, errors *e)
{
    cvy_status status = api_same_threads(m->threads, e);
    if (!status) status = make_ready(m, n < MOST_SAMPLES ? n : MOST_SAMPLES, e);
    const size_t sample = (size_t)cvy_sample_count(&m->state->net->nodes[0].out);
    for (int64_t done = 0; done < n && !status; done += m->samples) {
        const int64_t now = n - done < m->samples ? n - done : m->samples;
        const size_t floats = (size_t)now * sample;
        memcpy(m->input, images + (size_t)done * sample, floats * sizeof(float));
        /* Samples do not see each other in evaluation: what the last ones lack is zeros. */
        memset(m->input + floats, 0, m->input_bytes - floats * sizeof(float));
        status = plan_forward(m->plan, m->input, 0, 0, e);
        if (status) break;
        cvy_shape shape;
        const float *y = plan_output(m->plan, &shape);
        const size_t each = (size_t)cvy_sample_count(&shape);
        memcpy(out + (size_t)done * each, y, (size_t)now * each * sizeof(float));
    }
    return status;
}

cvy_status cvy_model_forward(cvy_model *m, const float *images, int64_t n, float *out, cvy_error **error)
{
    api_call c = api_begin();
    if (!m || !images || !out)
        api_missing(!m ? "model" : !images ? "images" : "out", &c.e);
    else if (n < 1)
        errors_add(&c.e, CVY_ERR_CONFIG, NULL, NULL, "n: %" PRId64 " samples", n);
    else
        forward(m, images, n, out, &c.e);
    return api_end(&c, error);
}

/* ---- tensors ---- */

int cvy_model_tensor(const cvy_model *m, size_t i, cvy_tensor *t)
{
    const state *s = m->state;
    const net *n = s->net;
    const bool weight = i < n->n_weights;
    if (!weight && i - n->n_weights >= n->n_buffers) return 0;
    const net_tensor *of = weight ? &n->weights[i] : &n->buffers[i - n->n_weights];
    *t = (cvy_tensor){.name = of->name,
                      .shape = of->shape,
                      .count = of->count,
                      .buffer = !weight,
                      .frozen = of->frozen,
                      .data = (weight ? s->weights : s->buffers) + of->offset,
                      .gradient = weight && s->gradients && !of->frozen ? s->gradients + of->offset : NULL};
    return 1;
}

int cvy_model_find(const cvy_model *m, const char *name, cvy_tensor *t)
{
    cvy_tensor one;
    for (size_t i = 0; name && cvy_model_tensor(m, i, &one); i++) {
        if (strcmp(one.name, name) != 0) continue;
        *t = one;
        return 1;
    }
    return 0;
}

/* Handed out to be read; here is where they are written. */
static float *writable(const cvy_tensor *t)
{
    return (float *)(uintptr_t)t->data;
}

/* Wants a name that the model has; suggests the nearest. */
static cvy_status no_tensor(const cvy_model *m, const char *name, errors *e)
{
    const size_t n = cvy_model_describe(m).tensors;
    const char **names = mem_array(n + 1, sizeof *names);
    cvy_tensor t;
    for (size_t i = 0; i < n && cvy_model_tensor(m, i, &t); i++) names[i] = t.name;
    const char *near = text_nearest(name, names, n);
    char *hint = near ? mem_printf("did you mean `%s`?", near) : NULL;
    cvy_status status = errors_add(e, CVY_ERR_CONFIG, NULL, hint, "the model has no tensor \"%s\"", name);
    mem_free(hint);
    mem_free(names);
    return status;
}

cvy_status cvy_model_set(cvy_model *m, const char *name, const float *values, int64_t count,
                         cvy_error **error)
{
    api_call c = api_begin();
    cvy_tensor t = {0};
    if (!m || !name || !values) {
        api_missing(!m ? "model" : !name ? "name" : "values", &c.e);
    } else if (!cvy_model_find(m, name, &t)) {
        no_tensor(m, name, &c.e);
    } else if (count != t.count) {
        errors_add(&c.e, CVY_ERR_CONFIG, NULL, NULL, "%s: %" PRId64 " elements were given, it has %" PRId64,
                   name, count, t.count);
    } else {
        memmove(writable(&t), values, (size_t)count * sizeof(float));
        m->state->version++;
    }
    return api_end(&c, error);
}

/* ---- files ---- */

static cvy_status save(const cvy_model *m, const char *file, errors *e)
{
    static const char *const keys[] = {"format"}, *const values[] = {"convoy-weights-1"};
    const size_t n = cvy_model_describe(m).tensors;
    safetensor *items = mem_array(n + 1, sizeof *items);
    cvy_tensor t;
    for (size_t i = 0; i < n && cvy_model_tensor(m, i, &t); i++)
        items[i] = (safetensor){.name = t.name, .shape = t.shape, .data = t.data, .count = t.count};
    cvy_status status = safetensors_write(file, items, n, keys, values, 1, e);
    mem_free(items);
    return status;
}

cvy_status cvy_model_save(const cvy_model *m, const char *file, cvy_error **error)
{
    api_call c = api_begin();
    if (m && file)
        save(m, file, &c.e);
    else
        api_missing(m ? "file" : "model", &c.e);
    return api_end(&c, error);
}

/* Everything is compared before anything is changed. */
static cvy_status load(cvy_model *m, const char *file, errors *e)
{
    safetensors f;
    cvy_status status = safetensors_read(file, &f, e);
    if (status) return status;
    const place at = PLACE_FILE(file);
    cvy_tensor t;
    for (size_t i = 0; cvy_model_tensor(m, i, &t); i++) {
        const safetensor *found = safetensors_find(&f, t.name);
        if (!found) {
            errors_add(e, CVY_ERR_CONFIG, &at, NULL, "has no tensor \"%s\", which the model has", t.name);
        } else if (!cvy_shape_same(&found->shape, &t.shape)) {
            text here = {0}, there = {0};
            net_shape_text(&t.shape, &here);
            net_shape_text(&found->shape, &there);
            errors_add(e, CVY_ERR_CONFIG, &at, NULL, "tensor \"%s\" is %s, in the model it is %s", t.name,
                       text_str(&there), text_str(&here));
            text_free(&here);
            text_free(&there);
        }
    }
    status = errors_status(e);
    for (size_t i = 0; !status && cvy_model_tensor(m, i, &t); i++)
        memcpy(writable(&t), safetensors_find(&f, t.name)->data, (size_t)t.count * sizeof(float));
    if (!status) m->state->version++;
    safetensors_free(&f);
    return status;
}

cvy_status cvy_model_load(cvy_model *m, const char *file, cvy_error **error)
{
    api_call c = api_begin();
    if (m && file)
        load(m, file, &c.e);
    else
        api_missing(m ? "file" : "model", &c.e);
    return api_end(&c, error);
}
