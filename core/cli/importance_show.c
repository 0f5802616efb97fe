/* Owns how the importance of parameters reads; must not know how it is found. */
#include "cli/importance_show.h"

#include "base/memory.h"
#include "cli/results.h"
#include "cli/table.h"
#include "report/importance.h"

static void show_json(const importance *im, const char *metric)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "metric", metric);
    json_put_text(&w, "method", "fanova");
    json_put_int(&w, "configurations", (int64_t)im->configurations);
    json_key(&w, "importance");
    json_open(&w, '[');
    for (size_t i = 0; i < im->n; i++) {
        json_open(&w, '{');
        json_put_text(&w, "path", im->items[i].path);
        results_put_double(&w, "share", im->items[i].share.mean);
        results_put_double(&w, "sd", im->items[i].share.sd);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    results_put_double(&w, "interactions", im->rest);
    json_put_int(&w, "left_out", (int64_t)im->left_out);
    json_close(&w, '}');
    cli_print_json(&w);
}

static void show_table(const common *c, const importance *im)
{
    table t = {0};
    text out = {0};
    table_column(&t, "PARAMETER", TABLE_LEFT);
    table_column(&t, "EXPLAINS %", TABLE_RIGHT);
    for (size_t i = 0; i < im->n; i++) {
        table_cell(&t, im->items[i].path);
        table_cellf(&t, "%.1f ± %.1f", 100 * im->items[i].share.mean, 100 * im->items[i].share.sd);
    }
    table_cell(&t, "interactions");
    table_cellf(&t, "%.1f", 100 * im->rest);
    table_write(&t, cli_colour(c, stdout), &out);
    cli_print(&out);
    text_free(&out);
    table_free(&t);
}

cvy_status importance_of(const common *c, store *s, const query_run *runs, size_t n, groups_value *value,
                         const char *metric, errors *e)
{
    arena a = {0};
    importance im;
    cvy_status status = importance_make(s, runs, n, value, &a, &im, e);
    if (status == CVY_OK) {
        if (c->json)
            show_json(&im, metric);
        else
            show_table(c, &im);
        cli_say(c,
                "of the variance of %s over %zu configurations, by functional ANOVA on a random forest; ± "
                "over its trees",
                metric, im.configurations);
        if (im.left_out)
            cli_say(c, "%zu parameter%s of more than %d words left out", im.left_out,
                    im.left_out > 1 ? "s" : "", FOREST_CATEGORIES);
    }
    arena_free(&a);
    return status;
}
