/* Owns the choice of C and the wording of what came out; must not know the library behind it, nor networks. */
#include "cli/features_svm.h"

#include <math.h>

#include "base/memory.h"
#include "cli/results.h"
#include "cli/table.h"

/* ---- choosing and testing ---- */

/* Of equally good ones the smallest: the simplest machine. */
static cvy_status choose(const common *c, const svm_options *o, const svm_set *train, svm_report *r,
                         errors *e)
{
    static const double costs[] = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10};
    _Static_assert(sizeof costs / sizeof *costs <= SVM_TRIED_MOST, "all of them are told");
    double best = -1;
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < sizeof costs / sizeof *costs && !status; i++) {
        double accuracy = 0;
        status = linear_svm_validate(train, o->classes, costs[i], o->scale, o->folds, o->seed, &accuracy, e);
        if (status) break;
        cli_say(c, "C = %g: %.2f %% right in cross-validation", costs[i], 100 * accuracy);
        r->tried[r->n_tried].c = costs[i];
        r->tried[r->n_tried++].accuracy = accuracy;
        if (accuracy <= best) continue;
        best = accuracy;
        r->c = costs[i];
    }
    return status;
}

static cvy_status test_on(const linear_svm *m, const svm_set *set, double *accuracy, scores *s, errors *e)
{
    int32_t *taken = mem_try((size_t)set->n + 1, sizeof *taken);
    int64_t right = 0;
    if (!taken) return errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for the answers");
    cvy_status status = linear_svm_predict(m, set, taken, e);
    for (int64_t i = 0; !status && i < set->n; i++) {
        right += taken[i] == set->labels[i];
        if (s) scores_add(s, taken[i], (double)NAN, set->labels[i]);
    }
    *accuracy = set->n > 0 ? (double)right / (double)set->n : (double)NAN;
    mem_free(taken);
    return status;
}

cvy_status features_svm(const common *c, const svm_options *o, const svm_set *train, const svm_set *test,
                        svm_report *r, errors *e)
{
    *r = (svm_report){.o = o, .c = o->c, .train_samples = train->n, .features = train->features};
    cvy_status status = o->c > 0 ? CVY_OK : choose(c, o, train, r, e);
    linear_svm *m = status ? NULL : linear_svm_train(train, o->classes, r->c, o->scale, e);
    if (!m) return status ? status : errors_status(e);
    status = scores_init(&r->scores, o->classes, e);
    if (!status) status = test_on(m, train, &r->train_accuracy, NULL, e);
    if (!status) status = test_on(m, test, &r->accuracy, &r->scores, e);
    linear_svm_free(m);
    return status;
}

void features_svm_free(svm_report *r)
{
    scores_free(&r->scores);
}

/* ---- told ---- */

static void print(const common *c, table *t)
{
    text out = {0};
    table_write(t, cli_colour(c, stdout), &out);
    cli_print(&out);
    text_free(&out);
    table_free(t);
}

static void cell(table *t, text *s)
{
    table_cell(t, text_str(s));
    text_free(s);
}

void features_svm_text(const common *c, const svm_report *r)
{
    table t = {0};
    text s = {0};
    table_column(&t, "", TABLE_LEFT);
    table_column(&t, "", TABLE_LEFT);
    table_cell(&t, "C");
    table_cellf(&t, "%g", r->c);
    table_cell(&t, "train_accuracy");
    text_printf(&s, "%.2f %%", 100 * r->train_accuracy);
    cell(&t, &s);
    table_cellf(&t, "%s_accuracy", r->o->part[0] == 'v' ? "val" : r->o->part);
    text_printf(&s, "%.2f %%", 100 * r->accuracy);
    cell(&t, &s);
    table_cell(&t, "samples");
    text_count(&s, r->scores.samples);
    cell(&t, &s);
    print(c, &t);

    static const char *const titles[] = {"CLASS", "PRECISION %", "RECALL %", "F1 %", "SUPPORT"};
    text gap = {0};
    text_char(&gap, '\n');
    cli_print(&gap);
    text_free(&gap);
    for (size_t i = 0; i < 5; i++) table_column(&t, titles[i], i ? TABLE_RIGHT : TABLE_LEFT);
    for (int64_t k = 0; k < r->scores.classes; k++) {
        const scores_class one = scores_of(&r->scores, k);
        const double values[] = {one.precision, one.recall, one.f1};
        table_cellf(&t, "%lld %s", (long long)k, r->o->class_names ? r->o->class_names[k] : "");
        for (size_t i = 0; i < 3; i++) {
            results_accuracy(&s, values[i]);
            cell(&t, &s);
        }
        text_count(&s, one.support);
        cell(&t, &s);
    }
    print(c, &t);
}

void features_svm_json(const svm_report *r, json_writer *w)
{
    json_key(w, "svm");
    json_open(w, '{');
    json_put_double(w, "C", r->c);
    json_put_text(w, "scale", r->o->scale_name);
    json_put_int(w, "train_samples", r->train_samples);
    json_put_int(w, "features", r->features);
    json_put_int(w, "samples", r->scores.samples);
    json_put_double(w, "train_accuracy", r->train_accuracy);
    json_put_double(w, "accuracy", r->accuracy);
    if (r->n_tried) {
        json_key(w, "cross_validation");
        json_open(w, '[');
        for (size_t i = 0; i < r->n_tried; i++) {
            json_open(w, '{');
            json_put_double(w, "C", r->tried[i].c);
            json_put_double(w, "accuracy", r->tried[i].accuracy);
            json_close(w, '}');
        }
        json_close(w, ']');
    }
    json_key(w, "classes");
    json_open(w, '[');
    for (int64_t k = 0; k < r->scores.classes; k++) {
        const scores_class one = scores_of(&r->scores, k);
        json_open(w, '{');
        json_put_text(w, "name", r->o->class_names ? r->o->class_names[k] : NULL);
        results_put_double(w, "precision", one.precision);
        results_put_double(w, "recall", one.recall);
        results_put_double(w, "f1", one.f1);
        json_put_int(w, "support", one.support);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_key(w, "confusion");
    json_open(w, '[');
    for (int64_t i = 0; i < r->scores.classes; i++) {
        json_open(w, '[');
        for (int64_t k = 0; k < r->scores.classes; k++)
            json_int(w, r->scores.confusion[i * r->scores.classes + k]);
        json_close(w, ']');
    }
    json_close(w, ']');
    json_close(w, '}');
}
