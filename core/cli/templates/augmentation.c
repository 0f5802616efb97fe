/* my_plugin, an augmentation: brightness and contrast of each training image, changed at random.
 *
 * It trains as it stands; change the parameters, and what `apply` does to an image.
 *
 *   build:  @CC@
 *   look:   convoy plugin info my_plugin --plugin ./my_plugin.so
 *   train:  convoy run my_plugin.yaml
 *
 * Nothing of Convoy is linked: all that it may call comes with each call. convoy/augment.h has the rest. */
#include "convoy/augment.h"

/* ---- parameters: what the experiment file may set, as in `augment: [my_plugin: {contrast: 0.4}]` ---- */

typedef struct my_plugin_config {
    double brightness, contrast;
} my_plugin_config;

static const cvy_param my_plugin_params[] = {
    /* struct, field, default, least, most, help */
    CVY_FLOAT(my_plugin_config, brightness, 0.2, 0, 1, "most that is added or taken, white being 1"),
    CVY_FLOAT(my_plugin_config, contrast, 0.2, 0, 1, "most by which contrast grows or shrinks, as a share"),
};

/* ---- infer: the shape that comes out ---- */

static int my_plugin_infer(const cvy_host *host, const void *config, const cvy_shape *in, cvy_shape *out)
{
    (void)config;
    if (in->rank != 3)
        return host->fail(host, "needs images (channels, height, width), found rank %d", (int)in->rank);
    *out = *in;
    return 0;
}

/* ---- apply: one image from x to y, pixels on [0, 1] ---- */

/* call->random is a function of seed, epoch and sample, so that a resumed run draws the same. */
static int my_plugin_apply(cvy_augment_call *call, const void *config)
{
    const my_plugin_config *c = config;
    const float add = (float)c->brightness * (2 * cvy_unit(call->random) - 1);
    const float stretch = 1 + (float)c->contrast * (2 * cvy_unit(call->random) - 1);
    const int64_t count = cvy_count(call->in);
    for (int64_t i = 0; i < count; i++) {
        const float v = (call->x[i] - 0.5f) * stretch + 0.5f + add;
        call->y[i] = v < 0 ? 0 : v > 1 ? 1 : v;
    }
    return 0;
}

static const cvy_augment my_plugin_type = {
    .size = sizeof(cvy_augment),
    .traits = 0, /* training only; CVY_AUGMENT_ALWAYS: in validation and test too */
    .infer = my_plugin_infer,
    .apply = my_plugin_apply,
};

/* kind, name, names elsewhere, one line for `convoy plugin info`, paper */
CVY_PLUGIN(CVY_AUGMENT, my_plugin, "", "Brightness and contrast, changed at random", "", my_plugin_config,
           &my_plugin_type, CVY_PARAMS(my_plugin_params));
