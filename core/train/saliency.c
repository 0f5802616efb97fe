/* Computes maps of what mattered. Must not know how they are shown. */
#include "train/saliency.h"

#include <math.h>
#include <string.h>

#include "base/philox.h"
#include "train/scores.h"

void saliency_free(saliency_map *m)
{
    mem_free(m->v);
    *m = (saliency_map){0};
}

static cvy_status saliency_no_memory(errors *e)
{
    return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for the map");
}

/* ---- scores ---- */

static int64_t saliency_units(const lens *l)
{
    return l->y_shape.rank > 1 ? l->y_shape.dim[1] : 1;
}

/* Of sample i of the batch, (units). */
static void saliency_scores_of(const lens *l, int64_t i, float *out)
{
    const int64_t units = saliency_units(l), each = cvy_count(&l->y_shape) / l->batch,
                  positions = each / units;
    for (int64_t u = 0; u < units; u++) {
        double sum = 0;
        for (int64_t p = 0; p < positions; p++) sum += (double)l->y[i * each + u * positions + p];
        out[u] = (float)(sum / (double)positions);
    }
}

static double saliency_probability(const float *values, int64_t units, int64_t unit)
{
    if (units == 1) return (double)values[0]; /* no classes: the score itself */
    if (scores_are_probabilities(values, 1, units)) return (double)values[unit];
    double *p = mem_array((size_t)units, sizeof *p);
    scores_softmax(values, units, p);
    const double out = p[unit];
    mem_free(p);
    return out;
}

static void saliency_score(const saliency_subject *s, const lens *l, saliency_map *m)
{
    float *values = mem_array((size_t)saliency_units(l), sizeof *values);
    saliency_scores_of(l, 0, values);
    m->score = (double)values[s->unit];
    m->probability = saliency_probability(values, saliency_units(l), s->unit);
    mem_free(values);
}

cvy_status saliency_scores(const saliency_subject *s, float **y, int64_t *n, errors *e)
{
    lens l;
    *y = NULL;
    cvy_status status = lens_open(&l, s->net, s->state, NULL, 0, &s->sample, 1, false, e);
    if (!status) status = lens_look(&l, s->x, e);
    if (!status) {
        *n = saliency_units(&l);
        *y = mem_array((size_t)*n, sizeof **y);
        saliency_scores_of(&l, 0, *y);
    }
    lens_close(&l);
    return status;
}

/* ---- the gradient ---- */

static cvy_status saliency_unreached(const net *n, int unit, errors *e)
{
    return errors_add(e, CVY_ERR_CONFIG, NULL, "choose a layer that the network's output is computed from",
                      "no gradient comes back to \"%s\"", n->nodes[unit].path);
}

/* Adds the map of x, through a lens on the input. */
static cvy_status saliency_add_gradient(const saliency_subject *s, lens *l, const float *x, double share,
                                        saliency_map *m, errors *e)
{
    cvy_status status = lens_look(l, x, e);
    if (!status) status = lens_back(l, s->unit, e);
    if (status) return status;
    const float *g = lens_gradient(l, 0);
    if (!g) return saliency_unreached(s->net, 0, e);
    const int64_t positions = m->h * m->w;
    for (int64_t p = 0; p < positions; p++) {
        float largest = 0;
        for (int64_t c = 0; c < s->sample.dim[0]; c++) largest = fmaxf(largest, fabsf(g[c * positions + p]));
        m->v[p] += (float)(share * (double)largest);
    }
    return CVY_OK;
}

