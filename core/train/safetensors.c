/* Owns the bytes of safetensors files as they are written; must not know networks, optimizers or runs. */
#include "train/safetensors_own.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are written as they lie in memory");

enum { ALIGNMENT = 8 }; /* of the data, by spaces behind the header */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static cvy_status refuse(const char *path, errors *e, const char *what, const char *name)
{
    place at = PLACE_FILE(path);
    return errors_add(e, CVY_ERR_CONFIG, &at, NULL, "cannot write: %s \"%.200s\"", what, name);
}

static bool is_utf8(const char *s)
{
    size_t n = strlen(s), i = 0, step = 1;
    for (; i < n && step; i += step) step = text_utf8(s + i, n - i, NULL);
    return step != 0;
}

/* Names as a reader gets them: each once, and none that JSON cannot carry. */
static cvy_status check_names(const char *path, const char *const *names, size_t n, const char *what,
                              errors *e)
{
    const char **sorted = mem_array(n, sizeof *sorted);
    cvy_status status = CVY_OK;
    for (size_t i = 0; i < n && !status; i++) {
        sorted[i] = names[i];
        if (!is_utf8(names[i])) status = refuse(path, e, "a name that is not UTF-8:", names[i]);
    }
    if (!status && n) qsort(sorted, n, sizeof *sorted, by_text);
    for (size_t i = 1; i < n && !status; i++)
        if (!strcmp(sorted[i - 1], sorted[i])) status = refuse(path, e, what, sorted[i]);
    mem_free(sorted);
    return status;
}

static cvy_status check_items(const char *path, const safetensor *items, size_t n, errors *e)
{
    const char **names = mem_array(n, sizeof *names);
    cvy_status status = CVY_OK;
    int64_t bytes = 0;
    for (size_t i = 0; i < n && !status; i++) {
        const safetensor *t = &items[i];
        int64_t count;
        names[i] = t->name;
        if (!strcmp(t->name, SAFETENSORS_METADATA))
            status = refuse(path, e, "a tensor may not be called", t->name);
        else if (t->shape.rank < 0 || t->shape.rank > CVY_MAX_RANK || !safetensors_count(&t->shape, &count) ||
                 count != t->count || __builtin_add_overflow(bytes, count * (int64_t)sizeof(float), &bytes))
            status = refuse(path, e, "shape and number of elements do not agree in tensor", t->name);
    }
    if (!status) status = check_names(path, names, n, "two tensors are called", e);
    mem_free(names);
    return status;
}

static void header_write(const safetensor *items, size_t n, const char *const *keys,
                         const char *const *values, size_t n_metadata, text *out)
{
    json_writer w = {0};
    json_open(&w, '{');
    if (n_metadata) {
        json_key(&w, SAFETENSORS_METADATA);
        json_open(&w, '{');
        for (size_t i = 0; i < n_metadata; i++) json_put_text(&w, keys[i], values[i] ? values[i] : "");
        json_close(&w, '}');
    }
    int64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        json_key(&w, items[i].name);
        json_open(&w, '{');
        json_put_text(&w, "dtype", "F32");
        json_key(&w, "shape");
        json_open(&w, '[');
        for (int k = 0; k < items[i].shape.rank; k++) json_int(&w, items[i].shape.dim[k]);
        json_close(&w, ']');
        json_key(&w, "data_offsets");
        json_open(&w, '[');
        json_int(&w, at);
        at += items[i].count * (int64_t)sizeof(float);
        json_int(&w, at);
        json_close(&w, ']');
        json_close(&w, '}');
    }
    json_close(&w, '}');
    while (w.out.n % ALIGNMENT) text_char(&w.out, ' ');
    *out = w.out;
}

