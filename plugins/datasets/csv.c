/* Tables from text files: each line a sample, one column (or several) to be predicted, the others its numbers, as a vector
 * or as the channels of a sequence. The text itself is csv_text.h's. */
#define _POSIX_C_SOURCE 200809L
#include "csv_table.h"
#include "csv_text.h"
#include "files.h"

typedef struct csv_config {
    const char *path, *test_path, *target_column, *ignore, *delimiter;
    int32_t target_kind, header, standardize;
    cvy_ints shape;
    double test_fraction;
    int64_t seed;
} csv_config;

enum { KIND_CLASS, KIND_FLOAT };
static const char *const target_kind_choices[] = {"class", "float", NULL};

static const cvy_param csv_params[] = {
    CVY_STRING(
        csv_config, path, "null",
        "the file, or a folder with train.csv and, if there is one, test.csv; null: the folder `csv` of "
        "downloaded datasets. A file's first bytes, its line ends (LF, CRLF) and quotes are those of RFC "
        "4180"),
    CVY_ALSO("file filename root data_dir csv"),
    CVY_STRING(csv_config, test_path, "null",
               "a second file, with the test samples; null: see test_fraction"),
    CVY_ALSO("test test_file"),
    CVY_STRING(csv_config, target_column, "null",
               "the name of the column to be predicted, or several with commas between (float only); without "
               "a header "
               "their numbers from 1, in quotes; null: the last column"),
    CVY_ALSO("label label_column target_name y class_column"),
    CVY_ENUM(csv_config, target_kind, class, target_kind_choices,
             "whether that is a class (its distinct values, sorted) or a number (regression)"),
    CVY_ALSO("task label_type"),
    CVY_STRING(csv_config, ignore, "null", "names of columns to leave out, with commas between"),
    CVY_ALSO("drop exclude skip_columns"),
    CVY_BOOL(csv_config, header, true, "whether the first line has the columns' names"),
    CVY_STRING(csv_config, delimiter, "\",\"", "the character between cells, or `tab`"),
    CVY_ALSO("sep separator"),
    CVY_INTS(csv_config, shape, "[]", 1, 1073741824,
             "what a line's numbers make, in the order of the columns: [channels, length] of a sequence, "
             "[channels, height, width] of an image; []: a vector"),
    CVY_ALSO("reshape sample_shape"),
    CVY_BOOL(csv_config, standardize, false,
             "bring each column (with a shape: each channel) to mean 0 and deviation 1 over the samples that "
             "are not "
             "the test's"),
    CVY_ALSO("normalize scale z_score"),
    CVY_FLOAT(csv_config, test_fraction, 0.2, 0, 0.9,
              "without a test file: the share of the lines to test on, of each class alike"),
    CVY_ALSO("test_size test_split"),
    CVY_INT(csv_config, seed, 0, -1, 9007199254740992, "draws the test lines; -1: the experiment's seed"),
    CVY_ALSO("random_state split_seed"),
};

#define MOST_BYTES   ((int64_t)1 << 30) /* of a file: it is held in memory as floats */
#define MOST_CLASSES 65536

enum { COLUMN_FEATURE, COLUMN_IGNORED, COLUMN_TARGET };

/* What is needed while opening. */
typedef struct csv_reader {
    cvy_dataset_open *o;
    const csv_config *c;
    csv_table *d;
    char *paths[2], *texts[2];
    const char *path; /* of the file now read */
    csv_row row;
    int64_t first_rows; /* those of the first file */
    size_t n_columns;
    unsigned char *columns;  /* COLUMN_* */
    int32_t *target_numbers; /* of a target column: which one */
    char **names;            /* of the columns, NULL entries without a header */
    char **cells;            /* (rows): the class as written */
} csv_reader;

static int no_memory(csv_reader *r)
{
    return cvy_fail(r->o, "not enough memory for %s", r->path);
}

/* ---- files ---- */

