/* Plugins compiled at test time into a temporary folder; must not know what is tested with them. */
#ifndef TESTS_PLUGIN_BUILT_H
#define TESTS_PLUGIN_BUILT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

static char built_dir[] = "/tmp/convoy-plugin-XXXXXX";

/* A layer with one parameter whose every promise can be bent by a -D flag. The constructor leaves a file
 * behind: proof that code of the plugin ran. */
static const char built_source[] =
    "#include <fcntl.h>\n"
    "#include <unistd.h>\n"
    "#include \"convoy/layer.h\"\n"
    "#ifdef CANARY\n"
    "__attribute__((constructor)) static void sing(void) { close(open(CANARY, O_CREAT | O_WRONLY, 0600)); }\n"
    "#endif\n"
    "#ifndef NAME\n#define NAME good\n#endif\n"
    "#ifndef NOTE_NAME\n#define NOTE_NAME NAME\n#endif\n"
    "#ifndef KIND\n#define KIND CVY_LAYER\n#endif\n"
    "#ifndef NOTE_KIND\n#define NOTE_KIND KIND\n#endif\n"
    "#ifndef ABI\n#define ABI CVY_ABI\n#endif\n"
    "#ifndef SIZE\n#define SIZE sizeof(cvy_descriptor)\n#endif\n"
    "#ifndef REAL\n#define REAL sizeof(cvy_real)\n#endif\n"
    "#ifndef ALIASES\n#define ALIASES \"\"\n#endif\n"
    "#ifndef CONFIG_SIZE\n#define CONFIG_SIZE sizeof(config)\n#endif\n"
    "#ifndef PARAMS\n#define PARAMS params\n#endif\n"
    "#ifndef N_PARAMS\n#define N_PARAMS sizeof params / sizeof *params\n#endif\n"
    "#ifndef PARAM_SIZE\n#define PARAM_SIZE sizeof(cvy_param)\n#endif\n"
    "#ifndef PARAM\n#define PARAM CVY_INT(config, kernel, 3, 1, 9, \"side\")\n#endif\n"
    "#ifndef TYPE\n#define TYPE &type\n#endif\n"
    "#ifndef TYPE_SIZE\n#define TYPE_SIZE sizeof(cvy_layer)\n#endif\n"
    "#ifndef INPUTS\n#define INPUTS 1, 1\n#endif\n"
    "#ifndef FUNCTIONS\n#define FUNCTIONS infer, forward, backward, NULL, NULL\n#endif\n"
    "#ifndef LIST\n#define LIST &d, NULL\n#endif\n"
    "typedef struct config { int64_t kernel; int32_t flag; int64_t pair[2]; } config;\n"
    "static const cvy_param params[] = {PARAM, CVY_ALSO(\"kernel_size ksize\")};\n"
    "static int infer(cvy_infer *in, const void *c) { (void)c; in->out = in->in[0]; return 0; }\n"
    "static int forward(const cvy_plain *p, const void *c) { (void)p; (void)c; return 0; }\n"
    "static int backward(const cvy_plain *p, const void *c) { (void)p; (void)c; return 0; }\n"
    "static int32_t build(cvy_build *b, const void *c) { (void)b; (void)c; return 0; }\n"
    "static const cvy_layer type = {TYPE_SIZE, INPUTS, FUNCTIONS};\n"
    "#define QUOTE(x) #x\n#define TEXT(x) QUOTE(x)\n#define NOTE(k, n) CVY_NOTE_(k, n)\n"
    "NOTE(NOTE_KIND, NOTE_NAME)\n"
    "#ifdef NOTE_TOO\nNOTE(CVY_LAYER, NOTE_TOO)\n#endif\n"
    "static const cvy_descriptor d = {ABI, SIZE, KIND, REAL, TEXT(NAME), ALIASES, \"a test\", \"\", "
    "CONFIG_SIZE,\n"
    "                                 PARAMS, N_PARAMS, PARAM_SIZE, TYPE};\n"
    "#ifdef MISSING\nextern int nobody_has_this(void);\nint use(void);\nint use(void) { return "
    "nobody_has_this(); }\n"
    "#endif\n"
    "#ifndef SILENT\nCVY_EXPORT(LIST);\n#endif\n"
    "int (*keep)(void) = (int (*)(void))build;\n";

static inline void built_write(const char *path, const void *data, size_t n)
{
    errors e = {0};
    assert_int_equal(file_replace(path, data, n, &e), CVY_OK);
    errors_free(&e);
}

static inline char *built_path(const char *name)
{
    return path_join(built_dir, name);
}

__attribute__((format(printf, 1, 2))) static inline void built_shell(const char *fmt, ...)
{
    text command = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&command, fmt, ap);
    va_end(ap);
    if (system(text_str(&command)) != 0) fail_msg("failed: %s", text_str(&command));
    text_free(&command);
}

/* Compiles the source above with `flags` to NAME in the temporary folder; returns its path. */
static inline char *built(const char *name, const char *flags)
{
    char *path = built_path(name);
    char *dir = path_dir(path);
    errors e = {0};
    assert_int_equal(file_make_dirs(dir, &e), CVY_OK);
    built_shell("cc -w -shared -fPIC -I'%s/core/include' %s -o '%s' '%s/source.c'", SOURCE_DIR, flags, path,
                built_dir);
    mem_free(dir);
    return path;
}

static inline int built_setup(void **state)
{
    (void)state;
    /* Nothing outside the temporary folder may be seen or written. */
    if (!mkdtemp(built_dir)) return -1;
    setenv("XDG_DATA_HOME", built_dir, 1);
    setenv("XDG_CACHE_HOME", built_dir, 1);
    unsetenv("CONVOY_PLUGIN_PATH");
    char *source = built_path("source.c");
    built_write(source, built_source, strlen(built_source));
    mem_free(source);
    return 0;
}

static inline int built_teardown(void **state)
{
    (void)state;
    errors e = {0};
    file_remove_tree(built_dir, &e);
    errors_free(&e);
    return 0;
}

/* That the messages, as people read them, contain `part`. */
static inline void built_says(const errors *e, const char *part)
{
    text t = {0};
    errors_text(e, false, &t);
    if (!strstr(text_str(&t), part)) fail_msg("expected \"%s\" in:\n%s", part, text_str(&t));
    text_free(&t);
}

static inline void built_says_not(const errors *e, const char *part)
{
    text t = {0};
    errors_text(e, false, &t);
    if (strstr(text_str(&t), part)) fail_msg("did not expect \"%s\" in:\n%s", part, text_str(&t));
    text_free(&t);
}

#endif
