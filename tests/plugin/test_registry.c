/* The registry: search, suggestion, loading, and the refusal of everything that breaks its contract. */
#include "built.h"

#include <sys/stat.h>
#include <unistd.h>

#include "convoy/layer.h"
#include "plugin/registry.h"

static const place somewhere = {"net.yaml", 14, 5, -1, "  - good"};

/* ---- refusals ---- */

static char *canary;

static bool sang(void)
{
    bool did = file_exists(canary);
    unlink(canary);
    return did;
}

/* A plugin of these flags passes the note check, is loaded when asked for, and is refused with this message.
 */
static void breaks(const char *flags, const char *part)
{
    static int count;
    char *name = mem_printf("broken%d.so", count++);
    char *path = built(name, flags);
    errors e = {0};
    plugin_request request = {path, PLACE_NONE};
    registry *r = registry_open_only(&request, 1, &e);
    if (!r) built_says(&e, "nothing: it should have opened");
    size_t n;
    const plugin_entry *list = registry_list(r, &n);
    assert_null(registry_find(r, list[0].kind, list[0].name, &somewhere, &e));
    assert_int_equal(errors_status(&e), CVY_ERR_PLUGIN);
    built_says(&e, "net.yaml:14:5:");
    built_says(&e, path);
    built_says(&e, part);
    assert_false(registry_list(r, &n)[0].used);
    errors_free(&e);
    registry_free(r);
    mem_free(path);
    mem_free(name);
}

static void test_contract_descriptor(void **state)
{
    (void)state;
    breaks("-DABI=9", "descriptor 0: plugin ABI 9; this Convoy has ABI 2");
    breaks("-DSIZE=8", "descriptor 0: size 8, expected");
    breaks("-DREAL=8", "layer \"good\": real_size 8, expected 4");
    breaks("-DNOTE_NAME=other", "layer \"good\": no note of the file announces it");
    breaks("-DNOTE_NAME=other", "layer \"other\" is announced by a note but not exported");
    breaks("-DNOTE_TOO=better", "layer \"better\" is announced by a note but not exported");
    breaks("-DNOTE_KIND=CVY_LOSS", "layer \"good\": no note of the file announces it");
    breaks("-DLIST='&d, &d, NULL'", "layer \"good\": exported twice");
    breaks("-DALIASES=NULL", "aliases is NULL");
    breaks("-DTYPE=NULL", "type is NULL");
    breaks("-DTYPE_SIZE=8", "its cvy_layer has size 8, expected");
    breaks("-DINPUTS=2,1", "accepts 2 to 1 inputs");
    breaks("-DFUNCTIONS=infer,forward,NULL,NULL,NULL", "it lacks backward");
    breaks("-DFUNCTIONS=infer,forward,backward,NULL,build", "one or the other");
}

static void test_contract_params(void **state)
{
    (void)state;
    breaks("-DPARAMS=NULL", "n_params is 2 and params is NULL");
    breaks("-DN_PARAMS=2000", "n_params 2000 is above 1000");
    breaks("-DPARAM_SIZE=8", "param_size 8 is not sizeof(cvy_param)");
    breaks("-DCONFIG_SIZE=0", "config_size 0 is not within");
    breaks("-DCONFIG_SIZE=4",
           "parameter \"kernel\": its field (8 bytes at offset 0) lies outside the config struct of 4 bytes");
    breaks("-DPARAM='{\"flag\", CVY_PARAM_INT, 0, offsetof(config, flag), \"1\", 0, 1, NULL, \"\"}' "
           "-DCONFIG_SIZE=12",
           "parameter \"flag\": its field (8 bytes at offset 8) lies outside the config struct of 12 bytes");
    breaks("-DPARAM='{\"odd\", CVY_PARAM_INT, 0, 4, \"1\", 0, 1, NULL, \"\"}'",
           "offset 4 is not a multiple of 8");
    breaks("-DPARAM='{\"huge\", CVY_PARAM_INT, 0, (size_t)-8, \"1\", 0, 1, NULL, \"\"}'",
           "at offset 18446744073709551608) lies outside");
    breaks("-DPARAM='{\"what\", 99, 0, 0, \"1\", 0, 1, NULL, \"\"}'", "parameter \"what\": unknown kind 99");
    breaks("-DPARAM='{\"pick\", CVY_PARAM_ENUM, 0, 0, \"1\", 0, 1, NULL, \"\"}'", "an enum without choices");
    breaks("-DPARAM='{\"empty\", CVY_PARAM_INT, 0, 0, \"1\", 2, 1, NULL, \"\"}'", "its range is empty");
    breaks("-DPARAM='{\"sub\", CVY_PARAM_CHILD, 77, 0, \"1\", 0, 0, NULL, \"\"}'",
           "unknown kind 77 of child");
    breaks("-DPARAM='{\"name\", CVY_PARAM_INT, 0, 0, \"1\", 0, 1, NULL, \"\"}'",
           "taken by the experiment file");
    breaks("-DPARAM='{NULL, CVY_PARAM_INT, 0, 0, \"1\", 0, 1, NULL, \"\"}'", "parameter 0 has no name");
    breaks("-DPARAM='CVY_ALSO(\"x\")'", "CVY_ALSO must follow");
    breaks("-DPARAM='CVY_INT(config, kernel, 3, 1, 9, \"\"), CVY_INT(config, kernel, 3, 1, 9, \"\")'",
           "declared twice");
}

