/* Owns the wording of journal records; must not know how they are framed, nor who reads them. */
#include "journal/record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    /* To the millisecond: nobody needs more, and the text stays short. */
    return (double)t.tv_sec + (double)(t.tv_nsec / 1000000) * 1e-3;
}

static json_writer begin(const char *type)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "t", type);
    return w;
}

static cvy_status finish(json_writer *w, journal *j, errors *e)
{
    json_close(w, '}');
    cvy_status status = journal_append(j, text_str(&w->out), w->out.n, e);
    text_free(&w->out);
    return status;
}

double record_round(double v)
{
    if (!isfinite(v)) return v;
    char s[40];
    snprintf(s, sizeof s, "%.14e", v);
    double rounded = strtod(s, NULL); /* the same locale on both ways, whichever it is */
    return isfinite(rounded) ? rounded : v;
}

cvy_status record_segment(journal *j, int64_t attempt, int64_t from_step, const char *exact_key, errors *e)
{
    json_writer w = begin("segment");
    json_put_int(&w, "attempt", attempt);
    json_put_int(&w, "from_step", from_step);
    json_put_text(&w, "exact_key", exact_key);
    json_put_double(&w, "time", now());
    return finish(&w, j, e);
}

cvy_status record_metrics(journal *j, const char *scope, int64_t step, int64_t epoch, const metric *m,
                          size_t n, errors *e)
{
    json_writer w = begin(scope ? "metrics" : "measured");
    if (scope) json_put_text(&w, "scope", scope);
    json_put_int(&w, "step", step);
    json_put_int(&w, "epoch", epoch);
    json_key(&w, "m");
    json_open(&w, '{');
    for (size_t i = 0; i < n; i++) json_put_double(&w, m[i].name, record_round(m[i].value));
    json_close(&w, '}');
    return finish(&w, j, e);
}

cvy_status record_histogram(journal *j, int64_t step, int64_t epoch, const record_histogram_of *h, errors *e)
{
    json_writer w = begin("histogram");
    json_put_int(&w, "step", step);
    json_put_int(&w, "epoch", epoch);
    json_put_text(&w, "tensor", h->tensor);
    json_put_text(&w, "of", h->of);
    json_put_double(&w, "low", record_round(h->low));
    json_put_double(&w, "high", record_round(h->high));
    json_put_double(&w, "mean", record_round(h->mean));
    json_put_double(&w, "sd", record_round(h->sd));
    json_key(&w, "counts");
    json_open(&w, '[');
    for (size_t i = 0; i < h->n; i++) json_int(&w, h->counts[i]);
    json_close(&w, ']');
    return finish(&w, j, e);
}

cvy_status record_kernels(journal *j, const char *choices_json, errors *e)
{
    json_writer w = begin("kernels");
    json_key(&w, "choices");
    json_raw(&w, choices_json);
    return finish(&w, j, e);
}

cvy_status record_dataset(journal *j, const char *card_json, errors *e)
{
    json_writer w = begin("dataset");
    json_key(&w, "card");
    json_raw(&w, card_json);
    return finish(&w, j, e);
}

cvy_status record_artifact(journal *j, const char *kind, const char *path, int64_t step, errors *e)
{
    json_writer w = begin("artifact");
    json_put_text(&w, "kind", kind);
    json_put_text(&w, "path", path);
    json_put_int(&w, "step", step);
    return finish(&w, j, e);
}

cvy_status record_event(journal *j, const char *kind, const char *what, errors *e)
{
    json_writer w = begin("event");
    json_put_text(&w, "kind", kind);
    json_put_text(&w, "text", what);
    json_put_double(&w, "time", now());
    return finish(&w, j, e);
}

cvy_status record_end(journal *j, const char *state, int64_t step, const char *what, errors *e)
{
    json_writer w = begin("end");
    json_put_text(&w, "state", state);
    json_put_int(&w, "step", step);
    json_put_text(&w, "text", what);
    json_put_double(&w, "time", now());
    return finish(&w, j, e);
}

cvy_status record_start(journal *j, int64_t attempt, int64_t pid, errors *e)
{
    json_writer w = begin("start");
    json_put_int(&w, "attempt", attempt);
    json_put_int(&w, "pid", pid);
    json_put_double(&w, "time", now());
    return finish(&w, j, e);
}

cvy_status record_state(journal *j, int64_t attempt, const char *state, const char *what, errors *e)
{
    json_writer w = begin("state");
    json_put_int(&w, "attempt", attempt);
    json_put_text(&w, "state", state);
    json_put_text(&w, "text", what);
    json_put_double(&w, "time", now());
    return finish(&w, j, e);
}

cvy_status record_exit(journal *j, int64_t attempt, int code, int signal, double seconds, errors *e)
{
    json_writer w = begin("exit");
    json_put_int(&w, "attempt", attempt);
    json_put_int(&w, "code", code);
    json_put_int(&w, "signal", signal);
    json_put_double(&w, "seconds", seconds);
    json_put_double(&w, "time", now());
    return finish(&w, j, e);
}

cvy_status record_evaluation(journal *j, const char *members_json, errors *e)
{
    json_writer w = begin("evaluation");
    json_put_double(&w, "time", now());
    text_char(&w.out, ',');
    text_add_n(&w.out, members_json + 1, strlen(members_json) - 2); /* without its braces */
    return finish(&w, j, e);
}

cvy_status record_tag(journal *j, const char *tag, errors *e)
{
    json_writer w = begin("tag");
    json_put_text(&w, "tag", tag);
    json_put_double(&w, "time", now());
    return finish(&w, j, e);
}
