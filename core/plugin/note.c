/* Reads the ELF notes of a plugin file believing none of its bytes; must not know dlopen nor run the file. */
#include "plugin/note.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"

/* Far above any honest file; they bound the work that a hostile one can cause. */
#define MAX_SEGMENTS   256
#define MAX_NOTES      256
#define MAX_NOTE_BYTES ((uint64_t)1 << 20)

#if defined(__x86_64__)
#define THIS_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define THIS_MACHINE EM_AARCH64
#elif defined(__riscv)
#define THIS_MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define THIS_MACHINE EM_PPC64
#elif defined(__s390x__)
#define THIS_MACHINE EM_S390
#else
#error "name this machine's e_machine"
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define THIS_DATA ELFDATA2LSB
#else
#define THIS_DATA ELFDATA2MSB
#endif

/* The desc part of cvy_note, which begins where the owner's eight bytes end. */
#define DESC_OFFSET offsetof(cvy_note, abi)
#define DESC_SIZE   (sizeof(cvy_note) - DESC_OFFSET)
_Static_assert(sizeof(cvy_note) == 76 && offsetof(cvy_note, abi) == 20,
               "cvy_note is an ELF note without padding");

typedef struct elf_file {
    const char *path;
    int fd;
    uint64_t size;
    errors *e;
} elf_file;

__attribute__((format(printf, 4, 5))) static cvy_status refuse(const elf_file *f, uint64_t offset,
                                                               const char *hint, const char *fmt, ...)
{
    text what = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&what, fmt, ap);
    va_end(ap);
    place at = PLACE_AT(f->path, offset);
    cvy_status status = errors_add(f->e, CVY_ERR_PLUGIN, &at, hint, "%s", text_str(&what));
    text_free(&what);
    return status;
}

/* Refuses what has no position: the file as a whole. */
static cvy_status refuse_file(const elf_file *f, const char *hint, const char *what)
{
    place at = PLACE_FILE(f->path);
    return errors_add(f->e, CVY_ERR_PLUGIN, &at, hint, "%s", what);
}

static cvy_status read_at(const elf_file *f, uint64_t offset, void *to, size_t n, const char *what)
{
    uint64_t end;
    if (__builtin_add_overflow(offset, (uint64_t)n, &end) || end > f->size)
        return refuse(f, offset, NULL, "truncated: the %s here needs %zu bytes, the file ends at byte %llu",
                      what, n, (unsigned long long)f->size);
    for (size_t got = 0; got < n;) {
        ssize_t r = pread(f->fd, (char *)to + got, n - got, (off_t)(offset + got));
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return refuse(f, offset + got, NULL, "cannot be read: %s", strerror(errno));
        if (r == 0) return refuse(f, offset + got, NULL, "became shorter while it was read");
        got += (size_t)r;
    }
    return CVY_OK;
}

static const char *machine_name(unsigned machine)
{
    switch (machine) {
    case EM_386:
        return "32-bit x86";
    case EM_X86_64:
        return "x86-64";
    case EM_ARM:
        return "32-bit Arm";
    case EM_AARCH64:
        return "64-bit Arm";
    case EM_RISCV:
        return "RISC-V";
    case EM_PPC64:
        return "64-bit PowerPC";
    case EM_S390:
        return "IBM Z";
    default:
        return NULL;
    }
}

/* The first bytes of something that is not ELF, told apart because people do hand over sources and archives.
 */
static cvy_status refuse_foreign(const elf_file *f, const unsigned char *head, size_t n)
{
    if (n >= 8 && !memcmp(head, "!<arch>\n", 8))
        return refuse_file(f, "link it as a shared object (-shared)", "not a plugin: a static library");
    for (size_t i = 0; i < n; i++)
        if (!isprint(head[i]) && !isspace(head[i]) && head[i] < 0x80)
            return refuse_file(f, NULL, "not a plugin: not an ELF file");
    return refuse_file(
        f,
        "compile it: cc -O2 -shared -fPIC -I HEADERS -o NAME.so NAME.c -lm (`convoy doctor` names the "
        "folder of the headers)",
        "not a plugin: a text file");
}