static void test_contract_kinds(void **state)
{
    (void)state;
    /* A layer's struct is no other kind's: their sizes or first functions differ. */
    breaks("-DKIND=CVY_LOSS -DTYPE_SIZE=4", "its cvy_loss has size 4, expected");
    breaks("-DKIND=CVY_OPTIMIZER -DTYPE_SIZE=4", "its cvy_optimizer has size 4, expected");
    breaks("-DKIND=CVY_DATASET -DTYPE_SIZE=4", "its cvy_dataset has size 4, expected");
    breaks("-DKIND=CVY_AUGMENT -DTYPE_SIZE=4", "its cvy_augment has size 4, expected");
    breaks("-DKIND=CVY_LOSS -DINPUTS=0,0 -DFUNCTIONS=infer,NULL,NULL,NULL,NULL",
           "needs `check` and `evaluate`");
    breaks("-DKIND=CVY_OPTIMIZER -DINPUTS=0,0 -DFUNCTIONS=infer,NULL,NULL,NULL,NULL",
           "needs `slots` and `update`");
}

static void test_unloadable(void **state)
{
    (void)state;
    breaks("-DMISSING -Wl,-z,lazy", "undefined symbol: nobody_has_this");
    breaks("-DMISSING", "cannot be loaded: undefined symbol");
    breaks("-DSILENT", "exports no list cvy_plugins()");
    char *library = built_path("libgone.so");
    built_shell("echo 'int gone(void) { return 0; }' | cc -shared -fPIC -x c - -o '%s'", library);
    char *flags = mem_printf("-Wl,--no-as-needed '%s'", library);
    char *path = built("needs.so", flags);
    unlink(library);
    errors e = {0};
    plugin_request request = {path, PLACE_NONE};
    registry *r = registry_open_only(&request, 1, &e);
    assert_non_null(r);
    assert_null(registry_find(r, CVY_LAYER, "good", NULL, &e));
    built_says(&e, "libgone.so");
    built_says(&e, "install the library that it needs");
    errors_free(&e);
    registry_free(r);
    mem_free(path);
    mem_free(flags);
    mem_free(library);
}

