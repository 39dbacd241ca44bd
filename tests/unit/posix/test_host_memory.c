/*
 * What the host half takes from Linux: memory, modules, error numbers,
 * randomness, and what it says when Linux does not give it.
 */
#include "hal/posix/host/entropy.h"
#include "hal/posix/host/error.h"
#include "hal/posix/host/memory.h"
#include "hal/posix/host/module.h"
#include "hal/posix/host/signal_stack.h"
#include "tests/unit/posix/machine_bare.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MIB ((size_t)1 << 20)

/* ---- Calls of Linux that fail when asked to ------------------------------ */

static unsigned random_calls;
static int random_errno; /* of the second call; 0: it succeeds */

/* In small pieces, the second one interrupted. */
ssize_t getrandom(void *buf, size_t len, unsigned flags)
{
    assert_int_equal(flags, 0); /* it waits until there is some */
    if (++random_calls == 2 && random_errno != 0) {
        errno = random_errno;
        return -1;
    }
    len = len < 10 ? len : 10;
    memset(buf, (int)random_calls, len);
    return (ssize_t)len;
}

static bool memfd_fails, truncate_fails;
static unsigned memfds;

int memfd_create(const char *name, unsigned flags)
{
    (void)name, (void)flags;
    memfds++;
    if (memfd_fails) {
        errno = EMFILE;
        return -1;
    }
    return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static bool map_fails, stat_fails;

void *mmap(void *at, size_t size, int protection, int flags, int fd,
           off_t offset)
{
    if (map_fails) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

int fstat(int fd, struct stat *stat)
{
    if (stat_fails) {
        errno = EOVERFLOW;
        return -1;
    }
    return (int)syscall(SYS_fstat, fd, stat);
}

int ftruncate(int fd, off_t size)
{
    if (truncate_fails) {
        errno = ENOSPC;
        return -1;
    }
    return posix_fallocate(fd, 0, size);
}

/* ---- Memory -------------------------------------------------------------- */

/* Whether the process may write to the page at `at`. */
static bool mapped(const void *at)
{
    unsigned char in_core;
    uintptr_t page = (uintptr_t)at & ~(uintptr_t)4095;

    return mincore((void *)page, 1, &in_core) == 0;
}

static void test_maps_are_aligned_and_exact(void **state)
{
    static const size_t aligns[] = {4096, 65536, 2 * MIB};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(aligns); i++) {
        /* Between two others, so that nothing lies next to it by chance. */
        char *memory = host_memory_map(3 * 4096, aligns[i], 0);

        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % aligns[i], 0);
        for (unsigned at = 0; at < 3 * 4096; at += 512)
            assert_int_equal(memory[at], 0);
        memset(memory, 1, 3 * 4096);
        host_memory_unmap(memory, 3 * 4096);
        assert_false(mapped(memory));
        assert_false(mapped(memory + 2 * 4096));
    }
}

/* At a place that is free, the rest of the room is given back. */
static void test_map_takes_the_place_it_is_hinted(void **state)
{
    const uintptr_t place = UINT64_C(0x250000000000);
    char *memory = host_memory_map(4 * MIB, 2 * MIB, place);

    (void)state;
    assert_int_equal((uintptr_t)memory, place);
    assert_true(mapped(memory));
    assert_true(mapped(memory + 4 * MIB - 1));
    assert_false(mapped(memory + 4 * MIB));
    assert_false(mapped(memory - 1));
    host_memory_unmap(memory, 4 * MIB);
    memory = host_memory_map(4 * MIB, 2 * MIB, place + 4096);
    assert_int_equal((uintptr_t)memory, place + 2 * MIB);
    assert_false(mapped(memory - 1));
    assert_false(mapped(memory + 4 * MIB));
    host_memory_unmap(memory, 4 * MIB);
}

static void test_maps_nobody_has(void **state)
{
    (void)state;
    assert_null(host_memory_map(SIZE_MAX - 4095, 8192, 0));
    assert_null(host_memory_map((size_t)1 << 60, 4096, 0));
}

static void test_protect_of_nothing_fails(void **state)
{
    char *memory = host_memory_map(4096, 4096, 0);

    (void)state;
    assert_int_equal(host_memory_protect(memory, 4096, false), 0);
    assert_int_equal(write(STDOUT_FILENO, memory, 1), -1);
    assert_int_equal(errno, EFAULT);
    assert_int_equal(host_memory_protect(memory, 4096, true), 0);
    memory[0] = 1;
    host_memory_unmap(memory, 4096);
    assert_int_equal(host_memory_protect(memory, 4096, true), -ENOMEM);
}

