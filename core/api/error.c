/* Owns how calls of the library begin and end, and the errors they give; must not know what the calls do. */
#include "api/api.h"
#include "base/parallel.h"

struct cvy_error {
    errors list;
    char *text;
};

api_call api_begin(void)
{
    api_call c = {.plain = newlocale(LC_ALL_MASK, "C", (locale_t)0)};
    c.before = c.plain ? uselocale(c.plain) : (locale_t)0;
    return c;
}

cvy_status api_end(api_call *c, cvy_error **error)
{
    cvy_status status = errors_status(&c->e);
    if (error) *error = NULL;
    if (status && error) {
        *error = mem_alloc(sizeof **error);
        errors_move(&(*error)->list, &c->e);
        text t = {0};
        errors_text(&(*error)->list, false, &t);
        (*error)->text = text_take(&t);
    }
    errors_free(&c->e);
    if (c->plain) {
        uselocale(c->before);
        freelocale(c->plain);
    }
    return status;
}

cvy_status api_missing(const char *name, errors *e)
{
    return errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "%s: NULL was given", name);
}

cvy_status cvy_error_status(const cvy_error *error)
{
    return error ? errors_status(&error->list) : CVY_OK;
}

const char *cvy_error_text(const cvy_error *error)
{
    return error ? error->text : "";
}

size_t cvy_error_count(const cvy_error *error)
{
    return error ? error->list.n : 0;
}

cvy_message cvy_error_message(const cvy_error *error, size_t i)
{
    if (i >= cvy_error_count(error)) return (cvy_message){.what = "", .offset = -1};
    const message *m = &error->list.items[i];
    return (cvy_message){.what = m->what,
                         .hint = m->hint,
                         .file = m->file,
                         .line = m->line,
                         .column = m->column,
                         .offset = m->offset};
}

void cvy_error_free(cvy_error *error)
{
    if (!error) return;
    errors_free(&error->list);
    mem_free(error->text);
    mem_free(error);
}

/* ---- threads ---- */

int cvy_threads(void)
{
    return parallel_threads();
}

void cvy_set_threads(int n)
{
    parallel_set_threads(n);
}

cvy_status api_same_threads(int threads, errors *e)
{
    if (threads == parallel_threads()) return CVY_OK;
    return errors_add(e, CVY_ERR_CONFIG, NULL, "call cvy_set_threads() before models and sessions are made",
                      "was made for %d compute threads, and now there are %d", threads, parallel_threads());
}
