/* Which class each picture has: by its folder, by its name, or by a table. Private to the image_folder dataset; must not know
 * what is in a picture. */
#ifndef DATASETS_FOLDER_LABELS_H
#define DATASETS_FOLDER_LABELS_H

#include "csv_text.h"
#include "folder_cache.h"

#define FOLDER_MOST_CLASSES 65536

typedef struct folder_class {
    char *name;
    int32_t id; /* in the order in which they were found; later, the number it has */
} folder_class;

typedef struct folder_classes {
    folder_class *v; /* while they are found in the order of their ids, then of their numbers */
    int32_t n, room;
    int32_t *slots; /* a hash table of ids, -1: free */
    uint64_t n_slots;
    int fixed; /* no more may come: these are the training pictures' */
} folder_classes;

/* A folder of pictures with their classes. */
typedef struct folder_album {
    char *path; /* as it is called in messages */
    folder_index index;
    folder_cache cache;
    int32_t *labels; /* of its files; -1: not used */
} folder_album;

static inline void folder_classes_free(folder_classes *c)
{
    for (int32_t i = 0; i < c->n; i++) free(c->v[i].name);
    free(c->v);
    free(c->slots);
    *c = (folder_classes){0};
}

static inline void folder_album_free(folder_album *a)
{
    folder_cache_free(&a->cache);
    folder_index_free(&a->index);
    free(a->labels);
    free(a->path);
}

/* ---- the set of classes ---- */

static inline uint64_t folder_slot(const folder_classes *c, const char *s, size_t n)
{
    uint64_t at = folder_checksum(n, s, n) & (c->n_slots - 1);
    while (c->slots[at] >= 0 && (strncmp(c->v[c->slots[at]].name, s, n) != 0 || c->v[c->slots[at]].name[n]))
        at = (at + 1) & (c->n_slots - 1);
    return at;
}

static inline int folder_more_classes(folder_classes *c)
{
    const int32_t room = c->room ? 2 * c->room : 64;
    if (folder_grow(&c->v, room, sizeof *c->v) || folder_grow(&c->slots, 4 * (int64_t)room, sizeof *c->slots))
        return -1;
    c->room = room;
    c->n_slots = 4 * (uint64_t)room;
    for (uint64_t i = 0; i < c->n_slots; i++) c->slots[i] = -1;
    for (int32_t i = 0; i < c->n; i++) c->slots[folder_slot(c, c->v[i].name, strlen(c->v[i].name))] = i;
    return 0;
}

/* The class of these n bytes; -1: there is none, and there may be no more; -2: reported. `file`: for messages. */
static inline int32_t folder_class_id(const cvy_dataset_open *o, folder_classes *c, const char *s, size_t n,
                                      const char *file)
{
    if (c->n == c->room && folder_more_classes(c))
        return cvy_fail(o, "not enough memory for the classes"), -2;
    const uint64_t at = folder_slot(c, s, n);
    if (c->slots[at] >= 0) return c->v[c->slots[at]].id;
    if (c->fixed) return -1;
    char *name = malloc(n + 1);
    if (!name) return cvy_fail(o, "not enough memory for the classes"), -2;
    memcpy(name, s, n);
    name[n] = 0;
    const char *what = n < 1 || n > 200     ? "the class here has no name, or one of more than 200 bytes"
                       : !csv_is_utf8(name) ? "the class here has a name that is not UTF-8"
                       : c->n == FOLDER_MOST_CLASSES ? "one class more than the 65,536 there may be"
                                                     : NULL;
    for (size_t i = 0; i < n && !what; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 127)
            what = "the class here has control characters in its name";
    if (what) {
        cvy_fail_at(o, file, -1, "%s", what);
        free(name);
        return -2;
    }
    c->v[c->n] = (folder_class){name, c->n};
    c->slots[at] = c->n;
    return c->n++;
}

static inline int folder_by_bytes(const void *a, const void *b)
{
    return strcmp(((const folder_class *)a)->name, ((const folder_class *)b)->name);
}

static inline int folder_by_number(const void *a, const void *b)
{
    const char *x = ((const folder_class *)a)->name, *y = ((const folder_class *)b)->name;
    const size_t n = strlen(x), m = strlen(y);
    return n != m ? (n > m) - (n < m) : strcmp(x, y);
}

/* Gives them their numbers: folders in the order of their names' bytes, as PyTorch's ImageFolder does; what was read from names or
 * tables too, but whole numbers by what they say. */
static inline int folder_order_classes(const cvy_dataset_open *o, folder_classes *c, folder_album *albums,
                                       int n, int folders)
{
    int numbers = !folders;
    for (int32_t i = 0; i < c->n; i++) {
        const char *s = c->v[i].name;
        if (s[strspn(s, "0123456789")] || (s[0] == '0' && s[1])) numbers = 0;
    }
    int32_t *now = malloc(((size_t)c->n + 1) * sizeof *now);
    if (!now) return cvy_fail(o, "not enough memory for the classes");
    qsort(c->v, (size_t)c->n, sizeof *c->v, numbers ? folder_by_number : folder_by_bytes);
    for (int32_t i = 0; i < c->n; i++) {
        now[c->v[i].id] = i;
        c->v[i].id = i;
    }
    for (uint64_t i = 0; i < c->n_slots; i++)
        if (c->slots[i] >= 0) c->slots[i] = now[c->slots[i]];
    for (int k = 0; k < n; k++)
        for (int64_t i = 0; i < albums[k].index.list.n_files; i++)
            if (albums[k].labels[i] >= 0) albums[k].labels[i] = now[albums[k].labels[i]];
    free(now);
    return 0;
}

