/* Owns the bytes of TensorBoard's event files; must not know what is logged. */
#include "report/event_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/memory.h"

/* ---- protocol buffers ---- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void put_varint(text *t, uint64_t v)
{
    for (; v >= 128; v >>= 7) text_char(t, (char)(v | 128));
    text_char(t, (char)v);
}

static void put_key(text *t, unsigned field, unsigned wire)
{
    put_varint(t, (uint64_t)field << 3 | wire);
}

static void put_int(text *t, unsigned field, int64_t v)
{
    put_key(t, field, VARINT);
    put_varint(t, (uint64_t)v);
}

static void put_little(text *t, uint64_t bits, int bytes)
{
    for (int i = 0; i < bytes; i++) text_char(t, (char)(bits >> (8 * i) & 255));
}

static void put_double(text *t, unsigned field, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_key(t, field, FIXED64);
    put_little(t, bits, 8);
}

static void put_float(text *t, unsigned field, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_key(t, field, FIXED32);
    put_little(t, bits, 4);
}

static void put_bytes(text *t, unsigned field, const void *s, size_t n)
{
    put_key(t, field, BYTES);
    put_varint(t, n);
    text_add_n(t, s, n);
}

/* Strings are UTF-8 there, and other readers refuse the whole file over one that is not. */
static void put_string(text *t, unsigned field, const char *s)
{
    text safe = {0};
    text_safe(&safe, s, (size_t)1 << 20);
    put_bytes(t, field, text_str(&safe), safe.n);
    text_free(&safe);
}

/* An inner message, which is emptied. */
static void put_message(text *t, unsigned field, text *inner)
{
    put_bytes(t, field, text_str(inner), inner->n);
    text_free(inner);
}

static void put_doubles(text *t, unsigned field, const double *v, size_t n)
{
    put_key(t, field, BYTES);
    put_varint(t, 8 * n);
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        put_little(t, bits, 8);
    }
}

/* ---- records ---- */

static uint32_t masked(const void *s, size_t n)
{
    uint32_t c = crc32c(0, s, n);
    return (c >> 15 | c << 17) + 0xa282ead8u;
}

/* An event with what it holds besides its time and step; `rest` is emptied. */
static void add_event(event_file *f, double wall_time, int64_t step, text *rest)
{
    text event = {0}, length = {0};
    put_double(&event, 1, wall_time);
    if (step) put_int(&event, 2, step);
    text_add_n(&event, text_str(rest), rest->n);
    put_little(&length, event.n, 8);
    text_add_n(&f->bytes, text_str(&length), length.n);
    put_little(&f->bytes, masked(text_str(&length), length.n), 4);
    text_add_n(&f->bytes, text_str(&event), event.n);
    put_little(&f->bytes, masked(text_str(&event), event.n), 4);
    text_free(&event);
    text_free(&length);
    text_free(rest);
}

/* One value of a summary as an event of its own; `value` is emptied. */
static void add_value(event_file *f, double wall_time, int64_t step, text *value)
{
    text summary = {0}, rest = {0};
    put_message(&summary, 1, value);
    put_message(&rest, 5, &summary);
    add_event(f, wall_time, step, &rest);
}

void event_file_begin(event_file *f, double wall_time)
{
    text rest = {0};
    *f = (event_file){0};
    put_string(&rest, 3, "brain.Event:2");
    add_event(f, wall_time, 0, &rest);
}

void event_file_free(event_file *f)
{
    text_free(&f->bytes);
}

/* ---- values ---- */

void event_file_scalar(event_file *f, double wall_time, int64_t step, const char *tag, double value)
{
    text v = {0};
    put_string(&v, 1, tag);
    put_float(&v, 2, (float)value);
    add_value(f, wall_time, step, &v);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Thirty buckets of equal width between the smallest and the largest, as TensorBoard's own writer makes them. */
void event_file_histogram(event_file *f, double wall_time, int64_t step, const char *tag,
                          const double *values, size_t n)
{
    enum { BUCKETS = 30 };
    double limits[BUCKETS], counts[BUCKETS] = {0}, sum = 0, squares = 0;
    double *sorted = mem_array(n + 1, sizeof *sorted);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(values[i])) sorted[kept++] = values[i];
    if (kept) qsort(sorted, kept, sizeof *sorted, by_size);
    double low = kept ? sorted[0] : 0, high = kept ? sorted[kept - 1] : 0;
    if (low == high) low -= 0.5, high += 0.5;
    for (int b = 0; b < BUCKETS; b++) limits[b] = low + (high - low) * (b + 1) / BUCKETS;
    limits[BUCKETS - 1] = high;
    int b = 0;
    for (size_t i = 0; i < kept; i++) {
        while (b < BUCKETS - 1 && sorted[i] > limits[b]) b++;
        counts[b]++;
        sum += sorted[i];
        squares += sorted[i] * sorted[i];
    }
    mem_free(sorted);
    text h = {0}, v = {0};
    put_double(&h, 1, low);
    put_double(&h, 2, high);
    put_double(&h, 3, (double)kept);
    put_double(&h, 4, sum);
    put_double(&h, 5, squares);
    put_doubles(&h, 6, limits, BUCKETS);
    put_doubles(&h, 7, counts, BUCKETS);
    put_string(&v, 1, tag);
    put_message(&v, 5, &h);
    add_value(f, wall_time, step, &v);
}

