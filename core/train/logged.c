/* Owns the names of a run's metrics. Must not know how any is measured. */
#include "train/logged.h"

#include "train/wrapped.h"

static const char *const logged_table[LOGGED_FAMILIES][LOGGED_FIGURES] = {
    {"train_loss", "train_accuracy", "train_top5_accuracy"},
    {"val_loss", "val_accuracy", "val_top5_accuracy"},
    {"test_loss", "test_accuracy", "test_top5_accuracy"},
    {"val_average_loss", "val_average_accuracy", "val_average_top5_accuracy"},
    {"test_average_loss", "test_average_accuracy", "test_average_top5_accuracy"},
};

size_t logged_figures(const setup *s, logged_family family, const char *const **names)
{
    *names = logged_table[family];
    if (!s->accuracy) return 1;
    return s->data->info.classes > 5 ? 3 : 2;
}

size_t logged_names(const setup *s, const char *names[LOGGED_MOST])
{
    const bool validated = s->data->n[DATA_VALIDATION] > 0, tested = s->data->n[DATA_TEST] > 0,
               averages = wrapped_averages(&s->train.optimizer);
    const bool has[LOGGED_FAMILIES] = {true, validated, tested, validated && averages, tested && averages};
    size_t n = 0;
    for (int family = 0; family < LOGGED_FAMILIES; family++) {
        const char *const *figures;
        const size_t n_figures = logged_figures(s, (logged_family)family, &figures);
        for (size_t i = 0; has[family] && i < n_figures; i++) names[n++] = figures[i];
    }
    names[n++] = "lr";
    names[n++] = "best_epoch";
    if (s->stops_early) names[n++] = "stopped_epoch";
    if (s->train.inspect) names[n++] = "dead_units", names[n++] = "filters_cosine";
    return n;
}

bool logged_may_be_more(registry *r)
{
    size_t n;
    const plugin_entry *p = registry_list(r, &n);
    for (size_t i = 0; i < n; i++)
        if (p[i].used && !registry_comes_along(r, &p[i])) return true;
    return false;
}
