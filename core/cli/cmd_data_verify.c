/* `convoy data verify`: whether a dataset's files are what they were when they were fetched, or what their publishers say,
 * and whether every sample in them can be read. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cmd_data.h"
#include "cli/progress.h"
#include "convoy/dataset.h"
#include "fetch/manifest.h"
#include "sweep/interrupt.h"

typedef struct watching {
    progress bar;
} watching;

static bool go_on(void *ctx, int64_t done, int64_t total)
{
    watching *w = ctx;
    progress_update(&w->bar, done / 1000, total / 1000, "summing");
    return interrupt_count() == 0;
}

/* Every sample read once, as training reads it first; all that cannot be read are told. */
static cvy_status read_all(const data *d, watching *w, int64_t *read, errors *e)
{
    const int64_t total = d->info.n[CVY_TRAIN] + d->info.n[CVY_TEST];
    const size_t element = d->info.element == CVY_U8 ? 1 : sizeof(float);
    void *pixels = mem_try((size_t)cvy_count(&d->info.sample), element);
    float *target = mem_array((size_t)d->info.targets + 1, sizeof *target);
    cvy_status status =
        pixels ? CVY_OK : errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "not enough memory for a sample");
    for (int split = 0; split < 2 && !status; split++) {
        for (int64_t i = 0; i < d->info.n[split] && !status; i++) {
            host h = host_make(e, CVY_ERR_CONFIG, NULL, d->seed, NULL);
            cvy_dataset_read r = {.host = &h.face,
                                  .split = (uint32_t)split,
                                  .index = i,
                                  .pixels = pixels,
                                  .label = -1,
                                  .target = d->info.targets ? target : NULL};
            size_t before = errors_count(e);
            const char *part = split ? "test" : "training";
            if (d->type->read(&r, d->config, d->opened)) {
                if (errors_count(e) == before)
                    errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "%s sample %lld cannot be read", part,
                               (long long)i);
            } else if (d->info.classes > 0 && (r.label < 0 || r.label >= d->info.classes)) {
                errors_add(e, CVY_ERR_CONFIG, NULL, NULL, "%s sample %lld has label %d, expected 0 to %d",
                           part, (long long)i, (int)r.label, (int)d->info.classes - 1);
            }
            ++*read;
            progress_update(&w->bar, *read, total, "reading samples");
            if (interrupt_count()) status = CVY_STOPPED;
        }
    }
    mem_free(pixels);
    mem_free(target);
    return status;
}

static void show(const common *c, const data_subject *u, const char *where, const manifest_count *files,
                 int64_t samples, const recipe *r)
{
    if (c->json) {
        json_writer w = {0};
        json_open(&w, '{');
        json_put_text(&w, "name", u->plugin->name);
        json_put_text(&w, "path", where);
        json_put_bool(&w, "good", true);
        json_put_int(&w, "files", files->files);
        json_put_int(&w, "files_by_checksum", files->summed);
        json_put_int(&w, "bytes", files->bytes);
        json_put_int(&w, "samples", samples);
        json_close(&w, '}');
        cli_print_json(&w);
        return;
    }
    text out = {0};
    text_printf(&out, "%s: ", u->plugin->name);
    if (files->files) {
        text_printf(&out, "%lld files, ", (long long)files->files);
        data_subject_bytes(files->bytes, &out);
        if (files->summed == files->files)
            text_printf(&out, ", as %s says; ", files->listed ? MANIFEST_NAME : "they were published");
        else
            text_printf(&out, ", %lld of them by checksum; ", (long long)files->summed);
    }
    text_count(&out, samples);
    text_add(&out, " samples read");
    if (!files->files)
        text_printf(&out, "; nothing to compare the files with%s", r ? "" : ", there is no recipe");
    text_char(&out, '\n');
    cli_print(&out);
    text_free(&out);
}

/* --to DIR stands for dataset.path=DIR/NAME. */
static char **with_place(const data_args *args, int *argc, char **argv, char **made)
{
    if (!args->to || data_subject_is_file(argv[0])) return argv;
    char *folder = data_subject_folder(args->to), **more = mem_array((size_t)*argc + 2, sizeof *more);
    *made = mem_printf("dataset.path=\"%s/%s\"", folder, argv[0]);
    more[0] = argv[0];
    more[1] = *made;
    for (int i = 1; i < *argc; i++) more[i + 1] = argv[i];
    ++*argc;
    mem_free(folder);
    return more;
}

int cmd_data_verify(const command *self, const common *c, const data_args *args, int argc, char **argv)
{
    int code = data_subject_operands(self, c, argc, argv);
    if (code) return code;
    errors e = {0};
    recipes all = {0};
    data_subject u = {0};
    manifest_count files = {0};
    watching w = {progress_open(c, "kB")};
    int64_t samples = 0;
    char *made = NULL, **operands = with_place(args, &argc, argv, &made);
    cvy_status status = CVY_OK;
    if (data_subject_read(&u, c, argc, operands, &e) && recipes_open(&all, &e)) {
        const char *where = data_subject_place(&u);
        const recipe *r = recipes_for(&all, u.plugins, args->recipe, u.plugin->name, &e);
        interrupt_begin();
        manifest_watch watch = {go_on, &w};
        if (where && r && !file_exists(where)) {
            place at = PLACE_FILE(where);
            char *hint = mem_printf("convoy data fetch %s", u.plugin->name);
            status = errors_add(&e, CVY_ERR_CONFIG, &at, hint, "is not there");
            mem_free(hint);
        } else if (where && file_is_dir(where)) {
            status = manifest_check(where, r, &watch, &files, &e);
        }
        w.bar.unit = "samples";
        if (status != CVY_STOPPED && where && file_exists(where))
            status = CVY_OK; /* both looks, whatever the first saw */
        if (!status && data_subject_open(&u, &e)) status = read_all(u.data, &w, &samples, &e);
        progress_clear(&w.bar);
        interrupt_end();
        if (!status && !errors_status(&e)) show(c, &u, where, &files, samples, r);
    }
    data_subject_close(&u);
    recipes_close(&all);
    if (operands != argv) mem_free(operands);
    mem_free(made);
    code = cli_fail(c, &e);
    return status == CVY_STOPPED ? CVY_STOPPED : code;
}
