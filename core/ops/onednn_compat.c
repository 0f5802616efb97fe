/* Owns the difference between oneDNN 2.x and 3.x; must not know operators or threads. */
#include "ops/onednn_compat.h"

#include <stdio.h>
#include <string.h>
#include "base/memory.h"

/* ---- memory descriptors: a struct in 2.x, an opaque object in 3.x ---- */

#if DNNL_VERSION_MAJOR >= 3
static onednn_md md_new(int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t md = NULL;
    return dnnl_memory_desc_create_with_tag(&md, rank, dims, dnnl_f32, tag) == dnnl_success ? md : NULL;
}

void onednn_compat_md_free(onednn_md md)
{
    if (md) dnnl_memory_desc_destroy((dnnl_memory_desc_t)(uintptr_t)md);
}
#else
static onednn_md md_new(int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t *md = mem_alloc(sizeof *md);
    if (dnnl_memory_desc_init_by_tag(md, rank, dims, dnnl_f32, tag) == dnnl_success) return md;
    mem_free(md);
    return NULL;
}

void onednn_compat_md_free(onednn_md md)
{
    mem_free((void *)(uintptr_t)md);
}
#endif

static dnnl_format_tag_t tag_of(layout l)
{
    return l == LAYOUT_C16 ? dnnl_nChw16c : l == LAYOUT_C8 ? dnnl_nChw8c : dnnl_nchw;
}

static onednn_md weights_md(const onednn_spec *s, dnnl_format_tag_t grouped, dnnl_format_tag_t whole)
{
    int64_t g = s->groups, o = s->channels_out, i = s->channels_in, kh = s->kernel[0], kw = s->kernel[1];
    if (g == 1) return md_new(4, (dnnl_dims_t){o, i, kh, kw}, whole);
    return md_new(5, (dnnl_dims_t){g, o / g, i / g, kh, kw}, grouped);
}

onednn_md onednn_compat_weights_any(const onednn_spec *s)
{
    return weights_md(s, dnnl_format_tag_any, dnnl_format_tag_any);
}

onednn_md onednn_compat_weights_plain(const onednn_spec *s)
{
    return weights_md(s, dnnl_goihw, dnnl_oihw);
}

/* ---- convolutions: descriptor and iterator in 2.x, one call in 3.x ---- */

typedef struct conv_mds {
    onednn_md x, y, bias; /* owned; bias may be NULL */
    onednn_md weights;    /* the caller's */
    dnnl_dims_t stride, dilation, before, after;
} conv_mds;

static void conv_mds_free(conv_mds *m)
{
    onednn_compat_md_free(m->x);
    onednn_compat_md_free(m->y);
    onednn_compat_md_free(m->bias);
}

static bool conv_mds_new(const onednn_spec *s, onednn_md weights, conv_mds *m)
{
    memset(m, 0, sizeof *m);
    m->weights = weights;
    m->x = md_new(4, (dnnl_dims_t){s->images, s->channels_in, s->size_in[0], s->size_in[1]}, tag_of(s->x));
    m->y = md_new(4, (dnnl_dims_t){s->images, s->channels_out, s->size_out[0], s->size_out[1]}, tag_of(s->y));
    if (s->bias) m->bias = md_new(1, (dnnl_dims_t){s->channels_out}, dnnl_x);
    for (int i = 0; i < 2; i++) {
        m->stride[i] = s->stride[i];
        m->dilation[i] = s->dilation[i] - 1; /* oneDNN counts the gaps */
        m->before[i] = s->padding[i];
        m->after[i] = s->padding[i + 2];
    }
    return m->x && m->y && weights && (m->bias || !s->bias);
}

static dnnl_primitive_attr_t attr_new(void)
{
    dnnl_primitive_attr_t attr = NULL;
    if (dnnl_primitive_attr_create(&attr) != dnnl_success) return NULL;
    dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    /* An environment variable must not turn float32 into bfloat16 behind our back. */
    dnnl_primitive_attr_set_fpmath_mode(attr, dnnl_fpmath_mode_strict);
#if DNNL_VERSION_MAJOR > 3 || (DNNL_VERSION_MAJOR == 3 && DNNL_VERSION_MINOR >= 5)
    dnnl_primitive_attr_set_deterministic(attr, 1);
#endif
    return attr;
}

static bool acceptable(const_dnnl_primitive_desc_t pd, bool (*accept)(const char *name), char *implementation)
{
    const char *name = NULL;
    if (dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) != dnnl_success || !name)
        return false;
    if (!accept(name)) return false;
    snprintf(implementation, 64, "%s", name);
    return true;
}

#if DNNL_VERSION_MAJOR >= 3

