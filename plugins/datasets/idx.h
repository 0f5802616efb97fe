/* The IDX files of MNIST and its relatives, plain or gzip'ed: checked at open, plain ones mapped, others unpacked into
 * memory. Private to the plugins that say where such files are and what the labels mean. */
#ifndef DATASETS_IDX_H
#define DATASETS_IDX_H

#include "files.h"
#ifdef CONVOY_ZLIB
#include <zlib.h>
#endif

enum {
    IDX_IMAGES_MAGIC = 2051,
    IDX_LABELS_MAGIC = 2049,
    IDX_FILES = 4,
    IDX_FOLDERS = 3,
    IDX_MOST_SIDE = 4096
};
#define IDX_MOST_UNPACKED ((int64_t)1 << 31)

typedef struct idx_format {
    const char *name, *title;   /* of the plugin; of the dataset */
    const char *const *folders; /* below the dataset's own, tried in turn; IDX_FOLDERS, the first "" */
    const char *const *class_names;
    int classes;
} idx_format;

/* Train images and labels, test images and labels; the second form is how some archives write them. */
static const char *const idx_names[2][IDX_FILES] = {{"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                                     "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"},
                                                    {"train-images.idx3-ubyte", "train-labels.idx1-ubyte",
                                                     "t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"}};

typedef struct idx_file {
    char *path;
    const unsigned char *bytes;
    int64_t size;
    unsigned char *unpacked; /* malloc'ed, what bytes points to; NULL: mapped */
    int packed;
} idx_file;

typedef struct idx_data {
    idx_file files[IDX_FILES];
    int64_t pixels; /* of an image */
} idx_data;

static inline uint32_t idx_u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* ---- finding ---- */

/* The file in this folder in any of its forms; plain before packed. 0: not there. */
static inline int idx_find(const char *dir, int which, idx_file *f)
{
    for (int form = 0; form < 4; form++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", idx_names[form % 2][which], form < 2 ? "" : ".gz");
        char *path = files_join(dir, name);
        if (path && files_is_there(path)) {
            f->path = path;
            f->packed = form >= 2;
            return 1;
        }
        free(path);
    }
    return 0;
}

/* The folder that has any of the files, among `dir` and what archives unpack to below it; malloc'ed, NULL: none. */
static inline char *idx_folder(const char *dir, const idx_format *format)
{
    for (int i = 0; i < IDX_FOLDERS; i++) {
        char *folder = format->folders[i][0] ? files_join(dir, format->folders[i]) : strdup(dir);
        for (int which = 0; folder && which < IDX_FILES; which++) {
            idx_file f = {0};
            if (!idx_find(folder, which, &f)) continue;
            free(f.path);
            return folder;
        }
        free(folder);
    }
    return NULL;
}

static inline int idx_fail_missing(const cvy_dataset_open *o, const idx_format *format, const char *dir,
                                   int which)
{
    char *path = files_join(dir, idx_names[0][which]);
    int rc = path ? cvy_fail_at(
                        o, path, -1,
                        "not found, nor with .gz behind it. Put the four files of %s there "
                        "(train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
                        "t10k-labels-idx1-ubyte, each plain or as .gz), or set dataset.path to their folder; "
                        "`convoy data fetch %s` fetches them",
                        format->title, format->name)
                  : cvy_fail(o, "out of memory");
    free(path);
    return rc;
}

/* ---- headers ---- */

/* Checks the first bytes, of which `have` are there, and gives the size that the whole file must have. */
static inline int idx_header(const cvy_dataset_open *o, const char *path, const unsigned char *b,
                             int64_t have, int labels, int64_t *wanted)
{
    const int64_t header = labels ? 8 : 16;
    const uint32_t magic = labels ? IDX_LABELS_MAGIC : IDX_IMAGES_MAGIC;
    if (have >= 4 && idx_u32(b) != magic)
        return cvy_fail_at(o, path, 0, "magic number %u, expected %u: not an IDX file of %s",
                           (unsigned)idx_u32(b), (unsigned)magic, labels ? "labels" : "images");
    if (have < header)
        return cvy_fail_at(o, path, have, "the file ends here, in the header: expected %lld bytes of it",
                           (long long)header);
    const int64_t n = idx_u32(b + 4), rows = labels ? 1 : idx_u32(b + 8),
                  columns = labels ? 1 : idx_u32(b + 12);
    if (n < 1)
        return cvy_fail_at(o, path, 4, "the header says that there are no %s", labels ? "labels" : "images");
    if (rows < 1 || rows > IDX_MOST_SIDE)
        return cvy_fail_at(o, path, 8, "the header says images of %lld rows, expected 1 to %d",
                           (long long)rows, IDX_MOST_SIDE);
    if (columns < 1 || columns > IDX_MOST_SIDE)
        return cvy_fail_at(o, path, 12, "the header says images of %lld columns, expected 1 to %d",
                           (long long)columns, IDX_MOST_SIDE);
    int64_t bytes;
    if (__builtin_mul_overflow(n, rows * columns, &bytes) || __builtin_add_overflow(bytes, header, &bytes))
        return cvy_fail_at(o, path, 4, "the header says %lld images of %lldx%lld: more than can be",
                           (long long)n, (long long)rows, (long long)columns);
    *wanted = bytes;
    return 0;
}

static inline int idx_fail_size(const cvy_dataset_open *o, const idx_file *f, int64_t wanted, int64_t found)
{
    const char *where = f->packed ? " when unpacked" : "";
    if (found < wanted)
        return cvy_fail_at(o, f->path, found, "the file ends here%s: its header promises %lld bytes", where,
                           (long long)wanted);
    return cvy_fail_at(o, f->path, wanted, "the file should end here%s, by what its header says", where);
}

/* ---- packed files ---- */

#ifdef CONVOY_ZLIB
/* Reads n bytes; less at the end of the file. */
static inline int idx_gunzip(const cvy_dataset_open *o, const idx_file *f, gzFile gz, unsigned char *to,
                             int64_t n, int64_t *got)
{
    *got = 0;
    while (*got < n) {
        int64_t step = n - *got < 1 << 24 ? n - *got : 1 << 24;
        int k = gzread(gz, to + *got, (unsigned)step);
        if (k < 0) {
            int code;
            const char *why = gzerror(gz, &code);
            long long at = (long long)gzoffset(gz);
            return cvy_fail_at(o, f->path, at < 0 ? -1 : (int64_t)at, "cannot be unpacked: %s",
                               why && *why ? why : "damaged");
        }
        if (k == 0) break;
        *got += k;
    }
    return 0;
}

static inline int idx_unpack_all(const cvy_dataset_open *o, idx_file *f, gzFile gz, int64_t packed_size,
                                 int labels)
{
    unsigned char header[16];
    int64_t have, got, wanted = 0;
    int rc = idx_gunzip(o, f, gz, header, labels ? 8 : 16, &have);
    if (!rc && gzdirect(gz)) rc = cvy_fail_at(o, f->path, 0, "is not packed by gzip, which its name says");
    if (!rc) rc = idx_header(o, f->path, header, have, labels, &wanted);
    if (rc) return rc;
    /* The format packs to no less than 1/1032; what promises more is not worth asking for the memory. */
    if (wanted > IDX_MOST_UNPACKED || wanted / 1032 > packed_size)
        return cvy_fail_at(o, f->path, 4, "the header says %lld bytes: more than %lld packed ones can be",
                           (long long)wanted, (long long)packed_size);
    f->unpacked = malloc((size_t)wanted + 1);
    if (!f->unpacked)
        return cvy_fail(o, "not enough memory for the %lld bytes of %s", (long long)wanted, f->path);
    memcpy(f->unpacked, header, (size_t)have);
    rc = idx_gunzip(o, f, gz, f->unpacked + have, wanted + 1 - have, &got);
    if (rc) return rc;
    if (have + got != wanted) return idx_fail_size(o, f, wanted, have + got);
    f->bytes = f->unpacked;
    f->size = wanted;
    return 0;
}

static inline int idx_unpack(const cvy_dataset_open *o, idx_file *f, int fd, int64_t packed_size, int labels)
{
    int own = dup(fd);
    gzFile gz = own < 0 ? NULL : gzdopen(own, "rb");
    if (!gz) {
        if (own >= 0) close(own);
        return cvy_fail_at(o, f->path, -1, "cannot be unpacked: out of memory");
    }
    int rc = idx_unpack_all(o, f, gz, packed_size, labels);
    gzclose_r(gz);
    return rc;
}
#else
static inline int idx_unpack(const cvy_dataset_open *o, idx_file *f, int fd, int64_t packed_size, int labels)
{
    (void)fd;
    (void)packed_size;
    (void)labels;
    return cvy_fail_at(o, f->path, -1,
                       "is packed, and this build of Convoy has no zlib: unpack it with gunzip, or install "
                       "zlib1g-dev and build again");
}
#endif

/* ---- the dataset ---- */

static inline int idx_load(const cvy_dataset_open *o, idx_file *f, int labels)
{
    int fd, rc = 0;
    int64_t size, wanted = 0;
    unsigned char header[16];
    rc = files_open(o, f->path, &fd, &size);
    if (rc) return rc;
    if (f->packed) {
        rc = idx_unpack(o, f, fd, size, labels);
    } else {
        ssize_t have = pread(fd, header, labels ? 8 : 16, 0);
        if (have < 0) rc = cvy_fail_at(o, f->path, -1, "cannot be read: %s", strerror(errno));
        if (!rc) rc = idx_header(o, f->path, header, have, labels, &wanted);
        if (!rc && size != wanted) rc = idx_fail_size(o, f, wanted, size);
        if (!rc) rc = files_map(o, f->path, fd, size, &f->bytes);
        if (!rc) f->size = size;
    }
    close(fd);
    return rc;
}

static inline void idx_close(void *state)
{
    idx_data *d = state;
    if (!d) return;
    for (int i = 0; i < IDX_FILES; i++) {
        free(d->files[i].path);
        if (d->files[i].unpacked)
            free(d->files[i].unpacked);
        else
            files_unmap(d->files[i].bytes, d->files[i].size);
    }
    free(d);
}

/* Images and labels of a split against each other. */
static inline int idx_check_split(const cvy_dataset_open *o, const idx_format *format, const idx_file *images,
                                  const idx_file *labels)
{
    const uint32_t n = idx_u32(images->bytes + 4), n_labels = idx_u32(labels->bytes + 4);
    if (n != n_labels)
        return cvy_fail_at(o, labels->path, 4, "%u labels, and %u images in %s", (unsigned)n_labels,
                           (unsigned)n, images->path);
    for (int64_t i = 0; i < n; i++)
        if (labels->bytes[8 + i] >= format->classes)
            return cvy_fail_at(o, labels->path, 8 + i, "label %lld is %d, expected 0 to %d", (long long)i,
                               (int)labels->bytes[8 + i], format->classes - 1);
    return 0;
}

static inline int idx_check(cvy_dataset_open *o, const idx_format *format, idx_data *d)
{
    const unsigned char *train = d->files[0].bytes, *test = d->files[2].bytes;
    const int64_t rows = idx_u32(train + 8), columns = idx_u32(train + 12);
    int rc = idx_check_split(o, format, &d->files[0], &d->files[1]);
    if (!rc) rc = idx_check_split(o, format, &d->files[2], &d->files[3]);
    if (rc) return rc;
    if (idx_u32(test + 8) != rows || idx_u32(test + 12) != columns)
        return cvy_fail_at(o, d->files[2].path, 8, "images of %ux%u, and those to train on are %lldx%lld",
                           (unsigned)idx_u32(test + 8), (unsigned)idx_u32(test + 12), (long long)rows,
                           (long long)columns);
    d->pixels = rows * columns;
    o->info.n[CVY_TRAIN] = idx_u32(train + 4);
    o->info.n[CVY_TEST] = idx_u32(test + 4);
    o->info.sample = (cvy_shape){3, {1, rows, columns, 0, 0, 0}};
    return 0;
}

static inline int idx_open_files(cvy_dataset_open *o, const idx_format *format, idx_data *d, const char *dir)
{
    const char *paths[IDX_FILES] = {NULL};
    char *folder = idx_folder(dir, format);
    int rc = 0;
    for (int i = 0; i < IDX_FILES && !rc; i++) {
        if (!folder || !idx_find(folder, i, &d->files[i]))
            rc = idx_fail_missing(o, format, folder ? folder : dir, i);
        else
            rc = idx_load(o, &d->files[i], i % 2);
        paths[i] = d->files[i].path;
    }
    free(folder);
    if (!rc) rc = idx_check(o, format, d);
    /* Of the files as they are: packed and plain ones count as two datasets. */
    return rc ? rc : files_fingerprint(o, paths, IDX_FILES);
}

static inline int idx_open(cvy_dataset_open *o, const idx_format *format, const char *path, void **state)
{
    idx_data *d = calloc(1, sizeof *d);
    char *dir = path ? files_join(o->base_dir, path) : files_join(o->data_dir, format->name);
    int rc = d && dir ? idx_open_files(o, format, d, dir) : cvy_fail(o, "out of memory");
    free(dir);
    if (rc) {
        idx_close(d);
        return rc;
    }
    o->info.element = CVY_U8;
    o->info.classes = format->classes;
    o->info.class_names = format->class_names;
    *state = d;
    return 0;
}

static inline int idx_read(cvy_dataset_read *r, const void *config, const void *state)
{
    const idx_data *d = state;
    const idx_file *images = &d->files[r->split == CVY_TEST ? 2 : 0], *labels = images + 1;
    (void)config;
    r->label = labels->bytes[8 + r->index];
    if (r->pixels) memcpy(r->pixels, images->bytes + 16 + r->index * d->pixels, (size_t)d->pixels);
    return 0;
}

#endif
