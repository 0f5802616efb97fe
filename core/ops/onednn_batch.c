/* Owns the single-threaded oneDNN primitives that compute a convolution over the shares of a batch; must not
 * know where the operands come from. */
#include "ops/onednn_batch.h"

#include <string.h>
#include "base/memory.h"
#include "base/parallel.h"

enum { SIZES = 6, OPERANDS = 5 };

/* oneDNN's memory objects carry the pointers of a call, so each share has its own. */
typedef struct call {
    dnnl_memory_t
        memory[OPERANDS]; /* x, y, weights, bias, scratch; NULL when the primitive has no such operand */
} call;

typedef struct size {
    int64_t samples;
    dnnl_primitive_t primitive;
    call *calls; /* [shares] */
} size;

struct onednn_batch {
    onednn_spec spec;
    onednn_cut cut;
    dnnl_engine_t engine;
    dnnl_stream_t *streams; /* [shares] */
    size sizes[SIZES];
    int n_sizes;
    size_t scratch, weight_bytes;
    dnnl_primitive_t reorder; /* of weights: dense -> packed, of their gradient: packed -> dense */
    dnnl_memory_t from, to;
};

/* Reference implementations are hundreds of times slower than ours; they name themselves. */
static bool not_reference(const char *name)
{
    return !strstr(name, "ref") && !strstr(name, "simple") && !strstr(name, "naive");
}

static void add_size(int64_t *sizes, int *n, int64_t samples)
{
    for (int i = 0; i < *n; i++)
        if (sizes[i] == samples) return;
    if (samples > 0 && *n < SIZES) sizes[(*n)++] = samples;
}

/* The distinct piece sizes of a cut: the full piece and, at most one per share length, the rest. */
static int cut_sizes(const onednn_cut *cut, int64_t *sizes)
{
    int n = 0;
    for (int s = 0; s < cut->shares; s++) {
        int64_t begin, end;
        parallel_share(cut->samples, 1, cut->shares, s, &begin, &end);
        int64_t length = end - begin, piece = cut->piece > 0 && cut->piece < length ? cut->piece : length;
        add_size(sizes, &n, piece);
        if (piece > 0) add_size(sizes, &n, length % piece);
    }
    return n;
}

static onednn_md query(const_dnnl_primitive_desc_t pd, dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(pd, what, 0);
}

static dnnl_query_t weights_query(onednn_pass pass)
{
    return pass == ONEDNN_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md;
}

/* Descriptors for every size, all with the weight format that the first one chose; false when one has none.
 */
static bool describe(const onednn_spec *s, const int64_t *sizes, int n, dnnl_engine_t engine,
                     dnnl_primitive_desc_t *pds, char *implementation)
{
    for (int i = 0; i < n; i++) {
        onednn_spec piece = *s;
        piece.images = sizes[i];
        char name[64];
        pds[i] = onednn_compat_conv(&piece, i ? query(pds[0], weights_query(s->pass)) : NULL, engine,
                                    not_reference, i ? name : implementation);
        if (pds[i]) continue;
        while (i-- > 0) dnnl_primitive_desc_destroy(pds[i]);
        return false;
    }
    return n > 0;
}

bool onednn_batch_offered(const onednn_spec *s, const onednn_cut *cut, machine_isa isa, char *implementation)
{
    int64_t sizes[SIZES];
    dnnl_primitive_desc_t pds[SIZES];
    dnnl_engine_t engine = NULL;
    onednn_compat_limit(isa);
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success) return false;
    int begun = parallel_alone_begin(), n = cut_sizes(cut, sizes);
    bool offered = describe(s, sizes, n, engine, pds, implementation);
    parallel_alone_end(begun);
    for (int i = 0; offered && i < n; i++) dnnl_primitive_desc_destroy(pds[i]);
    dnnl_engine_destroy(engine);
    return offered;
}

