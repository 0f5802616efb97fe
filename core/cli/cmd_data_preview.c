/* `convoy data preview`: a sheet of samples as the network sees them. Owns which samples are shown in which way; must not
 * know what any step of augmentation does. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/cmd_data.h"
#include "cli/sheet.h"
#include "cli/table.h"
#include "cli/visible.h"
#include "config/params.h"
#include "image/image.h"

enum { LEARN_FROM = 8, LOOK_THROUGH = 200000, SHARES_SHOWN = 2, EACH_LIMIT = 2000 };

typedef struct preview {
    const data_args *args;
    data *d;
    data_part part;
    size_t end; /* steps before it are shown */
    int columns;
    int64_t first;    /* --sample; -1: none */
    int64_t *samples; /* of the columns: numbers in the part */
    int64_t learn[LEARN_FROM];
    size_t n_learn;
    float *x, *scratch, *target;
    sheet sheet;
    text *rows; /* what each row is, for the legend */
} preview;

static bool buffers(preview *p)
{
    p->x = mem_try((size_t)p->d->largest, sizeof *p->x);
    p->scratch = mem_try((size_t)data_scratch(p->d), sizeof *p->scratch);
    p->target = mem_try((size_t)data_target_floats(p->d) + 1, sizeof *p->target);
    return p->x && p->scratch && p->target;
}

static void buffers_free(preview *p)
{
    mem_free(p->x);
    mem_free(p->scratch);
    mem_free(p->target);
    p->x = p->scratch = p->target = NULL;
}

/* ---- which samples ---- */

static cvy_status check_images(const data *d, errors *e)
{
    const cvy_shape *s = &d->info.sample;
    text shape = {0};
    sizes_text(s, &shape);
    cvy_status status = CVY_OK;
    if (s->rank != 3)
        status = errors_add(e, CVY_ERR_CONFIG, &d->at, "`convoy data info` tells what they are",
                            "the samples are no images (channels x height x width) but %s (%s)",
                            s->rank == 1   ? "rows of a table"
                            : s->rank == 2 ? "sequences"
                            : s->rank == 4 ? "volumes"
                                           : "something else",
                            text_str(&shape));
    text_free(&shape);
    return status;
}

/* One of each class first, in the order of the samples, then whatever comes. */
static cvy_status choose(preview *p, errors *e)
{
    const data *d = p->d;
    const int64_t n = d->n[p->part];
    const int32_t classes = d->info.classes;
    if (n < 1) return errors_add(e, CVY_ERR_CONFIG, &d->at, NULL, "this part of the dataset has no samples");
    if (p->first >= n)
        return errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "--sample %lld: there are %lld, counted from 0",
                          (long long)p->first, (long long)n);
    if (p->columns > n) p->columns = (int)n;
    p->samples = mem_array((size_t)p->columns, sizeof *p->samples);
    if (p->first >= 0 || classes < 2) {
        for (int i = 0; i < p->columns; i++) p->samples[i] = ((p->first > 0 ? p->first : 0) + i) % n;
        return CVY_OK;
    }
    int have = 0;
    char *seen = mem_array((size_t)classes, 1),
         *taken = mem_array((size_t)(n < LOOK_THROUGH ? n : LOOK_THROUGH), 1);
    cvy_status status = CVY_OK;
    /* By class, so that the columns come in the order of the classes. */
    int64_t *first = mem_array((size_t)classes, sizeof *first);
    int32_t found = 0;
    for (int64_t i = 0; i < n && i < LOOK_THROUGH && found < classes && !status; i++) {
        int32_t label;
        if (!data_subject_label(d, p->part, i, &label, e)) status = errors_status(e);
        if (status || label < 0 || seen[label]) continue;
        seen[label] = 1;
        first[label] = i;
        found++;
    }
    for (int32_t c = 0; c < classes && have < p->columns; c++)
        if (seen[c]) taken[first[c]] = 1, p->samples[have++] = first[c];
    for (int64_t i = 0; i < n && have < p->columns; i++)
        if (i >= LOOK_THROUGH || !taken[i]) p->samples[have++] = i;
    mem_free(first);
    mem_free(seen);
    mem_free(taken);
    return status;
}

