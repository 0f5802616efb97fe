/* Hashes and describes what a run depends on. Must not decide what equal hashes mean. */
#include "train/identity.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "convoy/convoy.h"

void identity_config_hash(const setup *s, char hex[65])
{
    text canonical = {0};
    setup_canonical(s, &canonical);
    sha256 h;
    sha256_init(&h);
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
    sha256_hex(&h, hex);
    text_free(&canonical);
}

cvy_status identity_exact_key(const machine *m, char hex[65], errors *e)
{
    sha256 h;
    sha256_init(&h);
    text t = {0};
    machine_describe(m, &t);
    sha256_text(&h, text_str(&t));
    text_free(&t);
    /* The build itself: the library that this code is part of. */
    char *executable = path_executable(), build[65] = "";
    cvy_status status = CVY_OK;
    if (executable) {
        char *dir = path_dir(executable), *library = path_join(dir, "libconvoy.so.0");
        const char *which = file_exists(library) ? library : executable;
        status = sha256_file_cached(which, build, e);
        mem_free(library);
        mem_free(dir);
        mem_free(executable);
    }
    sha256_text(&h, build);
    struct utsname u;
    if (uname(&u) == 0) sha256_text(&h, u.machine);
    sha256_hex(&h, hex);
    return status;
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
                char *ref = mem_printf("%s/.git/%s", dir, s + 5), *id = NULL;
                if (file_read(ref, 4096, &id, &n, &quiet) == CVY_OK) {
                    id[strcspn(id, "\r\n")] = 0;
                    commit = mem_text(id);
                }
                mem_free(id);
                mem_free(ref);
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