static char delimiter_of(csv_reader *r)
{
    const char *d = r->c->delimiter;
    if (!strcmp(d, "tab") || !strcmp(d, "\\t")) return '\t';
    if (strlen(d) == 1 && !strchr("\"\r\n+-.0123456789", *d)) return *d;
    cvy_fail(r->o, "delimiter: expected one character that no number has, or `tab`, found \"%s\"", d);
    return 0;
}

static int is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int find_files(csv_reader *r)
{
    const csv_config *c = r->c;
    char *path = c->path ? files_join(r->o->base_dir, c->path) : files_join(r->o->data_dir, "csv");
    if (!path) return cvy_fail(r->o, "out of memory");
    if (!c->path || is_folder(path)) {
        r->paths[0] = files_join(path, "train.csv");
        char *test = c->test_path ? NULL : files_join(path, "test.csv");
        if (test && files_is_there(test))
            r->paths[1] = test;
        else
            free(test);
        free(path);
    } else {
        r->paths[0] = path;
    }
    if (c->test_path) r->paths[1] = files_join(r->o->base_dir, c->test_path);
    if (!r->paths[0] || (c->test_path && !r->paths[1])) return cvy_fail(r->o, "out of memory");
    for (int i = 0; i < 2 && r->paths[i]; i++)
        if (!files_is_there(r->paths[i]))
            return cvy_fail_at(r->o, r->paths[i], -1,
                               "not found. Put the table there, or set dataset.%s to its file%s",
                               i ? "test_path" : "path", i ? "" : ", or to a folder with train.csv");
    return 0;
}

static int read_bytes(csv_reader *r, int fd, char *to, int64_t size)
{
    for (int64_t done = 0; done < size;) {
        ssize_t k = read(fd, to + done, (size_t)(size - done));
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return cvy_fail_at(r->o, r->path, done, "cannot be read: %s", strerror(errno));
        if (k == 0)
            return cvy_fail_at(r->o, r->path, done, "the file ends here: it changes while it is read");
        done += k;
    }
    return 0;
}

static int read_text(csv_reader *r, int which, csv_text *t)
{
    int fd;
    int64_t size;
    int rc = files_open(r->o, r->path, &fd, &size);
    if (rc) return rc;
    if (size < 1)
        rc = cvy_fail_at(r->o, r->path, 0, "the file is empty");
    else if (size > MOST_BYTES)
        rc = cvy_fail_at(r->o, r->path, -1, "%lld bytes: tables are held in memory, and %lld are the most",
                         (long long)size, (long long)MOST_BYTES);
    else if (!(r->texts[which] = malloc((size_t)size + 1)))
        rc = no_memory(r);
    else
        rc = read_bytes(r, fd, r->texts[which], size);
    close(fd);
    if (rc) return rc;
    char *begin = r->texts[which];
    const char *nul = memchr(begin, 0, (size_t)size);
    if (nul)
        return cvy_fail_at(r->o, r->path, nul - begin,
                           "a NUL byte: not a text file, or one in UTF-16; UTF-8 is read");
    *t = (csv_text){begin, begin, begin + size, 1, delimiter_of(r)};
    if (size >= 3 && !memcmp(begin, "\xef\xbb\xbf", 3))
        t->next += 3; /* a mark that some programs put first */
    return t->delimiter ? 0 : -1;
}

/* The next row, of as many cells as the first; 1: there is one, 0: the end, -1: reported. */
static int next_row(csv_reader *r, csv_text *t)
{
    int got = csv_next_row(t, &r->row);
    if (got < 0) no_memory(r);
    if (got <= 0) return got;
    if (r->row.problem) {
        cvy_fail_at(r->o, r->path, r->row.problem_at, "line %lld: %s", (long long)r->row.problem_line,
                    r->row.problem);
        return -1;
    }
    if (r->n_columns && r->row.n != r->n_columns) {
        cvy_fail_at(r->o, r->path, r->row.at, "line %lld: %zu cells, expected %zu as in the first line",
                    (long long)r->row.line, r->row.n, r->n_columns);
        return -1;
    }
    return 1;
}

