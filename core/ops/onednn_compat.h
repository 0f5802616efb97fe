/* What differs between oneDNN 2.x and 3.x, behind one interface; must not know operators or threads.
 *
 * Everything else of oneDNN's C interface that Convoy uses reads the same in both. */
#ifndef OPS_ONEDNN_COMPAT_H
#define OPS_ONEDNN_COMPAT_H

#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>
#include "device/layout.h"
#include "device/machine.h"

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t onednn_md;
#else
typedef const dnnl_memory_desc_t *onednn_md;
#endif

typedef enum onednn_pass { ONEDNN_FORWARD, ONEDNN_DATA, ONEDNN_WEIGHTS } onednn_pass;

/* One convolution pass over `images` samples: what oneDNN must be told to make a primitive of it. */
typedef struct onednn_spec {
    onednn_pass pass;
    bool bias;                                         /* FORWARD: added; WEIGHTS: its gradient too */
    int64_t images, groups, channels_in, channels_out; /* channels of all groups */
    int64_t size_in[2], size_out[2], kernel[2];
    int64_t stride[2], dilation[2], padding[4]; /* as in cvy_conv_attr */
    layout x, y;                                /* of the input side and the output side */
} onednn_spec;

/* Weight formats: whatever the implementation likes best, or dense (O, I / groups, Kh, Kw). */
onednn_md onednn_compat_weights_any(const onednn_spec *s);
onednn_md onednn_compat_weights_plain(const onednn_spec *s);
void onednn_compat_md_free(onednn_md md);

/* oneDNN's first implementation that `accept` takes by its name; NULL when there is none. Scratch memory is
 * the caller's to give. `implementation` (64 bytes) gets the name. */
dnnl_primitive_desc_t onednn_compat_conv(const onednn_spec *s, onednn_md weights, dnnl_engine_t engine,
                                         bool (*accept)(const char *name), char *implementation);

/* Keeps oneDNN from using more than the instruction set that Convoy was told to use. Only the first call
 * counts. */
void onednn_compat_limit(machine_isa isa);

#endif