static bool write_all(int fd, const void *data, size_t n)
{
    const char *s = data;
    while (n) {
        /* Linux writes at most 2 GiB at once anyway. */
        ssize_t done = write(fd, s, n > INT_MAX ? INT_MAX : n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return false;
        s += done;
        n -= (size_t)done;
    }
    return true;
}

/* A new file beside `path`; -1 with errno set. */
static int open_temporary(const char *path, char **temporary)
{
    static atomic_uint counter;
    char *dir = path_dir(path);
    int fd = -1;
    *temporary = NULL;
    /* A name may be left over from a killed process that had our number. */
    for (int attempt = 0; attempt < 100; attempt++) {
        char *name =
            mem_printf(".%.100s.%ld.%u.tmp", path_base(path), (long)getpid(), atomic_fetch_add(&counter, 1));
        mem_free(*temporary);
        *temporary = path_join(dir, name);
        mem_free(name);
        fd = open(*temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd >= 0 || errno != EEXIST) break;
    }
    int error = errno;
    mem_free(dir);
    errno = error;
    return fd;
}

/* What is waited for. */
typedef enum care { CARE_NOTHING, CARE_DATA, CARE_NAME } care;

static bool stream(int fd, const text *header, const safetensor *items, size_t n, care least)
{
    uint64_t length = header->n;
    if (!write_all(fd, &length, sizeof length) || !write_all(fd, header->s, header->n)) return false;
    for (size_t i = 0; i < n; i++)
        if (!write_all(fd, items[i].data, (size_t)items[i].count * sizeof(float))) return false;
    return least == CARE_NOTHING || fsync(fd) == 0;
}

/* As file_replace() does it, but without a second copy of all weights in memory. */
static cvy_status replace(const char *path, const text *header, const safetensor *items, size_t n, care least,
                          errors *e)
{
    char *temporary;
    int fd = open_temporary(path, &temporary), error = fd < 0 ? errno : 0;
    if (fd >= 0) {
        if (!stream(fd, header, items, n, least)) error = errno;
        /* A network file system may report a full disk only here. */
        if (close(fd) && !error) error = errno;
        if (!error && rename(temporary, path)) error = errno;
        if (error) unlink(temporary);
    }
    mem_free(temporary);
    if (error) return file_not_written(path, error, e);
    if (least < CARE_NAME) return CVY_OK;
    char *dir = path_dir(path);
    cvy_status status = file_sync_dir(dir, e);
    mem_free(dir);
    return status;
}

static cvy_status write_file(const char *path, const safetensor *items, size_t n, const char *const *keys,
                             const char *const *values, size_t n_metadata, care least, errors *e)
{
    cvy_status status = check_items(path, items, n, e);
    if (!status) status = check_names(path, keys, n_metadata, "two metadata keys are called", e);
    if (status) return status;
    text header = {0};
    header_write(items, n, keys, values, n_metadata, &header);
    if (header.n > SAFETENSORS_HEADER_MAX) {
        place at = PLACE_FILE(path);
        status = errors_add(e, CVY_ERR_CONFIG, &at, NULL,
                            "cannot write: a header of %zu bytes is beyond the format's %d", header.n,
                            SAFETENSORS_HEADER_MAX);
    } else {
        status = replace(path, &header, items, n, least, e);
    }
    text_free(&header);
    return status;
}

cvy_status safetensors_write(const char *path, const safetensor *items, size_t n, const char *const *keys,
                             const char *const *values, size_t n_metadata, errors *e)
{
    return write_file(path, items, n, keys, values, n_metadata, CARE_NAME, e);
}

cvy_status safetensors_write_loose(const char *path, const safetensor *items, size_t n,
                                   const char *const *keys, const char *const *values, size_t n_metadata,
                                   errors *e)
{
    return write_file(path, items, n, keys, values, n_metadata, CARE_DATA, e);
}

cvy_status safetensors_write_unsynced(const char *path, const safetensor *items, size_t n,
                                      const char *const *keys, const char *const *values, size_t n_metadata,
                                      errors *e)
{
    return write_file(path, items, n, keys, values, n_metadata, CARE_NOTHING, e);
}

/* ---- what was read ---- */

void safetensors_free(safetensors *s)
{
    arena_free(&s->memory);
    mem_free(s->file);
    mem_free(s->floats);
    *s = (safetensors){0};
}

const safetensor *safetensors_find(const safetensors *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->items[i].name, name)) return &s->items[i];
    return NULL;
}

const char *safetensors_metadata(const safetensors *s, const char *key)
{
    for (size_t i = 0; i < s->n_metadata; i++)
        if (!strcmp(s->keys[i], key)) return s->values[i];
    return NULL;
}
