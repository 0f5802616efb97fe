/* Owns the bytes of a file of features as it grows. Must not know what the features are of. */
#include "train/feature_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "train/safetensors_own.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are written as they lie in memory");

enum { FLOATS_HELD = 1 << 18 };                /* before they are written */
enum { HEADER_TENSORS = 1024, ALIGNMENT = 8 }; /* bytes that the entries of three tensors fit into */

static cvy_status feature_file_failed(const feature_file *f, int error, errors *e)
{
    return file_not_written(f->path, error, e);
}

static bool feature_file_put(int fd, const void *bytes, size_t n)
{
    const char *s = bytes;
    while (n) {
        const ssize_t done = write(fd, s, n > INT_MAX ? INT_MAX : n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return false;
        s += done;
        n -= (size_t)done;
    }
    return true;
}

cvy_status feature_file_open(feature_file *f, const char *path, const cvy_shape *shape, size_t metadata,
                             errors *e)
{
    *f = (feature_file){.path = mem_text(path), .fd = -1, .shape = *shape, .row = cvy_sample_count(shape)};
    f->room = (metadata + HEADER_TENSORS + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (f->room > SAFETENSORS_HEADER_MAX)
        return errors_add(e, CVY_ERR_CONFIG, &PLACE_FILE(path), "write them in several files",
                          "the names of so many files are more than the format's header can hold");
    char *dir = path_dir(path);
    for (int attempt = 0; attempt < 100 && f->fd < 0; attempt++) {
        char *name = mem_printf(".%.100s.%ld.%d.tmp", path_base(path), (long)getpid(), attempt);
        mem_free(f->temporary);
        f->temporary = path_join(dir, name);
        mem_free(name);
        f->fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (f->fd < 0 && errno != EEXIST) break;
    }
    const int error = errno;
    mem_free(dir);
    if (f->fd < 0) {
        mem_free(f->temporary);
        f->temporary = NULL;
        return feature_file_failed(f, error, e);
    }
    f->most = f->row > 0 && f->row < FLOATS_HELD ? FLOATS_HELD / f->row : 1;
    f->rows_held = mem_try((size_t)(f->most * f->row), sizeof *f->rows_held);
    return f->rows_held ? CVY_OK : feature_file_failed(f, ENOMEM, e);
}

/* Where the data begin in the file. */
static off_t feature_file_data(const feature_file *f)
{
    return (off_t)(sizeof(uint64_t) + f->room);
}

/* Rows that follow each other are written together. */
static cvy_status feature_file_flush(feature_file *f, errors *e)
{
    const off_t at = feature_file_data(f) + (off_t)(f->first * f->row * (int64_t)sizeof(float));
    if (f->held && (lseek(f->fd, at, SEEK_SET) < 0 ||
                    !feature_file_put(f->fd, f->rows_held, (size_t)(f->held * f->row) * sizeof(float))))
        return feature_file_failed(f, errno, e);
    f->held = 0;
    return CVY_OK;
}

cvy_status feature_file_put_row(feature_file *f, int64_t at, const float *y, errors *e)
{
    if (f->held == f->most || at != f->first + f->held) {
        cvy_status status = feature_file_flush(f, e);
        if (status) return status;
        f->first = at;
    }
    memcpy(f->rows_held + f->held * f->row, y, (size_t)f->row * sizeof *y);
    f->held++;
    if (at + 1 > f->rows) f->rows = at + 1;
    return CVY_OK;
}

static void feature_file_entry(json_writer *w, const char *name, const char *dtype, const int64_t *dim,
                               int rank, int64_t *at)
{
    int64_t count = 1;
    json_key(w, name);
    json_open(w, '{');
    json_put_text(w, "dtype", dtype);
    json_key(w, "shape");
    json_open(w, '[');
    for (int i = 0; i < rank; i++) {
        json_int(w, dim[i]);
        count *= dim[i];
    }
    json_close(w, ']');
    json_key(w, "data_offsets");
    json_open(w, '[');
    json_int(w, *at);
    *at += count * 4; /* both types have four bytes */
    json_int(w, *at);
    json_close(w, ']');
    json_close(w, '}');
}

/* Filled up with spaces to the room that was kept. */
static void feature_file_header(const feature_file *f, bool labels, int64_t n_targets,
                                const feature_pair *metadata, size_t n, text *out)
{
    json_writer w = {0};
    int64_t at = 0;
    cvy_shape s = f->shape;
    s.dim[0] = f->rows;
    json_open(&w, '{');
    json_key(&w, SAFETENSORS_METADATA);
    json_open(&w, '{');
    for (size_t i = 0; i < n; i++)
        json_put_text(&w, metadata[i].key, metadata[i].value ? metadata[i].value : "");
    json_close(&w, '}');
    feature_file_entry(&w, "features", "F32", s.dim, s.rank, &at);
    if (labels) feature_file_entry(&w, "labels", "I32", &f->rows, 1, &at);
    if (n_targets) feature_file_entry(&w, "targets", "F32", (const int64_t[]){f->rows, n_targets}, 2, &at);
    json_close(&w, '}');
    while (w.out.n < f->room) text_char(&w.out, ' ');
    *out = w.out;
}

cvy_status feature_file_finish(feature_file *f, const int32_t *labels, const float *targets,
                               int64_t n_targets, const feature_pair *metadata, size_t n, errors *e)
{
    text header = {0};
    if (!targets) n_targets = 0;
    feature_file_header(f, labels != NULL, n_targets, metadata, n, &header);
    const uint64_t length = header.n;
    cvy_status status = feature_file_flush(f, e);
    const off_t end = feature_file_data(f) + (off_t)(f->rows * f->row * (int64_t)sizeof(float));
    if (!status && header.n != f->room)
        status =
            errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(f->path), NULL,
                       "cannot write: a header of %zu bytes, and room for %zu was kept", header.n, f->room);
    else if (!status && (lseek(f->fd, end, SEEK_SET) < 0 ||
                         (labels && !feature_file_put(f->fd, labels, (size_t)f->rows * sizeof *labels)) ||
                         (n_targets && !feature_file_put(f->fd, targets,
                                                         (size_t)(f->rows * n_targets) * sizeof *targets)) ||
                         lseek(f->fd, 0, SEEK_SET) < 0 || !feature_file_put(f->fd, &length, sizeof length) ||
                         !feature_file_put(f->fd, header.s, header.n) || fsync(f->fd)))
        status = feature_file_failed(f, errno, e);
    text_free(&header);
    const int closed = close(f->fd);
    f->fd = -1;
    if (!status && closed) status = feature_file_failed(f, errno, e);
    if (!status && rename(f->temporary, f->path)) status = feature_file_failed(f, errno, e);
    if (status) return status;
    mem_free(f->temporary);
    f->temporary = NULL;
    char *dir = path_dir(f->path);
    status = file_sync_dir(dir, e);
    mem_free(dir);
    return status;
}

void feature_file_close(feature_file *f)
{
    if (f->path && f->fd >= 0) close(f->fd);
    if (f->temporary) unlink(f->temporary);
    mem_free(f->path);
    mem_free(f->temporary);
    mem_free(f->rows_held);
    *f = (feature_file){0};
}