/* Whatever is refused by its note has not run: not while opening, listing or asking. */
static void test_canary(void **state)
{
    (void)state;
    char *flags = mem_printf("-DCANARY='\"%s\"'", canary);
    char *path = built("canary.so", flags);
    char *bytes;
    size_t n, entries;
    errors e = {0};
    assert_int_equal(file_read(path, 1 << 20, &bytes, &n, &e), CVY_OK);
    unsigned char *note = memmem(bytes, n, "Convoy\0", 8);
    assert_non_null(note);
    note[8] = 9; /* the ABI */
    char *folder = built_path("canaries");
    char *bad = path_join(folder, "bad.so");
    assert_int_equal(file_make_dirs(folder, &e), CVY_OK);
    built_write(bad, bytes, n);

    plugin_request request = {bad, somewhere};
    assert_null(registry_open(&request, 1, &e));
    assert_int_equal(errors_status(&e), CVY_ERR_PLUGIN);
    built_says(&e, "net.yaml:14:5: ");
    built_says(&e, "bad.so: byte ");
    built_says(&e, "built for plugin ABI 9; this Convoy has ABI 2");
    errors_free(&e);
    assert_false(sang());

    setenv("CONVOY_PLUGIN_PATH", folder, 1);
    registry *r = registry_open(NULL, 0, &e);
    assert_non_null(r);
    registry_list(r, &entries);
    assert_int_equal(entries, 0);
    registry_warnings(r, &e);
    assert_int_equal(errors_count(&e), 0);
    built_says(&e, "bad.so: byte ");
    built_says(&e, "warning: built for plugin ABI 9");
    assert_null(registry_find(r, CVY_LAYER, "bad", &somewhere, &e));
    built_says(&e, "no layer plugin named \"bad\"");
    built_says(&e, "bad.so was refused: built for plugin ABI 9");
    assert_false(sang());
    registry_free(r);
    errors_free(&e);

    /* A good file replaced by a bad one after its note was read. */
    plugin_request swapped = {path, PLACE_NONE};
    r = registry_open_only(&swapped, 1, &e);
    assert_non_null(r);
    built_write(path, bytes, n);
    assert_null(registry_find(r, CVY_LAYER, "good", NULL, &e));
    built_says(&e, "built for plugin ABI 9");
    assert_false(sang());
    registry_free(r);
    errors_free(&e);

    /* And the good one does sing, once asked for and not before. */
    mem_free(path);
    path = built("canary.so", flags);
    r = registry_open_only(&swapped, 0, &e);
    registry_free(r);
    swapped.path = path;
    r = registry_open_only(&swapped, 1, &e);
    assert_non_null(r);
    registry_list(r, &entries);
    assert_int_equal(entries, 1);
    assert_false(sang());
    assert_non_null(registry_find(r, CVY_LAYER, "good", NULL, &e));
    assert_true(sang());
    registry_free(r);
    unsetenv("CONVOY_PLUGIN_PATH");
    mem_free(bytes);
    mem_free(folder);
    mem_free(bad);
    mem_free(path);
    mem_free(flags);
}

/* ---- what works ---- */

static char *tree; /* a folder as installed: layers/good.so, layers/linear.so, optimizers/adam.so */

static void test_find(void **state)
{
    (void)state;
    setenv("CONVOY_PLUGIN_PATH", tree, 1);
    errors e = {0};
    size_t n;
    registry *r = registry_open(NULL, 0, &e);
    assert_non_null(r);
    const plugin_entry *list = registry_list(r, &n);
    assert_int_equal(n, 4);
    assert_string_equal(list[0].name, "add");
    assert_string_equal(list[1].name, "good");
    assert_string_equal(list[2].name, "linear");
    assert_int_equal(list[3].kind, CVY_LOSS);
    assert_null(list[1].descriptor);

    const cvy_descriptor *d = registry_find(r, CVY_LAYER, "good", &somewhere, &e);
    if (!d) built_says(&e, "nothing: it should have been found");
    assert_string_equal(d->name, "good");
    assert_ptr_equal(registry_find(r, CVY_LAYER, "good", NULL, &e), d);
    list = registry_list(r, &n);
    assert_true(list[1].used);
    assert_int_equal(strlen(list[1].sha256), 64);
    assert_false(list[2].used);
    assert_null(list[2].descriptor);
    assert_string_equal(list[2].sha256, "");

    const cvy_descriptor *twin = registry_double(r, d);
    assert_non_null(twin);
    assert_int_equal(twin->real_size, 8);
    const cvy_descriptor *linear = registry_find(r, 0, "linear", NULL, &e);
    assert_non_null(linear);
    assert_null(registry_double(r, linear));
    assert_int_equal(e.n, 0);
    registry_free(r);
    assert_string_equal(d->name, "good"); /* stays mapped */
}