void event_file_counts(event_file *f, double wall_time, int64_t step, const char *tag, const event_counts *c)
{
    double *limits = mem_array(c->n + 1, sizeof *limits), *counts = mem_array(c->n + 1, sizeof *counts),
           n = 0;
    const double low = c->low == c->high ? c->low - 0.5 : c->low,
                 high = c->low == c->high ? c->high + 0.5 : c->high;
    for (size_t b = 0; b < c->n; b++) {
        limits[b] = b + 1 < c->n ? low + (high - low) * (double)(b + 1) / (double)c->n : high;
        counts[b] = (double)c->counts[b];
        n += counts[b];
    }
    text h = {0}, v = {0};
    put_double(&h, 1, low);
    put_double(&h, 2, high);
    put_double(&h, 3, n);
    put_double(&h, 4, n * c->mean);
    put_double(&h, 5, n * (c->sd * c->sd + c->mean * c->mean));
    put_doubles(&h, 6, limits, c->n);
    put_doubles(&h, 7, counts, c->n);
    put_string(&v, 1, tag);
    put_message(&v, 5, &h);
    add_value(f, wall_time, step, &v);
    mem_free(limits);
    mem_free(counts);
}

void event_file_image(event_file *f, double wall_time, int64_t step, const char *tag, int64_t height,
                      int64_t width, int channels, const void *png, size_t n)
{
    text image = {0}, v = {0};
    put_int(&image, 1, height);
    put_int(&image, 2, width);
    put_int(&image, 3, channels);
    put_bytes(&image, 4, png, n);
    put_string(&v, 1, tag);
    put_message(&v, 4, &image);
    add_value(f, wall_time, step, &v);
}

/* ---- hyperparameters ---- */

/* A tensor without elements that carries the plugin's message in its metadata; `content` is emptied. */
static void add_hparams(event_file *f, double wall_time, const char *tag, text *content)
{
    text plugin = {0}, metadata = {0}, dim = {0}, shape = {0}, tensor = {0}, v = {0};
    put_string(&plugin, 1, "hparams");
    put_message(&plugin, 2, content);
    put_message(&metadata, 1, &plugin);
    put_int(&metadata, 4, 2); /* DATA_CLASS_TENSOR */
    put_int(&dim, 1, 0);
    put_message(&shape, 2, &dim);
    put_int(&tensor, 1, 1); /* DT_FLOAT */
    put_message(&tensor, 2, &shape);
    put_string(&v, 1, tag);
    put_message(&v, 8, &tensor);
    put_message(&v, 9, &metadata);
    add_value(f, wall_time, 0, &v);
}

void event_file_experiment(event_file *f, double wall_time, const char *const *names, size_t n,
                           const char *const *metrics, size_t n_metrics)
{
    text experiment = {0}, content = {0};
    put_double(&experiment, 3, wall_time);
    for (size_t i = 0; i < n; i++) {
        text info = {0};
        put_string(&info, 1, names[i]);
        put_message(&experiment, 4, &info);
    }
    for (size_t i = 0; i < n_metrics; i++) {
        text name = {0}, info = {0};
        put_string(&name, 2, metrics[i]);
        put_message(&info, 1, &name);
        put_message(&experiment, 5, &info);
    }
    put_int(&content, 1, 0);
    put_message(&content, 2, &experiment);
    add_hparams(f, wall_time, "_hparams_/experiment", &content);
}

static void put_value(text *t, unsigned field, const char *s)
{
    text v = {0};
    char *end = NULL;
    double number = strtod(s, &end);
    if (*s && !*end && isfinite(number)) {
        put_double(&v, 2, number);
    } else if (!strcmp(s, "true") || !strcmp(s, "false")) {
        put_int(&v, 4, s[0] == 't');
    } else {
        put_string(&v, 3, s);
    }
    put_message(t, field, &v);
}

void event_file_session(event_file *f, double wall_time, const char *group, const event_pair *pairs, size_t n)
{
    text start = {0}, content = {0};
    for (size_t i = 0; i < n; i++) {
        text entry = {0};
        put_string(&entry, 1, pairs[i].name);
        put_value(&entry, 2, pairs[i].value ? pairs[i].value : "");
        put_message(&start, 1, &entry);
    }
    put_string(&start, 4, group);
    put_double(&start, 5, wall_time);
    put_int(&content, 1, 0);
    put_message(&content, 3, &start);
    add_hparams(f, wall_time, "_hparams_/session_start_info", &content);
}

void event_file_session_end(event_file *f, double wall_time, event_status status)
{
    text end = {0}, content = {0};
    put_int(&end, 1, status);
    put_double(&end, 2, wall_time);
    put_int(&content, 1, 0);
    put_message(&content, 4, &end);
    add_hparams(f, wall_time, "_hparams_/session_end_info", &content);
}
