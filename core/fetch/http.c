/* Owns the talk with HTTP servers by libcurl: ranges, validators, and what failures mean; must not know what is fetched.
 *
 * A resumed request names the validator of the first answer (If-Range, RFC 9110 section 13.1.5): a server that has another
 * file by now, or that knows no ranges, answers 200 with all of it, and the file begins anew. */
#include "fetch/http.h"

#ifdef CONVOY_CURL
#define CURL_DISABLE_TYPECHECK /* its macros know curl_easy_setopt() by name alone */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "fetch/library.h"

enum { KNOWN_MOST = 1 << 16, CONNECT_SECONDS = 30, REDIRECTS_MOST = 10, HEADER_MOST = 512 };

/* ---- the library ---- */

typedef struct curl_library {
    CURLcode (*global_init)(long flags);
    CURL *(*init)(void);
    CURLcode (*setopt)(CURL *h, CURLoption option, ...);
    CURLcode (*perform)(CURL *h);
    CURLcode (*getinfo)(CURL *h, CURLINFO info, ...);
    void (*cleanup)(CURL *h);
    const char *(*explain)(CURLcode code);
    struct curl_slist *(*append)(struct curl_slist *list, const char *s);
    void (*free_list)(struct curl_slist *list);
    curl_version_info_data *(*version)(CURLversion);
} curl_library;

static bool curl_open(curl_library *c, errors *e)
{
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
    const library_symbol symbols[] = {
        {"curl_global_init", &c->global_init},  {"curl_easy_init", &c->init},
        {"curl_easy_setopt", &c->setopt},       {"curl_easy_perform", &c->perform},
        {"curl_easy_getinfo", &c->getinfo},     {"curl_easy_cleanup", &c->cleanup},
        {"curl_easy_strerror", &c->explain},    {"curl_slist_append", &c->append},
        {"curl_slist_free_all", &c->free_list}, {"curl_version_info", &c->version}};
    if (!library_load(names, 2, symbols, sizeof symbols / sizeof *symbols, "libcurl4", e)) return false;
    if (!c->global_init(CURL_GLOBAL_DEFAULT)) return true;
    errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "libcurl does not start");
    return false;
}

bool transfer_ready(errors *e)
{
    curl_library c;
    return curl_open(&c, e);
}

const char *transfer_version(void)
{
    curl_library c;
    return curl_open(&c, NULL) ? c.version(CURLVERSION_NOW)->version : NULL;
}

/* ---- what is known of a part ---- */

typedef struct known {
    char *url, *validator; /* NULL: none */
    int64_t total;         /* 0: not known */
} known;

static void known_free(known *k)
{
    mem_free(k->url);
    mem_free(k->validator);
    *k = (known){0};
}

/* Nothing where there is nothing usable: then the file begins anew. */
static known known_read(const char *part)
{
    known k = {0};
    arena a = {0};
    char *path = mem_printf("%s.json", part), *s = NULL;
    size_t n = 0, offset;
    const char *why;
    if (file_exists(path) && !file_read(path, KNOWN_MOST, &s, &n, NULL)) {
        const json *j = json_parse(&a, s, n, &why, &offset);
        if (j && j->kind == JSON_OBJECT) {
            k.url = mem_text(json_get_text(j, "url", NULL));
            k.validator = mem_text(json_get_text(j, "validator", NULL));
            k.total = json_get_int(j, "total", 0);
        }
    }
    mem_free(s);
    mem_free(path);
    arena_free(&a);
    return k;
}

static void known_write(const char *part, const char *url, const char *validator, int64_t total)
{
    json_writer w = {0};
    char *path = mem_printf("%s.json", part);
    json_open(&w, '{');
    json_put_text(&w, "url", url);
    json_put_text(&w, "validator", validator);
    json_put_int(&w, "total", total);
    json_close(&w, '}');
    file_replace(path, text_str(&w.out), w.out.n, NULL); /* without it the next attempt begins anew */
    text_free(&w.out);
    mem_free(path);
}

/* ---- a request ---- */

typedef struct request {
    transfer *t;
    curl_library curl;
    CURL *h;
    int fd;
    int64_t asked; /* where the range begins; 0: none */
    int64_t have;  /* bytes in the file */
    int64_t total;
    bool begun; /* the answer's status was looked at */
    long code;
    char *validator;                  /* of the answer */
    int64_t range_begin, range_total; /* of Content-Range; -1 */
    int why;                          /* an errno of the storage */
    bool too_long, stopped, unfit;
    char said[CURL_ERROR_SIZE];
} request;

/* The value of a header line, if it is that header; mem_alloc'ed. */
static char *header_value(const char *line, size_t n, const char *name)
{
    size_t length = strlen(name);
    if (n <= length || n > HEADER_MOST || strncasecmp(line, name, length) != 0 || line[length] != ':')
        return NULL;
    line += length + 1;
    n -= length + 1;
    while (n && (*line == ' ' || *line == '\t')) line++, n--;
    while (n && strchr(" \t\r\n", line[n - 1])) n--;
    return mem_text_n(line, n);
}

