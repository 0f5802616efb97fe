/* note_read against good, foreign, damaged and hostile files; must not load any of them. */
#include "built.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/note.h"

static unsigned char *good; /* bytes of a plugin with two notes */
static size_t good_size;

static void note_at(size_t *offset)
{
    unsigned char *at = memmem(good, good_size, "Convoy\0", 8);
    assert_non_null(at);
    *offset = (size_t)(at - good) - 12;
}

static cvy_status read_bytes(const void *bytes, size_t n, errors *e, note_list *list)
{
    char *path = built_path("bytes.so");
    built_write(path, bytes, n);
    cvy_status status = note_read(path, list, e);
    mem_free(path);
    return status;
}

/* That these bytes are refused with this message. */
static void refuses(const void *bytes, size_t n, const char *part)
{
    errors e = {0};
    note_list list;
    assert_int_equal(read_bytes(bytes, n, &e, &list), CVY_ERR_PLUGIN);
    assert_int_equal(errors_count(&e), 1);
    assert_null(list.items);
    built_says(&e, part);
    errors_free(&e);
}

/* The good plugin with some bytes replaced. */
static void refuses_patch(size_t offset, const void *patch, size_t n, const char *part)
{
    unsigned char *bytes = mem_copy(good, good_size);
    memcpy(bytes + offset, patch, n);
    refuses(bytes, good_size, part);
    mem_free(bytes);
}

static void refuses_u16(size_t offset, uint16_t v, const char *part)
{
    refuses_patch(offset, &v, sizeof v, part);
}

static void refuses_u32(size_t offset, uint32_t v, const char *part)
{
    refuses_patch(offset, &v, sizeof v, part);
}

static void refuses_u64(size_t offset, uint64_t v, const char *part)
{
    refuses_patch(offset, &v, sizeof v, part);
}

static void test_good(void **state)
{
    (void)state;
    errors e = {0};
    note_list list;
    assert_int_equal(read_bytes(good, good_size, &e, &list), CVY_OK);
    assert_int_equal(list.n, 2);
    assert_int_equal(list.items[0].kind, CVY_LAYER);
    assert_string_equal(list.items[0].name, "good");
    assert_string_equal(list.items[1].name, "better");
    assert_int_equal(e.n, 0);
    mem_free(list.items);
}

static void test_paths(void **state)
{
    (void)state;
    errors e = {0};
    note_list list;
    char *fifo = built_path("fifo.so");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(note_read("/nonexistent.so", &list, &e), CVY_ERR_CONFIG);
    assert_int_equal(note_read(built_dir, &list, &e), CVY_ERR_PLUGIN);
    assert_int_equal(note_read(fifo, &list, &e), CVY_ERR_PLUGIN);
    built_says(&e, "/nonexistent.so: cannot be opened: No such file");
    built_says(&e, "not a plugin: a folder");
    built_says(&e, "not a plugin: no regular file");
    errors_free(&e);
    mem_free(fifo);
}

static void test_foreign(void **state)
{
    (void)state;
    refuses("", 0, "not a plugin: the file is empty");
    refuses("#include <stdio.h>\nint main(void) {}\n", 37, "not a plugin: a text file");
    refuses("/* r\303\251sum\303\251 */\n", 15, "not a plugin: a text file");
    refuses("!<arch>\n/    0  ", 16, "a static library");
    refuses("\x89PNG\r\n\x1a\n", 8, "not an ELF file");
    refuses("\x7f"
            "EL",
            3, "not an ELF file");
    refuses_u16(offsetof(Elf64_Ehdr, e_machine), 0xF00D,
                "byte 18: built for another machine: unknown (e_machine 61453)");
#if defined(__x86_64__)
    refuses_u16(
        offsetof(Elf64_Ehdr, e_machine), EM_AARCH64,
        "byte 18: built for another machine: 64-bit Arm (e_machine 183); this Convoy runs on x86-64 (62)");
#endif
    refuses_patch(EI_CLASS, "\1", 1, "byte 4: a 32-bit file; this Convoy is 64-bit");
    refuses_patch(EI_CLASS, "\7", 1, "byte 4: damaged: 7 is no ELF class");
    refuses_patch(EI_DATA, "\0", 1, "byte 5: its byte order (0)");
    refuses_patch(EI_VERSION, "\5", 1, "byte 6: damaged: ELF version 5");
    refuses_u16(offsetof(Elf64_Ehdr, e_type), ET_EXEC, "byte 16: not a shared object (ELF type 2)");
    refuses_u16(offsetof(Elf64_Ehdr, e_type), ET_REL, "byte 16: an object file");
    refuses_u16(offsetof(Elf64_Ehdr, e_phentsize), 55,
                "byte 54: damaged: program headers of 55 bytes, expected 56");
    refuses_u16(offsetof(Elf64_Ehdr, e_phnum), 0, "byte 56: damaged: 0 program headers");
    refuses_u16(offsetof(Elf64_Ehdr, e_phnum), 0xFFFF, "byte 56: damaged: 65535 program headers");
    refuses_u64(offsetof(Elf64_Ehdr, e_phoff), UINT64_MAX - 8, "truncated: the program header table");
    refuses_u64(offsetof(Elf64_Ehdr, e_phoff), good_size, "truncated: the program header table");
}

