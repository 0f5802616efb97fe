/* A program around the library: opens an experiment, trains its network for twenty steps, looks at a weight, evaluates,
 * asks the network about one image, and saves the weights. docs/library.md goes through it.
 *
 *   cc example.c -o example $(pkg-config --cflags --libs convoy)
 *   ./example example.yaml weights.safetensors */
#include <stdio.h>
#include <stdlib.h>

#include "convoy/convoy.h"

/* Errors are values. This program prints them and gives up; another may show them in a window and go on. */
static void check(cvy_error *error)
{
    if (!error) return;
    fputs(cvy_error_text(error), stderr);
    int code = (int)cvy_error_status(error);
    cvy_error_free(error);
    exit(code);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: example EXPERIMENT.yaml WEIGHTS.safetensors\n");
        return CVY_ERR_CONFIG;
    }
    cvy_error *error;

    /* An experiment: everything that can be wrong with it is found here. Any value can be set by its path, as on the
     * command line. */
    const char *overrides[] = {"train.optimizer.lr=0.05"};
    cvy_experiment *experiment = cvy_experiment_open(argv[1], overrides, 1, &error);
    check(error);
    cvy_experiment_info info = cvy_experiment_describe(experiment);
    printf("%s: %lld training samples of %d classes\n", info.name, (long long)info.samples[CVY_PART_TRAIN],
           info.classes);

    /* A session trains its network step by step; the network is a model like any other. */
    cvy_session *session = cvy_session_open(experiment, &error);
    check(error);
    cvy_model *model = cvy_session_model(session);
    cvy_model_info network = cvy_model_describe(model);
    printf("%lld parameters in %zu tensors, %lld multiply-accumulates per image\n",
           (long long)network.parameters, network.tensors, (long long)network.macs);

    /* Each step draws the batch that `convoy run` would draw, and leaves the bits that it would leave. */
    for (int i = 0; i < 20 && !cvy_session_done(session); i++) {
        cvy_step step;
        cvy_session_step(session, &step, &error);
        check(error);
        printf("step %2lld: loss %.4f, learning rate %.4f\n", (long long)step.step, step.loss, step.lr);
    }

    /* Tensors are read in place, by number or by the name that they have in checkpoints. */
    cvy_tensor weight;
    if (cvy_model_find(model, "stem.weight", &weight))
        printf("%s: %lld elements, the first is %.4f\n", weight.name, (long long)weight.count,
               (double)weight.data[0]);

    cvy_metrics metrics;
    cvy_session_evaluate(session, CVY_PART_VALIDATION, &metrics, &error);
    check(error);
    printf("validation: loss %.4f, accuracy %.3f\n", metrics.loss, metrics.accuracy);

    /* One image through the network, in evaluation mode. */
    float *image = malloc((size_t)cvy_count(&network.input) * sizeof *image);
    float *logits = malloc((size_t)cvy_count(&network.output) * sizeof *logits);
    if (!image || !logits) return CVY_ERR_RESOURCE;
    int32_t label;
    cvy_experiment_read(experiment, CVY_PART_TEST, 0, image, &label, &error);
    check(error);
    cvy_model_forward(model, image, 1, logits, &error);
    check(error);
    int32_t best = 0;
    for (int32_t c = 1; c < info.classes; c++)
        if (logits[c] > logits[best]) best = c;
    const char *is = cvy_experiment_class_name(experiment, label);
    const char *seen = cvy_experiment_class_name(experiment, best);
    printf("test image 0 is of class %d (%s), the network says %d (%s)\n", label, is ? is : "", best,
           seen ? seen : "");

    cvy_model_save(model, argv[2], &error);
    check(error);
    printf("saved %s\n", argv[2]);

    free(image);
    free(logits);
    cvy_session_close(session);
    cvy_experiment_free(experiment);
    return 0;
}
