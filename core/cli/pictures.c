/* Owns the way from names to samples. Must not know what is asked of them, nor print. */
#include "cli/pictures.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "convoy/image.h"
#include "plugin/host.h"

enum { DEPTH_MOST = 64, NAME_MOST = 65536 };

/* ---- names ---- */

static void take(pictures *p, const char *file)
{
    p->files = MEM_GROW(p->files, p->n, &p->cap);
    p->files[p->n++] = mem_text(file);
}

static bool is_picture_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg") || !strcasecmp(dot, ".png"));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All below a folder, in order of names. Links to folders are not followed: they may lead back. */
static bool walk(pictures *p, const char *folder, int depth, errors *e)
{
    DIR *d = depth < DEPTH_MOST ? opendir(folder) : NULL;
    char **names = NULL;
    size_t n = 0, cap = 0;
    bool well = true;
    if (!d) {
        errors_add(e, CVY_ERR_CONFIG, &PLACE_FILE(folder), NULL, "cannot be read: %s",
                   depth < DEPTH_MOST ? strerror(errno) : "folders lie too deep in each other");
        return false;
    }
    for (const struct dirent *entry; (entry = readdir(d));) {
        if (entry->d_name[0] == '.') continue;
        names = MEM_GROW(names, n, &cap);
        names[n++] = path_join(folder, entry->d_name);
    }
    closedir(d);
    if (n) qsort(names, n, sizeof *names, by_text);
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        const bool there = lstat(names[i], &st) == 0;
        if (there && S_ISDIR(st.st_mode))
            well = walk(p, names[i], depth + 1, e) && well;
        else if (there && is_picture_name(names[i]) && !file_is_dir(names[i]))
            take(p, names[i]);
        mem_free(names[i]);
    }
    mem_free(names);
    return well;
}

static bool find_one(pictures *p, const char *name, errors *e)
{
    const size_t before = p->n;
    if (!file_is_dir(name)) {
        take(p, name); /* what is not there is told when it is read */
        return true;
    }
    if (!walk(p, name, 0, e)) return false;
    if (p->n == before) errors_warn(e, &PLACE_FILE(name), NULL, "has no .jpg, .jpeg or .png file in it");
    return true;
}

/* One name in a line. */
static bool find_listed(pictures *p, errors *e)
{
    text line = {0};
    bool well = true;
    for (int c; (c = getc(stdin)) != EOF;) {
        if (c != '\n' && line.n < NAME_MOST) text_char(&line, (char)c);
        if (c != '\n') continue;
        if (line.n && line.s[line.n - 1] == '\r') line.s[--line.n] = '\0';
        if (line.n) well = find_one(p, line.s, e) && well;
        text_free(&line);
    }
    if (line.n) well = find_one(p, line.s, e) && well;
    text_free(&line);
    return well;
}

bool pictures_find(pictures *p, char **operands, int n, errors *e)
{
    bool well = true;
    for (int i = 0; i < n; i++)
        well = (strcmp(operands[i], "-") == 0 ? find_listed(p, e) : find_one(p, operands[i], e)) && well;
    return well;
}

void pictures_free(pictures *p)
{
    for (size_t i = 0; i < p->n; i++) mem_free(p->files[i]);
    mem_free(p->files);
    *p = (pictures){0};
}

/* ---- reading ---- */

/* What is reused from picture to picture. */
typedef struct room {
    uint8_t *pixels;
    size_t size;
    data_sample sample;
} room;

typedef struct reading {
    char *const *files;
    int64_t first;
    int32_t copies;
    forward *f;
    cvy_shape shape;
    errors *wrong;
    bool alike;
} reading;

static bool make_room(room *r, size_t bytes)
{
    if (bytes <= r->size) return true;
    mem_free(r->pixels);
    r->pixels = mem_try(bytes, 1);
    r->size = r->pixels ? bytes : 0;
    return r->pixels != NULL;
}

static cvy_status decode(const char *file, const data *d, room *r, cvy_image *image, errors *e)
{
    const size_t before = errors_count(e);
    host h = host_make(e, CVY_ERR_CONFIG, NULL, d->seed, NULL);
    size_t bytes;
    *image = (cvy_image){.file = file, .channels = (int32_t)d->info.sample.dim[0]};
    int failed = h.face.image_size(&h.face, image);
    if (!failed && (image->height < 1 || image->width < 1 ||
                    !size_mul((size_t)image->height, (size_t)image->width, &bytes) ||
                    !size_mul(bytes, (size_t)image->channels, &bytes) || !make_room(r, bytes)))
        failed = (int)errors_add(e, CVY_ERR_RESOURCE, &PLACE_FILE(file), NULL,
                                 "not enough memory for a picture of %lld x %lld", (long long)image->height,
                                 (long long)image->width);
    if (!failed) failed = h.face.image_read(&h.face, image, r->pixels);
    if (failed && errors_count(e) == before)
        return errors_add(e, CVY_ERR_CONFIG, &PLACE_FILE(file), NULL, "could not be read");
    return failed ? errors_status(e) : CVY_OK;
}

/* Where the samples of picture i lie in the batch, and room for them. */
static float *place_of(reading *r, int64_t i, int32_t copy, const cvy_shape *shape, errors *e)
{
    if (!r->alike) {
        r->shape = *shape; /* the picture is the only one */
        if (forward_make_room(r->f, shape, r->copies, e)) return NULL;
    }
    return r->f->x + (i * r->copies + copy) * cvy_count(&r->shape);
}

static void read_one(reading *r, int64_t i, room *own)
{
    const data *d = r->f->s->data;
    errors *e = &r->wrong[i];
    cvy_image image;
    cvy_status status = decode(r->files[i], d, own, &image, e);
    const data_picture p = {
        .pixels = own->pixels, .height = image.height, .width = image.width, .number = r->first + i};
    errors_push(e, "%s", r->files[i]);
    for (int32_t k = 0; k < r->copies && !status; k++) {
        status = data_import(d, &p, k, &own->sample, e);
        float *x = status ? NULL : place_of(r, i, k, &own->sample.shape, e);
        if (x) memcpy(x, own->sample.x, (size_t)cvy_count(&r->shape) * sizeof *x);
        if (!x && !status) status = errors_status(e);
    }
    errors_pop(e);
    const int64_t each = cvy_count(&r->shape) * r->copies;
    if (status && r->alike) memset(r->f->x + i * each, 0, (size_t)each * sizeof(float));
}

static void read_some(void *ctx, int64_t begin, int64_t end, int thread)
{
    room own = {0};
    (void)thread;
    for (int64_t i = begin; i < end; i++) read_one(ctx, i, &own);
    mem_free(own.pixels);
    data_sample_free(&own.sample);
}

void pictures_batch(char *const *files, int64_t first, int64_t n, int32_t copies, forward *f,
                    cvy_shape *shape, errors *wrong)
{
    reading r = {.files = files,
                 .first = first,
                 .copies = copies,
                 .f = f,
                 .shape = f->s->data->sample,
                 .wrong = wrong,
                 .alike = data_imports_alike(f->s->data)};
    parallel_for(n, 1, read_some, &r);
    *shape = r.shape;
}
