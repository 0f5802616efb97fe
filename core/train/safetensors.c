/* Owns the bytes of safetensors files, written and read; must not know networks, optimizers or runs. */
#include "train/safetensors.h"

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

enum {
    LENGTH_BYTES = 8,
    HEADER_MAX = 100000000, /* the format's own limit */
    ALIGNMENT = 8           /* of the data, by spaces behind the header */
};

static const char metadata_key[] = "__metadata__";

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* ---- writing ---- */

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

/* Elements of a shape; false when they or their bytes overflow, or a dimension is negative. */
static bool count_of(const cvy_shape *s, int64_t *count)
{
    *count = 1;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0 || __builtin_mul_overflow(*count, s->dim[i], count)) return false;
    return *count <= INT64_MAX / (int64_t)sizeof(float);
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
        if (!strcmp(t->name, metadata_key))
            status = refuse(path, e, "a tensor may not be called", t->name);
        else if (t->shape.rank < 0 || t->shape.rank > CVY_MAX_RANK || !count_of(&t->shape, &count) ||
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
        json_key(&w, metadata_key);
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

static bool stream(int fd, const text *header, const safetensor *items, size_t n)
{
    uint64_t length = header->n;
    if (!write_all(fd, &length, sizeof length) || !write_all(fd, header->s, header->n)) return false;
    for (size_t i = 0; i < n; i++)
        if (!write_all(fd, items[i].data, (size_t)items[i].count * sizeof(float))) return false;
    return fsync(fd) == 0;
}

/* As file_replace() does it, but without a second copy of all weights in memory. */
static cvy_status replace(const char *path, const text *header, const safetensor *items, size_t n,
                          bool settle, errors *e)
{
    char *temporary;
    int fd = open_temporary(path, &temporary), error = fd < 0 ? errno : 0;
    if (fd >= 0) {
        if (!stream(fd, header, items, n)) error = errno;
        /* A network file system may report a full disk only here. */
        if (close(fd) && !error) error = errno;
        if (!error && rename(temporary, path)) error = errno;
        if (error) unlink(temporary);
    }
    mem_free(temporary);
    if (error) {
        place at = PLACE_FILE(path);
        return errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "cannot write: %s", strerror(error));
    }
    if (!settle) return CVY_OK;
    char *dir = path_dir(path);
    cvy_status status = file_sync_dir(dir, e);
    mem_free(dir);
    return status;
}

static cvy_status write_file(const char *path, const safetensor *items, size_t n, const char *const *keys,
                             const char *const *values, size_t n_metadata, bool settle, errors *e)
{
    cvy_status status = check_items(path, items, n, e);
    if (!status) status = check_names(path, keys, n_metadata, "two metadata keys are called", e);
    if (status) return status;
    text header = {0};
    header_write(items, n, keys, values, n_metadata, &header);
    if (header.n > HEADER_MAX) {
        place at = PLACE_FILE(path);
        status =
            errors_add(e, CVY_ERR_CONFIG, &at, NULL,
                       "cannot write: a header of %zu bytes is beyond the format's %d", header.n, HEADER_MAX);
    } else {
        status = replace(path, &header, items, n, settle, e);
    }
    text_free(&header);
    return status;
}

cvy_status safetensors_write(const char *path, const safetensor *items, size_t n, const char *const *keys,
                             const char *const *values, size_t n_metadata, errors *e)
{
    return write_file(path, items, n, keys, values, n_metadata, true, e);
}

cvy_status safetensors_write_loose(const char *path, const safetensor *items, size_t n,
                                   const char *const *keys, const char *const *values, size_t n_metadata,
                                   errors *e)
{
    return write_file(path, items, n, keys, values, n_metadata, false, e);
}

/* ---- reading ---- */

typedef struct reader {
    const char *path;
    int fd;
    int64_t size;     /* of the file */
    char *header;     /* NUL-terminated */
    int64_t n_header; /* its bytes */
    int64_t *begin;   /* per tensor, in the data */
    safetensors *out;
    cvy_status status;
    errors *e;
} reader;

__attribute__((format(printf, 3, 4))) static bool bad(reader *r, int64_t offset, const char *fmt, ...)
{
    text what = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&what, fmt, ap);
    va_end(ap);
    place at = PLACE_AT(r->path, offset);
    r->status = errors_add(r->e, CVY_ERR_CONFIG, &at, NULL, "%s", text_str(&what));
    text_free(&what);
    return false;
}

/* Exactly n bytes from `offset` on. */
static bool read_at(reader *r, int64_t offset, void *into, int64_t n)
{
    for (int64_t done = 0; done < n;) {
        int64_t ask = n - done > INT_MAX ? INT_MAX : n - done;
        ssize_t got = pread(r->fd, (char *)into + done, (size_t)ask, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            place at = PLACE_AT(r->path, offset + done);
            r->status = errors_add(r->e, CVY_ERR_RESOURCE, &at, NULL, "cannot read: %s", strerror(errno));
            return false;
        }
        if (!got) return bad(r, offset + done, "the file became shorter while it was read");
        done += got;
    }
    return true;
}