static void test_fill_holds_the_byte(void **state)
{
    char *memory = host_memory_map(6 * MIB, 2 * MIB, 0);

    (void)state;
    memfd_fails = true;
    assert_int_equal(host_memory_fill(memory, 4096, 0x11), -ENFILE);
    memfd_fails = false;
    truncate_fails = true;
    assert_int_equal(host_memory_fill(memory, 4096, 0x11), -ENOSPC);
    truncate_fails = false;
    assert_int_equal(memory[0], 0);
    assert_int_equal(host_memory_fill(memory, 4 * MIB + 4096, 0x11), 0);
    assert_int_equal(memory[0], 0x11);
    assert_int_equal(memory[4 * MIB + 4095], 0x11);
    assert_int_equal(memory[4 * MIB + 4096], 0); /* not a byte more */
    memory[0] = 1;
    assert_int_equal(memory[2 * MIB], 0x11); /* the same page of the file */
    assert_int_equal(host_memory_fill(memory, 4096, 0x22), 0);
    assert_int_equal(memory[0], 0x22);
    assert_int_equal(memory[4096], 0x11);
    assert_int_equal(host_memory_fill(memory, 4096, 0x22), 0);
    assert_int_equal(memory[4095], 0x22);
    assert_int_equal(host_memory_fill(memory, 4 * MIB, 0x22), 0);
    assert_int_equal(memory[4 * MIB - 1], 0x22);
    assert_int_equal(memory[4 * MIB], 0x11);
    host_memory_unmap(memory, 6 * MIB);
    assert_int_equal(host_memory_fill((void *)1, 4096, 0x22), -EINVAL);
}

/* One file for the process, however often it is used; another byte replaces
 * it. It may have any number. */
static void fill_again_and_again(void)
{
    char *memory = host_memory_map(2 * MIB, 2 * MIB, 0);
    unsigned files;

    if (host_memory_fill(memory, 4096, 0x33) != 0)
        _exit(9);
    close(0); /* the next file is the new 0, instead of this one */
    files = fds_open();
    memfds = 0;
    for (unsigned i = 0; i < 3; i++)
        if (host_memory_fill(memory, 4096, 0) != 0 || memory[0] != 0)
            _exit(1);
    if (memfds != 1 || fcntl(0, F_GETFD) < 0)
        _exit(2);
    for (unsigned i = 0; i < 10; i++)
        if (host_memory_fill(memory, 4096, (unsigned char)(i + 1)) != 0 ||
            memory[0] != (char)(i + 1))
            _exit(3);
    if (memfds != 11 || fds_open() != files)
        _exit(4);
    truncate_fails = true; /* then it is closed, and made anew */
    if (host_memory_fill(memory, 4096, 1) == 0 || fds_open() != files - 1)
        _exit(5);
    truncate_fails = false;
    if (host_memory_fill(memory, 4096, 1) != 0 || memory[0] != 1)
        _exit(6);
}

static void test_fill_keeps_one_file(void **state)
{
    char text[64];

    (void)state;
    assert_int_equal(bare_child(fill_again_and_again, text, sizeof(text)), 0);
}

/* Only a part that the file has; and that part, for reading and writing. */
static void test_share_is_the_file(void **state)
{
    char *memory = host_memory_map(2 * MIB, 2 * MIB, 0);
    int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    (void)state;
    assert_int_equal(ftruncate(file, MIB), 0);
    assert_int_equal(pwrite(file, "file", 4, 8192), 4);
    assert_int_equal(host_memory_share(memory, MIB, file, 4096), -ENOSPC);
    assert_int_equal(host_memory_share(memory, 4096, file, MIB), -ENOSPC);
    assert_int_equal(host_memory_share(memory, 4096, file, 2 * MIB), -ENOSPC);
    assert_int_equal(host_memory_share(memory, 4096, file, UINT64_MAX - 4095),
                     -ENOSPC);
    assert_int_equal(host_memory_share(memory, 4096, -1, 0), -EBADF);
    stat_fails = true;
    assert_int_equal(host_memory_share(memory, 4096, file, 0), -EIO);
    stat_fails = false;
    map_fails = true;
    assert_int_equal(host_memory_share(memory, 4096, file, 0), -ENOMEM);
    map_fails = false;
    assert_int_equal(memory[0], 0);

    memory[MIB - 8192] = 1;
    assert_int_equal(host_memory_share(memory, MIB - 8192, file, 8192), 0);
    assert_memory_equal(memory, "file", 4);
    assert_int_equal(memory[MIB - 8192], 1); /* not a byte more */
    memory[1] = 'o';
    close(file);
    assert_memory_equal(memory, "fole", 4);
    host_memory_unmap(memory, 2 * MIB);
}

