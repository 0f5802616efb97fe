/* Opens dataset plugins and writes files for tests. */
#include "stock.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

int stock_open(stock *s, const char *file, const char *params, uint64_t seed, const char *base,
               const char *data)
{
    memset(s, 0, sizeof *s);
    plugin_host_open(&s->p, file, false, params, seed);
    assert_non_null(s->p.config);
    s->type = s->p.type;
    s->o.host = s->p.face;
    s->o.base_dir = base;
    s->o.data_dir = data;
    s->o.seed = seed;
    int rc = s->type->open(&s->o, s->p.config, &s->state);
    if (!rc) s->bytes = (size_t)cvy_count(&s->o.info.sample);
    return rc;
}

void stock_close(stock *s)
{
    s->type->close(s->state);
    plugin_host_close(&s->p);
}

int32_t stock_read(const stock *s, uint32_t split, int64_t index, void *pixels)
{
    cvy_dataset_read r = {.host = s->p.face, .split = split, .index = index, .pixels = pixels, .label = -1};
    assert_int_equal(s->type->read(&r, s->p.config, s->state), 0);
    return r.label;
}

void stock_refused(const char *file, const char *params, const char *base, const char *data, const char *dir,
                   const char *wanted)
{
    stock s;
    assert_int_not_equal(stock_open(&s, file, params, 1, base, data), 0);
    text expected = {0};
    for (; *wanted; wanted++)
        if (*wanted == '@')
            text_add(&expected, dir);
        else
            text_char(&expected, *wanted);
    assert_string_equal(plugin_host_message(&s.p), text_str(&expected));
    text_free(&expected);
    plugin_host_close(&s.p);
}

void put_bytes(const char *dir, const char *name, int64_t offset, const void *data, size_t n)
{
    char *path = path_join(dir, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, n, (off_t)offset), n);
    close(fd);
    mem_free(path);
}

void put_size(const char *dir, const char *name, int64_t size)
{
    char *path = path_join(dir, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
    mem_free(path);
}

void put_text(const char *dir, const char *name, const char *content)
{
    put_size(dir, name, 0);
    put_bytes(dir, name, 0, content, strlen(content));
}
