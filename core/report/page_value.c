/* Owns how lists of runs and words of command lines read on the page; must not know where they stand. */
#include <string.h>

#include "report/page_own.h"

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