static void choose_learned(preview *p)
{
    const int64_t n = p->d->n[DATA_TRAIN];
    p->n_learn = n < LEARN_FROM ? (size_t)n : LEARN_FROM;
    for (size_t i = 0; i < p->n_learn; i++) p->learn[i] = (int64_t)i * (n / (int64_t)p->n_learn);
}

static char *class_name(const data *d, int32_t label)
{
    const char *const *names = d->info.class_names;
    if (label >= 0 && label < d->info.classes && names && names[label]) return mem_text(names[label]);
    return mem_printf("%d", (int)label);
}

static char *column_name(const preview *p, int column, errors *e)
{
    int32_t label = -1;
    int64_t i = p->samples[column];
    if (p->d->info.classes > 0 && data_subject_label(p->d, p->part, i, &label, e) && label >= 0)
        return class_name(p->d, label);
    return mem_printf("#%lld", (long long)p->d->index[p->part][i]);
}

/* ---- cells ---- */

/* "cat 0.70, dog 0.30" of a mixed target; NULL: it is of one class. */
static char *shares(const data *d, const float *target)
{
    const int64_t n = d->info.classes;
    if (data_target(d) != TARGET_LABEL || data_target_floats(d) != n || n < 1) return NULL;
    int32_t best[SHARES_SHOWN] = {-1, -1};
    for (int32_t i = 0; i < n; i++)
        for (int k = 0; k < SHARES_SHOWN; k++) {
            if (target[i] <= 0 || (best[k] >= 0 && target[best[k]] >= target[i])) continue;
            for (int t = SHARES_SHOWN - 1; t > k; t--) best[t] = best[t - 1];
            best[k] = i;
            break;
        }
    if (best[0] < 0 || best[1] < 0 || target[best[1]] < 0.005f) return NULL;
    char *a = class_name(d, best[0]), *b = class_name(d, best[1]);
    char *all =
        mem_printf("%.0f%% %s %.0f%% %s", 100 * (double)target[best[0]], a, 100 * (double)target[best[1]], b);
    mem_free(a);
    mem_free(b);
    return all;
}

static cvy_status cell(preview *p, const data_way *way, const visible *v, int64_t sample, int row, int column,
                       errors *e)
{
    const data *d = p->d;
    int32_t label;
    cvy_status status = data_read_way(d, way, sample, p->x, &label, p->target, p->scratch, e);
    if (status) return status;
    const cvy_shape *shape =
        &sizes_of(d, way->part == DATA_TEST ? CVY_TEST : CVY_TRAIN, d->index[way->part][sample])
             ->shapes[way->how][way->end];
    sheet_cell *c = sheet_at(&p->sheet, row, column);
    if (shape->rank != 3) return CVY_OK;
    c->pixels = visible_picture(v, shape, p->x);
    c->height = shape->dim[1];
    c->width = shape->dim[2];
    if (way->how == DATA_AS_TRAINING && way->end > 0) c->caption = shares(d, p->target);
    return CVY_OK;
}

/* One way to read them, a sample in each column. */
static cvy_status row_of_samples(preview *p, const data_way *way, int row, errors *e)
{
    visible v;
    cvy_status status = visible_learn(&v, p->d, way->end, p->learn, p->n_learn, e);
    for (int i = 0; i < p->columns && !status; i++) status = cell(p, way, &v, p->samples[i], row, i, e);
    if (v.stretch)
        text_add(&p->rows[row], "; not a line per channel: each picture spread by its own deviation");
    else if (v.undone)
        text_add(&p->rows[row], "; normalising undone");
    return status;
}

