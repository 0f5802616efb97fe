/* Owns what frozen tensors mean for their layers; must not know who froze them. */
#include "graph/freeze.h"

#include <inttypes.h>
#include <string.h>

cvy_status freeze_settle(net *n, const place *at, errors *e)
{
    size_t before = errors_count(e);
    for (size_t i = 1; i < n->n_nodes; i++) {
        net_node *unit = &n->nodes[i];
        const net_tensor *buffers = n->buffers + unit->first_buffer, *loose = NULL, *frozen = NULL;
        for (int k = 0; k < unit->n_buffers; k++)
            if (buffers[k].frozen)
                frozen = &buffers[k];
            else
                loose = &buffers[k];
        unit->evaluates = frozen && !loose;
        if (!frozen || !loose) continue;
        char *hint = mem_printf("freeze `%s.*`, or none of its buffers", unit->path);
        errors_add(e, CVY_ERR_CONFIG, at, hint,
                   "layer \"%s\" (%s) moves its buffers together: \"%s\" is frozen and \"%s\" is not",
                   unit->path, unit->plugin->name, frozen->name, loose->name);
        mem_free(hint);
    }
    return errors_count(e) > before ? CVY_ERR_CONFIG : CVY_OK;
}

int64_t freeze_trainable(const net *n)
{
    int64_t count = 0;
    for (size_t i = 0; i < n->n_weights; i++)
        if (!n->weights[i].frozen) count += n->weights[i].count;
    return count;
}
