/* `convoy data`: datasets listed, described, fetched, verified and looked at. Owns the subcommands' options; what they do is
 * in a file each. */
#include <string.h>

#include "cli/cmd_data.h"

static const option_row data_rows[] = {
    OPTION(data_args, from, 0, OPTION_TEXT, "URL|DIR",
           "fetch: take the archives from this mirror or folder instead"),
    OPTION(data_args, to, 0, OPTION_TEXT, "DIR",
           "fetch, ls, verify: datasets' folders are in DIR and not in the user's data folder"),
    OPTION(data_args, recipe, 0, OPTION_TEXT, "FILE",
           "fetch, verify: how to fetch it, instead of what is built in or beside the plugin"),
    OPTION(data_args, keep, 0, OPTION_FLAG, NULL, "fetch: keep the archives too, in the dataset's folder"),
    OPTION(data_args, force, 0, OPTION_FLAG, NULL, "fetch: also when it is here already"),
    OPTION_NUMBER(data_args, retries, 0, "N", 3, 0, 100,
                  "fetch: more attempts at each server that fails or breaks off"),
    OPTION_NUMBER(data_args, timeout, 0, "SECONDS", 60, 1, 3600, "fetch: how long a server may send nothing"),
    OPTION(data_args, out, 'o', OPTION_TEXT, "FILE.png",
           "preview: where the sheet goes; preview.png without it"),
    OPTION_NUMBER(data_args, rows, 0, "N", 4, 1, 64, "preview: epochs shown, a row each"),
    OPTION_NUMBER(data_args, cols, 0, "N", 8, 1, 64,
                  "preview: samples shown, a column each; with --each, epochs"),
    OPTION_NUMBER(data_args, epoch, 0, "N", 0, 0, 1000000, "preview: the first epoch shown, counted from 0"),
    OPTION(data_args, sample, 0, OPTION_TEXT, "N",
           "preview: the first sample shown, counted from 0 in its part; without it one of each class"),
    OPTION(data_args, part, 0, OPTION_TEXT, "WHICH", "preview: train, validation or test"),
    OPTION(data_args, steps, 0, OPTION_FLAG, NULL,
           "preview: a row for each step of augmentation in turn, instead of a row for each epoch"),
    OPTION(data_args, step, 0, OPTION_TEXT, "NAME", "preview: only up to this step of augmentation"),
    OPTION(data_args, each, 0, OPTION_FLAG, NULL,
           "preview: a row for each augmentation there is, all on one sample"),
};

static int run(const command *self, const common *c, void *options, int argc, char **argv)
{
    static const char *const names[] = {"ls", "info", "fetch", "verify", "preview"};
    const data_args *args = options;
    if (argc == 0) return cli_usage(self, c, "ls, info, fetch, verify or preview?");
    if (!strcmp(argv[0], "ls")) return cmd_data_ls(self, c, args, argc - 1, argv + 1);
    if (!strcmp(argv[0], "info")) return cmd_data_info(self, c, args, argc - 1, argv + 1);
    if (!strcmp(argv[0], "fetch")) return cmd_data_fetch(self, c, args, argc - 1, argv + 1);
    if (!strcmp(argv[0], "verify")) return cmd_data_verify(self, c, args, argc - 1, argv + 1);
    if (!strcmp(argv[0], "preview")) return cmd_data_preview(self, c, args, argc - 1, argv + 1);
    const char *near = cli_nearest(argv[0], names, sizeof names / sizeof *names);
    if (near) return cli_usage(self, c, "unknown \"convoy data %s\"; did you mean `%s`?", argv[0], near);
    return cli_usage(self, c, "unknown \"convoy data %s\"", argv[0]);
}

const command cmd_data = {
    .name = "data",
    .summary = "List, describe, fetch, verify and look at datasets",
    .usage =
        "convoy data ls [--to DIR] [--json]\n"
        "convoy data info NAME|FILE [PATH=VALUE ...] [--json]\n"
        "convoy data fetch NAME ... [--from URL|DIR] [--to DIR] [--keep] [--force]\n"
        "convoy data verify NAME|FILE [PATH=VALUE ...] [--to DIR] [--json]\n"
        "convoy data preview NAME|FILE [PATH=VALUE ...] [-o FILE.png] [--rows N] [--cols N] [--epoch N]\n"
        "    [--part train|validation|test] [--steps] [--step NAME] [--each]",
    .examples = "convoy data fetch cifar10\n"
                "convoy data ls\n"
                "convoy data info cifar10\n"
                "convoy data info experiments/cifar10.yaml\n"
                "convoy data fetch mnist fashion_mnist --keep\n"
                "convoy data fetch cifar100 --from ./downloads\n"
                "convoy data fetch mydata --plugin ./mydata.so --recipe mydata.yaml\n"
                "convoy data verify cifar10\n"
                "convoy data verify mnist dataset.path=/data/mnist\n"
                "convoy data preview experiments/cifar10.yaml -o sheet.png\n"
                "convoy data preview experiments/cifar10.yaml --steps --epoch 3\n"
                "convoy data preview cifar10 --each -o augmentations.png",
    .options = data_rows,
    .n_options = sizeof data_rows / sizeof *data_rows,
    .size = sizeof(data_args),
    .run = run,
};
