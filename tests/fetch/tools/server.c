/* A small HTTP server for tests: files of one folder on a port of 127.0.0.1, each served as the first part of its path says.
 *
 *   server FOLDER PORT_FILE LOG_FILE
 *
 * /plain/F          with ranges, If-Range and an ETag        /norange/F    all of it whatever is asked for
 * /etag/X/F         the same with ETag "X"                   /lies/F       another part than was asked for
 * /cut/N/F          breaks off after N bytes of the answer   /wrong/F      one byte is another
 * /status/N/F       answers N                                /more/F       sends more than it has, without a length
 * /hang/F           sends nothing after the header           /moved/F      redirects to /plain/F
 * /date/F           Last-Modified and no ETag                /once/F       breaks off in the middle, without ranges, once
 *
 * Each request is a line in LOG_FILE: path and range. It ends when its standard input does. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct wanted {
    char mode[32], word[64], file[256];
    long long from; /* of the range; -1: none */
    char if_range[128];
} wanted;

static void send_all(int fd, const char *s, size_t n)
{
    while (n) {
        ssize_t done = send(fd, s, n, MSG_NOSIGNAL);
        if (done <= 0) return;
        s += done;
        n -= (size_t)done;
    }
}

static const char *header(const char *request, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = strchr(request, '\n'); line; line = strchr(line + 1, '\n'))
        if (!strncasecmp(line + 1, name, n) && line[1 + n] == ':') return line + 2 + n;
    return NULL;
}

static bool parse(const char *request, wanted *w)
{
    char path[400];
    *w = (wanted){.from = -1};
    if (sscanf(request, "GET /%399s ", path) != 1) return false;
    char *slash = strchr(path, '/');
    if (!slash) return false;
    *slash = 0;
    snprintf(w->mode, sizeof w->mode, "%.31s", path);
    char *rest = slash + 1;
    slash = strchr(rest, '/');
    if (slash) {
        *slash = 0;
        snprintf(w->word, sizeof w->word, "%.63s", rest);
        rest = slash + 1;
    }
    snprintf(w->file, sizeof w->file, "%.255s", rest);
    const char *range = header(request, "Range"), *unless = header(request, "If-Range");
    if (range) sscanf(range, " bytes=%lld-", &w->from);
    if (unless) {
        while (*unless == ' ') unless++;
        snprintf(w->if_range, sizeof w->if_range, "%.*s", (int)strcspn(unless, "\r\n") & 127, unless);
    }
    return !strchr(w->file, '/') && w->file[0] != '.';
}

static void serve(int fd, const wanted *w, char *s, size_t n)
{
    char head[600], tag[160] = "", mark[140] = "\"v1\"";
    const bool dated = !strcmp(w->mode, "date");
    if (!strcmp(w->mode, "etag")) snprintf(mark, sizeof mark, "\"%s\"", w->word);
    if (dated) snprintf(mark, sizeof mark, "Sat, 01 Jan 2000 00:00:00 GMT");
    snprintf(tag, sizeof tag, "%s: %s\r\n", dated ? "Last-Modified" : "ETag", mark);
    bool ranges =
        strcmp(w->mode, "norange") != 0 && strcmp(w->mode, "once") != 0 && strcmp(w->mode, "lies") != 0;
    size_t from = 0;
    if (ranges && w->from >= 0 && (size_t)w->from < n && !strcmp(w->if_range, mark)) from = (size_t)w->from;
    if (!strcmp(w->mode, "wrong")) s[n / 2] ^= 1;
    if (!strcmp(w->mode, "status")) {
        snprintf(head, sizeof head,
                 "HTTP/1.1 %s What It Is\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsad\n", w->word);
        send_all(fd, head, strlen(head));
        return;
    }
    if (!strcmp(w->mode, "moved")) {
        snprintf(
            head, sizeof head,
            "HTTP/1.1 302 Found\r\nLocation: /plain/%s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            w->file);
        send_all(fd, head, strlen(head));
        return;
    }
    if (!strcmp(w->mode, "more")) {
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        send_all(fd, head, strlen(head));
        for (int i = 0; i < 10; i++) send_all(fd, s, n);
        return;
    }
    if (from || (!strcmp(w->mode, "lies") && w->from > 0))
        snprintf(head, sizeof head,
                 "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %zu-%zu/%zu\r\nContent-Length: %zu\r\n"
                 "%sConnection: close\r\n\r\n",
                 from, n - 1, n, n - from, tag);
    else
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%sConnection: close\r\n\r\n",
                 n, tag);
    send_all(fd, head, strlen(head));
    size_t most = n - from;
    if (!strcmp(w->mode, "cut") && (size_t)atoi(w->word) < most) most = (size_t)atoi(w->word);
    if (!strcmp(w->mode, "lies") && w->from < 0) most = n / 2;
    if (!strcmp(w->mode, "once") && access(w->file, F_OK) != 0) {
        most = n / 2;
        close(open(w->file, O_WRONLY | O_CREAT, 0600));
    }
    if (!strcmp(w->mode, "hang")) {
        poll(NULL, 0, 20000);
        return;
    }
    send_all(fd, s + from, most);
}

static void answer(int fd, const char *folder, int log)
{
    char request[4096], path[700], line[600];
    size_t have = 0;
    while (have + 1 < sizeof request) {
        ssize_t n = recv(fd, request + have, sizeof request - 1 - have, 0);
        if (n <= 0) return;
        have += (size_t)n;
        request[have] = 0;
        if (strstr(request, "\r\n\r\n")) break;
    }
    wanted w;
    if (!parse(request, &w)) return;
    int length = snprintf(line, sizeof line, "/%s/%s%s%s %lld %s\n", w.mode, w.word, *w.word ? "/" : "",
                          w.file, w.from, w.if_range);
    (void)!write(log, line, (size_t)length);
    snprintf(path, sizeof path, "%s/%s", folder, w.file);
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (!f || fstat(fileno(f), &st)) {
        const char *none = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        send_all(fd, none, strlen(none));
        if (f) fclose(f);
        return;
    }
    size_t n = (size_t)st.st_size;
    char *s = malloc(n + 1);
    if (s && fread(s, 1, n, f) == n) serve(fd, &w, s, n);
    free(s);
    fclose(f);
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
        log = open(argv[3], O_WRONLY | O_CREAT | O_APPEND, 0600);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (server < 0 || log < 0 || bind(server, (struct sockaddr *)&at, sizeof at) || listen(server, 16) ||
        getsockname(server, (struct sockaddr *)&at, &size))
        return 1;
    char temporary[600];
    snprintf(temporary, sizeof temporary, "%s.new", argv[2]);
    FILE *f = fopen(temporary, "w");
    if (!f || fprintf(f, "%d\n", ntohs(at.sin_port)) < 0 || fclose(f) || rename(temporary, argv[2])) return 1;
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        struct pollfd p[2] = {{.fd = server, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
        if (poll(p, 2, -1) < 0) continue;
        if (p[1].revents) return 0;
        int fd = accept(server, NULL, NULL);
        if (fd < 0) continue;
        pid_t child = fork();
        if (child == 0) {
            answer(fd, argv[1], log);
            shutdown(fd, SHUT_WR);
            _exit(0);
        }
        close(fd);
    }
}
