/* A random forest over a box of parameters, and how much of its variance each parameter explains: functional ANOVA.
 *
 * Hutter, Hoos and Leyton-Brown 2014, An Efficient Approach for Assessing Hyperparameter Importance: the forest's prediction is a
 * function over the whole space, and the variance of its mean over all other parameters, as a share of its variance, is what a
 * parameter explains by itself. Regression trees as Breiman 2001, every split free to look at every parameter. */
#ifndef REPORT_FOREST_H
#define REPORT_FOREST_H

#include <stddef.h>
#include <stdint.h>

enum { FOREST_CATEGORIES = 64 };

typedef struct forest_axis {
    int categories; /* values are 0 ... categories - 1, at most FOREST_CATEGORIES, each as likely; 0: a number */
    double low, high; /* of a number, uniform between them; low < high */
} forest_axis;

typedef struct forest_share {
    double mean, sd; /* over the trees: share of the variance, 0 to 1; nan where no tree has any variance */
} forest_share;

/* x is (n, axes), y n finite values, n at least 2. A nan in x: the axis says nothing about this sample, which stands for any value on
 * it; each tree draws one. The same from call to call. */
void forest_importance(const forest_axis *axes, size_t n_axes, const double *x, const double *y, size_t n,
                       int trees, uint64_t seed, forest_share *shares);

#endif
