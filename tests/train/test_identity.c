/* Tests core/train/identity and the canonical form of a setup: what makes two runs the same, and what does not. */
#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/parallel.h"
#include "train/identity.h"

#define MODEL "model: [flatten, {linear: {units: classes, name: out}}]\n"

static void hash_of(const char *yaml, char hex[65])
{
    lab l = lab_open(yaml);
    identity_config_hash(l.s, hex);
    assert_int_equal(strlen(hex), 64);
    lab_close(&l);
}

static const char original[] = "dataset: {type: brittle}\n" MODEL "train: {epochs: 3}\n";

static void same_run(const char *yaml)
{
    char a[65], b[65];
    hash_of(original, a);
    hash_of(yaml, b);
    assert_string_equal(a, b);
}

static void another_run(const char *yaml)
{
    char a[65], b[65];
    hash_of(original, a);
    hash_of(yaml, b);
    assert_string_not_equal(a, b);
}

static void test_what_makes_a_run(void **unused)
{
    (void)unused;
    same_run("experiment: other\ndataset: brittle\n" MODEL "train: {epochs: 3}\n");
    same_run("train: {batch_size: 128, epochs: 3, optimizer: {type: adam}}\n" MODEL
             "dataset: {type: brittle, train: 100}\n");
    same_run("dataset: {type: brittle, path: /somewhere/else}\n" MODEL "train: {epochs: 3}\n");
    same_run("dataset: {type: brittle}\n" MODEL "train: {epochs: 3, checkpoint_seconds: 1}\n");
    same_run("dataset: {type: brittle}\n" MODEL "train: {epochs: 3}\nrepeats: 4\n");
    another_run("seed: 2\ndataset: {type: brittle}\n" MODEL "train: {epochs: 3}\n");
    another_run("dataset: {type: brittle}\n" MODEL "train: {epochs: 4}\n");
    another_run("dataset: {type: brittle}\n" MODEL "train: {epochs: 3, optimizer: {type: adam, lr: 0.5}}\n");
    another_run("dataset: {type: brittle, validation: 0.2}\n" MODEL "train: {epochs: 3}\n");
    another_run("dataset: {type: brittle, augment: [normalize]}\n" MODEL "train: {epochs: 3}\n");
    another_run(
        "dataset: {type: brittle}\nmodel: [flatten, {linear: {units: classes, bias: false, name: out}}]\n"
        "train: {epochs: 3}\n");
    /* The name of a layer keys its weights' random numbers. */
    another_run("dataset: {type: brittle}\nmodel: [flatten, {linear: {units: classes, name: end}}]\ntrain: "
                "{epochs: 3}\n");
}

/* The resolved file that a trial reads is the run that was planned. */
static void test_written_and_read_back(void **unused)
{
    (void)unused;
    char a[65], b[65];
    lab l =
        lab_open("dataset: {type: shapes, train: 50, test: 0, size: 12, augment: [horizontal_flip]}\n" MODEL
                 "train: {optimizer: {sgd: {lr: 0.5}}, batch_size: all, lr_schedule: cosine}\n");
    text t = {0};
    experiment_write(l.x, &t);
    identity_config_hash(l.s, a);
    hash_of(text_str(&t), b);
    assert_string_equal(a, b);
    text_free(&t);
    lab_close(&l);
}

static void test_exact_key(void **unused)
{
    (void)unused;
    errors e = {0};
    char one[65], again[65], two[65];
    parallel_set_threads(1);
    machine m = machine_here();
    assert_int_equal(identity_exact_key(&m, one, &e), CVY_OK);
    assert_int_equal(identity_exact_key(&m, again, &e), CVY_OK);
    parallel_set_threads(2);
    m = machine_here();
    assert_int_equal(identity_exact_key(&m, two, &e), CVY_OK);
    parallel_set_threads(0);
    assert_string_equal(one, again);
    assert_string_not_equal(one, two);
    assert_int_equal(errors_count(&e), 0);
}

static void put(const char *dir, const char *name, const char *what)
{
    char *path = path_join(dir, name), *folder = path_dir(path);
    assert_int_equal(file_make_dirs(folder, NULL), CVY_OK);
    assert_int_equal(file_replace(path, what, strlen(what), NULL), CVY_OK);
    mem_free(path);
    mem_free(folder);
}

static void commit_is(const char *folder, const char *expected)
{
    machine m = machine_here();
    json_writer w = {0};
    json_open(&w, '{');
    identity_write_environment(&m, folder, &w);
    json_close(&w, '}');
    arena a = {0};
    const json *v = json_parse(&a, text_str(&w.out), w.out.n, NULL, NULL);
    assert_non_null(v);
    assert_string_equal(json_get_text(json_get(v, "environment"), "git", ""), expected);
    assert_string_not_equal(json_get_text(json_get(v, "environment"), "isa", ""), "");
    arena_free(&a);
    text_free(&w.out);
}

static void test_commit(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/convoy-identity-XXXXXX";
    assert_non_null(mkdtemp(dir));
    put(dir, "below/file", "");
    char *below = path_join(dir, "below");
    commit_is(below, "");
    put(dir, ".git/HEAD", "0123456789abcdef\n");
    commit_is(below, "0123456789abcdef");
    put(dir, ".git/HEAD", "ref: refs/heads/main\n");
    commit_is(below, "");
    put(dir, ".git/packed-refs",
        "# pack-refs with: peeled\n1111 refs/heads/mainly\n2222 refs/heads/main\n^3333\n");
    commit_is(below, "2222");
    put(dir, ".git/refs/heads/main", "4444\n");
    commit_is(below, "4444");
    mem_free(below);
    assert_int_equal(file_remove_tree(dir, NULL), CVY_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_makes_a_run),
        cmocka_unit_test(test_written_and_read_back),
        cmocka_unit_test(test_exact_key),
        cmocka_unit_test(test_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