/* ---- columns ---- */

/* What a user may see of a cell. */
static const char *shown(const char *s, char out[48])
{
    size_t n = 0;
    for (; s[n] && n < 40; n++) out[n] = (unsigned char)s[n] < ' ' || s[n] == 127 ? '?' : s[n];
    memcpy(out + n, s[n] ? "..." : "", s[n] ? 4 : 1);
    return out;
}

static int column_is(const csv_reader *r, size_t column, const char *name, size_t n)
{
    char number[24];
    const char *own = r->names ? r->names[column] : number;
    if (!r->names) snprintf(number, sizeof number, "%zu", column + 1);
    return strlen(own) == n && !memcmp(own, name, n);
}

/* Marks the column of this name; 0 when there is none, -1 after reporting that there are two. */
static int mark_column(csv_reader *r, const char *key, const char *name, size_t n, unsigned char mark,
                       int32_t number)
{
    int found = 0;
    for (size_t i = 0; i < r->n_columns; i++) {
        if (!column_is(r, i, name, n)) continue;
        if (found++) {
            cvy_fail_at(r->o, r->path, -1, "%s: two columns are called \"%.*s\"", key, (int)n, name);
            return -1;
        }
        r->columns[i] = mark;
        r->target_numbers[i] = number;
    }
    return found;
}

/* Names with commas between; a column whose own name has one is found by the whole text. */
static int mark_columns(csv_reader *r, const char *key, const char *list, unsigned char mark, int32_t *count)
{
    int found = mark_column(r, key, list, strlen(list), mark, 0);
    *count = 1;
    if (found) return found < 0 ? -1 : 0;
    *count = 0;
    for (const char *s = list; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL) {
        size_t n = strcspn(s, ",");
        const char *name = s;
        while (n && *name == ' ') name++, n--;
        while (n && name[n - 1] == ' ') n--;
        found = mark_column(r, key, name, n, mark, *count);
        if (found < 0) return -1;
        if (!found)
            return cvy_fail_at(r->o, r->path, 0, "%s: no column is called \"%.*s\"; %s", key, (int)n, name,
                               r->c->header
                                   ? "the first line has the names"
                                   : "without a header they are called by their numbers, from \"1\"");
        ++*count;
    }
    return 0;
}

static int check_shape(csv_reader *r)
{
    const cvy_ints *shape = &r->c->shape;
    cvy_shape *sample = &r->o->info.sample;
    int64_t count = 1;
    if (!shape->n) {
        *sample = (cvy_shape){1, {r->d->features, 0, 0, 0, 0, 0}};
        return 0;
    }
    if (shape->n >= CVY_MAX_RANK)
        return cvy_fail(r->o, "shape: %zu dimensions, at most 5 are possible", shape->n);
    *sample = (cvy_shape){(int32_t)shape->n, {0, 0, 0, 0, 0, 0}};
    for (size_t i = 0; i < shape->n; i++) {
        sample->dim[i] = shape->v[i];
        if (__builtin_mul_overflow(count, shape->v[i], &count)) count = INT64_MAX;
        if (count == INT64_MAX) break;
    }
    if (count == r->d->features) return 0;
    return cvy_fail_at(
        r->o, r->path, -1,
        "shape: it holds %lld values, and a line has %lld beside what is to be predicted or ignored",
        (long long)count, (long long)r->d->features);
}