/* ---- making ---- */

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static dnnl_status_t make_size(onednn_batch *b, size *z, const_dnnl_primitive_desc_t pd)
{
    bool data = b->spec.pass == ONEDNN_DATA, weights = b->spec.pass == ONEDNN_WEIGHTS;
    onednn_md md[OPERANDS] = {
        query(pd, data ? dnnl_query_diff_src_md : dnnl_query_src_md),
        query(pd, data || weights ? dnnl_query_diff_dst_md : dnnl_query_dst_md),
        query(pd, weights_query(b->spec.pass)),
        NULL,
        query(pd, dnnl_query_scratchpad_md),
    };
    if (b->spec.bias)
        md[3] =
            dnnl_primitive_desc_query_md(pd, weights ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 1);
    size_t scratch = md[4] ? rounded(dnnl_memory_desc_get_size(md[4])) : 0;
    if (scratch == 0) md[4] = NULL;
    if (scratch > b->scratch) b->scratch = scratch;

    dnnl_status_t done = dnnl_primitive_create(&z->primitive, pd);
    z->calls = mem_array((size_t)b->cut.shares, sizeof *z->calls);
    for (int s = 0; s < b->cut.shares; s++)
        for (int i = 0; i < OPERANDS && done == dnnl_success; i++)
            if (md[i]) done = dnnl_memory_create(&z->calls[s].memory[i], md[i], b->engine, DNNL_MEMORY_NONE);
    return done;
}

static dnnl_status_t make(onednn_batch *b)
{
    int64_t sizes[SIZES];
    dnnl_primitive_desc_t pds[SIZES];
    char name[64];
    dnnl_status_t done = dnnl_engine_create(&b->engine, dnnl_cpu, 0);
    if (done != dnnl_success) return done;
    b->streams = mem_array((size_t)b->cut.shares, sizeof *b->streams);
    for (int s = 0; s < b->cut.shares && done == dnnl_success; s++)
        done = dnnl_stream_create(&b->streams[s], b->engine, dnnl_stream_default_flags);
    if (done != dnnl_success) return done;

    int n = cut_sizes(&b->cut, sizes);
    if (!describe(&b->spec, sizes, n, b->engine, pds, name)) return dnnl_unimplemented;
    for (int i = 0; i < n && done == dnnl_success; i++) {
        size *z = &b->sizes[b->n_sizes++];
        z->samples = sizes[i];
        done = make_size(b, z, pds[i]);
    }
    b->weight_bytes = rounded(dnnl_memory_desc_get_size(query(pds[0], weights_query(b->spec.pass))));
    for (int i = 0; i < n; i++) dnnl_primitive_desc_destroy(pds[i]);
    return done;
}

static dnnl_status_t make_reorder(onednn_batch *b)
{
    const_dnnl_primitive_desc_t made = NULL;
    dnnl_primitive_desc_t pd = NULL;
    bool gradient = b->spec.pass == ONEDNN_WEIGHTS;
    dnnl_status_t done = dnnl_primitive_get_primitive_desc(b->sizes[0].primitive, &made);
    if (done != dnnl_success) return done;
    onednn_md packed = query(made, weights_query(b->spec.pass)),
              plain = onednn_compat_weights_plain(&b->spec);
    if (!plain) return dnnl_out_of_memory;
    onednn_md from = gradient ? packed : plain, to = gradient ? plain : packed;
    done = dnnl_reorder_primitive_desc_create(&pd, from, b->engine, to, b->engine, NULL);
    if (done == dnnl_success) done = dnnl_primitive_create(&b->reorder, pd);
    if (done == dnnl_success) done = dnnl_memory_create(&b->from, from, b->engine, DNNL_MEMORY_NONE);
    if (done == dnnl_success) done = dnnl_memory_create(&b->to, to, b->engine, DNNL_MEMORY_NONE);
    if (pd) dnnl_primitive_desc_destroy(pd);
    onednn_compat_md_free(plain);
    return done;
}

/* Threads pay for large weights only. */
static bool reorders_alone(const onednn_batch *b)
{
    return b->weight_bytes < 256 * 1024;
}

onednn_batch *onednn_batch_new(const onednn_spec *s, const onednn_cut *cut, machine_isa isa, errors *e)
{
    onednn_batch *b = mem_alloc(sizeof *b);
    b->spec = *s;
    b->cut = *cut;
    onednn_compat_limit(isa);
    int begun = parallel_alone_begin();
    dnnl_status_t done = make(b);
    if (done == dnnl_success && reorders_alone(b)) done = make_reorder(b);
    parallel_alone_end(begun);
    if (done == dnnl_success && !reorders_alone(b)) done = make_reorder(b);
    if (done == dnnl_success) return b;
    errors_add(e, done == dnnl_out_of_memory ? CVY_ERR_RESOURCE : CVY_ERR_RUN, NULL, NULL,
               "oneDNN could not make a convolution ready (dnnl_status %d)", (int)done);
    onednn_batch_free(b);
    return NULL;
}

