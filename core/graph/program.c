/* Values and steps of a program: adding and removing. Knows no pass in particular. */
#include "graph/program.h"

#include <string.h>

int program_value(program *p, value_kind kind, const tensor *t, int64_t offset)
{
    p->values = MEM_GROW(p->values, p->n_values, &p->cap_values);
    int v = (int)p->n_values++;
    p->values[v] = (value){.kind = kind, .t = *t, .offset = offset, .root = v, .first = -1, .last = -1};
    return v;
}

int program_step(program *p, op_type type, const op_attr *attr, const int *in, int n_in, const int *out,
                 int n_out, int unit, bool backward)
{
    p->steps = MEM_GROW(p->steps, p->n_steps, &p->cap_steps);
    instruction *s = &p->steps[p->n_steps];
    *s = (instruction){.n_in = n_in, .n_out = n_out, .unit = unit, .backward = backward};
    s->o.type = type;
    if (attr) s->o.attr = *attr;
    /* One input more than asked for: fusion adds a residual. One output more: fusion adds statistics. */
    s->in = arena_array(&p->memory, (size_t)n_in + 1, sizeof(int));
    s->out = arena_array(&p->memory, (size_t)n_out + 1, sizeof(int));
    memcpy(s->in, in, (size_t)n_in * sizeof(int));
    if (n_out) memcpy(s->out, out, (size_t)n_out * sizeof(int)); /* running statistics have no output */
    return (int)p->n_steps++;
}

void program_sweep(program *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n_steps; i++)
        if (!p->steps[i].dead) p->steps[kept++] = p->steps[i];
    p->n_steps = kept;
}

bool program_is_activation(const program *p, int v)
{
    return v != NO_VALUE && p->values[v].kind == VALUE_ACTIVATION;
}

bool program_is_end(const program *p, int v)
{
    for (size_t i = 0; i < p->n_ends; i++)
        if (p->ends[i].value == v) return true;
    return false;
}

plan_draw *program_draw(const program *p, int unit)
{
    for (size_t i = 0; i < p->options.n_draws; i++)
        if (strcmp(p->options.draws[i].path, p->net->nodes[unit].path) == 0) return &p->options.draws[i];
    return NULL;
}

bool program_allows(const program *p, const kernel *k)
{
    const plan_options *o = &p->options;
    if (k == kernel_reference(k->type)) return true;
    if (o->algorithm == PLAN_DIRECT && k->loose) return false;
    return !o->allows || o->allows(o->allows_ctx, k->name, op_name(k->type));
}