static void missing(uint32_t kind, const char *name, const char *part)
{
    errors e = {0};
    registry *r = registry_open(NULL, 0, &e);
    assert_null(registry_find(r, kind, name, &somewhere, &e));
    assert_int_equal(errors_status(&e), CVY_ERR_CONFIG);
    built_says(&e, "net.yaml:14:5:");
    built_says(&e, part);
    built_says(&e, "searched: ");
    built_says(&e, tree);
    errors_free(&e);
    registry_free(r);
}

static void test_missing(void **state)
{
    (void)state;
    setenv("CONVOY_PLUGIN_PATH", tree, 1);
    missing(CVY_LAYER, "inception", "no layer plugin named \"inception\"");
    missing(CVY_LAYER, "lineer", "did you mean `linear`?");
    missing(CVY_LAYER, "Dense", "did you mean `linear`?");
    missing(CVY_LAYER, "fully-connected", "did you mean `linear`?");
    missing(0, "fc", "no plugin named \"fc\"");
    missing(0, "fc", "did you mean `linear`?");
    missing(CVY_OPTIMIZER, "linear", "there is a plugin of this name of kind layer");
    errors e = {0};
    registry *r = registry_open(NULL, 0, &e);
    assert_null(registry_find(r, CVY_LAYER, "maxpool", NULL, &e)); /* not installed: not suggested */
    built_says_not(&e, "did you mean");
    errors_free(&e);
    assert_null(registry_find(r, 0, "add", NULL, &e));
    assert_int_equal(errors_status(&e), CVY_ERR_CONFIG);
    built_says(&e, "\"add\" is the name of several plugins: layer:add and loss:add");
    errors_free(&e);
    registry_free(r);
}

static void test_twice(void **state)
{
    (void)state;
    char *again = built("again/renamed.so", "");
    char *link = built_path("again/link.so");
    char *original = path_join(tree, "layers/good.so");
    char *same = path_join(tree, "layers/../layers/good.so");
    assert_int_equal(symlink(original, link), 0);
    setenv("CONVOY_PLUGIN_PATH", tree, 1);
    errors e = {0};
    size_t n;
    /* One file by four ways counts once. */
    plugin_request requests[] = {
        {link, PLACE_NONE}, {original, PLACE_NONE}, {same, PLACE_NONE}, {again, PLACE_NONE}};
    registry *r = registry_open(requests, 3, &e);
    assert_non_null(registry_find(r, CVY_LAYER, "good", NULL, &e));
    registry_list(r, &n);
    assert_int_equal(n, 4);
    registry_free(r);
    /* Two files count twice, but only for who asks for the name. */
    r = registry_open(requests, 4, &e);
    assert_non_null(registry_find(r, CVY_LAYER, "linear", NULL, &e));
    assert_int_equal(e.n, 0);
    assert_null(registry_find(r, CVY_LAYER, "good", &somewhere, &e));
    assert_int_equal(errors_status(&e), CVY_ERR_PLUGIN);
    built_says(&e, "layer plugin \"good\" is in 2 files: ");
    built_says(&e, original);
    built_says(&e, again);
    registry_free(r);
    errors_free(&e);
    mem_free(again);
    mem_free(link);
    mem_free(original);
    mem_free(same);
}

static void test_folders(void **state)
{
    (void)state;
    char *gone = built_path("gone");
    char *value = mem_printf("relative/dir::%s:%s", gone, tree);
    setenv("CONVOY_PLUGIN_PATH", value, 1);
    errors e = {0};
    registry *r = registry_open(NULL, 0, &e);
    assert_non_null(r);
    assert_non_null(registry_find(r, CVY_LAYER, "good", NULL, &e));
    assert_int_equal(e.n, 0);
    registry_warnings(r, &e);
    assert_int_equal(errors_count(&e), 0);
    built_says(&e, "warning: CONVOY_PLUGIN_PATH: \"relative/dir\": not an absolute path");
    built_says(&e, "there is no such folder");
    const char *const *folders = registry_folders(r);
    assert_string_equal(folders[0], gone);
    assert_string_equal(folders[1], tree);
    char *data = mem_printf("%s/convoy/plugins", built_dir);
    assert_string_equal(folders[2], data);
    assert_non_null(folders[3]); /* beside the executable */
    assert_null(folders[4]);
    errors_free(&e);
    registry_free(r);

    /* The user's data folder needs no variable; hidden files and other endings are not looked at. */
    unsetenv("CONVOY_PLUGIN_PATH");
    char *own = built("convoy/plugins/own.so", "-DNAME=own");
    char *hidden = path_join(data, ".own.so"), *other = path_join(data, "notes.txt");
    built_write(hidden, "x", 1);
    built_write(other, "x", 1);
    r = registry_open(NULL, 0, &e);
    assert_non_null(registry_find(r, CVY_LAYER, "own", NULL, &e));
    registry_warnings(r, &e);
    assert_int_equal(e.n, 0);
    registry_free(r);
    unlink(own);
    mem_free(own);
    mem_free(hidden);
    mem_free(other);
    mem_free(data);
    mem_free(gone);
    mem_free(value);
}