void onednn_batch_free(onednn_batch *b)
{
    if (!b) return;
    for (int i = 0; i < b->n_sizes; i++) {
        size *z = &b->sizes[i];
        for (int s = 0; z->calls && s < b->cut.shares; s++)
            for (int k = 0; k < OPERANDS; k++)
                if (z->calls[s].memory[k]) dnnl_memory_destroy(z->calls[s].memory[k]);
        mem_free(z->calls);
        if (z->primitive) dnnl_primitive_destroy(z->primitive);
    }
    if (b->reorder) dnnl_primitive_destroy(b->reorder);
    if (b->from) dnnl_memory_destroy(b->from);
    if (b->to) dnnl_memory_destroy(b->to);
    for (int s = 0; b->streams && s < b->cut.shares; s++)
        if (b->streams[s]) dnnl_stream_destroy(b->streams[s]);
    mem_free(b->streams);
    if (b->engine) dnnl_engine_destroy(b->engine);
    mem_free(b);
}

size_t onednn_batch_scratch(const onednn_batch *b)
{
    return b->scratch;
}

size_t onednn_batch_weight_bytes(const onednn_batch *b)
{
    return b->weight_bytes;
}

/* ---- running ---- */

/* oneDNN's interface has one pointer type for what it reads and what it writes. */
static void *writable(const void *p)
{
    return (void *)(uintptr_t)p;
}

void onednn_batch_set_weights(onednn_batch *b, int share, float *packed)
{
    for (int i = 0; i < b->n_sizes; i++)
        dnnl_memory_set_data_handle(b->sizes[i].calls[share].memory[2], packed);
}

static dnnl_status_t execute(const onednn_batch *b, int share, const size *z, const onednn_operands *o)
{
    static const int roles[3][OPERANDS] = {
        {DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_SCRATCHPAD},
        {DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_SCRATCHPAD},
        {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS, DNNL_ARG_SCRATCHPAD},
    };
    const void *pointers[OPERANDS] = {o->x, o->y, NULL, o->bias, o->scratch};
    dnnl_exec_arg_t args[OPERANDS];
    int n = 0;
    for (int i = 0; i < OPERANDS; i++) {
        dnnl_memory_t memory = z->calls[share].memory[i];
        if (!memory) continue;
        if (i != 2) {
            dnnl_status_t done = dnnl_memory_set_data_handle(memory, writable(pointers[i]));
            if (done != dnnl_success) return done;
        }
        args[n].arg = roles[b->spec.pass][i];
        args[n++].memory = memory;
    }
    return dnnl_primitive_execute(z->primitive, b->streams[share], n, args);
}

void onednn_batch_run(const onednn_batch *b, int share, int64_t samples, const onednn_operands *o)
{
    const size *z = b->sizes;
    while (z < b->sizes + b->n_sizes && z->samples != samples) z++;
    dnnl_status_t done = z < b->sizes + b->n_sizes ? execute(b, share, z, o) : dnnl_invalid_arguments;
    if (done == dnnl_success) return;
    /* A running kernel has no way to report; not-a-number stops the run at the next loss. */
    const float *spoilt = b->spec.pass == ONEDNN_FORWARD ? o->y : b->spec.pass == ONEDNN_DATA ? o->x : NULL;
    if (spoilt) memset(writable(spoilt), 0xff, sizeof *spoilt);
}

void onednn_batch_reorder(const onednn_batch *b, const float *from, float *to)
{
    dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, b->from}, {DNNL_ARG_TO, b->to}};
    int begun = reorders_alone(b) ? parallel_alone_begin() : 0;
    dnnl_status_t done = dnnl_memory_set_data_handle(b->from, writable(from));
    if (done == dnnl_success) done = dnnl_memory_set_data_handle(b->to, to);
    if (done == dnnl_success) done = dnnl_primitive_execute(b->reorder, b->streams[0], 2, args);
    if (begun) parallel_alone_end(begun);
    if (done != dnnl_success) memset(to, 0xff, sizeof *to);
}