static void name_row(preview *p, int row, char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Takes the name over. */
static void name_row(preview *p, int row, char *name, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    p->sheet.left[row] = name;
    text_vprintf(&p->rows[row], fmt, ap);
    va_end(ap);
}

static void new_sheet(preview *p, int rows, errors *e)
{
    p->sheet = sheet_new(rows, p->columns);
    p->rows = mem_array((size_t)rows, sizeof *p->rows);
    for (int i = 0; i < p->columns && p->samples; i++) p->sheet.above[i] = column_name(p, i, e);
}

static const char *step_name(const preview *p, size_t k)
{
    return p->d->steps[k].child->plugin->name;
}

/* Row 0 as the dataset gives them, then epoch after epoch; or only once more, where nothing is random. */
static cvy_status by_epoch(preview *p, errors *e)
{
    const data_how how = p->part == DATA_TRAIN ? DATA_AS_TRAINING : DATA_AS_EVALUATION;
    size_t applied = 0;
    for (size_t k = 0; k < p->end; k++) applied += steps_apply(p->d, k, how);
    const int rows = !applied ? 1 : how == DATA_AS_TRAINING ? 1 + (int)p->args->rows : 2;
    new_sheet(p, rows, e);
    data_way way = {.part = p->part, .how = how, .epoch = (int32_t)p->args->epoch, .end = 0};
    name_row(p, 0, mem_text("raw"), "as the dataset gives them");
    cvy_status status = row_of_samples(p, &way, 0, e);
    for (int r = 1; r < rows && !status; r++, way.epoch++) {
        way.end = p->end;
        if (how == DATA_AS_TRAINING)
            name_row(p, r, mem_printf("epoch %d", (int)way.epoch), "as training sees them in epoch %d",
                     (int)way.epoch);
        else
            name_row(p, r, mem_text("input"), "as evaluation sees them");
        status = row_of_samples(p, &way, r, e);
    }
    return status;
}

/* One epoch, row by row through the list. */
static cvy_status by_step(preview *p, errors *e)
{
    const data_how how = p->part == DATA_TRAIN ? DATA_AS_TRAINING : DATA_AS_EVALUATION;
    int rows = 1, r = 1;
    for (size_t k = 0; k < p->end; k++) rows += steps_apply(p->d, k, how);
    new_sheet(p, rows, e);
    data_way way = {.part = p->part, .how = how, .epoch = (int32_t)p->args->epoch, .end = 0};
    name_row(p, 0, mem_text("raw"), "as the dataset gives them");
    cvy_status status = row_of_samples(p, &way, 0, e);
    for (size_t k = 0; k < p->end && !status; k++) {
        if (!steps_apply(p->d, k, how)) continue;
        way.end = k + 1;
        name_row(p, r, mem_text(step_name(p, k)), "after %s (%s), in epoch %d", p->d->steps[k].path,
                 step_name(p, k), (int)p->args->epoch);
        status = row_of_samples(p, &way, r++, e);
    }
    return status;
}

/* ---- every augmentation ---- */

/* Parameters of those that do nothing, or cannot be, without any. */
static const char *example_of(const char *name, const cvy_shape *s, text *t)
{
    const long long h = (long long)s->dim[1], w = (long long)s->dim[2];
    if (!strcmp(name, "resize"))
        text_printf(t, "{size: [%lld, %lld]}", (h * 3 + 3) / 4, (w * 3 + 3) / 4);
    else if (!strcmp(name, "center_crop"))
        text_printf(t, "{size: [%lld, %lld]}", (h * 3 + 3) / 4, (w * 3 + 3) / 4);
    return text_str(t);
}

typedef struct one_augmentation {
    arena memory;
    data_settings settings;
    cvy_child child;
    data *d;
} one_augmentation;

static const cvy_descriptor *find_child(void *ctx, uint32_t kind, const char *name, const place *at,
                                        errors *e)
{
    return registry_find(ctx, kind, name, at, e);
}

static bool open_one(one_augmentation *o, data_subject *u, const char *name, errors *e)
{
    const cvy_descriptor *d = registry_find(u->plugins, CVY_AUGMENT, name, NULL, e);
    params_env env = {.find = find_child, .ctx = u->plugins};
    text example = {0};
    if (!d) return false;
    example_of(name, &u->data->info.sample, &example);
    const node *map = example.n ? tree_read_text(&o->memory, name, text_str(&example), example.n, e) : NULL;
    text_free(&example);
    o->child.plugin = d;
    o->child.config = params_make(&o->memory, d, map, &env, e);
    o->settings = u->settings;
    o->settings.augment = (cvy_children){.v = &o->child, .n = 1};
    o->settings.eval = (eval_settings){0};
    if (o->child.config)
        o->d = data_open(u->plugin, u->config, &o->settings, u->seed, u->base_dir, &u->at, e);
    return o->d && !data_prepare(o->d, e);
}

static void close_one(one_augmentation *o)
{
    data_close(o->d);
    arena_free(&o->memory);
}

/* The number of a sample of the plugin's in the training part, else the first. */
static int64_t number_of(const data *d, int64_t sample)
{
    for (int64_t i = 0; i < d->n[DATA_TRAIN]; i++)
        if (d->index[DATA_TRAIN][i] == sample) return i;
    return 0;
}

static cvy_status row_of_one(preview *p, data_subject *u, const char *name, int64_t sample, int row,
                             errors *e)
{
    one_augmentation o = {0};
    cvy_status status = CVY_OK;
    if (open_one(&o, u, name, e)) {
        preview q = *p;
        visible v;
        q.d = o.d;
        choose_learned(&q);
        if (!buffers(&q)) status = errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory");
        if (!status) status = visible_learn(&v, o.d, o.d->n_steps, q.learn, q.n_learn, e);
        data_way way = {.part = DATA_TRAIN,
                        .how = DATA_AS_TRAINING,
                        .epoch = (int32_t)p->args->epoch,
                        .end = o.d->n_steps};
        for (int i = 0; i < p->columns && !status; i++, way.epoch++)
            status = cell(&q, &way, &v, number_of(o.d, sample), row, i, e);
        if (!status) {
            text params = {0};
            params_table t = params_of(o.child.plugin, (void *)(uintptr_t)o.child.config);
            params_brief(&t, &params);
            name_row(p, row, mem_text(name), "%s%s%s", params.n ? text_str(&params) : "by its defaults",
                     v.stretch ? "; each picture spread by its own deviation" : "",
                     v.undone && !v.stretch ? "; normalising undone" : "");
            text_free(&params);
        }
        buffers_free(&q);
    }
    close_one(&o);
    return errors_status(e) ? CVY_ERR_CONFIG : status;
}

/* A row for each augmentation, a column for each epoch, all of one sample. Those that do not fit this dataset are left out
 * and said. */
static cvy_status by_augmentation(preview *p, data_subject *u, const common *c, errors *e)
{
    size_t n;
    const plugin_entry *entries = registry_list(u->plugins, &n);
    const char **names = mem_array(n + 1, sizeof *names);
    int found = 0;
    for (size_t i = 0; i < n; i++)
        if (entries[i].kind == CVY_AUGMENT) names[found++] = entries[i].name;
    const int64_t sample = p->d->index[DATA_TRAIN][p->samples[0]];
    p->columns = (int)p->args->cols;
    int64_t *chosen = p->samples;
    p->samples = NULL; /* the columns are epochs here */
    new_sheet(p, found + 1, e);
    p->samples = chosen;
    for (int i = 0; i < p->columns; i++)
        p->sheet.above[i] = mem_printf("epoch %lld", (long long)p->args->epoch + i);
    visible v;
    data_way raw = {.part = DATA_TRAIN, .how = DATA_AS_TRAINING, .end = 0};
    cvy_status status = visible_learn(&v, p->d, 0, p->learn, p->n_learn, e);
    for (int i = 0; i < p->columns && !status; i++) status = cell(p, &raw, &v, p->samples[0], 0, i, e);
    if (!status) name_row(p, 0, mem_text("raw"), "as the dataset gives it");
    int row = 1;
    for (int i = 0; i < found && !status; i++) {
        errors own = {0};
        if (!row_of_one(p, u, names[i], sample, row, &own)) {
            row++;
        } else {
            for (int k = 0; k < p->columns; k++) {
                sheet_cell *half = sheet_at(&p->sheet, row, k);
                mem_free(half->pixels);
                mem_free(half->caption);
                *half = (sheet_cell){0};
            }
            cli_say(c, "%s is left out: %s", names[i], own.n ? own.items[0].what : "it failed");
        }
        errors_free(&own);
    }
    p->sheet.rows = row; /* cells, names and texts of what was left out are empty */
    mem_free(names);
    return status;
}

/* ---- the legend ---- */

static void legend_json(const preview *p, const char *path)
{
    json_writer w = {0};
    json_open(&w, '{');
    json_put_text(&w, "path", path);
    json_key(&w, "rows");
    json_open(&w, '[');
    for (int i = 0; i < p->sheet.rows; i++) {
        json_open(&w, '{');
        json_put_text(&w, "name", p->sheet.left[i]);
        json_put_text(&w, "what", text_str(&p->rows[i]));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_key(&w, "columns");
    json_open(&w, '[');
    for (int i = 0; i < p->sheet.columns; i++) {
        json_open(&w, '{');
        json_put_text(&w, "name", p->sheet.above[i]);
        if (!p->args->each) json_put_int(&w, "sample", p->d->index[p->part][p->samples[i]]);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    cli_print_json(&w);
}

static void legend(const common *c, const preview *p)
{
    text out = {0};
    table t = {0};
    table_column(&t, "ROW", TABLE_RIGHT);
    table_column(&t, "NAME", TABLE_LEFT);
    table_column(&t, "WHAT", TABLE_LEFT);
    for (int i = 0; i < p->sheet.rows; i++) {
        table_cellf(&t, "%d", i);
        table_cell(&t, p->sheet.left[i] ? p->sheet.left[i] : "");
        table_cell(&t, text_str(&p->rows[i]));
    }
    table_write(&t, cli_colour(c, stdout), &out);
    table_free(&t);
    if (!p->args->each) {
        t = (table){0};
        table_column(&t, "COLUMN", TABLE_RIGHT);
        table_column(&t, "SAMPLE", TABLE_RIGHT);
        table_column(&t, p->d->info.classes > 0 ? "CLASS" : "NAME", TABLE_LEFT);
        for (int i = 0; i < p->sheet.columns; i++) {
            table_cellf(&t, "%d", i);
            table_cellf(&t, "%lld", (long long)p->d->index[p->part][p->samples[i]]);
            table_cell(&t, p->sheet.above[i]);
        }
        text_char(&out, '\n');
        table_write(&t, cli_colour(c, stdout), &out);
        table_free(&t);
    }
    cli_print(&out);
    text_free(&out);
}

/* ---- the command ---- */

static bool part_of(const char *word, data_part *part)
{
    *part = DATA_TRAIN;
    if (!word || !strcmp(word, "train")) return true;
    *part = !strcmp(word, "test") ? DATA_TEST : DATA_VALIDATION;
    return *part == DATA_TEST || !strcmp(word, "validation");
}

static bool first_of(const char *word, int64_t *first)
{
    size_t n = word ? strlen(word) : 0;
    *first = -1;
    if (!word) return true;
    if (!n || n > 18 || strspn(word, "0123456789") != n) return false;
    *first = strtoll(word, NULL, 10);
    return true;
}

/* Up to which step, by its name. */
static cvy_status find_end(preview *p, errors *e)
{
    const data *d = p->d;
    const char *wanted = p->args->step;
    p->end = d->n_steps;
    if (!wanted) return CVY_OK;
    const char **names = mem_array(d->n_steps + 1, sizeof *names);
    for (size_t k = 0; k < d->n_steps; k++) {
        names[k] = step_name(p, k);
        if (!strcmp(names[k], wanted)) p->end = k + 1; /* the last of that name */
    }
    bool found = p->end < d->n_steps || (d->n_steps && !strcmp(names[d->n_steps - 1], wanted));
    const char *near = found ? NULL : text_nearest(wanted, names, d->n_steps);
    char *hint = near ? mem_printf("did you mean `%s`?", near) : NULL;
    cvy_status status =
        found ? CVY_OK
              : errors_add(e, CVY_ERR_CONFIG, &d->at, hint, "the augmentation has no step \"%s\"", wanted);
    mem_free(hint);
    mem_free(names);
    return status;
}

/* What learns from the training samples is to be quick where every augmentation does so in turn. */
static bool open_few(data_subject *u, errors *e)
{
    if (u->data->n[DATA_TRAIN] <= EACH_LIMIT) return true;
    data_close(u->data);
    u->settings.train_limit = EACH_LIMIT;
    return data_subject_open(u, e);
}

static cvy_status make(preview *p, data_subject *u, const common *c, errors *e)
{
    cvy_status status = check_images(p->d, e);
    if (!status) status = data_prepare(p->d, e);
    if (!status) status = find_end(p, e);
    if (!status) status = choose(p, e);
    choose_learned(p);
    if (!status && !buffers(p))
        status = errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for a sample");
    if (status) return status;
    return p->args->each ? by_augmentation(p, u, c, e) : p->args->steps ? by_step(p, e) : by_epoch(p, e);
}

int cmd_data_preview(const command *self, const common *c, const data_args *args, int argc, char **argv)
{
    preview p = {.args = args, .columns = args->each ? 1 : (int)args->cols};
    int code = data_subject_operands(self, c, argc, argv);
    if (code) return code;
    if (!part_of(args->part, &p.part))
        return cli_usage(self, c, "--part %s: expected train, validation or test", args->part);
    if (args->each && (args->steps || args->step || p.part != DATA_TRAIN))
        return cli_usage(self, c,
                         "--each shows augmentations by themselves: without --steps, --step and --part");
    if (!first_of(args->sample, &p.first))
        return cli_usage(self, c, "--sample %s: expected a number, counted from 0", args->sample);
    const char *out = args->out ? args->out : "preview.png";
    if (!text_ends(out, ".png")) return cli_usage(self, c, "-o %s: a sheet is a PNG file: FILE.png", out);
    errors e = {0};
    data_subject u = {0};
    if (!image_has_png()) {
        errors_add(&e, CVY_ERR_RESOURCE, NULL, "apt-get install libpng-dev, then configure and build again",
                   "this build of Convoy writes no PNG files: it was made without libpng");
        return cli_fail(c, &e);
    }
    if (data_subject_read(&u, c, argc, argv, &e) && data_subject_open(&u, &e) &&
        (!args->each || open_few(&u, &e))) {
        p.d = u.data;
        if (!make(&p, &u, c, &e) && !sheet_write(&p.sheet, out, &e)) {
            cli_say(c, "drawn: %s", out);
            if (c->json)
                legend_json(&p, out);
            else
                legend(c, &p);
        }
        for (int i = 0; p.rows && i < p.sheet.rows; i++) text_free(&p.rows[i]);
        if (p.rows) sheet_free(&p.sheet);
        mem_free(p.rows);
        buffers_free(&p);
        mem_free(p.samples);
    }
    data_subject_close(&u);
    return cli_fail(c, &e);
}
