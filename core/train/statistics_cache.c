/* Owns the files of statistics in the user's cache folder, and what they are known by. Must not take statistics, nor believe a
 * file that does not end as one does. */
#include "train/statistics_cache.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "config/params_table.h"
#include "train/steps.h"

/* Raised when what is taken, or how, changes. */
static const char cache_format[] = "convoy statistics 1";

enum { CACHE_MOST = 1 << 20 };

bool statistics_key(const data *d, char key[65])
{
    if (!d->info.fingerprint[0] || !d->plugin_sha256[0]) return false;
    sha256 h;
    sha256_init(&h);
    sha256_text(&h, cache_format);
    sha256_text(&h, d->plugin->name);
    sha256_text(&h, d->plugin_sha256); /* a plugin that reads the same files otherwise is another */
    sha256_text(&h, d->info.fingerprint);
    void *config = mem_copy(d->config, d->plugin->config_size);
    params_table t = params_of(d->plugin, config);
    json_writer w = {0};
    json_open(&w, '{');
    params_write(&t, &w);
    json_put_int(&w, "seed", (int64_t)d->seed);
    json_put_int(&w, "element", d->info.element);
    json_put_int(&w, "varied", d->info.varied);
    json_put_int(&w, "samples", d->n[DATA_TRAIN]);
    json_close(&w, '}');
    sha256_text(&h, text_str(&w.out));
    text_free(&w.out);
    mem_free(config);
    for (int32_t k = 0; k < d->info.sample.rank; k++)
        sha256_add(&h, &d->info.sample.dim[k], sizeof d->info.sample.dim[k]);
    sha256_add(&h, d->index[DATA_TRAIN], (size_t)d->n[DATA_TRAIN] * sizeof *d->index[DATA_TRAIN]);
    sha256_hex(&h, key);
    return true;
}

static char *cache_path(const char *key)
{
    char *cache = path_user_cache(), *path = mem_printf("%s/statistics/%s", cache, key);
    mem_free(cache);
    return path;
}

/* The numbers as the bits they are, each in a line, behind a line that says what they are and before their checksum. */
static void cache_text(int64_t channels, const float *mean, const float *std, text *out)
{
    text_printf(out, "%s\n", cache_format);
    for (int64_t c = 0; c < channels; c++) {
        uint32_t m, s;
        memcpy(&m, &mean[c], sizeof m);
        memcpy(&s, &std[c], sizeof s);
        text_printf(out, "%08" PRIx32 " %08" PRIx32 "\n", m, s);
    }
    text_printf(out, "%08" PRIx32 "\n", crc32c(0, text_str(out), out->n));
}

static bool cache_number(const char *s, float *out)
{
    uint32_t bits = 0;
    for (int i = 0; i < 8; i++) {
        const char *digits = "0123456789abcdef", *at = s[i] ? strchr(digits, s[i]) : NULL;
        if (!at) return false;
        bits = bits << 4 | (uint32_t)(at - digits);
    }
    memcpy(out, &bits, sizeof bits);
    return true;
}

bool statistics_recall(const char *key, int64_t channels, float *mean, float *std)
{
    if (channels > CACHE_MOST) return false;
    char *path = cache_path(key), *s = NULL;
    size_t n = 0;
    const size_t head = sizeof cache_format, line = 18;
    errors quiet = {0};
    bool good = file_exists(path) && file_read(path, 32u << 20, &s, &n, &quiet) == CVY_OK &&
                n == head + line * (size_t)channels + 9;
    for (int64_t c = 0; c < channels && good; c++) {
        const char *at = s + head + line * (size_t)c;
        good = cache_number(at, &mean[c]) && cache_number(at + 9, &std[c]) && isfinite(mean[c]) &&
               isfinite(std[c]) && std[c] >= 0;
    }
    text as_kept = {0};
    if (good) cache_text(channels, mean, std, &as_kept);
    good = good && as_kept.n == n && memcmp(as_kept.s, s, n) == 0;
    text_free(&as_kept);
    errors_free(&quiet);
    mem_free(s);
    mem_free(path);
    return good;
}

void statistics_remember(const char *key, int64_t channels, const float *mean, const float *std)
{
    if (channels > CACHE_MOST) return;
    errors quiet = {0};
    char *path = cache_path(key), *dir = path_dir(path);
    text content = {0};
    cache_text(channels, mean, std, &content);
    if (file_make_dirs(dir, &quiet) == CVY_OK) (void)file_replace(path, content.s, content.n, &quiet);
    text_free(&content);
    mem_free(dir);
    mem_free(path);
    errors_free(&quiet);
}
