/* Folders of pictures, JPEG and PNG: a folder for each class, or the class in the file's name or in a table. What is in the files is
 * folder_index.h's, what becomes of them folder_pixels.h's, which class they have folder_labels.h's. */
#define _XOPEN_SOURCE 700
#include "folder_labels.h"
#include "draw.h"

typedef struct folder_config {
    const char *path, *test_path, *labels_pattern, *labels_file;
    double test_fraction;
    int64_t seed, crop[2];
    int32_t channels, draft, on_corrupt, cache;
    cvy_ints resize;
} folder_config;

enum { CHANNELS_RGB, CHANNELS_GREY };
enum { CORRUPT_ERROR, CORRUPT_SKIP };
enum { CACHE_AUTO, CACHE_TRUE, CACHE_FALSE };
static const char *const channels_choices[] = {"rgb", "grey", NULL};
static const char *const corrupt_choices[] = {"error", "skip", NULL};
static const char *const cache_choices[] = {"auto", "true", "false", NULL};

static const cvy_param folder_params[] = {
    CVY_STRING(folder_config, path, "null",
               "the folder: with a folder of pictures for each class, or with `train` and `test` (or `val`) "
               "that have these; null: "
               "the folder `image_folder` of downloaded datasets. Links are followed, names that begin with "
               "a dot passed over"),
    CVY_ALSO("root directory data_dir folder train_path"),
    CVY_STRING(folder_config, test_path, "null",
               "the folder of the test pictures; `path` is then that of the training pictures"),
    CVY_ALSO("test test_dir val val_path validation_dir"),
    CVY_FLOAT(folder_config, test_fraction, 0.2, 0, 0.9,
              "without a folder of test pictures: the share to test on, of each class alike"),
    CVY_ALSO("test_size test_split validation_split"),
    CVY_INT(folder_config, seed, 0, -1, 9007199254740992,
            "draws the test pictures; -1: the experiment's seed"),
    CVY_ALSO("random_state split_seed"),
    CVY_STRING(folder_config, labels_pattern, "null",
               "where the class stands in the file's name, in quotes: {class} is the class, * any text, # "
               "digits, each as short "
               "as fits; cat.123.jpg is \"{class}.*\", great_dane_12.jpg \"{class}_#.jpg\". With a slash the "
               "pattern is for the "
               "path below the folder"),
    CVY_ALSO("pattern labels regex"),
    CVY_STRING(folder_config, labels_file, "null",
               "a table (CSV) with a line `file,class` for each picture; looked for beside the experiment "
               "and in `path`. Files are "
               "named below the folder, with or without ending; a first line that names no file may name the "
               "columns `file` and "
               "`class`. Pictures without a line are left out"),
    CVY_ALSO("labels_csv csv annotations"),
    CVY_ENUM(folder_config, channels, rgb, channels_choices,
             "what samples have, whatever the files have; grey is 0.299 R + 0.587 G "
             "+ 0.114 B"),
    CVY_ALSO("color_mode mode"),
    CVY_INTS(
        folder_config, resize, "[]", 1, 65536,
        "the shorter side, or [height, width], in pixels; bilinear, and every pixel counts. []: as they are"),
    CVY_ALSO("size image_size target_size"),
    CVY_PAIR(folder_config, crop, "[0, 0]", 0, 65536,
             "height and width cut from the centre, after resizing; 0: nothing is cut"),
    CVY_ALSO("center_crop crop_size"),
    CVY_BOOL(folder_config, draft, false,
             "decode a large JPEG at 1/2, 1/4 or 1/8 of its size where `resize` makes it smaller still, as "
             "PIL's draft mode: "
             "faster by about as much, and a little different"),
    CVY_ENUM(
        folder_config, on_corrupt, error, corrupt_choices,
        "damaged pictures: an error, or left out (for which every file is decoded once; how many is said)"),
    CVY_ALSO("corrupt errors ignore_corrupt"),
    CVY_ENUM(folder_config, cache, auto, cache_choices,
             "keep the decoded pictures in one file in the user's cache folder, for all runs; auto: if that "
             "is at most 2 GiB"),
    CVY_ALSO("cached in_memory"),
};

