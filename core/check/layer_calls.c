/* Owns the checks of single calls: memory, constness, completeness. Must not know gradients. */
#include "check/layer_checks.h"

/* Forward and backward in training, and forward in evaluation, of every case; tells the breaches of these kinds. */
static void call_all(specimen *s, verdict *v, guarded_fill fill, bool train, bool evaluation, unsigned kinds)
{
    const layer_cases *list = layer_cases_of(s);
    for (size_t i = 0; i < list->n; i++) {
        testbed b;
        verdict_at(v, list->items[i].text);
        if (layer_cases_bed(&b, s, &list->items[i], false, 2, v)) {
            b.fill = fill;
            if (train && testbed_forward(&b) && !(b.traits & CVY_NO_BACKWARD)) testbed_backward(&b);
            b.train = false;
            if (evaluation) testbed_forward(&b);
            testbed_report(&b, v, kinds);
        }
        testbed_close(&b);
    }
}

void layer_calls_bounds(specimen *s, verdict *v)
{
    call_all(s, v, GUARDED_ZERO, true, true, 1u << BREACH_BOUNDS);
    if (specimen_sanitized()) verdict_note(v, "by AddressSanitizer");
}

void layer_calls_constants(specimen *s, verdict *v)
{
    call_all(s, v, GUARDED_ZERO, true, true, 1u << BREACH_CONSTANT);
}

void layer_calls_complete(specimen *s, verdict *v)
{
    call_all(s, v, GUARDED_MARK, true, false,
             1u << BREACH_UNWRITTEN | 1u << BREACH_NUMBER | 1u << BREACH_REFUSED);
}

void layer_calls_evaluation(specimen *s, verdict *v)
{
    call_all(s, v, GUARDED_MARK, false, true, TESTBED_ALL);
}