/* ---- Stacks for signals -------------------------------------------------- */

/* When there is no memory the thread goes on without. */
static void signal_stack_without_memory(void)
{
    static const struct rlimit none = {0, 0};
    struct host_signal_stack stack = {.base = (void *)4096};
    stack_t before, after;

    if (sigaltstack(NULL, &before) != 0 || setrlimit(RLIMIT_AS, &none) != 0)
        _exit(1);
    host_signal_stack_open(&stack);
    host_signal_stack_close(&stack);
    if (sigaltstack(NULL, &after) != 0)
        _exit(2);
    _exit(stack.base == NULL && after.ss_sp == before.ss_sp ? 0 : 3);
}

static void test_signal_stack_needs_memory(void **state)
{
    char text[64];

    (void)state;
    assert_int_equal(
        bare_child(signal_stack_without_memory, text, sizeof(text)), 0);
}

static void test_signal_stack_is_given_back(void **state)
{
    struct host_signal_stack stack;
    stack_t before, during, after;

    (void)state;
    assert_int_equal(sigaltstack(NULL, &before), 0);
    host_signal_stack_open(&stack);
    assert_int_equal(sigaltstack(NULL, &during), 0);
    assert_int_equal(during.ss_flags, 0);
    assert_ptr_equal(during.ss_sp, stack.base);
    assert_int_equal(during.ss_size, 256 * 1024);
    assert_ptr_not_equal(during.ss_sp, before.ss_sp);
    host_signal_stack_close(&stack);
    assert_int_equal(sigaltstack(NULL, &after), 0);
    assert_int_equal(after.ss_flags, before.ss_flags);
    if ((before.ss_flags & SS_DISABLE) == 0)
        assert_ptr_equal(after.ss_sp, before.ss_sp);
    assert_false(mapped(during.ss_sp));
    stack.base = NULL; /* as when there was no memory: nothing happens */
    host_signal_stack_close(&stack);
}

/* ---- Randomness ---------------------------------------------------------- */

static void test_entropy_comes_in_pieces(void **state)
{
    uint8_t buf[25];

    (void)state;
    random_calls = 0;
    random_errno = EINTR;
    assert_int_equal(host_entropy(buf, sizeof(buf)), 25);
    assert_int_equal(buf[9], 1);
    assert_int_equal(buf[10], 3);
    assert_int_equal(buf[24], 4);
    random_calls = 0;
    random_errno = ENOSYS;
    assert_int_equal(host_entropy(buf, sizeof(buf)), 10);
    assert_int_equal(random_calls, 2);
    random_errno = 0;
    random_calls = 0;
    assert_int_equal(host_entropy(buf, 11), 11); /* the last piece: a byte */
    assert_int_equal(random_calls, 2);
    assert_int_equal(buf[10], 2);
    assert_int_equal(buf[11], 3); /* as before */
}

/* ---- Error numbers ------------------------------------------------------- */

static void test_errors_are_those_of_torc(void **state)
{
    /* <torc/errno.h> has these, with Linux's numbers. */
    static const int same[] = {
        EPERM,    ENOENT,  EINTR,    ENXIO,        E2BIG,  EBADF,   EAGAIN,
        ENOMEM,   EFAULT,  EBUSY,    EEXIST,       EXDEV,  ENODEV,  ENOTDIR,
        EISDIR,   EINVAL,  ENFILE,   EFBIG,        ENOSPC, EROFS,   EPIPE,
        ERANGE,   ENOSYS,  ELOOP,    ENAMETOOLONG, EIO,    ENOTSUP, EADDRINUSE,
        EMSGSIZE, ENOBUFS, ETIMEDOUT};

    (void)state;
    assert_int_equal(host_error(0), 0);
    for (int number = 1; number < 140; number++) {
        int want = -EIO;

        for (size_t i = 0; i < COUNT_OF(same); i++)
            if (same[i] == number)
                want = -number;
        if (number == EACCES)
            want = -EPERM;
        if (number == EMFILE)
            want = -ENFILE;
        assert_int_equal(host_error(number), want);
    }
}