#define CACHE_AUTO_BYTES ((int64_t)1 << 31)

typedef struct folder_data {
    folder_album albums[2];
    int n_albums;
    folder_classes classes;
    const char **names;
    folder_form form;
    int64_t *numbers[2]; /* of the files of each split, in album 0 or the last */
    int64_t n[2];
} folder_data;

/* What is needed while opening. */
typedef struct folder_opening {
    cvy_dataset_open *o;
    const folder_config *c;
    folder_data *d;
    char *path, *table;
} folder_opening;

static void folder_close(void *state)
{
    folder_data *d = state;
    if (!d) return;
    for (int k = 0; k < 2; k++) {
        folder_album_free(&d->albums[k]);
        free(d->numbers[k]);
    }
    folder_classes_free(&d->classes);
    free(d->names);
    free(d);
}

static int no_memory(const folder_opening *f)
{
    return cvy_fail(f->o, "not enough memory for the pictures of %s", f->path ? f->path : "this folder");
}

/* ---- parameters ---- */

static int read_form(const cvy_host *host, const folder_config *c, folder_form *form)
{

    *form = (folder_form){.channels = c->channels == CHANNELS_GREY ? 1 : 3,
                          .crop = {c->crop[0], c->crop[1]},
                          .draft = c->draft};
    if (c->resize.n > 2)
        return host->fail(host,
                          "resize: %zu numbers; expected one (the shorter side) or two (height and width)",
                          c->resize.n);
    for (size_t i = 0; i < c->resize.n; i++) form->resize[i] = c->resize.v[i];
    if (!c->crop[0] != !c->crop[1]) return host->fail(host, "crop: expected a height and a width, found a 0");
    return 0;
}

static int check_config(const folder_opening *f)
{
    if (f->c->labels_pattern && f->c->labels_file)
        return cvy_fail(f->o, "labels_pattern and labels_file: one of them says which class a picture has");
    if (f->c->labels_pattern && folder_check_pattern(f->o, f->c->labels_pattern)) return -1;
    return read_form(f->o->host, f->c, &f->d->form);
}

/* ---- which folders ---- */

static int is_dir(const char *path)
{
    struct stat st;
    return path && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static const char *const test_names[] = {"test", "val", "valid", "validation"};
enum { TEST_NAMES = sizeof test_names / sizeof *test_names };

/* Whether a folder has `train` and else no folders but those of test_names: then these are splits and no classes. */
static int has_splits(const char *path)
{
    DIR *d = opendir(path);
    int train = 0, other = 0;
    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        int known = e->d_name[0] == '.';
        for (int i = 0; i < TEST_NAMES; i++) known = known || !strcmp(e->d_name, test_names[i]);
        if (known) continue;
        char *inside = files_join(path, e->d_name);
        if (is_dir(inside)) *(strcmp(e->d_name, "train") ? &other : &train) = 1;
        free(inside);
    }
    if (d) closedir(d);
    return train && !other;
}

static int find_split_folders(folder_opening *f)
{
    folder_data *d = f->d;
    int left = 0;
    d->albums[0].path = files_join(f->path, "train");
    if (!d->albums[0].path) return no_memory(f);
    for (int i = 0; i < TEST_NAMES; i++) {
        char *path = files_join(f->path, test_names[i]);
        if (is_dir(path) && !d->albums[1].path) {
            d->albums[1].path = path;
            d->n_albums = 2;
        } else {
            if (is_dir(path)) left = i;
            free(path);
        }
    }
    if (left)
        f->o->host->warn(f->o->host,
                         "the folder %s of %s is not used: `validation` is drawn from the training pictures",
                         test_names[left], f->path);
    return 0;
}

