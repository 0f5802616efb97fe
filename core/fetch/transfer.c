/* Owns the copying of a file from a folder, and what transfers by network share with it; must not know HTTP. */
#include "fetch/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "fetch/http.h"

enum { PIECE = 1 << 20 };

void transfer_forget(const char *part)
{
    char *known = mem_printf("%s.json", part);
    unlink(part);
    unlink(known);
    mem_free(known);
}

cvy_status transfer_write_failed(transfer *t, int why, errors *e)
{
    place at = PLACE_FILE(t->part);
    t->storage = true;
    return errors_add(e, CVY_ERR_RESOURCE, &at,
                      why == ENOSPC || why == EDQUOT || why == EFBIG
                          ? "make room, or choose another place by --to DIR; what has arrived is kept"
                          : NULL,
                      "cannot be written: %s", strerror(why));
}

int transfer_open_part(transfer *t, errors *e)
{
    int fd = open(t->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) transfer_write_failed(t, errno, e);
    return fd;
}

int transfer_write(int fd, const void *data, size_t n, int64_t at)
{
    const char *p = data;
    while (n) {
        ssize_t done = pwrite(fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return errno;
        p += done;
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

/* ---- from a folder ---- */

static int digit(char c)
{
    const char *all = "0123456789abcdef", *at = c ? strchr(all, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    return at ? (int)(at - all) : -1;
}

/* file:///a%20b as /a b; a plain path as it is. NULL: a URL of the network. */
static char *local_path(const char *url)
{
    if (!text_starts(url, "file://")) return strstr(url, "://") ? NULL : mem_text(url);
    url += strlen("file://");
    if (text_starts(url, "localhost/")) url += strlen("localhost");
    text path = {0};
    for (; *url; url++) {
        int high = *url == '%' ? digit(url[1]) : -1, low = high >= 0 ? digit(url[2]) : -1;
        if (low >= 0 && (high || low)) url += 2;
        text_char(&path, low >= 0 && (high || low) ? (char)(16 * high + low) : *url);
    }
    return text_take(&path);
}

static cvy_status copy_bytes(transfer *t, int from, int to, const char *path, int64_t size, errors *e)
{
    place at = PLACE_FILE(path);
    char *piece = mem_alloc(PIECE);
    int64_t done = 0;
    cvy_status status = CVY_OK;
    while (!status) {
        ssize_t n = read(from, piece, PIECE);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) break;
        int why = n > 0 ? transfer_write(to, piece, (size_t)n, done) : 0;
        if (n < 0)
            status = errors_add(e, CVY_ERR_CONFIG, &at, NULL, "cannot be read: %s", strerror(errno));
        else if (why)
            status = transfer_write_failed(t, why, e);
        else if ((done += n) > t->most)
            status = errors_add(e, CVY_ERR_CONFIG, &at, NULL, "has more than the expected %lld bytes",
                                (long long)t->most);
        else if (t->go_on && !t->go_on(t->ctx, done, size))
            status = CVY_STOPPED;
    }
    t->moved = done;
    mem_free(piece);
    return status;
}

static cvy_status copy(transfer *t, const char *path, errors *e)
{
    place at = PLACE_FILE(path);
    struct stat st;
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (from < 0) return errors_add(e, CVY_ERR_CONFIG, &at, NULL, "cannot be opened: %s", strerror(errno));
    cvy_status status = CVY_OK;
    if (fstat(from, &st) || !S_ISREG(st.st_mode))
        status = errors_add(e, CVY_ERR_CONFIG, &at, NULL, "is no file");
    transfer_forget(t->part);
    int to = status ? -1 : transfer_open_part(t, e);
    if (to < 0 && !status) status = CVY_ERR_RESOURCE;
    if (!status) status = copy_bytes(t, from, to, path, (int64_t)st.st_size, e);
    if (to >= 0 && close(to) && !status) status = transfer_write_failed(t, errno, e);
    close(from);
    return status;
}

/* ---- either ---- */

cvy_status transfer_run(transfer *t, errors *e)
{
    t->resumed = t->moved = 0;
    t->again = t->storage = false;
    char *path = local_path(t->url);
    cvy_status status = path ? copy(t, path, e) : http_get(t, e);
    mem_free(path);
    return status;
}
