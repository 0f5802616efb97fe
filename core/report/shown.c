/* Owns how values of runs read; must not know where they stand. */
#include "report/shown.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "report/query.h"

void shown_accuracy(text *t, double share, bool unit)
{
    if (isfinite(share)) {
        text_fixed(t, 100 * share, 2);
        if (unit) text_add(t, " %");
    } else {
        text_add(t, isnan(share) ? "-" : share > 0 ? "inf" : "-inf");
    }
}

void shown_loss(text *t, double v)
{
    if (fabs(v) < 1000)
        text_fixed(t, v, 4);
    else if (isfinite(v))
        text_printf(t, "%.3g", v);
    else
        text_add(t, isnan(v) ? "-" : v > 0 ? "inf" : "-inf");
}

void shown_metric(text *t, const char *metric, double v, bool unit)
{
    if (metric && text_ends(metric, "accuracy"))
        shown_accuracy(t, v, unit);
    else
        shown_loss(t, v);
}

void shown_count(text *t, int64_t v)
{
    if (v == QUERY_NONE)
        text_char(t, '-');
    else
        text_count(t, v);
}

void shown_big(text *t, int64_t v)
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

void shown_duration(text *t, double seconds)
{
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e12) {
        text_char(t, '-');
        return;
    }
    const long long whole = (long long)(seconds + 0.5);
    if (seconds < 9.95) {
        text_fixed(t, seconds, 1);
        text_add(t, " s");
    } else if (whole < 60)
        text_printf(t, "%lld s", whole);
    else if (whole < 3600)
        text_printf(t, "%lld min %02lld s", whole / 60, whole % 60);
    else
        text_printf(t, "%lld h %02lld min", whole / 3600, whole / 60 % 60);
}

void shown_moment(text *t, double at, bool utc)
{
    const time_t when = isfinite(at) && fabs(at) < 1e11 ? (time_t)at : 0;
    struct tm parts;
    char s[32];
    if (when && (utc ? gmtime_r(&when, &parts) : localtime_r(&when, &parts)) &&
        strftime(s, sizeof s, utc ? "%Y-%m-%d %H:%M UTC" : "%Y-%m-%d %H:%M", &parts))
        text_add(t, s);
    else
        text_char(t, '-');
}
