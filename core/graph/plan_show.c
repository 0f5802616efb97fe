/* Says what a plan has decided and measured, in words for `model --layouts`, `profile` and the run's record. Must not decide
 * anything. */
#include <string.h>

#include "graph/plan.h"
#include "graph/program.h"

static void plan_layout_text(const instruction *s, const program *p, text *t)
{
    /* Tensors of rank 4 only: everything else is plain always. */
    layout last = LAYOUT_COUNT;
    bool any = false;
    for (int side = 0; side < 2; side++) {
        int n = side ? s->n_out : s->n_in;
        if (side) text_add(t, any ? " -> " : "-> ");
        any = false;
        for (int i = 0; i < n; i++) {
            int v = side ? s->out[i] : s->in[i];
            if (v == NO_VALUE || p->values[v].t.element != 4 || p->values[v].kind == VALUE_WEIGHT ||
                p->values[v].kind == VALUE_GRADIENT || p->values[v].kind == VALUE_BUFFER)
                continue;
            layout l = p->values[v].t.layout;
            if (p->values[v].t.shape.rank != 4 && any) continue;
            if (any && l == last) continue;
            text_printf(t, "%s%s", any ? "," : "", layout_name(l));
            last = l;
            any = true;
        }
    }
}

void plan_write_layouts(plan *pl)
{
    const program *p = &pl->p;
    pl->layouts = mem_array(p->n_steps, sizeof *pl->layouts);
    for (size_t i = 0; i < p->n_steps; i++) {
        text t = {0};
        plan_layout_text(&p->steps[i], p, &t);
        pl->layouts[i] = text_take(&t);
    }
}

size_t plan_steps(const plan *pl)
{
    return pl->p.n_steps;
}

const char *plan_pass_name(plan_pass pass)
{
    static const char *const names[] = {"forward", "backward", "backward-data", "backward-weights"};
    return names[pass];
}

static plan_pass plan_pass_of(const instruction *s)
{
    if (!s->backward) return PASS_FORWARD;
    switch (s->o.type) {
    case OP_CONV_BWD_DATA:
    case OP_CONV3D_BWD_DATA:
    case OP_LINEAR_BWD_DATA:
        return PASS_BACKWARD_DATA;
    case OP_CONV_BWD_WEIGHTS:
    case OP_CONV3D_BWD_WEIGHTS:
    case OP_LINEAR_BWD_WEIGHTS:
    case OP_BIAS_BWD:
        return PASS_BACKWARD_WEIGHTS;
    default:
        return PASS_BACKWARD;
    }
}

static const char *plan_algorithm_of(const instruction *s)
{
    const bool library = strcmp(s->kernel->name, "onednn") == 0;
    switch (s->o.type) {
    case OP_CONV:
    case OP_CONV_BWD_DATA:
    case OP_CONV_BWD_WEIGHTS:
    case OP_CONV3D:
    case OP_CONV3D_BWD_DATA:
    case OP_CONV3D_BWD_WEIGHTS:
        return s->kernel->loose ? "winograd" : "direct";
    case OP_LINEAR:
    case OP_LINEAR_BWD_DATA:
    case OP_LINEAR_BWD_WEIGHTS:
        return library ? "sgemm" : "direct";
    default:
        return "";
    }
}

/* Of the first output that is wanted. */
static const cvy_shape *plan_shape_of(const program *p, const instruction *s)
{
    for (int k = 0; k < s->n_out; k++)
        if (s->out[k] != NO_VALUE) return &p->values[s->out[k]].t.shape;
    return &p->shapes[s->unit];
}

static const char *plan_fused_of(const instruction *s)
{
    const op *o = &s->o;
    const bool counts = o->type == OP_CONV && s->n_out == 2;
    if (o->attr.through.stats && o->attr.through.relu)
        return counts ? "batch norm, relu before; statistics" : "batch norm, relu before";
    if (o->attr.through.stats) return counts ? "batch norm before; statistics" : "batch norm before";
    if (counts) return "statistics";
    if (o->attr.relu && s->n_in == 5 && !s->backward) return "residual, relu";
    if (o->type == OP_BN_APPLY && s->n_in == 5) return "residual";
    return o->attr.relu ? "relu" : "";
}

plan_step_info plan_step(const plan *pl, size_t i)
{
    const program *p = &pl->p;
    const instruction *s = &p->steps[i];
    return (plan_step_info){.path = p->net->nodes[s->unit].path,
                            .op = op_label(&s->o),
                            .kernel = s->kernel->name,
                            .algorithm = plan_algorithm_of(s),
                            .shape = plan_shape_of(p, s),
                            .layouts = pl->layouts[i],
                            .fused = plan_fused_of(s),
                            .backward = s->backward,
                            .pass = plan_pass_of(s),
                            .conversion = s->o.type == OP_CONVERT,
                            .macs = op_macs(&s->o),
                            .bytes = op_bytes(&s->o),
                            .seconds = s->seconds,
                            .runs = s->runs};
}

double plan_pack_seconds(const plan *pl)
{
    return pl->p.pack_seconds;
}

size_t plan_conversions(const plan *pl, bool backward)
{
    size_t n = 0;
    for (size_t i = 0; i < pl->p.n_steps; i++) {
        const instruction *s = &pl->p.steps[i];
        n += s->o.type == OP_CONVERT && s->backward == backward;
    }
    return n;
}
