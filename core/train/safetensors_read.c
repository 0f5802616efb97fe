/* Reads safetensors files, believing none of their bytes; must not know networks, optimizers or runs. */
#include "train/safetensors_own.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are read as they lie in memory");

enum { LENGTH_BYTES = 8 };

/* The types of the format whose elements are whole bytes; `floats` come as F32. */
static const struct dtype {
    const char *name;
    int64_t bytes;
    bool floats;
} dtypes[] = {{"F32", 4, true},      {"F64", 8, true},      {"F16", 2, true},  {"BF16", 2, true},
              {"I64", 8, false},     {"I32", 4, false},     {"I16", 2, false}, {"I8", 1, false},
              {"U64", 8, false},     {"U32", 4, false},     {"U16", 2, false}, {"U8", 1, false},
              {"F8_E4M3", 1, false}, {"F8_E5M2", 1, false}, {"BOOL", 1, false}};
enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

static const struct dtype *dtype_find(const char *name)
{
    for (size_t i = 0; i < N_DTYPES; i++)
        if (!strcmp(dtypes[i].name, name)) return &dtypes[i];
    return NULL;
}

bool safetensors_is_float(const char *dtype)
{
    const struct dtype *t = dtype_find(dtype);
    return t && t->floats;
}

typedef struct reader {
    const char *path;
    int fd;
    bool foreign;            /* other types than F32 are welcome */
    bool header_only;        /* no data */
    int64_t size;            /* of the file */
    char *header;            /* NUL-terminated */
    int64_t n_header;        /* its bytes */
    int64_t *begin;          /* per tensor, in the data */
    const struct dtype **of; /* per tensor */
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
    if (length > SAFETENSORS_HEADER_MAX)
        return bad(r, 0, "no safetensors file: a header of %llu bytes, and at most %d are allowed",
                   (unsigned long long)length, SAFETENSORS_HEADER_MAX);
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
        return bad(r, offset_of(r, SAFETENSORS_METADATA), "__metadata__ must be a map of strings");
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
    if (!safetensors_count(&t->shape, &t->count))
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
    const struct dtype *type = dtype_find(dtype);
    if (!r->foreign && (!type || type != dtypes))
        return bad(r, offset_of(r, name), "tensor \"%.200s\" is of %.40s; only F32 can be read", name, dtype);
    if (!type)
        return bad(r, offset_of(r, name), "tensor \"%.200s\" is of %.40s, which is no known type", name,
                   dtype);
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
    int64_t bytes;
    if (__builtin_mul_overflow(t->count, type->bytes, &bytes) || end - begin != bytes)
        return bad(r, offset_of(r, name), "tensor \"%.200s\": %lld bytes of data for %lld elements", name,
                   (long long)(end - begin), (long long)t->count);
    t->name = arena_text(&r->out->memory, name);
    r->out->dtypes[r->out->n] = type->name;
    r->out->offsets[r->out->n] = LENGTH_BYTES + r->n_header + begin;
    r->of[r->out->n] = type;
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
        all[i] = (extent){r->begin[i], r->begin[i] + t->count * r->of[i]->bytes, t->name};
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

/* IEEE 754 half precision: every value of it is a float. */
static float from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 0x1F, fraction = h & 0x3FF, bits;
    if (exponent == 0x1F) {
        bits = sign | 0x7F800000 | fraction << 13;
    } else if (exponent) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else { /* fraction * 2^-24 */
        float v = (float)fraction * 0x1p-24f;
        memcpy(&bits, &v, sizeof bits);
        bits |= sign;
    }
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void convert(const struct dtype *type, const char *from, float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const char *at = from + i * type->bytes; /* aligned to nothing, for what files promise */
        double wide;
        uint16_t narrow;
        uint32_t bits;
        if (type->bytes == 8) {
            memcpy(&wide, at, sizeof wide);
            to[i] = (float)wide;
        } else if (type->bytes == 4) {
            memcpy(&to[i], at, sizeof *to);
        } else {
            memcpy(&narrow, at, sizeof narrow);
            if (type->name[0] == 'F') {
                to[i] = from_half(narrow);
            } else { /* BF16: the upper half of a float */
                bits = (uint32_t)narrow << 16;
                memcpy(&to[i], &bits, sizeof bits);
            }
        }
    }
}

/* Points tensors to the bytes read, or to floats made of them. */
static bool read_floats(reader *r)
{
    safetensors *out = r->out;
    int64_t total = 0, at = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < out->n; i++) {
            safetensor *t = &out->items[i];
            const char *bytes = (const char *)out->file + r->begin[i];
            if (!r->of[i]->floats) continue;
            bool asis = r->of[i] == dtypes && r->begin[i] % (int64_t)sizeof(float) == 0;
            if (asis) {
                t->data = (const float *)(const void *)bytes;
            } else if (!pass) {
                total += t->count; /* of at most as many bytes as the file has */
            } else {
                float *to = (float *)out->floats + at;
                convert(r->of[i], bytes, to, t->count);
                t->data = to;
                at += t->count;
            }
        }
        if (!pass && !(out->floats = mem_try((size_t)total + 1, sizeof(float))))
            return no_memory(r, total * (int64_t)sizeof(float));
    }
    return true;
}

static bool read_entries(reader *r, const json *root)
{
    safetensors *out = r->out;
    int64_t n_data = r->size - LENGTH_BYTES - r->n_header;
    out->items = arena_array(&out->memory, root->n, sizeof *out->items);
    out->dtypes = arena_array(&out->memory, root->n, sizeof *out->dtypes);
    out->offsets = arena_array(&out->memory, root->n, sizeof *out->offsets);
    for (size_t i = 0; i < root->n; i++) {
        bool metadata = !strcmp(root->keys[i], SAFETENSORS_METADATA);
        if (!(metadata ? read_metadata(r, root->items[i])
                       : read_entry(r, root->keys[i], root->items[i], n_data)))
            return false;
    }
    if (!check_extents(r, n_data)) return false;
    if (r->header_only) return true;
    out->file = mem_try((size_t)n_data, 1);
    if (!out->file) return no_memory(r, n_data);
    if (!read_at(r, LENGTH_BYTES + r->n_header, out->file, n_data)) return false;
    return read_floats(r);
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
        r->of = mem_array(root->n, sizeof *r->of);
        good = read_entries(r, root);
    }
    arena_free(&memory);
    return good;
}

static cvy_status read_as(reader r)
{
    *r.out = (safetensors){0};
    r.fd = -1;
    if (!read_file(&r)) safetensors_free(r.out);
    if (r.fd >= 0) close(r.fd);
    mem_free(r.header);
    mem_free(r.begin);
    mem_free(r.of);
    return r.status;
}

cvy_status safetensors_read(const char *path, safetensors *out, errors *e)
{
    return read_as((reader){.path = path, .out = out, .e = e});
}

cvy_status safetensors_read_foreign(const char *path, safetensors *out, errors *e)
{
    return read_as((reader){.path = path, .out = out, .e = e, .foreign = true});
}

cvy_status safetensors_read_header(const char *path, safetensors *out, errors *e)
{
    return read_as((reader){.path = path, .out = out, .e = e, .foreign = true, .header_only = true});
}
