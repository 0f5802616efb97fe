/* Makes experiments from text and trains them in-process. Must not know what is tested with them. */
#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "rows.h"

char *lab_text(const char *fmt, ...)
{
    text t = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&t, fmt, ap);
    va_end(ap);
    return text_take(&t);
}

lab lab_try(const char *yaml)
{
    lab l = {0};
    char name[] = "/tmp/convoy-lab-XXXXXX";
    setenv("XDG_CACHE_HOME", BINARY_DIR "/tests/cache", 1); /* nothing of the user's is seen or written */
    setenv("XDG_DATA_HOME", BINARY_DIR "/tests/data", 1);
    setenv("CONVOY_PLUGIN_PATH", BINARY_DIR "/plugins:" BINARY_DIR "/tests/plugins", 1);
    assert_non_null(mkdtemp(name));
    l.dir = mem_text(name);
    char *file = path_join(l.dir, "experiment.yaml");
    const char *none[] = {NULL};
    assert_int_equal(file_replace(file, yaml, strlen(yaml), &l.e), CVY_OK);
    l.x = experiment_read(file, NULL, 0, none, &l.e);
    if (l.x) l.r = registry_open(NULL, 0, &l.e);
    if (l.r) l.s = setup_new(l.x, l.r, l.dir, SETUP_ALL, &l.e);
    mem_free(file);
    return l;
}

lab lab_open(const char *yaml)
{
    lab l = lab_try(yaml);
    if (l.s) return l;
    text t = {0};
    errors_text(&l.e, false, &t);
    fail_msg("refused:\n%s", text_str(&t));
    return l;
}

void lab_close(lab *l)
{
    setup_free(l->s);
    registry_free(l->r);
    experiment_free(l->x);
    assert_int_equal(file_remove_tree(l->dir, &l->e), CVY_OK);
    errors_free(&l->e);
    mem_free(l->dir);
}

typedef struct lab_stopper {
    int64_t asked, at;
} lab_stopper;

static bool lab_stop(void *ctx)
{
    lab_stopper *s = ctx;
    s->asked++;
    return s->at > 0 && s->asked >= s->at;
}

cvy_status lab_train(lab *l, int64_t stop_at, int64_t until_epoch)
{
    lab_stopper stopper = {.at = stop_at};
    trainer_options o = {.dir = l->dir,
                         .config_hash = "configuration",
                         .exact_key = "key",
                         .until_epoch = until_epoch,
                         .stop = lab_stop,
                         .ctx = &stopper};
    char *path = NULL;
    for (o.attempt = 1;; o.attempt++) {
        path = mem_printf("%s/journal.%lld", l->dir, (long long)o.attempt);
        if (!file_exists(path)) break;
        mem_free(path);
    }
    cvy_status status = trainer_run(l->s, &o, path, &l->e);
    mem_free(path);
    return status;
}

char *lab_file(const lab *l, const char *name, size_t *n)
{
    char *path = path_join(l->dir, name), *s = NULL;
    *n = 0;
    if (file_exists(path)) assert_int_equal(file_read(path, 1u << 30, &s, n, NULL), CVY_OK);
    mem_free(path);
    return s;
}

void lab_says(lab *l, const char *part)
{
    text t = {0};
    errors_text(&l->e, false, &t);
    if (!strstr(text_str(&t), part)) fail_msg("expected \"%s\" in:\n%s", part, text_str(&t));
    text_free(&t);
    errors_free(&l->e);
}

void lab_same_end(const lab *a, const lab *b)
{
    static const char *const files[] = {"checkpoints/last.safetensors", "checkpoints/best.safetensors"};
    for (size_t i = 0; i < 2; i++) {
        size_t n, m;
        char *x = lab_file(a, files[i], &n), *y = lab_file(b, files[i], &m);
        assert_non_null(x);
        assert_non_null(y);
        assert_int_equal(n, m);
        assert_memory_equal(x, y, n);
        mem_free(x);
        mem_free(y);
    }
    rows p = rows_read(a->dir), q = rows_read(b->dir);
    text s = {0}, t = {0};
    rows_print(&p, &s);
    rows_print(&q, &t);
    assert_string_equal(text_str(&s), text_str(&t));
    text_free(&s);
    text_free(&t);
    rows_free(&p);
    rows_free(&q);
}
