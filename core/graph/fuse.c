/* Merges neighbouring forward operators, whatever layers they came from. Matches operators, never plugin
 * names.
 *
 *   conv -> bn_stats                     the convolution gathers the statistics of what it writes
 *   bn_apply -> add(·, residual)         one pass instead of two
 *   bn_apply [+ residual] -> relu        one pass, and its mask serves the backward pass
 *
 * A merge is made only where the value in between has no other reader. */
#include "graph/program.h"

/* The single step reading v, or NULL when there is none or several. The loss counts as a reader.
 */
static instruction *fuse_only_reader(program *p, int v, size_t *at)
{
    instruction *found = NULL;
    if (program_is_end(p, v)) return NULL;
    for (size_t i = 0; i < p->n_steps; i++) {
        instruction *s = &p->steps[i];
        if (s->dead) continue;
        for (int k = 0; k < s->n_in; k++) {
            if (s->in[k] != v) continue;
            if (found) return NULL;
            found = s;
            if (at) *at = i;
        }
    }
    return found;
}

static void fuse_statistics(program *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        instruction *conv = &p->steps[i];
        if (conv->dead || conv->o.type != OP_CONV || conv->n_out != 1) continue;
        for (size_t k = i + 1; k < p->n_steps; k++) {
            instruction *stats = &p->steps[k];
            if (stats->dead || stats->o.type != OP_BN_STATS || stats->in[0] != conv->out[0]) continue;
            conv->out[conv->n_out++] = stats->out[0];
            stats->dead = true;
            break;
        }
    }
}

/* bn at i, merged into the later step at k: the merged step stands where the later one stood, so that all its
 * operands exist by then. */
static void fuse_into(program *p, size_t i, size_t k)
{
    instruction merged = p->steps[i];
    merged.out[0] = p->steps[k].out[0];
    p->steps[k] = merged;
    p->steps[i].dead = true;
}

static void fuse_residual(program *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        instruction *bn = &p->steps[i];
        if (bn->dead || bn->o.type != OP_BN_APPLY || bn->n_in != 4 || bn->o.attr.relu) continue;
        size_t k = 0;
        instruction *add = fuse_only_reader(p, bn->out[0], &k);
        if (!add || add->o.type != OP_ADD || add->n_in != 2 || k < i) continue;
        int residual = add->in[0] == bn->out[0] ? add->in[1] : add->in[0];
        if (residual == bn->out[0]) continue;
        bn->in[bn->n_in++] = residual;
        fuse_into(p, i, k);
    }
}

static void fuse_relu(program *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        instruction *bn = &p->steps[i];
        if (bn->dead || bn->o.type != OP_BN_APPLY || bn->o.attr.relu) continue;
        size_t k = 0;
        instruction *act = fuse_only_reader(p, bn->out[0], &k);
        if (!act || act->o.type != OP_ACTIVATION || act->o.attr.activation.function != CVY_RELU || k < i)
            continue;
        bn->o.attr.relu = 1;
        fuse_into(p, i, k);
    }
}

void fuse_steps(program *p)
{
    fuse_statistics(p);
    fuse_residual(p);
    fuse_relu(p);
    program_sweep(p);
}
