/* The binary files of CIFAR-10 and CIFAR-100: mapped into memory and checked at open. Private to the two plugins, which
 * say how theirs look. */
#ifndef DATASETS_CIFAR_H
#define DATASETS_CIFAR_H

#include "files.h"

enum {
    CIFAR_PIXELS = 3 * 32 * 32, /* bytes: the R, G and B planes, rows from the top */
    CIFAR_FILES = 6,
    CIFAR_CLASSES = 100,
    CIFAR_NAME = 64 /* bytes of a class name */
};

typedef struct cifar_label {
    const char *what; /* "label", "fine label" */
    int classes;
    const char *names_file; /* beside the data, one name in a line */
} cifar_label;

typedef struct cifar_format {
    const char *name, *folder, *title; /* of the plugin; as the archive unpacks; "CIFAR-10" */
    const char *to_do;                 /* where files are missing */
    const char *const *files;          /* the last one is the test split */
    int n_files;
    int64_t train_records, test_records; /* of one file */
    const cifar_label *labels;           /* one byte each, in front of the pixels */
    int n_labels;
} cifar_format;

typedef struct cifar {
    const cifar_format *format;
    int label; /* which of the labels counts */
    const unsigned char *data[CIFAR_FILES];
    const char *names[CIFAR_CLASSES];
    char text[CIFAR_CLASSES][CIFAR_NAME + 1];
} cifar;

static inline int64_t cifar_record(const cifar_format *f)
{
    return f->n_labels + CIFAR_PIXELS;
}

static inline int64_t cifar_records(const cifar_format *f, int file)
{
    return file == f->n_files - 1 ? f->test_records : f->train_records;
}

/* ---- files ---- */

/* `other`: a second folder where none of the files was, or NULL. */
static inline int cifar_fail_missing(const cvy_dataset_open *o, const cifar_format *f, const char *path,
                                     const char *dir, const char *other)
{
    return cvy_fail_at(
        o, path, -1,
        "not found; looked in %s%s%s. %s, or set dataset.path to their folder; `convoy data fetch %s` "
        "fetches them",
        dir, other ? " and " : "", other ? other : "", f->to_do, f->name);
}

/* 30730000 as 30,730,000 */
static inline const char *cifar_grouped(int64_t n, char text[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)n), k = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) text[k++] = ',';
        text[k++] = digits[i];
    }
    text[k] = 0;
    return text;
}

static inline int cifar_fail_size(const cvy_dataset_open *o, const cifar_format *f, const char *path,
                                  int file, int64_t found)
{
    int64_t wanted = cifar_records(f, file) * cifar_record(f);
    int shorter = found < wanted;
    char bytes[32], records[32], record[32];
    return cvy_fail_at(o, path, shorter ? found : wanted,
                       "the file %s here: expected %s bytes (%s records of %s), found %lld",
                       shorter ? "ends" : "should end", cifar_grouped(wanted, bytes),
                       cifar_grouped(cifar_records(f, file), records), cifar_grouped(cifar_record(f), record),
                       (long long)found);
}

static inline int cifar_check_labels(const cvy_dataset_open *o, const cifar_format *f, const char *path,
                                     int file, const unsigned char *data)
{
    const int64_t records = cifar_records(f, file), size = cifar_record(f);
    for (int64_t i = 0; i < records; i++)
        for (int k = 0; k < f->n_labels; k++)
            if (data[i * size + k] >= f->labels[k].classes)
                return cvy_fail_at(o, path, i * size + k,
                                   "record %lld has %s %d, expected 0 to %d: not a file of the "
                                   "%s binary version, or a damaged one",
                                   (long long)i, f->labels[k].what, (int)data[i * size + k],
                                   f->labels[k].classes - 1, f->title);
    return 0;
}

static inline int cifar_map(const cvy_dataset_open *o, cifar *c, const char *path, int file)
{
    int fd;
    int64_t size;
    int rc = files_open(o, path, &fd, &size);
    if (rc) return rc;
    if (size != cifar_records(c->format, file) * cifar_record(c->format))
        rc = cifar_fail_size(o, c->format, path, file, size);
    else
        rc = files_map(o, path, fd, size, &c->data[file]);
    close(fd);
    return rc ? rc : cifar_check_labels(o, c->format, path, file, c->data[file]);
}