static dnnl_primitive_desc_t first(onednn_pass pass, const conv_mds *m, dnnl_primitive_attr_t attr,
                                   dnnl_engine_t engine, dnnl_primitive_desc_t hint)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_alg_kind_t direct = dnnl_convolution_direct;
    dnnl_status_t done;
    if (pass == ONEDNN_FORWARD)
        done = dnnl_convolution_forward_primitive_desc_create(&pd, engine, dnnl_forward_training, direct,
                                                              m->x, m->weights, m->bias, m->y, m->stride,
                                                              m->dilation, m->before, m->after, attr);
    else if (pass == ONEDNN_DATA)
        done = dnnl_convolution_backward_data_primitive_desc_create(&pd, engine, direct, m->x, m->weights,
                                                                    m->y, m->stride, m->dilation, m->before,
                                                                    m->after, hint, attr);
    else
        done = dnnl_convolution_backward_weights_primitive_desc_create(&pd, engine, direct, m->x, m->weights,
                                                                       m->bias, m->y, m->stride, m->dilation,
                                                                       m->before, m->after, hint, attr);
    return done == dnnl_success ? pd : NULL;
}

static dnnl_primitive_desc_t choose(onednn_pass pass, const conv_mds *m, dnnl_primitive_attr_t attr,
                                    dnnl_engine_t engine, dnnl_primitive_desc_t hint,
                                    bool (*accept)(const char *name), char *implementation)
{
    dnnl_primitive_desc_t pd = first(pass, m, attr, engine, hint);
    while (pd && !acceptable(pd, accept, implementation)) {
        if (dnnl_primitive_desc_next_impl(pd) == dnnl_success) continue;
        dnnl_primitive_desc_destroy(pd);
        return NULL;
    }
    return pd;
}

#else

static bool describe(onednn_pass pass, const conv_mds *m, dnnl_convolution_desc_t *d)
{
    dnnl_alg_kind_t direct = dnnl_convolution_direct;
    dnnl_status_t done;
    if (pass == ONEDNN_FORWARD)
        done = dnnl_dilated_convolution_forward_desc_init(d, dnnl_forward_training, direct, m->x, m->weights,
                                                          m->bias, m->y, m->stride, m->dilation, m->before,
                                                          m->after);
    else if (pass == ONEDNN_DATA)
        done = dnnl_dilated_convolution_backward_data_desc_init(d, direct, m->x, m->weights, m->y, m->stride,
                                                                m->dilation, m->before, m->after);
    else
        done = dnnl_dilated_convolution_backward_weights_desc_init(
            d, direct, m->x, m->weights, m->bias, m->y, m->stride, m->dilation, m->before, m->after);
    return done == dnnl_success;
}

static dnnl_primitive_desc_t first(onednn_pass pass, const conv_mds *m, dnnl_primitive_attr_t attr,
                                   dnnl_engine_t engine, dnnl_primitive_desc_t hint)
{
    dnnl_convolution_desc_t d;
    dnnl_primitive_desc_t pd = NULL;
    if (!describe(pass, m, &d)) return NULL;
    return dnnl_primitive_desc_create(&pd, &d, attr, engine, hint) == dnnl_success ? pd : NULL;
}

static dnnl_primitive_desc_t choose(onednn_pass pass, const conv_mds *m, dnnl_primitive_attr_t attr,
                                    dnnl_engine_t engine, dnnl_primitive_desc_t hint,
                                    bool (*accept)(const char *name), char *implementation)
{
    dnnl_convolution_desc_t d;
    dnnl_primitive_desc_iterator_t it = NULL;
    if (!describe(pass, m, &d)) return NULL;
    if (dnnl_primitive_desc_iterator_create(&it, &d, attr, engine, hint) != dnnl_success) return NULL;
    dnnl_primitive_desc_t chosen = NULL;
    do {
        dnnl_primitive_desc_t pd = dnnl_primitive_desc_iterator_fetch(it);
        if (pd && acceptable(pd, accept, implementation))
            chosen = pd;
        else
            dnnl_primitive_desc_destroy(pd);
    } while (!chosen && dnnl_primitive_desc_iterator_next(it) == dnnl_success);
    dnnl_primitive_desc_iterator_destroy(it);
    return chosen;
}

#endif

dnnl_primitive_desc_t onednn_compat_conv(const onednn_spec *s, onednn_md weights, dnnl_engine_t engine,
                                         bool (*accept)(const char *name), char *implementation)
{
    conv_mds m = {0};
    dnnl_primitive_desc_t hint = NULL, chosen = NULL;
    dnnl_primitive_attr_t attr = attr_new();
    onednn_md any = onednn_compat_weights_any(s);
    if (!attr || !any || !conv_mds_new(s, any, &m)) goto out;
    if (s->pass != ONEDNN_FORWARD) hint = first(ONEDNN_FORWARD, &m, attr, engine, NULL);
    if (weights) m.weights = weights;
    if (hint || s->pass == ONEDNN_FORWARD)
        chosen = choose(s->pass, &m, attr, engine, hint, accept, implementation);
    if (hint) dnnl_primitive_desc_destroy(hint);
out:
    if (attr) dnnl_primitive_attr_destroy(attr);
    conv_mds_free(&m);
    onednn_compat_md_free(any);
    return chosen;
}

void onednn_compat_limit(machine_isa isa)
{
    if (isa == ISA_BASE) dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41);
    if (isa == ISA_AVX2) dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
}