static double saliency_range(const float *x, int64_t n)
{
    float low = x[0], high = x[0];
    for (int64_t i = 1; i < n; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    return (double)high - (double)low;
}

static cvy_status saliency_smoothed(const saliency_subject *s, const saliency_smooth *o, lens *l,
                                    saliency_map *m, errors *e)
{
    const int64_t count = cvy_count(&s->sample);
    const double deviation = o->noise * saliency_range(s->x, count);
    const philox_key key = philox_key_of(o->seed, "smoothgrad", "");
    float *x = mem_try((size_t)count, sizeof *x);
    cvy_status status = x ? CVY_OK : saliency_no_memory(e);
    for (int64_t k = 0; k < o->noisy && !status; k++) {
        philox_stream draw = philox_open(key, (uint64_t)k, 0);
        for (int64_t i = 0; i < count; i++)
            x[i] = (float)((double)s->x[i] + deviation * philox_normal(&draw));
        status = saliency_add_gradient(s, l, x, 1 / (double)o->noisy, m, e);
    }
    mem_free(x);
    return status;
}

cvy_status saliency_gradient(const saliency_subject *s, const saliency_smooth *o, saliency_map *m, errors *e)
{
    static const int input = 0;
    lens l;
    *m = (saliency_map){.h = s->sample.dim[1], .w = s->sample.dim[2]};
    cvy_status status = lens_open(&l, s->net, s->state, &input, 1, &s->sample, 1, true, e);
    if (!status) status = lens_look(&l, s->x, e);
    if (!status) {
        saliency_score(s, &l, m);
        m->v = mem_array((size_t)(m->h * m->w), sizeof *m->v);
        status =
            o->noisy > 0 ? saliency_smoothed(s, o, &l, m, e) : saliency_add_gradient(s, &l, s->x, 1, m, e);
    }
    lens_close(&l);
    return status;
}

/* ---- Grad-CAM ---- */

void saliency_cam_of(const float *a, const float *g, int64_t channels, int64_t positions, float *out)
{
    double *sum = mem_array((size_t)positions, sizeof *sum);
    for (int64_t k = 0; k < channels; k++) {
        double weight = 0;
        for (int64_t p = 0; p < positions; p++) weight += (double)g[k * positions + p];
        weight /= (double)positions;
        for (int64_t p = 0; p < positions; p++) sum[p] += weight * (double)a[k * positions + p];
    }
    for (int64_t p = 0; p < positions; p++) out[p] = sum[p] > 0 ? (float)sum[p] : 0;
    mem_free(sum);
}

cvy_status saliency_cam(const saliency_subject *s, int layer, saliency_map *m, errors *e)
{
    lens l;
    *m = (saliency_map){0};
    if (s->net->nodes[layer].out.rank != 4)
        return errors_add(
            e, CVY_ERR_CONFIG, NULL, "Grad-CAM is for layers that give maps: convolutions, pooling",
            "layer \"%s\" gives no maps (channels x height x width)", s->net->nodes[layer].path);
    cvy_status status = lens_open(&l, s->net, s->state, &layer, 1, &s->sample, 1, true, e);
    if (!status) status = lens_look(&l, s->x, e);
    if (!status) status = lens_back(&l, s->unit, e);
    if (!status && !lens_gradient(&l, 0)) status = saliency_unreached(s->net, layer, e);
    if (!status) {
        const cvy_shape *shape = &l.shapes[0];
        saliency_score(s, &l, m);
        m->h = shape->dim[2];
        m->w = shape->dim[3];
        m->v = mem_array((size_t)(m->h * m->w), sizeof *m->v);
        saliency_cam_of(l.values[0], lens_gradient(&l, 0), shape->dim[1], m->h * m->w, m->v);
    }
    lens_close(&l);
    return status;
}

static bool saliency_same_maps(const net_node *a, const net_node *b)
{
    return cvy_shape_same(&a->out, &b->out);
}

static bool saliency_has_kernels(const net *n, const net_node *unit)
{
    for (int k = 0; k < unit->n_weights; k++)
        if (n->weights[unit->first_weight + k].shape.rank == 4) return true;
    return false;
}

int saliency_settled(const net *n, int layer)
{
    for (int next; (next = lens_reader(n, layer)) >= 0; layer = next)
        if (saliency_has_kernels(n, &n->nodes[next]) ||
            !saliency_same_maps(&n->nodes[next], &n->nodes[layer]))
            break;
    return layer;
}

int saliency_last_convolution(const net *n)
{
    int last = -1;
    for (size_t i = 1; i < n->n_nodes; i++)
        if (n->nodes[i].out.rank == 4 && saliency_has_kernels(n, &n->nodes[i])) last = (int)i;
    return last < 0 ? -1 : saliency_settled(n, last);
}

/* ---- occlusion ---- */

typedef struct saliency_cover {
    const saliency_subject *s;
    const saliency_patch *o;
    float *means;          /* of the channels */
    int64_t rows, columns; /* squares */
} saliency_cover;

/* Square number i: from where to where. The last of a row or column ends with the picture. */
static void saliency_square(const saliency_cover *c, int64_t i, int64_t at[2], int64_t to[2])
{
    const int64_t k[2] = {i / c->columns, i % c->columns};
    for (int d = 0; d < 2; d++) {
        const int64_t length = c->s->sample.dim[1 + d];
        const int64_t size = c->o->size < length ? c->o->size : length;
        at[d] = k[d] * c->o->stride;
        if (at[d] > length - size) at[d] = length - size;
        to[d] = at[d] + size;
    }
}

static void saliency_covered(const saliency_cover *c, int64_t i, float *x)
{
    const cvy_shape *shape = &c->s->sample;
    int64_t at[2], to[2];
    saliency_square(c, i, at, to);
    memcpy(x, c->s->x, (size_t)cvy_count(shape) * sizeof *x);
    for (int64_t k = 0; k < shape->dim[0]; k++)
        for (int64_t y = at[0]; y < to[0]; y++)
            for (int64_t z = at[1]; z < to[1]; z++)
                x[(k * shape->dim[1] + y) * shape->dim[2] + z] = c->means[k];
}

static int64_t saliency_steps(int64_t length, const saliency_patch *o)
{
    return length > o->size ? (length - o->size + o->stride - 1) / o->stride + 1 : 1;
}

/* The falls of squares from `first` on, as many as the lens takes. */
static cvy_status saliency_falls(const saliency_cover *c, lens *l, float *x, int64_t first, double whole,
                                 double *sum, double *count, errors *e)
{
    const int64_t all = c->rows * c->columns, sample = cvy_count(&c->s->sample), units = saliency_units(l);
    const int64_t n = all - first < l->batch ? all - first : l->batch;
    float *values = mem_array((size_t)units, sizeof *values);
    for (int64_t i = 0; i < l->batch; i++) saliency_covered(c, first + (i < n ? i : 0), x + i * sample);
    cvy_status status = lens_look(l, x, e);
    for (int64_t i = 0; i < n && !status; i++) {
        int64_t at[2], to[2];
        saliency_scores_of(l, i, values);
        const double fall = whole - saliency_probability(values, units, c->s->unit);
        saliency_square(c, first + i, at, to);
        for (int64_t y = at[0]; y < to[0]; y++)
            for (int64_t z = at[1]; z < to[1]; z++) {
                sum[y * c->s->sample.dim[2] + z] += fall;
                count[y * c->s->sample.dim[2] + z] += 1;
            }
    }
    mem_free(values);
    return status;
}

static void saliency_means(const saliency_subject *s, float *means)
{
    const int64_t plane = s->sample.dim[1] * s->sample.dim[2];
    for (int64_t c = 0; c < s->sample.dim[0]; c++) {
        double sum = 0;
        for (int64_t i = 0; i < plane; i++) sum += (double)s->x[c * plane + i];
        means[c] = (float)(sum / (double)plane);
    }
}

cvy_status saliency_occlusion(const saliency_subject *s, const saliency_patch *o, saliency_map *m, errors *e)
{
    enum { AT_ONCE = 64 };
    const int64_t h = s->sample.dim[1], w = s->sample.dim[2], plane = h * w;
    saliency_cover c = {.s = s,
                        .o = o,
                        .means = mem_array((size_t)s->sample.dim[0], sizeof(float)),
                        .rows = saliency_steps(h, o),
                        .columns = saliency_steps(w, o)};
    const int64_t all = c.rows * c.columns, batch = all < AT_ONCE ? all : AT_ONCE;
    double *sum = mem_array((size_t)plane, sizeof *sum), *count = mem_array((size_t)plane, sizeof *count);
    float *x = mem_try((size_t)batch * (size_t)cvy_count(&s->sample), sizeof *x);
    lens l = {0};
    *m = (saliency_map){.h = h, .w = w};
    saliency_means(s, c.means);
    cvy_status status = x ? CVY_OK : saliency_no_memory(e);
    if (!status) status = lens_open(&l, s->net, s->state, NULL, 0, &s->sample, batch, false, e);
    for (int64_t i = 0; i < batch && !status; i++)
        memcpy(x + i * cvy_count(&s->sample), s->x, (size_t)cvy_count(&s->sample) * sizeof *x);
    if (!status) status = lens_look(&l, x, e);
    if (!status) saliency_score(s, &l, m);
    for (int64_t i = 0; i < all && !status; i += batch)
        status = saliency_falls(&c, &l, x, i, m->probability, sum, count, e);
    if (!status) {
        m->v = mem_array((size_t)plane, sizeof *m->v);
        for (int64_t i = 0; i < plane; i++) m->v[i] = count[i] > 0 ? (float)(sum[i] / count[i]) : 0;
    }
    lens_close(&l);
    mem_free(c.means);
    mem_free(sum);
    mem_free(count);
    mem_free(x);
    return status;
}

/* ---- sizes ---- */

void saliency_enlarge(const float *v, int64_t h, int64_t w, float *out, int64_t h2, int64_t w2)
{
    for (int64_t i = 0; i < h2; i++)
        for (int64_t k = 0; k < w2; k++) {
            const double y = fmin(fmax(((double)i + 0.5) * (double)h / (double)h2 - 0.5, 0), (double)(h - 1)),
                         x = fmin(fmax(((double)k + 0.5) * (double)w / (double)w2 - 0.5, 0), (double)(w - 1));
            const int64_t a = (int64_t)y, b = (int64_t)x, a2 = a + 1 < h ? a + 1 : a,
                          b2 = b + 1 < w ? b + 1 : b;
            const double p = y - (double)a, q = x - (double)b;
            out[i * w2 + k] = (float)((1 - p) * ((1 - q) * (double)v[a * w + b] + q * (double)v[a * w + b2]) +
                                      p * ((1 - q) * (double)v[a2 * w + b] + q * (double)v[a2 * w + b2]));
        }
}