static int find_folders(folder_opening *f)
{
    const folder_config *c = f->c;
    folder_data *d = f->d;
    f->path = c->path ? files_join(f->o->base_dir, c->path) : files_join(f->o->data_dir, "image_folder");
    if (!f->path) return no_memory(f);
    if (!is_dir(f->path))
        return cvy_fail_at(f->o, f->path, -1,
                           "%s. Put a folder of pictures for each class there, or set dataset.path to where "
                           "they are",
                           files_is_there(f->path) ? "is not a folder" : "not found");
    d->n_albums = 1;
    if (!c->test_path && has_splits(f->path)) return find_split_folders(f);
    d->albums[0].path = strdup(f->path);
    if (!d->albums[0].path) return no_memory(f);
    if (!c->test_path) return 0;
    d->albums[1].path = files_join(f->o->base_dir, c->test_path);
    if (!d->albums[1].path) return no_memory(f);
    d->n_albums = 2;
    if (!is_dir(d->albums[1].path))
        return cvy_fail_at(f->o, d->albums[1].path, -1,
                           "not found, or not a folder. Set dataset.test_path to the test pictures");
    return 0;
}

static int open_albums(folder_opening *f)
{
    folder_data *d = f->d;
    for (int k = 0; k < d->n_albums; k++) {
        folder_album *a = &d->albums[k];
        int rc = folder_index_open(f->o, &a->index, a->path, f->c->on_corrupt == CORRUPT_SKIP);
        if (rc) return rc;
        const int64_t n = a->index.list.n_files;
        if (n > INT32_MAX) return cvy_fail_at(f->o, a->path, -1, "%lld pictures are too many", (long long)n);
        a->labels = malloc(((size_t)n + 1) * sizeof *a->labels);
        if (!a->labels) return no_memory(f);
        for (int64_t i = 0; i < n; i++) a->labels[i] = -1;
    }
    return 0;
}

/* ---- classes ---- */

static int find_table(folder_opening *f)
{
    f->table = files_join(f->o->base_dir, f->c->labels_file);
    if (!f->table) return no_memory(f);
    if (files_is_there(f->table)) return 0;
    char *inside = files_join(f->path, f->c->labels_file);
    if (!inside || !files_is_there(inside)) {
        free(inside);
        return cvy_fail_at(f->o, f->table, -1,
                           "not found, nor in %s. Set dataset.labels_file to the table of classes", f->path);
    }
    free(f->table);
    f->table = inside;
    return 0;
}

static int no_pictures(const folder_opening *f, const folder_album *a)
{
    const folder_list *l = &a->index.list;
    if (f->c->labels_file && l->n_files)
        return cvy_fail_at(f->o, f->table, -1, "it names none of the %lld pictures of %s",
                           (long long)l->n_files, a->path);
    if (l->n_files)
        return cvy_fail_at(
            f->o, a->path, -1,
            "%lld pictures, but none in a folder of its class. If the class is in their names, set "
            "dataset.labels_pattern; if it is in a table, dataset.labels_file",
            (long long)l->n_files);
    return cvy_fail_at(f->o, a->path, -1, "no pictures: expected %s",
                       f->c->labels_file || f->c->labels_pattern
                           ? "JPEG or PNG files"
                           : "a folder of JPEG or PNG files for each class");
}