static int set_columns(csv_reader *r)
{
    const csv_config *c = r->c;
    csv_table *d = r->d;
    int32_t ignored = 0;
    r->n_columns = r->row.n;
    r->columns = calloc(r->n_columns, 1);
    r->target_numbers = calloc(r->n_columns, sizeof *r->target_numbers);
    r->names = c->header ? calloc(r->n_columns, sizeof *r->names) : NULL;
    if (!r->columns || !r->target_numbers || (c->header && !r->names)) return no_memory(r);
    for (size_t i = 0; c->header && i < r->n_columns; i++) r->names[i] = r->row.cells[i].s;
    if (c->ignore && *c->ignore && mark_columns(r, "ignore", c->ignore, COLUMN_IGNORED, &ignored)) return -1;
    if (c->target_column) {
        if (mark_columns(r, "target_column", c->target_column, COLUMN_TARGET, &d->targets)) return -1;
    } else {
        r->columns[r->n_columns - 1] = COLUMN_TARGET;
        d->targets = 1;
    }
    int32_t targets = 0;
    for (size_t i = 0; i < r->n_columns; i++) {
        targets += r->columns[i] == COLUMN_TARGET;
        d->features += r->columns[i] == COLUMN_FEATURE;
    }
    if (targets != d->targets) return cvy_fail(r->o, "target_column: a column is named twice");
    if (c->target_kind == KIND_CLASS && targets > 1)
        return cvy_fail(r->o,
                        "target_column: %d columns; a class is one column, or write `target_kind: float`",
                        (int)targets);
    if (d->features < 1)
        return cvy_fail_at(
            r->o, r->path, r->row.at,
            "line %lld: no column is left beside what is to be predicted: is the delimiter another one?",
            (long long)r->row.line);
    return check_shape(r);
}

/* ---- rows ---- */

static int fail_cell(csv_reader *r, size_t column, const char *what)
{
    char name[48], found[48];
    const csv_cell *cell = &r->row.cells[column];
    return cvy_fail_at(r->o, r->path, cell->at, "line %lld, column %zu%s%s%s: %s, found \"%s\"",
                       (long long)r->row.line, column + 1, r->names ? " (" : "",
                       r->names ? shown(r->names[column], name) : "", r->names ? ")" : "", what,
                       shown(cell->s, found));
}

static int read_float(csv_reader *r, size_t column, float *to)
{
    double v;
    const char *s = r->row.cells[column].s;
    if (csv_is_missing(s))
        return fail_cell(r, column,
                         "the cell has no number: fill it in, or leave the line or the column out");
    if (!csv_number(s, &v))
        return fail_cell(
            r, column,
            "expected a number like 12 or -3.5e-7 (a column of words can be left out with `ignore`)");
    if (!(fabs(v) <= (double)FLT_MAX)) return fail_cell(r, column, "the number is too large for a float");
    *to = (float)v;
    return 0;
}

static int check_class(csv_reader *r, size_t column)
{
    const csv_cell *cell = &r->row.cells[column];
    if (!cell->n) return fail_cell(r, column, "the cell has no class: fill it in, or leave the line out");
    if (cell->n > 200) return fail_cell(r, column, "expected a class of at most 200 bytes");
    for (size_t i = 0; i < cell->n; i++)
        if ((unsigned char)cell->s[i] < ' ' || cell->s[i] == 127)
            return fail_cell(r, column, "expected a class without control characters");
    if (!csv_is_utf8(cell->s)) return fail_cell(r, column, "expected a class in UTF-8");
    return 0;
}

static int room_for_row(csv_reader *r)
{
    csv_table *d = r->d;
    if (d->n_rows < d->room) return 0;
    const int64_t room = d->room ? 2 * d->room : 256;
    int rc = csv_grow(&d->x, room, d->features, sizeof *d->x);
    if (!rc && r->c->target_kind == KIND_FLOAT) rc = csv_grow(&d->t, room, d->targets, sizeof *d->t);
    if (!rc && r->c->target_kind == KIND_CLASS) rc = csv_grow(&r->cells, room, 1, sizeof *r->cells);
    if (rc) return no_memory(r);
    d->room = room;
    return 0;
}

static int read_row(csv_reader *r)
{
    csv_table *d = r->d;
    int rc = room_for_row(r);
    if (rc) return rc;
    float *x = d->x + d->n_rows * d->features;
    for (size_t i = 0; i < r->n_columns && !rc; i++) {
        if (r->columns[i] == COLUMN_FEATURE) {
            rc = read_float(r, i, x++);
        } else if (r->columns[i] == COLUMN_TARGET && r->c->target_kind == KIND_FLOAT) {
            rc = read_float(r, i, d->t + d->n_rows * d->targets + r->target_numbers[i]);
        } else if (r->columns[i] == COLUMN_TARGET) {
            rc = check_class(r, i);
            r->cells[d->n_rows] = r->row.cells[i].s;
        }
    }
    d->n_rows++;
    return rc;
}

