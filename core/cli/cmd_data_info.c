/* `convoy data info`: what a dataset is: samples, classes, statistics, where it lies and whom to cite. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cmd_data.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "config/params.h"
#include "train/sizes.h"

enum { CHANNELS_MOST = 64, CLASSES_SHOWN = 1000 };

static const char *const part_names[] = {"train", "validation", "test"};

typedef struct facts {
    int64_t *counts[DATA_PARTS]; /* by class */
    double mean[CHANNELS_MOST], std[CHANNELS_MOST];
    int64_t channels; /* 0: there are no statistics */
} facts;

static void facts_free(facts *f)
{
    for (int p = 0; p < DATA_PARTS; p++) mem_free(f->counts[p]);
}

static bool count_classes(const data *d, facts *f, errors *e)
{
    if (d->info.classes < 1) return true;
    for (int p = 0; p < DATA_PARTS; p++) {
        f->counts[p] = mem_array((size_t)d->info.classes, sizeof(int64_t));
        for (int64_t i = 0; i < d->n[p]; i++) {
            int32_t label;
            if (!data_subject_label(d, (data_part)p, i, &label, e)) return false;
            if (label >= 0) f->counts[p][label]++;
        }
    }
    return true;
}

/* Mean and deviation of each channel over the training samples as the dataset gives them; pieces are merged around their
 * own means (Chan et al. 1979). */
static bool measure(const common *c, const data *d, facts *f, errors *e)
{
    const data_way way = {.part = DATA_TRAIN, .how = DATA_AS_EVALUATION, .end = 0};
    if (d->info.sample.rank < 2 || d->info.sample.dim[0] > CHANNELS_MOST) return true;
    double squares[CHANNELS_MOST] = {0}, elements = 0;
    const int64_t channels = d->info.sample.dim[0];
    progress bar = progress_open(c, "samples");
    float *x = mem_array((size_t)d->largest, sizeof *x);
    float *scratch = mem_array((size_t)data_scratch(d), sizeof *scratch);
    float *target = mem_array((size_t)data_target_floats(d) + 1, sizeof *target);
    bool good = true;
    for (int64_t i = 0; i < d->n[DATA_TRAIN] && good; i++) {
        int32_t label;
        good = !data_read_way(d, &way, i, x, &label, target, scratch, e);
        if (!good) break;
        const cvy_shape *shape =
            &sizes_of(d, CVY_TRAIN, d->index[DATA_TRAIN][i])->shapes[DATA_AS_EVALUATION][0];
        const int64_t plane = cvy_count(shape) / channels;
        for (int64_t k = 0; k < channels; k++) {
            double sum = 0, deviations = 0;
            for (int64_t t = 0; t < plane; t++) sum += (double)x[k * plane + t];
            const double mean = sum / (double)plane;
            for (int64_t t = 0; t < plane; t++)
                deviations += ((double)x[k * plane + t] - mean) * ((double)x[k * plane + t] - mean);
            const double all = elements + (double)plane, delta = mean - f->mean[k];
            f->mean[k] += delta * (double)plane / all;
            squares[k] += deviations + delta * delta * elements * (double)plane / all;
        }
        elements += (double)plane;
        progress_update(&bar, i + 1, d->n[DATA_TRAIN], "measuring");
    }
    progress_clear(&bar);
    for (int64_t k = 0; k < channels && good; k++) f->std[k] = sqrt(squares[k] / elements);
    if (good) f->channels = channels;
    mem_free(x);
    mem_free(scratch);
    mem_free(target);
    return good;
}

static void class_name(const data *d, int32_t i, text *out)
{
    const char *const *names = d->info.class_names;
    if (names && names[i])
        text_safe(out, names[i], 60);
    else
        text_printf(out, "%d", (int)i);
}

/* ---- for machines ---- */

static void json_shape(json_writer *w, const char *key, const cvy_shape *s)
{
    json_key(w, key);
    json_open(w, '[');
    for (int i = 0; i < s->rank; i++) json_int(w, s->dim[i]);
    json_close(w, ']');
}