static int label_albums(folder_opening *f)
{
    folder_data *d = f->d;
    const folder_config *c = f->c;
    int rc = c->labels_file ? find_table(f) : 0;
    if (!rc && c->labels_file) rc = folder_label_table(f->o, &d->classes, d->albums, d->n_albums, f->table);
    for (int k = 0; k < d->n_albums && !rc; k++) {
        folder_album *a = &d->albums[k];
        if (c->labels_pattern)
            rc = folder_label_names(f->o, &d->classes, a, c->labels_pattern, d->albums[0].path);
        else if (!c->labels_file)
            rc = folder_label_dirs(f->o, &d->classes, a, d->albums[0].path);
        d->classes.fixed = 1;
        int64_t used = 0;
        for (int64_t i = 0; i < a->index.list.n_files; i++) used += a->labels[i] >= 0;
        if (!rc && !c->labels_file && !c->labels_pattern && a->index.list.n_dirs > 1)
            rc = folder_check_dirs(f->o, &d->classes, a);
        if (!rc && !used) rc = no_pictures(f, a);
    }
    const int folders = !c->labels_file && !c->labels_pattern;
    if (!rc) rc = folder_order_classes(f->o, &d->classes, d->albums, d->n_albums, folders);
    if (rc) return rc;
    d->names = calloc((size_t)d->classes.n + 1, sizeof *d->names);
    if (!d->names) return no_memory(f);
    for (int32_t i = 0; i < d->classes.n; i++) d->names[i] = d->classes.v[i].name;
    return 0;
}

/* What is left out is said: damaged files, and pictures that the table does not name. */
static void say_left_out(const folder_opening *f, const folder_album *a, int damaged)
{
    enum { NAMED = 5 };
    const folder_list *l = &a->index.list;
    char names[600] = "";
    int64_t count = 0;
    size_t n = 0;
    for (int64_t i = 0; i < l->n_files; i++) {
        const int bad = (l->files[i].flags & FOLDER_BAD) != 0;
        if (damaged ? !bad || a->labels[i] < 0 : bad || a->labels[i] >= 0) continue;
        if (count++ < NAMED) {
            const int k = snprintf(names + n, sizeof names - n, "%s%.100s", n ? ", " : "",
                                   folder_name(l, &l->files[i]));
            n += k > 0 ? (size_t)k : 0;
        }
    }
    if (!count) return;
    f->o->host->warn(f->o->host, "%lld of the %lld pictures of %s are left out, since %s: %s%s",
                     (long long)count, (long long)l->n_files, a->path,
                     damaged ? "they cannot be decoded" : "the table of classes does not name them", names,
                     count > NAMED ? ", ..." : "");
}

/* ---- samples ---- */

static int is_used(const folder_album *a, int64_t file)
{
    return a->labels[file] >= 0 && !(a->index.list.files[file].flags & FOLDER_BAD);
}

/* The shape of a sample: the largest of both sides, and whether they differ. */
static int measure(folder_opening *f)
{
    folder_data *d = f->d;
    int64_t most[2] = {0, 0}, first[2] = {0, 0};
    int failures = 0;
    for (int k = 0; k < d->n_albums; k++) {
        const folder_album *a = &d->albums[k];
        for (int64_t i = 0; i < a->index.list.n_files && failures < 20; i++) {
            const folder_record *r = &a->index.list.files[i];
            folder_size s;
            if (!is_used(a, i)) continue;
            const char *why = folder_size_of(&d->form, r->height, r->width, &s);
            if (why) {
                char *path = files_join(a->path, folder_name(&a->index.list, r));
                cvy_fail_at(f->o, path ? path : a->path, -1,
                            "the picture of %u x %u pixels (height x width) %s", r->height, r->width, why);
                free(path);
                failures++;
                continue;
            }
            if (!first[0]) memcpy(first, s.cropped, sizeof first);
            for (int side = 0; side < 2; side++) {
                if (s.cropped[side] > most[side]) most[side] = s.cropped[side];
                if (s.cropped[side] != first[side]) f->o->info.varied = 1;
            }
        }
    }
    f->o->info.sample = (cvy_shape){3, {d->form.channels, most[0], most[1], 0, 0, 0}};
    return failures ? -1 : 0;
}

/* Marks a share of the members, by the first steps of a Fisher-Yates shuffle; one at least is left. */
static void draw_test(int64_t *members, int64_t m, double share, draw *random, char *test)
{
    int64_t take = (int64_t)(share * (double)m + 0.5);
    if (take >= m) take = m - 1;
    for (int64_t k = 0; k < take; k++) {
        const int64_t j = k + (int64_t)(draw_u64(random) % (uint64_t)(m - k)), swap = members[k];
        members[k] = members[j];
        members[j] = swap;
        test[members[k]] = 1;
    }
}

