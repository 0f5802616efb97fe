/* `convoy export`: what runs left, in formats that other programs read. Owns the options and finds the subcommand; each
 * format has a file of its own. */
#include "cli/cmd_export.h"

#include <string.h>

#include "base/memory.h"

static const option_row export_rows[] = {
    OPTION(export_args, output, 'o', OPTION_TEXT, "FILE",
           "the file to write; csv, jsonl and sql go to standard output without it"),
    OPTION(export_args, which, 0, OPTION_TEXT, "WHICH",
           "best, last or average: the weights of the best epoch, which is the default, the last ones, or "
           "those that the "
           "optimizer (ema) has averaged up to the last"),
    OPTION(export_args, map, 0, OPTION_TEXTS, "OURS=THEIRS",
           "rename tensors, as `stage1.*=layer1.*`; nothing behind the = leaves them out"),
    OPTION(export_args, curves, 0, OPTION_FLAG, NULL,
           "csv: a line for each logged value instead of each run"),
    OPTION(export_args, force, 0, OPTION_FLAG, NULL, "overwrite the file"),
};

/* What only some formats take. */
enum { TAKES_CURVES = 1, TAKES_WHICH = 2, TAKES_MAP = 4 };

static const struct {
    const char *name;
    unsigned takes;
    int (*run)(const command *self, const common *c, const export_args *args, int argc, char **argv);
} export_formats[] = {{"weights", TAKES_WHICH | TAKES_MAP, cmd_export_weights},
                      {"csv", TAKES_CURVES, cmd_export_csv},
                      {"jsonl", 0, cmd_export_jsonl},
                      {"sql", 0, cmd_export_sql},
                      {"tensorboard", 0, cmd_export_tensorboard}};
enum { EXPORT_FORMATS = sizeof export_formats / sizeof *export_formats };

/* The first option given that the format would not look at, and which does; NULL for none. */
static const char *not_taken(unsigned takes, const export_args *o, const char **of)
{
    const struct {
        bool given;
        unsigned bit;
        const char *name, *of;
    } rows[] = {{o->curves, TAKES_CURVES, "--curves", "csv"},
                {o->which != NULL, TAKES_WHICH, "--which", "weights"},
                {o->map.n > 0, TAKES_MAP, "--map", "weights"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].given && !(takes & rows[i].bit)) {
            *of = rows[i].of;
            return rows[i].name;
        }
    return NULL;
}

static int export_run(const command *self, const common *c, void *options, int argc, char **argv)
{
    const char *names[EXPORT_FORMATS];
    for (size_t i = 0; i < EXPORT_FORMATS; i++) names[i] = export_formats[i].name;
    if (!argc) return cli_usage(self, c, "export what? weights, csv, jsonl, sql or tensorboard");
    for (size_t i = 0; i < EXPORT_FORMATS; i++) {
        if (strcmp(argv[0], names[i]) != 0) continue;
        const char *of, *option = not_taken(export_formats[i].takes, options, &of);
        if (option) return cli_usage(self, c, "%s is for `convoy export %s`", option, of);
        return export_formats[i].run(self, c, options, argc - 1, argv + 1);
    }
    const char *near = text_nearest(argv[0], names, EXPORT_FORMATS);
    if (near) return cli_usage(self, c, "unknown \"convoy export %s\"; did you mean `%s`?", argv[0], near);
    return cli_usage(self, c, "unknown \"convoy export %s\"", argv[0]);
}

const command cmd_export = {
    .name = "export",
    .summary = "Write a run's weights (safetensors), or what runs logged (csv, jsonl, sql, tensorboard)",
    .usage =
        "convoy export csv|jsonl|sql RUN|SWEEP... [-o FILE] [--curves] [--force]\n"
        "convoy export tensorboard RUN|SWEEP... -o FOLDER [--force]\n"
        "convoy export weights RUN -o FILE [--which best|last|average] [--map OURS=THEIRS ...] [--force]",
    .examples = "convoy export csv s3 -o runs.csv\n"
                "convoy export csv s3 --curves -o curves.csv\n"
                "convoy export jsonl r12 r13 -o runs.jsonl\n"
                "convoy export tensorboard s3 -o board\n"
                "convoy export weights last -o best.safetensors\n"
                "convoy export weights r12 --which last -o r12.safetensors\n"
                "convoy export weights r12 -o torch.safetensors --map 'stage1.*=layer1.*' --map 'head.*='",
    .options = export_rows,
    .n_options = sizeof export_rows / sizeof *export_rows,
    .size = sizeof(export_args),
    .run = export_run,
};