/* The header of the test file must be that of the first, as far as it counts. */
static int check_header(csv_reader *r)
{
    for (size_t i = 0; i < r->n_columns; i++) {
        char name[48];
        if (r->columns[i] == COLUMN_IGNORED || !strcmp(r->names[i], r->row.cells[i].s)) continue;
        return cvy_fail_at(r->o, r->path, r->row.cells[i].at,
                           "column %zu is called \"%s\" here and something else in %s", i + 1,
                           shown(r->row.cells[i].s, name), r->paths[0]);
    }
    return 0;
}

static int read_file(csv_reader *r, int which)
{
    csv_text t;
    r->path = r->paths[which];
    int rc = read_text(r, which, &t), got = 0;
    if (rc) return rc;
    const int64_t before = r->d->n_rows;
    if (r->c->header || which == 0) {
        got = next_row(r, &t);
        if (got < 0) return -1;
        if (got == 0) return cvy_fail_at(r->o, r->path, 0, "the file has no lines");
        rc = which == 0 ? set_columns(r) : r->c->header ? check_header(r) : 0;
        if (!rc && !r->c->header) rc = read_row(r);
    }
    while (!rc && (got = next_row(r, &t)) > 0) rc = read_row(r);
    if (rc || got < 0) return -1;
    if (r->d->n_rows == before)
        return cvy_fail_at(r->o, r->path, t.end - t.begin, "the file has no lines of data");
    return 0;
}

/* ---- classes ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const csv_class *)a)->name, ((const csv_class *)b)->name);
}

static int compare_values(const void *a, const void *b)
{
    const csv_class *x = a, *y = b;
    return x->value < y->value ? -1 : x->value > y->value ? 1 : strcmp(x->name, y->name);
}

/* The distinct classes of `n` rows: numbers in their order, else in that of their bytes. They point into the text. */
static int find_classes(csv_reader *r, int64_t n)
{
    csv_table *d = r->d;
    int64_t kept = 0;
    int numbers = 1;
    if (csv_grow(&d->classes, n, 1, sizeof *d->classes)) return no_memory(r);
    for (int64_t i = 0; i < n; i++) d->classes[i] = (csv_class){r->cells[i], 0};
    qsort(d->classes, (size_t)n, sizeof *d->classes, compare_names);
    for (int64_t i = 0; i < n; i++) {
        if (kept && !strcmp(d->classes[kept - 1].name, d->classes[i].name)) continue;
        d->classes[kept] = d->classes[i];
        numbers = numbers && csv_number(d->classes[kept].name, &d->classes[kept].value);
        kept++;
    }
    if (kept > MOST_CLASSES)
        return cvy_fail_at(
            r->o, r->path, -1,
            "%lld classes, and %d are the most: for numbers to be predicted write `target_kind: float`",
            (long long)kept, MOST_CLASSES);
    if (!numbers)
        for (int64_t i = 0; i < kept; i++) d->classes[i].value = 0;
    qsort(d->classes, (size_t)kept, sizeof *d->classes, compare_values);
    d->n_classes = (int32_t)kept;
    return 0;
}

