#!/usr/bin/env bash
# A plugin of one's own at two versions: the second is another configuration, and compare does not take runs of both for
# repeats of each other. Arguments: source folder, build folder.
. "$(dirname "$0")/runs.sh"
cat >half.c <<'END'
#include "convoy/layer.h"
#ifndef FACTOR
#define FACTOR 0.5f
#endif
static int half_infer(cvy_infer *in, const void *config)
{
    (void)config;
    in->out = in->in[0];
    return 0;
}
static int half_forward(const cvy_plain *call, const void *config)
{
    (void)config;
    for (int64_t i = 0; i < cvy_count(call->out); i++) call->y[i] = (cvy_real)FACTOR * call->x[0][i];
    return 0;
}
static int half_backward(const cvy_plain *call, const void *config)
{
    (void)config;
    for (int64_t i = 0; call->gx[0] && i < cvy_count(call->out); i++) call->gx[0][i] = (cvy_real)FACTOR * call->gy[i];
    return 0;
}
static const cvy_layer half_layer = {
    .size = sizeof(cvy_layer), .min_in = 1, .max_in = 1, .infer = half_infer, .forward = half_forward, .backward = half_backward};
CVY_PLUGIN(CVY_LAYER, half, "", "half of it", "", cvy_no_config, &half_layer, CVY_NO_PARAMS);
END
build() {
    cc -O2 -shared -fPIC -I"$source_dir/core/include" "$@" -o half.so half.c || fail "cannot compile"
}
tiny tiny.yaml
sed -i 's/^  - relu/&\n  - half/; s/^dataset/plugins: [.\/half.so]\n&/' tiny.yaml
build
expect 0 run tiny.yaml -q
expect 0 run tiny.yaml seed=8 -q
expect 0 run tiny.yaml -q
says out "r1" # known already
build -DFACTOR=0.25f
expect 0 run tiny.yaml -q
[ -e results/r3/run.json ] || fail "another version of a plugin is another configuration"
expect 0 compare r1 r2 r3
grep -qE '^r1 r2 +half [0-9a-f]{8} ' out || fail "the two seeds of one version are a group: $(cat out)"
grep -qE '^r3 +half [0-9a-f]{8} ' out || fail "another version stands by itself: $(cat out)"
expect 0 compare r1 r2
never out "half " # nothing differs
finish