static void json_doubles(json_writer *w, const char *key, const double *v, int64_t n)
{
    json_key(w, key);
    json_open(w, '[');
    for (int64_t i = 0; i < n; i++) json_double(w, v[i]);
    json_close(w, ']');
}

static void json_data(json_writer *w, const data *d, const facts *f)
{
    json_key(w, "samples");
    json_open(w, '{');
    for (int p = 0; p < DATA_PARTS; p++) json_put_int(w, part_names[p], d->n[p]);
    json_close(w, '}');
    json_shape(w, "shape", &d->info.sample);
    json_put_bool(w, "varied", d->info.varied != 0);
    json_shape(w, "input", &d->sample);
    json_put_text(w, "element", d->info.element == CVY_U8 ? "u8" : "f32");
    json_put_int(w, "targets", d->info.targets);
    json_key(w, "classes");
    json_open(w, '[');
    for (int32_t i = 0; i < d->info.classes; i++) {
        text name = {0};
        class_name(d, i, &name);
        json_open(w, '{');
        json_put_text(w, "name", text_str(&name));
        for (int p = 0; p < DATA_PARTS; p++) json_put_int(w, part_names[p], f->counts[p][i]);
        json_close(w, '}');
        text_free(&name);
    }
    json_close(w, ']');
    if (f->channels) json_doubles(w, "mean", f->mean, f->channels);
    if (f->channels) json_doubles(w, "std", f->std, f->channels);
    json_put_text(w, "fingerprint", *d->info.fingerprint ? d->info.fingerprint : NULL);
}

static void show_json(data_subject *u, const recipe *r, const facts *f)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "name", u->plugin->name);
    json_put_text(&w, "summary", u->plugin->summary);
    json_put_bool(&w, "here", u->data != NULL);
    json_put_text(&w, "path", data_subject_place(u));
    if (u->data) json_data(&w, u->data, f);
    json_put_bool(&w, "fetchable", r != NULL);
    if (r) json_put_text(&w, "page", r->page);
    if (r) json_put_text(&w, "licence", r->licence);
    if (r) json_put_text(&w, "cite", r->cite);
    json_put_text(&w, "source", u->plugin->source);
    params_table t = params_of(u->plugin, (void *)(uintptr_t)u->config);
    json_key(&w, "parameters");
    json_open(&w, '{');
    params_write(&t, &w);
    json_close(&w, '}');
    json_close(&w, '}');
    cli_print_json(&w);
}

/* ---- for people ---- */

static void line(table *t, const char *what, const char *value)
{
    if (!value || !*value) return;
    table_cell(t, what);
    table_cell(t, value);
}

static void line_data(table *t, data_subject *u, const facts *f)
{
    const data *d = u->data;
    text samples = {0}, shape = {0}, input = {0}, mean = {0};
    for (int p = 0; p < DATA_PARTS; p++) {
        if (!d->n[p] && p == DATA_VALIDATION) continue;
        if (samples.n) text_add(&samples, ", ");
        text_count(&samples, d->n[p]);
        text_printf(&samples, " %s", part_names[p]);
    }
    sizes_text(&d->info.sample, &shape);
    if (d->info.varied) text_printf(&shape, " at most; %zu sizes", d->n_sizes);
    text_add(&shape, d->info.element == CVY_U8 ? ", bytes as [0, 1]" : ", floats");
    sizes_text(&d->sample, &input);
    if (d->n_groups > 1) text_printf(&input, " and %zu other shapes", d->n_groups - 1);
    if (d->settings->augment.n)
        text_printf(&input, " after %zu steps of augmentation", d->settings->augment.n);
    for (int64_t k = 0; k < f->channels && k < 8; k++)
        text_printf(&mean, "%s%.4f +- %.4f", k ? ", " : "", f->mean[k], f->std[k]);
    if (f->channels > 8) text_printf(&mean, ", and so on for %lld channels", (long long)f->channels);
    line(t, "samples", text_str(&samples));
    line(t, "shape", text_str(&shape));
    if (u->x) line(t, "input", text_str(&input));
    line(t, "mean and std", text_str(&mean));
    text_free(&samples);
    text_free(&shape);
    text_free(&input);
    text_free(&mean);
    if (d->info.targets) {
        char count[32];
        snprintf(count, sizeof count, "%d numbers", (int)d->info.targets);
        line(t, "targets", count);
    }
    line(t, "fingerprint", d->info.fingerprint);
}