static cvy_status read_header(const elf_file *f, Elf64_Ehdr *h)
{
    const char *rebuild = "rebuild it from source on this machine";
    if (f->size == 0) return refuse_file(f, NULL, "not a plugin: the file is empty");
    unsigned char head[64] = {0};
    size_t n = f->size < sizeof head ? (size_t)f->size : sizeof head;
    cvy_status status = read_at(f, 0, head, n, "file header");
    if (status) return status;
    if (n < SELFMAG || memcmp(head, ELFMAG, SELFMAG) != 0) return refuse_foreign(f, head, n);
    if (n > EI_CLASS && head[EI_CLASS] == ELFCLASS32)
        return refuse(f, EI_CLASS, rebuild, "a 32-bit file; this Convoy is 64-bit");
    status = read_at(f, 0, h, sizeof *h, "ELF header");
    if (status) return status;
    if (h->e_ident[EI_CLASS] != ELFCLASS64)
        return refuse(f, EI_CLASS, NULL, "damaged: %u is no ELF class", h->e_ident[EI_CLASS]);
    if (h->e_ident[EI_DATA] != THIS_DATA)
        return refuse(f, EI_DATA, rebuild, "its byte order (%u) is not this machine's (%d)",
                      h->e_ident[EI_DATA], THIS_DATA);
    if (h->e_ident[EI_VERSION] != EV_CURRENT)
        return refuse(f, EI_VERSION, NULL, "damaged: ELF version %u, expected %d", h->e_ident[EI_VERSION],
                      EV_CURRENT);
    if (h->e_machine != THIS_MACHINE) {
        const char *name = machine_name(h->e_machine);
        return refuse(f, offsetof(Elf64_Ehdr, e_machine), rebuild,
                      "built for another machine: %s (e_machine %u); this Convoy runs on %s (%d)",
                      name ? name : "unknown", h->e_machine, machine_name(THIS_MACHINE), THIS_MACHINE);
    }
    if (h->e_type != ET_DYN)
        return refuse(f, offsetof(Elf64_Ehdr, e_type), "link it with -shared",
                      h->e_type == ET_REL ? "an object file, not a shared object (ELF type %u)"
                                          : "not a shared object (ELF type %u)",
                      h->e_type);
    if (h->e_phentsize != sizeof(Elf64_Phdr))
        return refuse(f, offsetof(Elf64_Ehdr, e_phentsize), NULL,
                      "damaged: program headers of %u bytes, expected %zu", h->e_phentsize,
                      sizeof(Elf64_Phdr));
    if (h->e_phnum == 0 || h->e_phnum > MAX_SEGMENTS)
        return refuse(f, offsetof(Elf64_Ehdr, e_phnum), NULL, "damaged: %u program headers", h->e_phnum);
    return CVY_OK;
}

static cvy_status check_name(const elf_file *f, uint64_t offset, const cvy_note *note)
{
    if (!memchr(note->name, 0, sizeof note->name))
        return refuse(f, offset, NULL, "damaged note: a name of more than %d bytes", CVY_NAME_MAX - 1);
    bool good = note->name[0] != 0;
    for (const char *s = note->name; *s; s++)
        good = good && (isalnum((unsigned char)*s) || *s == '_') && (unsigned char)*s < 0x80;
    if (good) return CVY_OK;
    text shown = {0};
    text_safe(&shown, note->name, CVY_NAME_MAX);
    cvy_status status =
        refuse(f, offset, NULL, "damaged note: \"%s\" is no name (letters, digits, _)", text_str(&shown));
    text_free(&shown);
    return status;
}

/* A note whose owner is Convoy; `bytes` holds all of it. */
static cvy_status own_note(const elf_file *f, uint64_t offset, const unsigned char *bytes, uint32_t desc_size,
                           note_list *list, size_t *cap)
{
    uint32_t abi = 0;
    if (desc_size >= sizeof abi) memcpy(&abi, bytes + DESC_OFFSET, sizeof abi);
    if (desc_size >= sizeof abi && abi != CVY_ABI)
        return refuse(f, offset + DESC_OFFSET,
                      abi > CVY_ABI ? "use the Convoy it was built for, or rebuild it with this one's headers"
                                    : "rebuild it with this Convoy's headers",
                      "built for plugin ABI %u; this Convoy has ABI %u", abi, CVY_ABI);
    if (desc_size != DESC_SIZE)
        return refuse(f, offset, NULL, "damaged note: %u bytes, expected %zu", desc_size, DESC_SIZE);
    cvy_note note;
    memcpy(&note, bytes, sizeof note);
    if (note.kind < CVY_LAYER || note.kind > CVY_AUGMENT)
        return refuse(f, offset + offsetof(cvy_note, kind), NULL,
                      "unknown plugin kind %u (this Convoy knows 1 to %d)", note.kind, CVY_AUGMENT);
    cvy_status status = check_name(f, offset + offsetof(cvy_note, name), &note);
    if (status) return status;
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].kind == note.kind && !strcmp(list->items[i].name, note.name))
            return refuse(f, offset, NULL, "two notes for \"%s\"", note.name);
    if (list->n == MAX_NOTES) return refuse(f, offset, NULL, "more than %d plugins in one file", MAX_NOTES);
    list->items = MEM_GROW(list->items, list->n, cap);
    list->items[list->n++] = note;
    return CVY_OK;
}

static uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to; /* n is below 2^34 here */
}

