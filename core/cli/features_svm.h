/* A linear support vector machine on features: its cost chosen, trained, tested, told. Private to `convoy features`. */
#ifndef CLI_FEATURES_SVM_H
#define CLI_FEATURES_SVM_H

#include "cli/cli.h"
#include "train/linear_svm.h"
#include "train/scores.h"

typedef struct svm_options {
    svm_scale scale;
    const char *scale_name;
    double c; /* 0: by cross-validation */
    int folds;
    uint64_t seed;
    int64_t classes;
    const char *const *class_names; /* or NULL */
    const char *part;               /* that it is tested on */
} svm_options;

enum { SVM_TRIED_MOST = 16 };

typedef struct svm_report {
    const svm_options *o;
    double c, train_accuracy, accuracy;
    struct {
        double c, accuracy;
    } tried[SVM_TRIED_MOST]; /* by cross-validation */
    size_t n_tried;
    int64_t train_samples, features;
    scores scores;
} svm_report; /* a zeroed one is empty */

cvy_status features_svm(const common *c, const svm_options *o, const svm_set *train, const svm_set *test,
                        svm_report *r, errors *e);
void features_svm_free(svm_report *r);

void features_svm_text(const common *c, const svm_report *r);
void features_svm_json(const svm_report *r, json_writer *w); /* as a member of an open object */

#endif