static void show_classes(const common *c, const data *d, const facts *f, text *out)
{
    if (d->info.classes < 1) return;
    table t = {0};
    table_column(&t, "CLASS", TABLE_RIGHT);
    table_column(&t, "NAME", TABLE_LEFT);
    for (int p = 0; p < DATA_PARTS; p++)
        if (d->n[p]) table_column(&t, p == 0 ? "TRAIN" : p == 1 ? "VALIDATION" : "TEST", TABLE_RIGHT);
    for (int32_t i = 0; i < d->info.classes && i < CLASSES_SHOWN; i++) {
        text name = {0};
        class_name(d, i, &name);
        table_cellf(&t, "%d", (int)i);
        table_cell(&t, text_str(&name));
        text_free(&name);
        for (int p = 0; p < DATA_PARTS; p++)
            if (d->n[p]) table_cellf(&t, "%lld", (long long)f->counts[p][i]);
    }
    text_char(out, '\n');
    table_write(&t, cli_colour(c, stdout), out);
    if (d->info.classes > CLASSES_SHOWN)
        text_printf(out, "and %d more\n", (int)d->info.classes - CLASSES_SHOWN);
    table_free(&t);
}

static void show(const common *c, data_subject *u, const recipe *r, const facts *f)
{
    const char *bold = cli_colour(c, stdout) ? "\x1b[1m" : "", *plain = *bold ? "\x1b[0m" : "";
    text out = {0}, missing = {0}, params = {0};
    table t = {0};
    text_printf(&out, "%sdataset %s%s: ", bold, u->plugin->name, plain);
    text_safe(&out, u->plugin->summary, SIZE_MAX);
    text_add(&out, "\n\n");
    table_column(&t, "", TABLE_LEFT);
    table_column(&t, "", TABLE_LEFT);
    if (u->data)
        line_data(&t, u, f);
    else
        text_printf(&missing, "not here; `convoy data fetch %s` fetches it", u->plugin->name);
    line(&t, "state", text_str(&missing));
    line(&t, "path", data_subject_place(u));
    if (r) line(&t, "page", r->page);
    if (r) line(&t, "licence", r->licence);
    if (r) line(&t, "cite", r->cite);
    if (!r || !r->cite) line(&t, "source", u->plugin->source);
    table_write(&t, false, &out);
    table_free(&t);
    if (u->data) show_classes(c, u->data, f, &out);
    params_table declared = params_of(u->plugin, NULL);
    if (declared.n) {
        text_printf(&out, "\n%sParameters%s\n", bold, plain);
        params_describe(&declared, &params);
        text_add(&out, text_str(&params));
    }
    cli_print(&out);
    text_free(&out);
    text_free(&missing);
    text_free(&params);
}

int cmd_data_info(const command *self, const common *c, const data_args *args, int argc, char **argv)
{
    int code = data_subject_operands(self, c, argc, argv);
    if (code) return code;
    errors e = {0};
    recipes all = {0};
    data_subject u = {0};
    facts f = {0};
    const recipe *r = NULL;
    bool good = data_subject_read(&u, c, argc, argv, &e) && recipes_open(&all, &e);
    if (good) r = recipes_for(&all, u.plugins, args->recipe, u.plugin->name, &e);
    if (good && !errors_status(&e)) {
        const char *where = data_subject_place(&u);
        /* What can be fetched and is not here is described all the same. */
        bool missing = r && !u.x && where && !file_exists(where);
        good = missing ||
               (data_subject_open(&u, &e) && count_classes(u.data, &f, &e) && measure(c, u.data, &f, &e));
        if (good && c->json)
            show_json(&u, r, &f);
        else if (good)
            show(c, &u, r, &f);
    }
    facts_free(&f);
    data_subject_close(&u);
    recipes_close(&all);
    return cli_fail(c, &e);
}