/* ---- by folder ---- */

static inline int folder_label_dirs(const cvy_dataset_open *o, folder_classes *c, folder_album *a,
                                    const char *training)
{
    const folder_list *l = &a->index.list;
    for (int64_t i = 1; i < l->n_dirs; i++) { /* the first is the root */
        const char *name = folder_name(l, &l->dirs[i]);
        if (strchr(name, '/')) continue;
        char *path = files_join(a->path, name);
        const int32_t id = path ? folder_class_id(o, c, name, strlen(name), path) : -2;
        int rc = !path      ? cvy_fail(o, "out of memory")
                 : id == -2 ? -1
                 : id < 0
                     ? cvy_fail_at(o, path, -1,
                                   "there is no folder of this class in %s: make one, or remove this one",
                                   training)
                     : 0;
        free(path);
        if (rc) return rc;
    }
    for (int64_t i = 0; i < l->n_files; i++) {
        const char *name = folder_name(l, &l->files[i]), *slash = strchr(name, '/');
        if (!slash) continue; /* beside the class folders: not a sample */
        a->labels[i] = folder_class_id(o, c, name, (size_t)(slash - name), a->path);
        if (a->labels[i] < 0) return -1;
    }
    return 0;
}

/* Every class folder has pictures, and some that can be decoded. */
static inline int folder_check_dirs(const cvy_dataset_open *o, folder_classes *c, const folder_album *a)
{
    const folder_list *l = &a->index.list;
    int64_t *count = calloc((size_t)c->n + 1, 2 * sizeof *count);
    int rc = count ? 0 : cvy_fail(o, "not enough memory for the classes");
    for (int64_t i = 0; i < l->n_files && !rc; i++)
        if (a->labels[i] >= 0) count[2 * a->labels[i] + ((l->files[i].flags & FOLDER_BAD) != 0)]++;
    for (int64_t i = 1; i < l->n_dirs && count; i++) {
        const char *name = folder_name(l, &l->dirs[i]);
        if (strchr(name, '/')) continue;
        const int32_t id = folder_class_id(o, c, name, strlen(name), a->path);
        if (id < 0 || count[2 * id]) continue;
        char *path = files_join(a->path, name);
        rc = count[2 * id + 1]
                 ? cvy_fail_at(o, path ? path : name, -1,
                               "none of the %lld pictures of this class can be decoded",
                               (long long)count[2 * id + 1])
                 : cvy_fail_at(
                       o, path ? path : name, -1,
                       "this class's folder has no pictures: put JPEG or PNG files there, or remove it");
        free(path);
    }
    free(count);
    return rc;
}

/* ---- by name ---- */

/* Matches s with a pattern of `{class}` (some text), `*` (any text) and `#` (digits), each as short as fits. */
static inline int folder_match(const char *p, const char *s, const char *part[2])
{
    for (; *p; p++, s++) {
        if (*p == '*') {
            for (const char *e = s;; e++) {
                if (folder_match(p + 1, e, part)) return 1;
                if (!*e) return 0;
            }
        }
        if (*p == '#') {
            for (const char *e = s; *e >= '0' && *e <= '9'; e++)
                if (folder_match(p + 1, e + 1, part)) return 1;
            return 0;
        }
        if (!strncmp(p, "{class}", 7)) {
            for (const char *e = s; *e && *e != '/'; e++)
                if (folder_match(p + 7, e + 1, part)) {
                    part[0] = s;
                    part[1] = e + 1;
                    return 1;
                }
            return 0;
        }
        if (*p != *s) return 0;
    }
    return !*s;
}

static inline int folder_check_pattern(const cvy_dataset_open *o, const char *p)
{
    int wild = 0;
    const char *at = strstr(p, "{class}");
    for (const char *s = p; *s; s++) wild += *s == '*' || *s == '#';
    if (!at || strstr(at + 1, "{class}"))
        return cvy_fail(
            o, "labels_pattern: \"%s\" has not one {class}; files like cat.123.jpg are \"{class}.*\"", p);
    if (wild > 6) return cvy_fail(o, "labels_pattern: more than 6 of * and #");
    return 0;
}