static void test_named_files(void **state)
{
    (void)state;
    errors e = {0};
    char *notes = built_path("notes.txt");
    built_write(notes, "hello\n", 6);
    plugin_request requests[] = {{"./nothing.so", somewhere}, {notes, PLACE_NONE}};
    assert_null(registry_open(requests, 2, &e));
    assert_int_equal(errors_count(&e), 2); /* all of them, not only the first */
    built_says(&e, "net.yaml:14:5: ./nothing.so: cannot be opened: No such file or directory");
    built_says(&e, "not a plugin: a text file");
    errors_free(&e);
    mem_free(notes);
}

static void test_builtin(void **state)
{
    (void)state;
    static const cvy_descriptor cosine = {.abi = CVY_ABI,
                                          .size = sizeof cosine,
                                          .kind = CVY_SCHEDULE,
                                          .name = "cosine",
                                          .aliases = "half_wave",
                                          .summary = "",
                                          .source = "",
                                          .config_size = 1};
    errors e = {0};
    registry *r = registry_open_only(NULL, 0, &e);
    registry_add_builtin(r, &cosine);
    assert_ptr_equal(registry_find(r, CVY_SCHEDULE, "cosine", NULL, &e), &cosine);
    assert_null(registry_double(r, &cosine));
    assert_null(registry_find(r, CVY_SCHEDULE, "half-wave", NULL, &e));
    built_says(&e, "did you mean `cosine`?");
    built_says_not(&e, "searched");
    errors_free(&e);
    registry_free(r);
}

static void test_kinds(void **state)
{
    (void)state;
    uint32_t kind = 0;
    for (uint32_t i = CVY_LAYER; i <= CVY_INITIALISER; i++) {
        assert_true(plugin_kind_parse(plugin_kind_name(i), &kind));
        assert_int_equal(kind, i);
    }
    assert_false(plugin_kind_parse("", &kind));
    assert_false(plugin_kind_parse("layers", &kind));
    assert_string_equal(plugin_kind_name(0), "unknown kind");
    assert_string_equal(plugin_kind_name(99), "unknown kind");
}

static int setup(void **state)
{
    if (built_setup(state)) return -1;
    canary = built_path("canary");
    tree = built_path("installed");
    char *object = built_path("twin.o");
    built_shell("cc -w -c -fPIC -DCVY_DOUBLE -I'%s/core/include' -o '%s' '%s/source.c'", SOURCE_DIR, object,
                built_dir);
    char *flags = mem_printf("'%s' -Wl,-z,muldefs", object);
    mem_free(built("installed/layers/good.so", flags));
    mem_free(built("installed/layers/linear.so", "-DNAME=linear"));
    mem_free(built("installed/layers/add.so", "-DNAME=add"));
    mem_free(built("installed/deeply/nested/add_loss.so", "-DNAME=add -DKIND=CVY_LOSS"));
    mem_free(built("installed/much/too/deeply/unseen.so", "-DNAME=unseen"));
    mem_free(flags);
    mem_free(object);
    return 0;
}

static int teardown(void **state)
{
    mem_free(canary);
    mem_free(tree);
    return built_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract_descriptor),
        cmocka_unit_test(test_contract_params),
        cmocka_unit_test(test_contract_kinds),
        cmocka_unit_test(test_unloadable),
        cmocka_unit_test(test_canary),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_named_files),
        cmocka_unit_test(test_builtin),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