static size_t take_header(char *line, size_t size, size_t count, void *ctx)
{
    request *r = ctx;
    const size_t n = size * count;
    if (n > 5 && !strncmp(line, "HTTP/", 5)) { /* the answer to another request: of a redirect, of a proxy */
        mem_free(r->validator);
        r->validator = NULL;
        r->range_begin = r->range_total = -1;
    }
    char *tag = header_value(line, n, "etag"), *date = header_value(line, n, "last-modified"),
         *range = header_value(line, n, "content-range");
    if (tag && text_starts(tag, "\"")) { /* weak ones say nothing about bytes */
        mem_free(r->validator);
        r->validator = tag;
        tag = NULL;
    } else if (date && !r->validator) {
        r->validator = date;
        date = NULL;
    } else if (range && text_starts(range, "bytes ")) {
        char *end;
        errno = 0;
        long long begin = strtoll(range + 6, &end, 10);
        if (!errno && end > range + 6 && *end == '-') r->range_begin = begin;
        const char *slash = strchr(range, '/');
        if (slash && slash[1] != '*') r->range_total = strtoll(slash + 1, NULL, 10);
    }
    mem_free(tag);
    mem_free(date);
    mem_free(range);
    return n;
}

/* Looks at the answer before its first byte is taken. */
static void begin(request *r)
{
    if (r->begun) return;
    r->begun = true;
    curl_off_t length = -1;
    r->curl.getinfo(r->h, CURLINFO_RESPONSE_CODE, &r->code);
    r->curl.getinfo(r->h, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (r->code == 206 && (!r->asked || r->range_begin != r->asked)) {
        r->unfit = true;
    } else if (r->code == 206) {
        r->total = r->range_total > 0 ? r->range_total : length >= 0 ? r->asked + length : 0;
    } else if (r->code == 200) {
        r->have = 0;
        r->total = length > 0 ? length : 0;
        if (ftruncate(r->fd, 0)) r->why = errno;
    }
    if (r->code == 206) r->t->resumed = r->asked;
    if (r->total > r->t->most) r->too_long = true;
    if (r->code == 200) known_write(r->t->part, r->t->url, r->validator, r->total);
}

static size_t take_bytes(char *data, size_t size, size_t count, void *ctx)
{
    request *r = ctx;
    const size_t n = size * count;
    begin(r);
    if (r->unfit || r->too_long || r->why) return 0;
    if (r->code != 200 && r->code != 206) return n; /* the text of an error page */
    if (r->have + (int64_t)n > r->t->most) {
        r->too_long = true;
        return 0;
    }
    r->why = transfer_write(r->fd, data, n, r->have);
    if (r->why) return 0;
    r->have += (int64_t)n;
    r->t->moved += (int64_t)n;
    return n;
}

static int look(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up, curl_off_t upped)
{
    request *r = ctx;
    (void)total;
    (void)now;
    (void)up;
    (void)upped;
    if (r->t->go_on && !r->t->go_on(r->t->ctx, r->begun ? r->have : r->asked, r->total)) r->stopped = true;
    return r->stopped;
}

static void configure(request *r, struct curl_slist *headers, const char *range)
{
    CURLcode (*set)(CURL *, CURLoption, ...) = r->curl.setopt;
    set(r->h, CURLOPT_URL, r->t->url);
    set(r->h, CURLOPT_NOSIGNAL, 1L);
    set(r->h, CURLOPT_USERAGENT, "convoy/" CONVOY_VERSION);
    set(r->h, CURLOPT_FOLLOWLOCATION, 1L);
    set(r->h, CURLOPT_MAXREDIRS, (long)REDIRECTS_MOST);
    set(r->h, CURLOPT_CONNECTTIMEOUT,
        (long)(r->t->timeout < CONNECT_SECONDS ? r->t->timeout : CONNECT_SECONDS));
    set(r->h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(r->h, CURLOPT_LOW_SPEED_TIME, (long)r->t->timeout);
    set(r->h, CURLOPT_ERRORBUFFER, r->said);
    set(r->h, CURLOPT_HTTPHEADER, headers);
    set(r->h, CURLOPT_HEADERFUNCTION, take_header);
    set(r->h, CURLOPT_HEADERDATA, r);
    set(r->h, CURLOPT_WRITEFUNCTION, take_bytes);
    set(r->h, CURLOPT_WRITEDATA, r);
    set(r->h, CURLOPT_NOPROGRESS, 0L);
    set(r->h, CURLOPT_XFERINFOFUNCTION, look);
    set(r->h, CURLOPT_XFERINFODATA, r);
    if (range) set(r->h, CURLOPT_RANGE, range);
#if LIBCURL_VERSION_NUM >= 0x075500
    set(r->h, CURLOPT_PROTOCOLS_STR, "http,https");
    set(r->h, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
    set(r->h, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
    set(r->h, CURLOPT_REDIR_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/* ---- what it came to ---- */

static const char *hint_of(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "is this machine on the network? Behind a proxy, set https_proxy and http_proxy; a file from "
               "elsewhere "
               "is taken by --from DIR";
    case CURLE_COULDNT_RESOLVE_PROXY:
        return "the environment names a proxy that is not known: see https_proxy";
    case CURLE_COULDNT_CONNECT:
        return "behind a proxy, set https_proxy and http_proxy";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CONNECT_ERROR:
        return "the server cannot prove who it is: is the clock right, are the certificates here (apt-get "
               "install "
               "ca-certificates), does a proxy look into the traffic?";
    case CURLE_OPERATION_TIMEDOUT:
        return "what has arrived is kept: the same command goes on from there";
    default:
        return NULL;
    }
}

static bool is_lasting(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_TOO_MANY_REDIRECTS:
        return true;
    default:
        return false;
    }
}

static cvy_status outcome(request *r, CURLcode code, errors *e)
{
    transfer *t = r->t;
    place at = PLACE_FILE(t->url);
    if (!code) begin(r); /* an answer without a byte */
    if (r->stopped) return CVY_STOPPED;
    if (r->why) return transfer_write_failed(t, r->why, e);
    if (r->too_long)
        return errors_add(e, CVY_ERR_CONFIG, &at, NULL, "the server sends more than the expected %lld bytes",
                          (long long)t->most);
    if (r->unfit || r->code == 416) {
        transfer_forget(t->part);
        t->again = true;
        return errors_add(e, CVY_ERR_RESOURCE, &at, NULL,
                          "the server gives another part of the file than was asked for");
    }
    if (r->begun && r->code != 200 && r->code != 206) {
        t->again = r->code == 408 || r->code == 429 || r->code >= 500;
        return errors_add(e, CVY_ERR_RESOURCE, &at,
                          r->code == 404 || r->code == 410
                              ? "the file is no longer there; another place is given by --from URL|DIR"
                              : NULL,
                          "the server answers %ld%s", r->code,
                          r->code == 404   ? " (not found)"
                          : r->code == 403 ? " (forbidden)"
                          : r->code == 407 ? " (the proxy wants a password)"
                          : r->code == 503 ? " (not available)"
                                           : "");
    }
    if (code) {
        t->again = !is_lasting(code);
        return errors_add(e, CVY_ERR_RESOURCE, &at, hint_of(code), "cannot be fetched: %s",
                          *r->said ? r->said : r->curl.explain(code));
    }
    if (r->total > 0 && r->have < r->total) {
        t->again = true;
        return errors_add(e, CVY_ERR_RESOURCE, &at, NULL, "the server ends after %lld of %lld bytes",
                          (long long)r->have, (long long)r->total);
    }
    return CVY_OK;
}

static cvy_status perform(request *r, errors *e)
{
    known k = known_read(r->t->part);
    int64_t there = file_size(r->t->part);
    bool same = k.url && !strcmp(k.url, r->t->url) && k.validator;
    struct curl_slist *headers = NULL;
    char *range = NULL, *if_range = NULL;
    if (same && there > 0 && (k.total == 0 || there < k.total)) {
        r->asked = r->have = there;
        r->total = k.total;
        range = mem_printf("%lld-", (long long)there);
        if_range = mem_printf("If-Range: %s", k.validator);
        headers = r->curl.append(NULL, if_range);
    }
    configure(r, headers, range);
    CURLcode code = r->curl.perform(r->h);
    cvy_status status = outcome(r, code, e);
    r->curl.free_list(headers);
    mem_free(range);
    mem_free(if_range);
    known_free(&k);
    return status;
}

cvy_status http_get(transfer *t, errors *e)
{
    request r = {.t = t, .range_begin = -1, .range_total = -1};
    if (!curl_open(&r.curl, e)) return CVY_ERR_RESOURCE;
    r.fd = transfer_open_part(t, e);
    if (r.fd < 0) return CVY_ERR_RESOURCE;
    r.h = r.curl.init();
    cvy_status status = r.h ? perform(&r, e)
                            : errors_add(e, CVY_ERR_RESOURCE, NULL, NULL, "libcurl does not start a request");
    if (r.h) r.curl.cleanup(r.h);
    if (close(r.fd) && !status) status = transfer_write_failed(t, errno, e);
    if (status && file_size(t->part) == 0) transfer_forget(t->part);
    mem_free(r.validator);
    return status;
}

#else

bool transfer_ready(errors *e)
{
    errors_add(e, CVY_ERR_RESOURCE, NULL,
               "apt-get install libcurl4-openssl-dev, then configure and build again; files that are here "
               "already are "
               "taken by --from DIR",
               "this build of Convoy knows no network: it was made without libcurl");
    return false;
}

const char *transfer_version(void)
{
    return NULL;
}

cvy_status http_get(transfer *t, errors *e)
{
    (void)t;
    transfer_ready(e);
    return CVY_ERR_RESOURCE;
}

#endif