static void test_32_bit_header(void **state)
{
    (void)state;
    /* A whole 32-bit header is shorter than a 64-bit one: told by its class, not as truncated. */
    unsigned char header[52] = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT};
    refuses(header, sizeof header, "byte 4: a 32-bit file");
}

static void test_truncated(void **state)
{
    (void)state;
    refuses(good, 20, "byte 0: truncated: the ELF header here needs 64 bytes, the file ends at byte 20");
    refuses(good, 100, "byte 64: truncated: the program header table");
    /* One byte short anywhere behind the headers is noticed by the segments. */
    refuses(good, good_size / 2, "truncated: segment");
    for (size_t n = 0; n < good_size; n += 1 + n / 50) {
        errors e = {0};
        note_list list;
        if (read_bytes(good, n, &e, &list) == CVY_OK)
            mem_free(list.items); /* only section headers were cut off */
        errors_free(&e);
    }
}

static void test_segments(void **state)
{
    (void)state;
    Elf64_Ehdr h;
    memcpy(&h, good, sizeof h);
    for (unsigned i = 0; i < h.e_phnum; i++) {
        Elf64_Phdr p;
        size_t at = h.e_phoff + i * sizeof p;
        memcpy(&p, good + at, sizeof p);
        if (p.p_type != PT_NOTE) continue;
        refuses_u64(at + offsetof(Elf64_Phdr, p_offset), UINT64_MAX - 1, "truncated: segment");
        refuses_u64(at + offsetof(Elf64_Phdr, p_filesz), UINT64_MAX, "truncated: segment");
        refuses_u64(at + offsetof(Elf64_Phdr, p_filesz), good_size, "truncated: segment");
    }
    /* Two mebibytes of notes in a file that really has them. */
    size_t big = (size_t)2 << 20;
    unsigned char *bytes = mem_alloc(good_size + big);
    memcpy(bytes, good, good_size);
    for (unsigned i = 0; i < h.e_phnum; i++) {
        Elf64_Phdr p;
        size_t at = h.e_phoff + i * sizeof p;
        memcpy(&p, good + at, sizeof p);
        if (p.p_type != PT_NOTE) continue;
        p.p_filesz = big;
        p.p_offset = good_size;
        memcpy(bytes + at, &p, sizeof p);
    }
    refuses(bytes, good_size + big, "damaged: more than 1048576 bytes of notes");
    mem_free(bytes);
}

