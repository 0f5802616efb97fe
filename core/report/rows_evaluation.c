/* Owns how a measurement of trained runs becomes rows; must not know who measured, nor files. */
#include <math.h>

#include "report/rows.h"

/* Later ones of the same weights on the same samples take the place of those before. */
static cvy_status forget_same(store *s, const char *key, errors *e)
{
    static const char *const statements[] = {
        "DELETE FROM evaluation_runs WHERE evaluation = (SELECT id FROM evaluation_list WHERE key = ?)",
        "DELETE FROM evaluation_values WHERE evaluation = (SELECT id FROM evaluation_list WHERE key = ?)",
        "DELETE FROM evaluation_list WHERE key = ?",
    };
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < sizeof statements / sizeof *statements && status == CVY_OK; i++)
        status = sql_do(&s->db, e, statements[i], "t", key);
    return status;
}

static cvy_status add_members(store *s, int64_t id, const json *runs, errors *e)
{
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < runs->n && status == CVY_OK; i++)
        status = sql_do(
            &s->db, e,
            "INSERT INTO evaluation_runs (evaluation, position, run, epoch, config_hash) VALUES (?,?,?,?,?)",
            "iiiit", id, (int64_t)i, store_number(json_get_text(runs->items[i], "run", ""), 'r'),
            json_get_int(runs->items[i], "epoch", 0), json_get_text(runs->items[i], "config_hash", NULL));
    return status;
}

static cvy_status add_values(store *s, int64_t id, const json *m, errors *e)
{
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < m->n && status == CVY_OK; i++)
        status = sql_do(&s->db, e, "INSERT INTO evaluation_values (evaluation, metric, value) VALUES (?,?,?)",
                        "itd", id, m->keys[i], json_as_double(m->items[i], (double)NAN));
    return status;
}

cvy_status rows_evaluation(store *s, const rows_source *from, const json *v, int64_t offset, errors *e)
{
    const json *runs = json_get(v, "runs"), *m = json_get(v, "m"), *size = json_get(v, "input_size");
    const char *key = json_get_text(v, "key", "");
    /* A number that comes out the same whenever the journal is read. */
    const int64_t id = (from->part - 1) * (INT64_C(1) << 40) + offset;
    if (!key[0] || !runs || runs->kind != JSON_ARRAY || !runs->n || !m || m->kind != JSON_OBJECT)
        return rows_event(s, from, offset, "damaged", "an evaluation without runs or figures", from->time, e);
    cvy_status status = forget_same(s, key, e);
    if (status == CVY_OK)
        status = sql_do(
            &s->db, e,
            "INSERT INTO evaluation_list (id, key, part, weights, dataset, fingerprint, overrides, members,"
            " samples, time) VALUES (?,?,?,?,?,?,?,?,?,?)",
            "ittttttiid", id, key, json_get_text(v, "part", NULL), json_get_text(v, "which", NULL),
            json_get_text(v, "dataset", NULL), json_get_text(v, "fingerprint", NULL),
            json_get_text(v, "overrides", NULL), (int64_t)runs->n, json_get_int(v, "samples", 0),
            json_get_double(v, "time", (double)NAN));
    if (status == CVY_OK && size && size->kind == JSON_ARRAY && size->n == 2)
        status = sql_do(&s->db, e, "UPDATE evaluation_list SET height = ?, width = ? WHERE id = ?", "iii",
                        size->items[0]->integer, size->items[1]->integer, id);
    if (status == CVY_OK) status = add_members(s, id, runs, e);
    return status == CVY_OK ? add_values(s, id, m, e) : status;
}

cvy_status rows_forget_evaluations(store *s, errors *e)
{
    static const char *const statements[] = {"DELETE FROM evaluation_runs", "DELETE FROM evaluation_values",
                                             "DELETE FROM evaluation_list"};
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < sizeof statements / sizeof *statements && status == CVY_OK; i++)
        status = sql_do(&s->db, e, statements[i], "");
    return status;
}