/* A seeded share of each class for the test. */
static int mark_test(const folder_opening *f, const folder_album *a, char *test)
{
    const int64_t n = a->index.list.n_files;
    const int32_t classes = f->d->classes.n;
    int64_t *start = calloc((size_t)classes + 2, sizeof *start),
            *members = malloc(((size_t)n + 1) * sizeof *members);
    draw random = {mix((f->c->seed < 0 ? f->o->seed : (uint64_t)f->c->seed) + 0x632be59bd9b4e019u)};
    int rc = start && members ? 0 : no_memory(f);
    for (int64_t i = 0; i < n && !rc; i++)
        if (is_used(a, i)) start[a->labels[i] + 2]++;
    for (int32_t k = 0; k < classes && !rc; k++) start[k + 2] += start[k + 1];
    for (int64_t i = 0; i < n && !rc; i++)
        if (is_used(a, i))
            members[start[a->labels[i] + 1]++] = i; /* and so start[k] comes to be where class k begins */
    for (int32_t k = 0; k < classes && !rc; k++)
        if (start[k + 1] > start[k])
            draw_test(members + start[k], start[k + 1] - start[k], f->c->test_fraction, &random, test);
    free(start);
    free(members);
    return rc;
}

static int split(folder_opening *f)
{
    folder_data *d = f->d;
    const folder_album *a = &d->albums[0], *b = &d->albums[1];
    const int64_t n = a->index.list.n_files, m = d->n_albums == 2 ? b->index.list.n_files : n;
    char *test = calloc((size_t)n + 1, 1);
    d->numbers[CVY_TRAIN] = malloc(((size_t)n + 1) * sizeof(int64_t));
    d->numbers[CVY_TEST] = malloc(((size_t)m + 1) * sizeof(int64_t));
    int rc = test && d->numbers[0] && d->numbers[1] ? 0 : no_memory(f);
    if (!rc && d->n_albums == 1) rc = mark_test(f, a, test);
    for (int64_t i = 0; i < n && !rc; i++)
        if (is_used(a, i)) d->numbers[(int)test[i]][d->n[(int)test[i]]++] = i;
    for (int64_t i = 0; d->n_albums == 2 && i < m && !rc; i++)
        if (is_used(b, i)) d->numbers[CVY_TEST][d->n[CVY_TEST]++] = i;
    free(test);
    if (!rc && !d->n[CVY_TRAIN])
        rc = cvy_fail_at(f->o, a->path, -1, "none of the %lld pictures can be decoded", (long long)n);
    return rc;
}

static int open_caches(folder_opening *f)
{
    folder_data *d = f->d;
    int64_t all = 0;
    int rc = 0;
    if (f->c->cache == CACHE_FALSE) return 0;
    for (int k = 0; k < d->n_albums; k++) {
        const int64_t bytes = folder_cache_bytes(&d->form, &d->albums[k].index);
        if (bytes < 0 || __builtin_add_overflow(all, bytes, &all)) all = INT64_MAX / 2;
    }
    if (f->c->cache == CACHE_AUTO && all > CACHE_AUTO_BYTES) return 0;
    if (f->c->cache == CACHE_TRUE && !f->o->cache_dir)
        f->o->host->warn(f->o->host,
                         "there is no cache folder here: each picture is decoded whenever it is read");
    for (int k = 0; k < d->n_albums && !rc && f->o->cache_dir; k++)
        rc = folder_cache_open(f->o, &d->form, &d->albums[k].index, &d->albums[k].cache);
    return rc;
}

