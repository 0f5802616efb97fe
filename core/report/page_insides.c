/* Owns the pictures of a network's insides that lie in the folder of a run; must not know how they were made. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "report/page_own.h"

enum { PICTURES = 12, PICTURE_MAX = 512 << 10, WIDE_FROM = 4 << 8 /* pixels */ };

static bool is_picture(const char *name)
{
    return text_starts(name, "inspect-") && text_ends(name, ".png");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the pictures in a folder, in the arena. */
static size_t find_pictures(page *p, const char *folder, const char **names)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *d; dir && n < PICTURES && (d = readdir(dir));)
        if (is_picture(d->d_name)) names[n++] = arena_text(&p->a, d->d_name);
    if (dir) closedir(dir);
    qsort(names, n, sizeof *names, by_text);
    return n;
}

/* As the file's header has it. Wide ones take the whole page and are not drawn dot by dot. */
static bool is_wide(const char *bytes, size_t n)
{
    const unsigned char *width = (const unsigned char *)bytes + 16;
    return n > 24 && (width[0] || width[1] || width[2] >= WIDE_FROM >> 8);
}

static void put_picture(page *p, const char *folder, const char *name)
{
    static const char signature[] = "\x89PNG\r\n\x1a\n";
    html *h = &p->h;
    char *path = path_join(folder, name), *bytes = NULL;
    size_t n = 0;
    errors quiet = {0};
    if (file_read(path, PICTURE_MAX, &bytes, &n, &quiet) == CVY_OK && n > 8 && !memcmp(bytes, signature, 8)) {
        /* "inspect-filters-conv1.png" is called "filters conv1" */
        char *says = mem_text_n(name + strlen("inspect-"), strlen(name) - strlen("inspect-.png"));
        for (char *c = says; *c; c++)
            if (*c == '-') *c = ' ';
        html_open(h, "figure");
        html_attr(h, "class", is_wide(bytes, n) ? "wide" : "half");
        html_element(h, "h3", says);
        html_png(h, bytes, n, says);
        html_close(h);
        mem_free(says);
    }
    errors_free(&quiet);
    mem_free(bytes);
    mem_free(path);
}

/* Those of the first run of the best configuration that has any. */
void page_insides(page *p)
{
    html *h = &p->h;
    const group *g = &p->f.levels[0].g;
    const char **names = arena_array(&p->a, PICTURES, sizeof *names);
    for (size_t i = 0; i < g->n; i++) {
        char *folder = path_join(store_results(p->s), g->runs[i]->name);
        const size_t n = find_pictures(p, folder, names);
        if (n) {
            page_section(p, "insides", "Inside the network");
            html_open(h, "div");
            html_attr(h, "class", "figures");
            for (size_t k = 0; k < n; k++) put_picture(p, folder, names[k]);
            html_close(h);
            page_note(p, "Of %s, made by convoy inspect.", g->runs[i]->name);
            html_close(h);
        }
        mem_free(folder);
        if (n) return;
    }
}