/* ---- Modules ------------------------------------------------------------- */

static char path[64];

static const struct {
    const char *name;
    const char *path; /* NULL: an empty file */
    int want;
    const char *text;
    bool *fails;
} module_rows[] = {
    {"missing", "/nonexistent/module", -ENOENT,
     "torc: cannot read module '/nonexistent/module': "
     "No such file or directory\n",
     NULL},
    {"directory", "/", -EINVAL,
     "torc: module '/' is no regular file, or is empty\n", NULL},
    {"device", "/dev/null", -EINVAL,
     "torc: module '/dev/null' is no regular file, or is empty\n", NULL},
    {"empty", NULL, -EINVAL, "is no regular file, or is empty\n", NULL},
    {"unknown", "/proc/self/exe", -EIO,
     "torc: cannot read module '/proc/self/exe': "
     "Value too large for defined data type\n",
     &stat_fails},
    {"too large", "/proc/self/exe", -ENOMEM,
     "torc: cannot read module '/proc/self/exe': "
     "Cannot allocate memory\n",
     &map_fails},
};
static size_t module_row;

static void map_module(void)
{
    const char *name = module_rows[module_row].path;
    unsigned files = fds_open();
    const void *base;
    size_t size;
    int err;

    if (module_rows[module_row].fails != NULL)
        *module_rows[module_row].fails = true;
    err = host_module_map(name != NULL ? name : path, &base, &size);
    _exit(fds_open() == files ? -err : 99);
}

static void test_modules_that_cannot_be_read(void **state)
{
    char text[256];
    int fd;

    (void)state;
    strcpy(path, "/tmp/torc_module_XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (module_row = 0; module_row < COUNT_OF(module_rows); module_row++) {
        const char *name = module_rows[module_row].name;

        ROW(name, bare_child(map_module, text, sizeof(text)) ==
                      -module_rows[module_row].want);
        ROW(name, strstr(text, module_rows[module_row].text) != NULL);
    }
    unlink(path);
}

/* A file may have the number 0; none stays open. */
static void map_as_zero(void)
{
    unsigned files;
    const void *base;
    size_t size;

    close(0);
    files = fds_open();
    if (host_module_map("/proc/self/exe", &base, &size) != 0 ||
        memcmp(base, "\177ELF", 4) != 0)
        _exit(1);
    if (fds_open() != files)
        _exit(2);
}

static void test_a_module_is_mapped_not_kept_open(void **state)
{
    char text[256];

    (void)state;
    assert_int_equal(bare_child(map_as_zero, text, sizeof(text)), 0);
    assert_string_equal(text, "");
}

static void test_a_module_is_memory_of_its_own(void **state)
{
    const void *base;
    char back[6] = "";
    size_t size;
    int fd;

    (void)state;
    strcpy(path, "/tmp/torc_module_XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "module", 6), 6);
    assert_int_equal(host_module_map(path, &base, &size), 0);
    assert_int_equal(size, 6);
    assert_memory_equal(base, "module", 6);
    *(char *)(uintptr_t)base = 'X';
    assert_int_equal(pread(fd, back, 6, 0), 6);
    assert_memory_equal(back, "module", 6);
    host_module_unmap(base, size);
    assert_false(mapped(base));
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps_are_aligned_and_exact),
        cmocka_unit_test(test_map_takes_the_place_it_is_hinted),
        cmocka_unit_test(test_maps_nobody_has),
        cmocka_unit_test(test_protect_of_nothing_fails),
        cmocka_unit_test(test_fill_holds_the_byte),
        cmocka_unit_test(test_fill_keeps_one_file),
        cmocka_unit_test(test_share_is_the_file),
        cmocka_unit_test(test_signal_stack_is_given_back),
        cmocka_unit_test(test_signal_stack_needs_memory),
        cmocka_unit_test(test_entropy_comes_in_pieces),
        cmocka_unit_test(test_errors_are_those_of_torc),
        cmocka_unit_test(test_modules_that_cannot_be_read),
        cmocka_unit_test(test_a_module_is_mapped_not_kept_open),
        cmocka_unit_test(test_a_module_is_memory_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
