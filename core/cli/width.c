/* Owns the terminal width of characters; must not know what the text is for. wcwidth() would need a locale,
 * and a locale would change how numbers are written. */
#include "cli/width.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

typedef struct range {
    uint32_t first, last;
} range;

static const range zero[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x200B, 0x200F}, {0x20D0, 0x20F0},
    {0x2060, 0x2064}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF},
};
static const range two[] = {
    {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},   {0xAC00, 0xD7A3},
    {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
    {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF}, {0x20000, 0x3FFFD},
};

static bool within(uint32_t code, const range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (code >= ranges[i].first && code <= ranges[i].last) return true;
    return false;
}

static size_t columns_of(uint32_t code)
{
    if (within(code, zero, sizeof zero / sizeof *zero)) return 0;
    return within(code, two, sizeof two / sizeof *two) ? 2 : 1;
}

/* Bytes of s that fit into `columns`, and the columns they take. */
static size_t measure(const char *s, size_t columns, size_t *taken)
{
    size_t n = strlen(s), i = 0;
    *taken = 0;
    while (i < n) {
        uint32_t code = 0xFFFD; /* a byte that is no UTF-8 is shown as one mark */
        size_t len = text_utf8(s + i, n - i, &code);
        size_t more = columns_of(code);
        if (more > columns - *taken) break;
        *taken += more;
        i += len ? len : 1;
    }
    return i;
}

size_t width_of(const char *s)
{
    size_t plain = 0, taken;
    while (s[plain] >= ' ' && s[plain] <= '~') plain++; /* mostly that is all */
    measure(s + plain, SIZE_MAX, &taken);
    return plain + taken;
}

size_t width_cut(const char *s, size_t columns)
{
    size_t taken;
    return measure(s, columns, &taken);
}
