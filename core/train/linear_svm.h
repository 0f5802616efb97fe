/* Linear support vector machines on features, by LIBLINEAR: one against the rest, L2 regularisation, squared hinge loss
 * (Fan, Chang, Hsieh, Wang and Lin 2008, LIBLINEAR: A Library for Large Linear Classification), solved in the primal, which
 * draws no random numbers. Features as layers of a network give them (Razavian et al. 2014, CNN Features off-the-shelf).
 * Knows no network. */
#ifndef TRAIN_LINEAR_SVM_H
#define TRAIN_LINEAR_SVM_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

typedef enum svm_scale {
    SVM_STANDARD, /* each feature has mean 0 and variance 1 over the training samples */
    SVM_UNIT,     /* each sample has length 1 */
    SVM_AS_IS
} svm_scale;

typedef struct svm_set { /* dense: x (n, features), labels from 0 */
    const float *x;
    const int32_t *labels;
    int64_t n, features;
} svm_set;

typedef struct linear_svm linear_svm;

/* The library's version, 2.43 as 243; 0: this build has none. */
int linear_svm_version(void);

/* Trained on a set; NULL after reporting. */
linear_svm *linear_svm_train(const svm_set *set, int64_t classes, double c, svm_scale scale, errors *e);
void linear_svm_free(linear_svm *m);
/* The class of each sample. Without a machine reports why there can be none: the library is missing. */
cvy_status linear_svm_predict(const linear_svm *m, const svm_set *set, int32_t *taken, errors *e);

/* The share of samples that are right when each of `folds` parts is predicted by what was trained on the others. The
 * division keeps the classes' shares and is drawn from the seed. */
cvy_status linear_svm_validate(const svm_set *set, int64_t classes, double c, svm_scale scale, int folds,
                               uint64_t seed, double *accuracy, errors *e);

#endif