/* One PT_NOTE segment of n bytes (at most MAX_NOTE_BYTES) that begins at `base` in the file. */
static cvy_status walk_notes(const elf_file *f, uint64_t base, const unsigned char *bytes, uint64_t n,
                             uint64_t segment_align, note_list *list, size_t *cap)
{
    for (uint64_t at = 0; n - at >= sizeof(Elf64_Nhdr);) {
        Elf64_Nhdr h;
        memcpy(&h, bytes + at, sizeof h);
        if (!h.n_namesz) {
            at += 4; /* no note of anybody's: padding such as the red zones of clang's AddressSanitizer */
            continue;
        }
        uint64_t owner_at = at + sizeof h;
        bool own = h.n_namesz == sizeof CVY_NOTE_OWNER && n - owner_at >= sizeof CVY_NOTE_OWNER &&
                   !memcmp(bytes + owner_at, CVY_NOTE_OWNER, sizeof CVY_NOTE_OWNER);
        /* Ours are laid out by cvy_note whatever the segment; others follow their segment's alignment. */
        uint64_t align = !own && segment_align == 8 ? 8 : 4;
        uint64_t desc_at = at + round_up(sizeof h + (uint64_t)h.n_namesz, align);
        if (desc_at > n || h.n_descsz > n - desc_at)
            return refuse(f, base + at, NULL, "damaged: a note of %u + %u bytes in a segment of %llu",
                          h.n_namesz, h.n_descsz, (unsigned long long)n);
        if (own && h.n_type == CVY_NOTE_TYPE) {
            cvy_status status = own_note(f, base + at, bytes + at, h.n_descsz, list, cap);
            if (status) return status;
        }
        uint64_t next = at + round_up(desc_at - at + h.n_descsz, align);
        at = next < n ? next : n; /* the last one may lack its padding */
    }
    return CVY_OK;
}

static cvy_status read_notes(const elf_file *f, const Elf64_Ehdr *h, const Elf64_Phdr *segments,
                             note_list *list)
{
    /* Every segment, not only the notes': the loader maps them unchecked, and touching a page behind the end
     * of a truncated file kills the process. */
    for (unsigned i = 0; i < h->e_phnum; i++) {
        const Elf64_Phdr *p = &segments[i];
        if (p->p_type == PT_NULL || p->p_filesz == 0) continue;
        uint64_t end;
        if (__builtin_add_overflow(p->p_offset, p->p_filesz, &end) || end > f->size)
            return refuse(f, h->e_phoff + (uint64_t)i * sizeof *p, NULL,
                          "truncated: segment %u has %llu bytes at byte %llu, the file ends at byte %llu", i,
                          (unsigned long long)p->p_filesz, (unsigned long long)p->p_offset,
                          (unsigned long long)f->size);
    }
    uint64_t total = 0;
    size_t cap = 0;
    for (unsigned i = 0; i < h->e_phnum; i++) {
        const Elf64_Phdr *p = &segments[i];
        if (p->p_type != PT_NOTE || p->p_filesz == 0) continue;
        if (p->p_filesz > MAX_NOTE_BYTES - total)
            return refuse(f, h->e_phoff + (uint64_t)i * sizeof *p, NULL,
                          "damaged: more than %llu bytes of notes", (unsigned long long)MAX_NOTE_BYTES);
        total += p->p_filesz;
        unsigned char *bytes = mem_alloc((size_t)p->p_filesz);
        cvy_status status = read_at(f, p->p_offset, bytes, (size_t)p->p_filesz, "note segment");
        if (!status) status = walk_notes(f, p->p_offset, bytes, p->p_filesz, p->p_align, list, &cap);
        mem_free(bytes);
        if (status) return status;
    }
    if (list->n == 0)
        return refuse_file(f, "a plugin's source ends with CVY_PLUGIN(...); see convoy/plugin.h",
                           "not a plugin: a shared object without Convoy's note");
    return CVY_OK;
}

static cvy_status read_file(const elf_file *f, note_list *list)
{
    Elf64_Ehdr h;
    cvy_status status = read_header(f, &h);
    if (status) return status;
    size_t bytes = (size_t)h.e_phnum * sizeof(Elf64_Phdr);
    Elf64_Phdr *segments = mem_alloc(bytes);
    status = read_at(f, h.e_phoff, segments, bytes, "program header table");
    if (!status) status = read_notes(f, &h, segments, list);
    mem_free(segments);
    return status;
}

cvy_status note_read(const char *path, note_list *list, errors *e)
{
    *list = (note_list){0};
    elf_file f = {path, -1, 0, e};
    /* O_NONBLOCK: a FIFO in a plugin folder must not hang us. */
    f.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (f.fd < 0 || fstat(f.fd, &st) != 0) {
        place at = PLACE_FILE(path);
        /* A name that leads nowhere is the fault of whoever wrote it, not of a plugin. */
        const bool named_wrongly = errno == ENOENT || errno == ENOTDIR;
        cvy_status status = errors_add(e, named_wrongly ? CVY_ERR_CONFIG : CVY_ERR_PLUGIN, &at, NULL,
                                       "cannot be opened: %s", strerror(errno));
        if (f.fd >= 0) close(f.fd);
        return status;
    }
    cvy_status status;
    if (S_ISREG(st.st_mode)) {
        f.size = (uint64_t)st.st_size;
        status = read_file(&f, list);
    } else {
        status = refuse_file(
            &f, NULL, S_ISDIR(st.st_mode) ? "not a plugin: a folder" : "not a plugin: no regular file");
    }
    close(f.fd);
    if (status) {
        mem_free(list->items);
        *list = (note_list){0};
    }
    return status;
}