/* Class names, one in a line. Of anything unexpected nothing is taken: they serve reports only. */
static inline int cifar_read_names(const char *path, cifar *c)
{
    const int classes = c->format->labels[c->label].classes;
    char text[CIFAR_CLASSES * (CIFAR_NAME + 2) + 64];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return 0;
    text[n] = 0;

    char *s = text;
    for (int i = 0; i < classes; i++) {
        size_t length = strcspn(s, "\r\n");
        if (length < 1 || length > CIFAR_NAME || !s[length]) return 0;
        for (size_t k = 0; k < length; k++)
            if (s[k] < ' ' || s[k] > '~') return 0;
        memcpy(c->text[i], s, length);
        c->text[i][length] = 0;
        c->names[i] = c->text[i];
        s += length;
        if (*s == '\r') s++;
        if (*s++ != '\n') return 0;
    }
    return s[strspn(s, "\r\n")] == 0;
}

/* ---- the dataset ---- */

static inline void cifar_close(void *state)
{
    cifar *c = state;
    if (!c) return;
    for (int i = 0; i < c->format->n_files; i++)
        files_unmap(c->data[i], cifar_records(c->format, i) * cifar_record(c->format));
    free(c);
}

/* Maps and checks the files of `dir`, all before the first is hashed, and fills the fingerprint. */
static inline int cifar_open_files(cvy_dataset_open *o, cifar *c, const char *dir, const char *other)
{
    const cifar_format *f = c->format;
    char *paths[CIFAR_FILES] = {NULL};
    int rc = 0;
    for (int i = 0; i < f->n_files && !rc; i++) {
        paths[i] = files_join(dir, f->files[i]);
        if (!paths[i])
            rc = cvy_fail(o, "out of memory");
        else if (!files_is_there(paths[i]))
            rc = cifar_fail_missing(o, f, paths[i], dir, other);
        else
            rc = cifar_map(o, c, paths[i], i);
    }
    if (!rc) rc = files_fingerprint(o, (const char *const *)paths, f->n_files);
    for (int i = 0; i < f->n_files; i++) free(paths[i]);
    return rc;
}

/* `official`: the names where the file of names is not there; NULL: none. */
static inline void cifar_take_names(cvy_dataset_open *o, cifar *c, const char *dir,
                                    const char *const *official)
{
    char *names = files_join(dir, c->format->labels[c->label].names_file);
    int own = names && cifar_read_names(names, c);
    free(names);
    for (int i = 0; !own && official && i < o->info.classes; i++) c->names[i] = official[i];
    if (own || official) o->info.class_names = c->names;
}

static inline int cifar_open(cvy_dataset_open *o, const cifar_format *f, int label, const char *path,
                             const char *const *official, void **state)
{
    cifar *c = calloc(1, sizeof *c);
    char *dir = path ? files_join(o->base_dir, path) : files_join(o->data_dir, f->name);
    char *inner = dir ? files_join(dir, f->folder) : NULL; /* as the official archive unpacks */
    int rc;
    if (c && inner) {
        c->format = f;
        c->label = label;
        int here = files_holds_any(dir, f->files, f->n_files);
        int nested = !here && files_holds_any(inner, f->files, f->n_files);
        rc = cifar_open_files(o, c, nested ? inner : dir, here || nested ? NULL : inner);
        o->info.classes = f->labels[label].classes;
        if (!rc) cifar_take_names(o, c, nested ? inner : dir, official);
    } else {
        rc = cvy_fail(o, "out of memory");
    }
    free(dir);
    free(inner);
    if (rc) {
        if (c && c->format)
            cifar_close(c);
        else
            free(c);
        return rc;
    }
    o->info.n[CVY_TRAIN] = (f->n_files - 1) * f->train_records;
    o->info.n[CVY_TEST] = f->test_records;
    o->info.sample = (cvy_shape){3, {3, 32, 32, 0, 0, 0}};
    o->info.element = CVY_U8;
    *state = c;
    return 0;
}

static inline int cifar_read(cvy_dataset_read *r, const void *config, const void *state)
{
    const cifar *c = state;
    const cifar_format *f = c->format;
    int64_t file = r->split == CVY_TEST ? f->n_files - 1 : r->index / f->train_records;
    int64_t index = r->split == CVY_TEST ? r->index : r->index % f->train_records;
    const unsigned char *record = c->data[file] + index * cifar_record(f);
    (void)config;
    r->label = record[c->label];
    if (r->pixels) memcpy(r->pixels, record + f->n_labels, CIFAR_PIXELS);
    return 0;
}

#endif
