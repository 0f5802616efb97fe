/* Puts who was called in front of what they reported. Must not know what for. */
#include "train/blame.h"

#include <stdarg.h>

cvy_status blame(errors *own, errors *e, const char *fmt, ...)
{
    text who = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&who, fmt, ap);
    va_end(ap);
    cvy_status status = errors_status(own);
    errors_push(e, "%s", text_str(&who));
    for (size_t i = 0; i < own->n; i++) {
        const message *m = &own->items[i];
        place at = {m->file, m->line, m->column, m->offset, m->source};
        if (m->warning)
            errors_warn(e, &at, m->hint, "%s", m->what);
        else
            errors_add(e, m->status, &at, m->hint, "%s", m->what);
    }
    errors_pop(e);
    errors_free(own);
    text_free(&who);
    return status;
}