static void test_notes(void **state)
{
    (void)state;
    size_t at;
    note_at(&at);
    refuses_u32(at + offsetof(cvy_note, abi), 7, "built for plugin ABI 7; this Convoy has ABI 2");
    refuses_u32(at + offsetof(cvy_note, abi), 0, "built for plugin ABI 0; this Convoy has ABI 2");
    refuses_u32(at + offsetof(cvy_note, kind), 0, "unknown plugin kind 0");
    refuses_u32(at + offsetof(cvy_note, kind), CVY_SCHEDULE, "unknown plugin kind 6");
    refuses_u32(at + offsetof(cvy_note, desc_size), UINT32_MAX, "damaged: a note of 7 + 4294967295 bytes");
    refuses_u32(at + offsetof(cvy_note, owner_size), UINT32_MAX, "damaged: a note of 4294967295 + 56 bytes");
    refuses_u32(at + offsetof(cvy_note, desc_size), 8, "damaged note: 8 bytes, expected 56");
    refuses_u32(at + offsetof(cvy_note, desc_size), 0, "damaged note: 0 bytes, expected 56");
    refuses_patch(at + offsetof(cvy_note, name), "", 1, "is no name");
    refuses_patch(at + offsetof(cvy_note, name), "\33[31", 4, "damaged note: \"\\x1B[31\" is no name");
    refuses_patch(at + offsetof(cvy_note, name), "123456789012345678901234567890123456789012345678", 48,
                  "a name of more than 47 bytes");
    refuses_patch(at + offsetof(cvy_note, name), "better", 7, "two notes for \"better\"");

    /* Both owners spoilt: an honest shared object without a note. */
    unsigned char *bytes = mem_copy(good, good_size);
    for (unsigned char *p; (p = memmem(bytes, good_size, "Convoy\0", 8));) *p = 'c';
    refuses(bytes, good_size, "not a plugin: a shared object without Convoy's note");
    mem_free(bytes);
}

static void test_red_zones(void **state)
{
    (void)state;
    /* clang's AddressSanitizer pads every global, notes too. */
    if (system("command -v clang >/dev/null 2>&1") != 0) skip();
    char *path = built_path("padded.so");
    built_shell("clang -w -fsanitize=address -shared -fPIC -I'%s/core/include' -DNOTE_TOO=better -o '%s' "
                "'%s/source.c'",
                SOURCE_DIR, path, built_dir);
    errors e = {0};
    note_list list;
    assert_int_equal(note_read(path, &list, &e), CVY_OK);
    assert_int_equal(list.n, 2);
    mem_free(list.items);
    mem_free(path);
}

/* Mutations of a good file's headers and notes: any outcome but a crash, a leak or a bad message will do. */
static void test_fuzz(void **state)
{
    (void)state;
    int fd = memfd_create("fuzz", 0);
    assert_true(fd >= 0);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    Elf64_Ehdr h;
    memcpy(&h, good, sizeof h);
    size_t headers = sizeof h + h.e_phnum * sizeof(Elf64_Phdr), note;
    note_at(&note);
    static const unsigned char nasty[] = {0, 1, 4, 0x7f, 0x80, 0xff};
    unsigned char *bytes = mem_alloc(good_size);
    uint32_t seed = 12345;
    size_t refused = 0;
    for (int round = 0; round < 30000; round++) {
        memcpy(bytes, good, good_size);
        unsigned changes = 1 + (unsigned)round % 6;
        for (unsigned i = 0; i < changes; i++) {
            seed = seed * 1664525u + 1013904223u;
            size_t at = seed >> 30 ? (seed >> 8) % headers : note + (seed >> 8) % (2 * sizeof(cvy_note));
            seed = seed * 1664525u + 1013904223u;
            bytes[at] = seed >> 31 ? (unsigned char)(seed >> 16) : nasty[(seed >> 16) % sizeof nasty];
        }
        size_t n = round % 7 ? good_size : (seed >> 4) % good_size;
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, bytes, n, 0), (ssize_t)n);
        errors e = {0};
        note_list list;
        cvy_status status = note_read(path, &list, &e);
        assert_int_equal(errors_count(&e), status != CVY_OK);
        assert_true(status ? !list.items : list.n > 0);
        refused += status != CVY_OK;
        mem_free(list.items);
        errors_free(&e);
    }
    assert_true(refused > 10000);
    mem_free(bytes);
    close(fd);
}

static int setup(void **state)
{
    if (built_setup(state)) return -1;
    char *path = built("good.so", "-s -DNOTE_TOO=better");
    char *bytes;
    errors e = {0};
    if (file_read(path, 1 << 20, &bytes, &good_size, &e)) return -1;
    good = (unsigned char *)bytes;
    mem_free(path);
    return 0;
}

static int teardown(void **state)
{
    mem_free(good);
    return built_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),          cmocka_unit_test(test_paths),
        cmocka_unit_test(test_foreign),       cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_32_bit_header), cmocka_unit_test(test_segments),
        cmocka_unit_test(test_notes),         cmocka_unit_test(test_red_zones),
        cmocka_unit_test(test_fuzz),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