static bool no_memory(reader *r, int64_t bytes)
{
    place at = PLACE_FILE(r->path);
    r->status =
        errors_add(r->e, CVY_ERR_RESOURCE, &at, NULL, "not enough memory for %lld bytes", (long long)bytes);
    return false;
}

static bool read_header(reader *r)
{
    uint64_t length;
    if (r->size < LENGTH_BYTES)
        return bad(r, r->size, "no safetensors file: it ends within the %d bytes of the header's length",
                   LENGTH_BYTES);
    if (!read_at(r, 0, &length, sizeof length)) return false;
    if (length > HEADER_MAX)
        return bad(r, 0, "no safetensors file: a header of %llu bytes, and at most %d are allowed",
                   (unsigned long long)length, HEADER_MAX);
    if ((int64_t)length > r->size - LENGTH_BYTES)
        return bad(r, r->size, "truncated: the header should have %llu bytes, and %lld are there",
                   (unsigned long long)length, (long long)(r->size - LENGTH_BYTES));
    r->n_header = (int64_t)length;
    r->header = mem_try((size_t)length + 1, 1);
    if (!r->header) return no_memory(r, r->n_header);
    if (!read_at(r, LENGTH_BYTES, r->header, r->n_header)) return false;
    /* White space is good JSON here, and not good safetensors. */
    if (r->header[0] != '{')
        return bad(r, LENGTH_BYTES, "no safetensors file: the header must begin with '{'");
    return true;
}

/* Where the header speaks of a name, as far as it can be found without a second parser. For messages: it
 * looks through all of it. */
static int64_t offset_of(const reader *r, const char *name)
{
    json_writer w = {0};
    json_key(&w, name); /* "name": */
    const char *found = memmem(r->header, (size_t)r->n_header, w.out.s, w.out.n - 1);
    text_free(&w.out);
    return LENGTH_BYTES + (found ? found - r->header : 0);
}

static bool read_metadata(reader *r, const json *map)
{
    safetensors *out = r->out;
    if (map->kind != JSON_OBJECT)
        return bad(r, offset_of(r, metadata_key), "__metadata__ must be a map of strings");
    out->keys = arena_array(&out->memory, map->n, sizeof *out->keys);
    out->values = arena_array(&out->memory, map->n, sizeof *out->values);
    for (size_t i = 0; i < map->n; i++) {
        const json *v = map->items[i];
        /* A NUL would cut the string short for whoever reads it here. */
        if (v->kind != JSON_TEXT || strlen(v->s) != v->n)
            return bad(r, offset_of(r, map->keys[i]), "__metadata__: \"%.200s\" is no string", map->keys[i]);
        out->keys[i] = arena_text(&out->memory, map->keys[i]);
        out->values[i] = arena_text(&out->memory, v->s);
    }
    out->n_metadata = map->n;
    return true;
}

static bool is_size(const json *v)
{
    return v->kind == JSON_NUMBER && v->is_integer && v->integer >= 0;
}

static bool read_shape(reader *r, const char *name, const json *v, safetensor *t)
{
    if (!v || v->kind != JSON_ARRAY)
        return bad(r, offset_of(r, name), "tensor \"%.200s\" has no shape", name);
    if (v->n > CVY_MAX_RANK)
        return bad(r, offset_of(r, name), "tensor \"%.200s\" has %zu dimensions, and at most %d are known",
                   name, v->n, CVY_MAX_RANK);
    t->shape.rank = (int32_t)v->n;
    for (size_t k = 0; k < v->n; k++) {
        if (!is_size(v->items[k]))
            return bad(r, offset_of(r, name), "tensor \"%.200s\": dimension %zu of its shape is no size",
                       name, k);
        t->shape.dim[k] = v->items[k]->integer;
    }
    if (!count_of(&t->shape, &t->count))
        return bad(r, offset_of(r, name),
                   "tensor \"%.200s\": its shape has more elements than can be counted", name);
    return true;
}

