/* Hashes and describes what a run depends on. Must not decide what equal hashes mean. */
#include "train/identity.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "base/digest.h"
#include "base/file.h"
#include "convoy/convoy.h"

/* Raised when what is hashed changes. */
static const char identity_format[] = "convoy-identity-1";

void identity_config_hash(const setup *s, char hex[65])
{
    text canonical = {0};
    setup_canonical(s, &canonical);
    sha256 h;
    sha256_init(&h);
    sha256_text(&h, identity_format);
    sha256_text(&h, text_str(&canonical));
    size_t n;
    const plugin_entry *p = registry_list(s->registry, &n);
    for (size_t i = 0; i < n; i++) {
        if (!p[i].used || !p[i].path[0]) continue;
        sha256_text(&h, plugin_kind_name(p[i].kind));
        sha256_text(&h, p[i].name);
        sha256_text(&h, p[i].sha256);
    }
    sha256_text(&h, s->data->info.fingerprint);
    if (s->init.from) sha256_text(&h, s->weights_sha256);
    sha256_hex(&h, hex);
    text_free(&canonical);
}

cvy_status identity_exact_key(const machine *m, char hex[65], errors *e)
{
    sha256 h;
    sha256_init(&h);
    sha256_text(&h, identity_format);
    text t = {0};
    machine_describe(m, &t);
    sha256_text(&h, text_str(&t));
    text_free(&t);
    char *file = path_library(), build[65] = "";
    cvy_status status = file ? sha256_file_cached(file, build, e) : CVY_OK;
    mem_free(file);
    sha256_text(&h, build);
    struct utsname u;
    if (uname(&u) == 0) sha256_text(&h, u.machine);
#ifdef __GLIBC__
    sha256_text(&h, gnu_get_libc_version()); /* exp() and log() are its */
#endif
    sha256_hex(&h, hex);
    return status;
}

/* The commit that a reference names, from its own file or from the packed ones; NULL when it is in neither. */
static char *identity_reference(const char *git, const char *name)
{
    char *path = path_join(git, name), *s = NULL, *commit = NULL;
    size_t n;
    errors quiet = {0};
    if (file_exists(path) && file_read(path, 4096, &s, &n, &quiet) == CVY_OK) {
        s[strcspn(s, "\r\n")] = 0;
        commit = mem_text(s);
    }
    mem_free(s);
    mem_free(path);
    path = path_join(git, "packed-refs");
    s = NULL;
    if (!commit && file_exists(path) && file_read(path, 64u << 20, &s, &n, &quiet) == CVY_OK) {
        char *save = NULL;
        for (char *line = strtok_r(s, "\r\n", &save); line && !commit; line = strtok_r(NULL, "\r\n", &save)) {
            size_t id = strcspn(line, " ");
            if (line[id] && strcmp(line + id + 1, name) == 0) commit = mem_text_n(line, id);
        }
    }
    mem_free(s);
    mem_free(path);
    errors_free(&quiet);
    return commit;
}

/* HEAD's commit of the repository that holds `folder`, read from its files; "" when there is none. */
static char *identity_git(const char *folder)
{
    char *dir = path_absolute(folder), *commit = NULL;
    for (int depth = 0; dir && depth < 40 && !commit; depth++) {
        char *head = mem_printf("%s/.git/HEAD", dir), *s = NULL;
        size_t n;
        errors quiet = {0};
        if (file_exists(head) && file_read(head, 4096, &s, &n, &quiet) == CVY_OK) {
            s[strcspn(s, "\r\n")] = 0;
            if (text_starts(s, "ref: ")) {
                char *git = path_join(dir, ".git");
                commit = identity_reference(git, s + 5);
                mem_free(git);
            } else {
                commit = mem_text(s);
            }
            if (!commit) commit = mem_text("");
        }
        errors_free(&quiet);
        mem_free(s);
        mem_free(head);
        char *up = path_dir(dir);
        bool top = strcmp(up, dir) == 0;
        mem_free(dir);
        dir = up;
        if (top) break;
    }
    mem_free(dir);
    return commit ? commit : mem_text("");
}

void identity_write_environment(const machine *m, const char *folder, json_writer *w)
{
    json_key(w, "environment");
    json_open(w, '{');
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    json_put_text(w, "host", name);
    json_put_text(w, "convoy", cvy_version());
    struct utsname u;
    if (uname(&u) == 0) {
        char *system = mem_printf("%s %s %s", u.sysname, u.release, u.machine);
        json_put_text(w, "system", system);
        mem_free(system);
    }
    text t = {0};
    machine_describe(m, &t);
    char *rest = text_take(&t), *save = NULL;
    for (char *line = strtok_r(rest, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *eq = strchr(line, '=');
        if (!eq) continue;
        *eq = 0;
        json_put_text(w, line, eq + 1);
    }
    mem_free(rest);
    char *git = identity_git(folder);
    if (git[0]) json_put_text(w, "git", git);
    mem_free(git);
    json_close(w, '}');
}
