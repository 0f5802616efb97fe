/* Owns how values read on the page; must not know where they stand. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "report/page_own.h"

void page_value_metric(text *t, const char *metric, double v, bool unit)
{
    if (!isfinite(v))
        text_add(t, isnan(v) ? "-" : v > 0 ? "inf" : "-inf");
    else if (metric && text_ends(metric, "accuracy"))
        text_printf(t, unit ? "%.2f %%" : "%.2f", 100 * v);
    else
        text_printf(t, fabs(v) < 1000 ? "%.4f" : "%.3g", v);
}

void page_value_duration(text *t, double seconds)
{
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e12) {
        text_char(t, '-');
        return;
    }
    const long long whole = (long long)(seconds + 0.5);
    if (seconds < 9.95)
        text_printf(t, "%.1f s", seconds);
    else if (whole < 60)
        text_printf(t, "%lld s", whole);
    else if (whole < 3600)
        text_printf(t, "%lld min %02lld s", whole / 60, whole % 60);
    else
        text_printf(t, "%lld h %02lld min", whole / 3600, whole / 60 % 60);
}

void page_value_moment(text *t, double moment)
{
    time_t at = isfinite(moment) && fabs(moment) < 1e11 ? (time_t)moment : 0;
    struct tm parts;
    char s[32];
    if (at && gmtime_r(&at, &parts) && strftime(s, sizeof s, "%Y-%m-%d %H:%M UTC", &parts))
        text_add(t, s);
    else
        text_char(t, '-');
}

void page_value_big(text *t, int64_t v)
{
    static const char *const units[] = {"", " k", " M", " G", " T", " P"};
    double d = (double)v;
    size_t unit = 0;
    if (v == QUERY_NONE) {
        text_char(t, '-');
        return;
    }
    while (fabs(d) >= 999.5 && unit < 5) d /= 1000, unit++;
    text_printf(t, unit && fabs(d) < 99.95 ? "%.1f%s" : "%.0f%s", d, units[unit]);
}

void page_value_names(text *t, const query_run *const *runs, size_t n, size_t most)
{
    size_t shown = 0, i = 0;
    for (; i < n && shown < most; shown++) {
        size_t k = i;
        while (k + 1 < n && runs[k + 1]->number == runs[k]->number + 1) k++;
        if (k < i + 2) k = i;
        text_printf(t, "%s%s", shown ? ", " : "", runs[i]->name);
        if (k > i) text_printf(t, "\xE2\x80\x93%s", runs[k]->name);
        i = k + 1;
    }
    if (i < n) text_printf(t, " and %zu more", n - i);
}

void page_value_shell(text *t, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:+@%";
    if (*word && strspn(word, plain) == strlen(word)) {
        text_add(t, word);
        return;
    }
    text_char(t, '\'');
    for (; *word; word++)
        if (*word == '\'')
            text_add(t, "'\\''");
        else
            text_char(t, *word);
    text_char(t, '\'');
}
