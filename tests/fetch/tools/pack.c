/* Archives for tests, good ones and such as nobody should send: pack OUT.tar.gz|OUT.tar|OUT.zip|OUT.tar.xz MEMBER...
 *
 * A member is KIND:NAME or KIND:NAME=VALUE: file (VALUE: the path of its contents), dir, link, hard (VALUE: what it points
 * to), device, fifo, zeros (VALUE: so many bytes). Exit code 77 where libarchive is not built in. */
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef CONVOY_ARCHIVE
#include <archive.h>
#include <archive_entry.h>

static bool ends(const char *s, const char *with)
{
    size_t n = strlen(s), k = strlen(with);
    return n >= k && !strcmp(s + n - k, with);
}

static int zeros(struct archive *a, long long n)
{
    static const char piece[1 << 16];
    for (; n > 0; n -= (long long)sizeof piece)
        if (archive_write_data(a, piece, n < (long long)sizeof piece ? (size_t)n : sizeof piece) < 0)
            return -1;
    return 0;
}

static int contents(struct archive *a, struct archive_entry *entry, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return -1;
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    char *s = malloc((size_t)n + 1);
    int rc = s && fread(s, 1, (size_t)n, f) == (size_t)n ? 0 : -1;
    fclose(f);
    archive_entry_set_size(entry, n);
    if (!rc) rc = archive_write_header(a, entry);
    if (!rc && n) rc = archive_write_data(a, s, (size_t)n) == n ? 0 : -1;
    free(s);
    return rc;
}

static int add(struct archive *a, char *member)
{
    char *name = strchr(member, ':'), *value;
    if (!name) return -1;
    *name++ = 0;
    value = strchr(name, '=');
    if (value) *value++ = 0;
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_perm(entry, 06777); /* modes are not to be believed either */
    archive_entry_set_filetype(entry, AE_IFREG);
    int rc;
    if (!strcmp(member, "file")) {
        rc = contents(a, entry, value ? value : "");
    } else if (!strcmp(member, "zeros")) {
        archive_entry_set_size(entry, atoll(value ? value : "0"));
        rc = archive_write_header(a, entry);
        if (!rc) rc = zeros(a, atoll(value ? value : "0"));
    } else {
        if (!strcmp(member, "dir")) archive_entry_set_filetype(entry, AE_IFDIR);
        if (!strcmp(member, "link")) {
            archive_entry_set_filetype(entry, AE_IFLNK);
            archive_entry_set_symlink(entry, value);
        }
        if (!strcmp(member, "hard")) archive_entry_set_hardlink(entry, value);
        if (!strcmp(member, "fifo")) archive_entry_set_filetype(entry, AE_IFIFO);
        if (!strcmp(member, "device")) {
            archive_entry_set_filetype(entry, AE_IFCHR);
            archive_entry_set_rdevmajor(entry, 1);
            archive_entry_set_rdevminor(entry, 3);
        }
        rc = archive_write_header(a, entry);
    }
    archive_entry_free(entry);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    setlocale(LC_CTYPE, "C.UTF-8"); /* names are UTF-8 here */
    struct archive *a = archive_write_new();
    if (ends(argv[1], ".gz")) archive_write_add_filter_gzip(a);
    if (ends(argv[1], ".xz")) archive_write_add_filter_xz(a);
    if (ends(argv[1], ".zip"))
        archive_write_set_format_zip(a);
    else
        archive_write_set_format_pax_restricted(a);
    int rc = archive_write_open_filename(a, argv[1]);
    for (int i = 2; i < argc && !rc; i++) rc = add(a, argv[i]);
    if (rc) fprintf(stderr, "pack: %s\n", archive_error_string(a) ? archive_error_string(a) : "failed");
    if (archive_write_close(a)) rc = -1;
    archive_write_free(a);
    return rc ? 1 : 0;
}
#else
int main(void)
{
    return 77;
}
#endif
