/* The loader of plugin_host.h. */
#include "plugin_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dlfcn.h>

#include "base/file.h"
#include "config/params.h"

static const cvy_descriptor *find(const char *file, bool twin)
{
    char *path = mem_printf("%s/plugins/%s.so", BINARY_DIR, file);
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!object) fail_msg("%s", dlerror());
    mem_free(path);
    void *symbol = dlsym(object, twin ? "cvy_plugins_double" : "cvy_plugins");
    assert_non_null(symbol);
    cvy_plugins_fn *list;
    memcpy(&list, &symbol, sizeof list);

    const char *slash = strrchr(file, '/');
    for (const cvy_descriptor *const *d = list(); *d; d++)
        if (strcmp((*d)->name, slash ? slash + 1 : file) == 0) {
            assert_int_equal((*d)->abi, CVY_ABI);
            assert_int_equal((*d)->real_size, twin ? sizeof(double) : sizeof(float));
            return *d;
        }
    fail_msg("%s has no plugin of its name", file);
    return NULL;
}

void plugin_host_open(plugin_host *p, const char *file, bool twin, const char *params, uint64_t seed)
{
    memset(p, 0, sizeof *p);
    p->d = find(file, twin);
    p->type = p->d->type;
    p->host = host_make(&p->e, CVY_ERR_CONFIG, NULL, seed, NULL);
    p->face = &p->host.face;
    char *yaml = mem_printf("{%s}", params);
    node *map = tree_read_text(&p->memory, "test", yaml, strlen(yaml), &p->e);
    mem_free(yaml);
    if (map) p->config = params_make(&p->memory, p->d, map, NULL, &p->e);
}

const char *plugin_host_message(plugin_host *p)
{
    text_free(&p->message);
    errors_text(&p->e, false, &p->message);
    errors_free(&p->e);
    return text_str(&p->message);
}

void plugin_host_close(plugin_host *p)
{
    errors_free(&p->e);
    text_free(&p->message);
    arena_free(&p->memory);
}

char *plugin_host_folder(void)
{
    const char *base = getenv("TMPDIR");
    char *folder = mem_printf("%s/convoy-test-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    return folder;
}

void plugin_host_remove(char *folder)
{
    errors e = {0};
    file_remove_tree(folder, &e);
    errors_free(&e);
    mem_free(folder);
}