/* Item i of the header into the next tensor; its place in the data into r->begin. */
static bool read_entry(reader *r, const char *name, const json *entry, int64_t n_data)
{
    safetensor *t = &r->out->items[r->out->n];
    if (entry->kind != JSON_OBJECT)
        return bad(r, offset_of(r, name), "tensor \"%.200s\" is not described by a map", name);
    for (size_t i = 0; i < entry->n; i++)
        if (strcmp(entry->keys[i], "dtype") != 0 && strcmp(entry->keys[i], "shape") != 0 &&
            strcmp(entry->keys[i], "data_offsets") != 0)
            return bad(r, offset_of(r, name), "tensor \"%.200s\": unknown key \"%.200s\"", name,
                       entry->keys[i]);
    const char *dtype = json_get_text(entry, "dtype", NULL);
    if (!dtype) return bad(r, offset_of(r, name), "tensor \"%.200s\" has no dtype", name);
    if (strcmp(dtype, "F32") != 0)
        return bad(r, offset_of(r, name), "tensor \"%.200s\" is of %.40s; only F32 can be read", name, dtype);
    if (!read_shape(r, name, json_get(entry, "shape"), t)) return false;
    const json *range = json_get(entry, "data_offsets");
    if (!range || range->kind != JSON_ARRAY || range->n != 2 || !is_size(range->items[0]) ||
        !is_size(range->items[1]))
        return bad(r, offset_of(r, name), "tensor \"%.200s\": data_offsets must be [begin, end]", name);
    int64_t begin = range->items[0]->integer, end = range->items[1]->integer;
    if (end > n_data || begin > end)
        return bad(r, offset_of(r, name),
                   "tensor \"%.200s\": data_offsets [%lld, %lld] leave the file's %lld bytes of data", name,
                   (long long)begin, (long long)end, (long long)n_data);
    if (end - begin != t->count * (int64_t)sizeof(float))
        return bad(r, offset_of(r, name), "tensor \"%.200s\": %lld bytes of data for %lld elements", name,
                   (long long)(end - begin), (long long)t->count);
    t->name = arena_text(&r->out->memory, name);
    r->begin[r->out->n++] = begin;
    return true;
}

typedef struct extent {
    int64_t begin, end;
    const char *name;
} extent;

static int by_begin(const void *a, const void *b)
{
    const extent *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Every byte of the data belongs to exactly one tensor. */
static bool check_extents(reader *r, int64_t n_data)
{
    size_t n = r->out->n;
    extent *all = mem_array(n, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        const safetensor *t = &r->out->items[i];
        all[i] = (extent){r->begin[i], r->begin[i] + t->count * (int64_t)sizeof(float), t->name};
    }
    if (n) qsort(all, n, sizeof *all, by_begin);
    int64_t at = 0, data_at = LENGTH_BYTES + r->n_header;
    bool good = true;
    for (size_t i = 0; i < n && good; i++) {
        if (all[i].begin < at)
            good = bad(r, data_at + all[i].begin, "tensors \"%.200s\" and \"%.200s\" overlap",
                       all[i - 1].name, all[i].name);
        else if (all[i].begin > at)
            good = bad(r, data_at + at, "%lld bytes of data before tensor \"%.200s\" belong to no tensor",
                       (long long)(all[i].begin - at), all[i].name);
        at = all[i].end;
    }
    if (good && at < n_data)
        good = bad(r, data_at + at, "%lld bytes at the end belong to no tensor", (long long)(n_data - at));
    mem_free(all);
    return good;
}

static bool read_entries(reader *r, const json *root)
{
    safetensors *out = r->out;
    int64_t n_data = r->size - LENGTH_BYTES - r->n_header;
    out->items = arena_array(&out->memory, root->n, sizeof *out->items);
    for (size_t i = 0; i < root->n; i++) {
        bool metadata = !strcmp(root->keys[i], metadata_key);
        if (!(metadata ? read_metadata(r, root->items[i])
                       : read_entry(r, root->keys[i], root->items[i], n_data)))
            return false;
    }
    if (!check_extents(r, n_data)) return false;
    out->file = mem_try((size_t)n_data, 1);
    if (!out->file) return no_memory(r, n_data);
    if (!read_at(r, LENGTH_BYTES + r->n_header, out->file, n_data)) return false;
    /* Extents without holes, of four-byte elements, all begin at a multiple of four. */
    for (size_t i = 0; i < out->n; i++)
        out->items[i].data = (const float *)(const void *)((const char *)out->file + r->begin[i]);
    return true;
}

static bool read_file(reader *r)
{
    struct stat st;
    place at = PLACE_FILE(r->path);
    /* Not blocking, since a pipe would keep us waiting for its writer. */
    r->fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (r->fd < 0 || fstat(r->fd, &st)) {
        r->status = errors_add(r->e, CVY_ERR_CONFIG, &at, NULL, "cannot read: %s", strerror(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        r->status = errors_add(r->e, CVY_ERR_CONFIG, &at, NULL, "no regular file");
        return false;
    }
    r->size = (int64_t)st.st_size;
    if (!read_header(r)) return false;
    arena memory = {0};
    const char *why;
    size_t offset;
    const json *root = json_parse(&memory, r->header, (size_t)r->n_header, &why, &offset);
    bool good = false;
    if (!root)
        bad(r, LENGTH_BYTES + (int64_t)offset, "bad JSON in the header: %s", why);
    else {
        r->begin = mem_array(root->n, sizeof *r->begin);
        good = read_entries(r, root);
    }
    arena_free(&memory);
    return good;
}

cvy_status safetensors_read(const char *path, safetensors *out, errors *e)
{
    *out = (safetensors){0};
    reader r = {.path = path, .fd = -1, .out = out, .e = e};
    if (!read_file(&r)) safetensors_free(out);
    if (r.fd >= 0) close(r.fd);
    mem_free(r.header);
    mem_free(r.begin);
    return r.status;
}

void safetensors_free(safetensors *s)
{
    arena_free(&s->memory);
    mem_free(s->file);
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