static int name_classes(csv_reader *r)
{
    csv_table *d = r->d;
    int rc = find_classes(r, r->first_rows); /* a test file makes no classes */
    if (rc) return rc;
    d->labels = calloc((size_t)d->n_rows, sizeof *d->labels);
    if (!d->labels) return no_memory(r);
    int numbers = 1;
    for (int32_t k = 0; k < d->n_classes; k++)
        numbers = numbers && csv_number(d->classes[k].name, &(double){0});
    for (int64_t i = 0; i < d->n_rows; i++) {
        csv_class key = {r->cells[i], 0};
        char found[48];
        const csv_class *c = NULL;
        if (!numbers || csv_number(key.name, &key.value))
            c = bsearch(&key, d->classes, (size_t)d->n_classes, sizeof key, compare_values);
        if (!c)
            return cvy_fail_at(r->o, r->path, r->cells[i] - r->texts[1], "class \"%s\" is in no line of %s",
                               shown(r->cells[i], found), r->paths[0]);
        d->labels[i] = (int32_t)(c - d->classes);
    }
    d->names = calloc((size_t)d->n_classes, sizeof *d->names);
    if (!d->names) return no_memory(r);
    for (int32_t k = 0; k < d->n_classes; k++) { /* the text goes when all is read */
        d->names[k] = strdup(d->classes[k].name);
        if (!d->names[k]) return no_memory(r);
    }
    return 0;
}

/* ---- the dataset ---- */

static int split(csv_reader *r)
{
    csv_table *d = r->d;
    const uint64_t seed = r->c->seed < 0 ? r->o->seed : (uint64_t)r->c->seed;
    int failed = r->paths[1] ? csv_split_at(d, r->first_rows) : csv_split_drawn(d, r->c->test_fraction, seed);
    if (failed) return no_memory(r);
    if (r->c->standardize) csv_standardize(d, r->c->shape.n > 1 ? r->c->shape.v[0] : d->features);
    return 0;
}

static int read_all(csv_reader *r)
{
    int rc = find_files(r);
    if (!rc) rc = read_file(r, 0);
    r->first_rows = r->d->n_rows;
    if (!rc && r->paths[1]) rc = read_file(r, 1);
    if (!rc && r->c->target_kind == KIND_CLASS) rc = name_classes(r);
    if (!rc) rc = split(r);
    return rc ? rc : files_fingerprint(r->o, (const char *const *)r->paths, r->paths[1] ? 2 : 1);
}

static int csv_open(cvy_dataset_open *o, const void *config, void **state)
{
    csv_reader r = {.o = o, .c = config, .path = "the table", .d = calloc(1, sizeof(csv_table))};
    int rc = r.d ? read_all(&r) : no_memory(&r);
    for (int i = 0; i < 2; i++) {
        free(r.paths[i]);
        free(r.texts[i]);
    }
    free(r.row.cells);
    free(r.columns);
    free(r.target_numbers);
    free(r.names);
    free(r.cells);
    if (rc) {
        csv_table_free(r.d);
        return rc;
    }
    csv_table *d = r.d;
    free(d->classes); /* they point into the text */
    d->classes = NULL;
    o->info.n[CVY_TRAIN] = d->n[CVY_TRAIN];
    o->info.n[CVY_TEST] = d->n[CVY_TEST];
    o->info.element = CVY_F32;
    o->info.classes = d->n_classes;
    o->info.class_names = d->names;
    o->info.targets = d->t ? d->targets : 0;
    *state = d;
    return 0;
}

static int csv_read(cvy_dataset_read *r, const void *config, const void *state)
{
    const csv_table *d = state;
    const int64_t row = d->numbers[r->split][r->index];
    (void)config;
    if (d->labels) r->label = d->labels[row];
    if (r->target && d->t) memcpy(r->target, d->t + row * d->targets, (size_t)d->targets * sizeof *d->t);
    if (r->pixels) memcpy(r->pixels, d->x + row * d->features, (size_t)d->features * sizeof *d->x);
    return 0;
}

static void csv_close(void *state)
{
    csv_table_free(state);
}

static const cvy_dataset csv_type = {
    .size = sizeof(cvy_dataset), .open = csv_open, .read = csv_read, .close = csv_close};

CVY_PLUGIN(CVY_DATASET, csv, "table tabular tsv CSVDataset csv_file pandas",
           "tables from text files, a line for each sample: classes or regression, vectors or sequences",
           "RFC 4180", csv_config, &csv_type, CVY_PARAMS(csv_params));
