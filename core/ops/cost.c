/* Owns the compiled-in cost rules; must not measure anything: a plan has to come out the same on a resume.
 *
 * The numbers stand for a common server core at 3 GHz. Only their ratios matter: between two kernels, and
 * between a kernel and the conversions it would save. */
#include "ops/kernel.h"

#define CALL_NS 500.0 /* starting the threads and meeting again */

double cost_macs(const machine *m, double macs, double efficiency)
{
    /* multiply-accumulates per nanosecond of one core: two FMA units (base: a multiplier and an adder) at 3
     * GHz */
    double peak = m->isa == ISA_AVX512 ? 96 : m->isa == ISA_AVX2 ? 48 : 12;
    return CALL_NS + macs / (peak * m->threads * efficiency);
}

double cost_bytes(const machine *m, double bytes)
{
    double per_ns = 15.0 * (m->threads < 6 ? m->threads : 6); /* more cores do not find more memory */
    return CALL_NS + bytes / per_ns;
}

double offer_uniform(const op *o, const machine *m, layout l, double factor, layout *in, layout *out)
{
    bool any = l == LAYOUT_PLAIN;
    double bytes = 0;
    for (int i = 0; i < o->n_in + o->n_out; i++) {
        bool is_in = i < o->n_in;
        tensor t = is_in ? o->in[i] : o->out[i - o->n_in];
        t.layout = t.shape.rank == 4 ? l : LAYOUT_PLAIN;
        any |= t.layout == l;
        bytes += (double)tensor_bytes(&t);
        *(is_in ? &in[i] : &out[i - o->n_in]) = t.layout;
    }
    return any ? cost_bytes(m, bytes * factor) : -1;
}