static inline int folder_label_names(const cvy_dataset_open *o, folder_classes *c, folder_album *a,
                                     const char *pattern, const char *training)
{
    const folder_list *l = &a->index.list;
    const int whole = strchr(pattern, '/') != NULL;
    for (int64_t i = 0; i < l->n_files; i++) {
        const char *name = folder_name(l, &l->files[i]), *base = strrchr(name, '/'), *part[2] = {NULL, NULL};
        const int found = folder_match(pattern, whole || !base ? name : base + 1, part);
        char *path = files_join(a->path, name);
        int rc = path ? 0 : cvy_fail(o, "out of memory");
        if (!rc && !found)
            rc = cvy_fail_at(o, path, -1, "the name does not match labels_pattern \"%s\"", pattern);
        if (!rc) a->labels[i] = folder_class_id(o, c, part[0], (size_t)(part[1] - part[0]), path);
        if (!rc && a->labels[i] == -1)
            rc = cvy_fail_at(o, path, -1, "its class \"%.*s\" is none of those in %s",
                             (int)(part[1] - part[0]), part[0], training);
        free(path);
        if (rc || a->labels[i] < 0) return -1;
    }
    return 0;
}

/* ---- by table ---- */

/* The file that a table speaks of: with or without its ending, with or without the name of the album's folder before it. */
static inline int32_t *folder_named(folder_album *albums, int n, const char *name)
{
    static const char *const endings[] = {"", ".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG"};
    char with[4400];
    while (!strncmp(name, "./", 2)) name += 2;
    for (int k = 0; k < 2 * n; k++) {
        folder_album *a = &albums[k / 2];
        const char *base = strrchr(a->index.root, '/'), *s = name;
        if (k % 2 == 0) { /* first with the folder's name */
            const size_t m = base ? strlen(base + 1) : 0;
            if (!m || strncmp(name, base + 1, m) != 0 || name[m] != '/') continue;
            s = name + m + 1;
        }
        for (size_t i = 0; i < sizeof endings / sizeof *endings && strlen(s) < 4096; i++) {
            snprintf(with, sizeof with, "%s%s", s, endings[i]);
            const folder_record *r = folder_find(&a->index.list, with);
            if (r) return &a->labels[r - a->index.list.files];
        }
    }
    return NULL;
}

typedef struct folder_table {
    const cvy_dataset_open *o;
    const char *path;
    csv_text text;
    csv_row row;
    size_t columns[2]; /* of the file and of the class */
} folder_table;

static inline int folder_table_row(folder_table *t, folder_classes *c, folder_album *albums, int n, int first)
{
    const csv_row *row = &t->row;
    const size_t need = t->columns[t->columns[1] > t->columns[0]] + 1;
    if (row->n < need)
        return cvy_fail_at(t->o, t->path, row->at, "line %lld: %zu cells, expected %zu: a file and its class",
                           (long long)row->line, row->n, need);
    const csv_cell *file = &row->cells[t->columns[0]], *class = &row->cells[t->columns[1]];
    int32_t *label = folder_named(albums, n, file->s);
    if (!label && first) { /* then it has the columns' names */
        size_t found[2] = {row->n, row->n};
        for (size_t i = 0; i < row->n; i++) {
            if (!strcasecmp(row->cells[i].s, "file")) found[0] = i;
            if (!strcasecmp(row->cells[i].s, "class")) found[1] = i;
        }
        if (found[0] < row->n && found[1] < row->n) memcpy(t->columns, found, sizeof found);
        return 0;
    }
    if (!label)
        return cvy_fail_at(t->o, t->path, file->at, "line %lld: there is no picture \"%.200s\" below %s",
                           (long long)row->line, csv_is_utf8(file->s) ? file->s : "?", albums[0].path);
    const int32_t id = folder_class_id(t->o, c, class->s, class->n, t->path);
    if (id < 0) return -1;
    if (*label >= 0 && *label != id)
        return cvy_fail_at(t->o, t->path, file->at,
                           "line %lld: this picture has another class in a line before",
                           (long long)row->line);
    *label = id;
    return 0;
}

static inline int folder_label_table(const cvy_dataset_open *o, folder_classes *c, folder_album *albums,
                                     int n, const char *path)
{
    size_t size;
    unsigned char *s = folder_read_file(o->host, path, &size);
    if (!s) return -1;
    char *begin = (char *)s;
    folder_table t = {.o = o, .path = path, .text = {begin, begin, begin + size, 1, ','}, .columns = {0, 1}};
    int rc = 0, got = 0, first = 1;
    if (memchr(s, 0, size))
        rc = cvy_fail_at(o, path, -1, "a NUL byte: not a text file, or one in UTF-16; UTF-8 is read");
    if (size >= 3 && !memcmp(begin, "\xef\xbb\xbf", 3)) t.text.next += 3;
    const char *line_end = memchr(begin, '\n', size);
    if (line_end && !memchr(begin, ',', (size_t)(line_end - begin)))
        t.text.delimiter = memchr(begin, '\t', (size_t)(line_end - begin))  ? '\t'
                           : memchr(begin, ';', (size_t)(line_end - begin)) ? ';'
                                                                            : ',';
    while (!rc && (got = csv_next_row(&t.text, &t.row)) > 0) {
        rc = t.row.problem ? cvy_fail_at(o, path, t.row.problem_at, "line %lld: %s",
                                         (long long)t.row.problem_line, t.row.problem)
                           : folder_table_row(&t, c, albums, n, first);
        first = 0;
    }
    if (got < 0) rc = cvy_fail(o, "not enough memory for %s", path);
    free(t.row.cells);
    free(s);
    return rc;
}

#endif