/* Names, contents and classes of all files; the indexes know them without reading the files again. */
static void fingerprint(folder_opening *f)
{
    const folder_data *d = f->d;
    unsigned char sum[32];
    folder_sha s = folder_sha_begin();
    for (int k = 0; k < d->n_albums; k++) {
        folder_sha_add(&s, d->albums[k].index.sum, 32);
        if (f->c->labels_file)
            folder_sha_add(&s, d->albums[k].labels,
                           (size_t)d->albums[k].index.list.n_files * sizeof *d->albums[k].labels);
    }
    for (int32_t i = 0; i < d->classes.n; i++) folder_sha_add(&s, d->names[i], strlen(d->names[i]) + 1);
    folder_sha_end(&s, sum);
    folder_hex(sum, f->o->info.fingerprint);
}

/* ---- the dataset ---- */

static int folder_open(cvy_dataset_open *o, const void *config, void **state)
{
    folder_opening f = {.o = o, .c = config, .d = calloc(1, sizeof(folder_data))};
    int rc = f.d ? check_config(&f) : no_memory(&f);
    if (!rc) rc = find_folders(&f);
    if (!rc) rc = open_albums(&f);
    if (!rc) rc = label_albums(&f);
    if (!rc) rc = split(&f);
    if (!rc) rc = measure(&f);
    for (int k = 0; !rc && k < f.d->n_albums; k++) {
        say_left_out(&f, &f.d->albums[k], 1);
        if (f.c->labels_file) say_left_out(&f, &f.d->albums[k], 0);
    }
    if (!rc) rc = open_caches(&f);
    if (!rc) fingerprint(&f);
    free(f.path);
    free(f.table);
    if (rc) {
        folder_close(f.d);
        return rc;
    }
    o->info.n[CVY_TRAIN] = f.d->n[CVY_TRAIN];
    o->info.n[CVY_TEST] = f.d->n[CVY_TEST];
    o->info.element = CVY_U8;
    o->info.classes = f.d->classes.n;
    o->info.class_names = f.d->names;
    *state = f.d;
    return 0;
}

static int folder_read(cvy_dataset_read *r, const void *config, const void *state)
{
    const folder_data *d = state;
    const folder_album *a = &d->albums[r->split == CVY_TEST ? d->n_albums - 1 : 0];
    const int64_t file = d->numbers[r->split][r->index];
    const folder_record *record = &a->index.list.files[file];
    folder_size s;
    (void)config;
    r->label = a->labels[file];
    if (folder_size_of(&d->form, record->height, record->width, &s))
        return cvy_fail(r, "a picture of no size");
    r->shape = (cvy_shape){3, {d->form.channels, s.cropped[0], s.cropped[1], 0, 0, 0}};
    if (!r->pixels || folder_cache_get(&a->cache, file, r->pixels)) return 0;
    return folder_decode(r->host, &d->form, &a->index, record, &s, r->pixels, NULL);
}

static int folder_import(cvy_dataset_import *i, const void *config)
{
    folder_form form;
    folder_size s;
    int rc = read_form(i->host, config, &form);
    if (rc) return rc;
    const char *why = folder_size_of(&form, i->height, i->width, &s);
    if (why)
        return cvy_fail(i, "the picture of %lld x %lld pixels (height x width) %s", (long long)i->height,
                        (long long)i->width, why);
    form.channels = i->channels;
    i->shape = (cvy_shape){3, {i->channels, s.cropped[0], s.cropped[1], 0, 0, 0}};
    return i->sample ? folder_shape(i->host, &form, &s, i->pixels, i->height, i->width, i->sample) : 0;
}

static const cvy_dataset folder_type = {.size = sizeof(cvy_dataset),
                                        .open = folder_open,
                                        .read = folder_read,
                                        .close = folder_close,
                                        .import = folder_import};

CVY_PLUGIN(CVY_DATASET, image_folder,
           "ImageFolder image_dataset_from_directory flow_from_directory imagefolder folder images imagenet",
           "folders of JPEG and PNG pictures: a folder for each class, or classes from file names or a table",
           "Deng et al. 2009, ImageNet: its layout, as torchvision's ImageFolder reads it", folder_config,
           &folder_type, CVY_PARAMS(folder_params));
