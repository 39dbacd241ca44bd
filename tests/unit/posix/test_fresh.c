/*
 * Memory of simulated machines, and data of a program, as in a new process. The
 * program is an area here, whose data begin and end amid pages.
 */
#include "tests/unit/posix/machine_bare.h"
#include <errno.h>
#include <sys/mman.h>

enum {
    P = 4096,
    MIB = 1 << 20,
    DATA_PAGES = 700, /* more than are looked at at once */
    DATA_BEGIN = 100,
    DATA_END = DATA_PAGES * P - 60,
};

#define HINT UINT64_C(0x210000000000)

unsigned char area[DATA_PAGES * P] __attribute__((aligned(4096)));
__asm__(".globl area_data\n.set area_data, area + 100\n"
        ".globl area_end\n.set area_end, area + 700 * 4096 - 60\n");

/* ---- Calls of Linux that fail when asked to ------------------------------ */

static bool no_pagemap;

static int pagemap_open(const char *path, int flags)
{
    return no_pagemap ? -1 : open(path, flags);
}

static unsigned maps_left = UINT32_MAX; /* until they fail */

static void *some_mmap(void *at, size_t size, int protection, int flags, int fd,
                       off_t offset)
{
    if (maps_left == 0)
        return MAP_FAILED;
    maps_left--;
    return mmap(at, size, protection, flags, fd, offset);
}

#define open         pagemap_open
#define mmap         some_mmap
#define __data_start area_data
#define _end         area_end
#include "hal/posix/host/fresh.c"

/* ---- In a process that may keep ------------------------------------------ */

static void passes(void (*fn)(void))
{
    char text[1024];
    int status = bare_child(fn, text, sizeof(text));

    if (status != 0)
        fail_msg("status %d: %s", status, text);
}

#define CHECK(holds)                                   \
    do {                                               \
        if (!(holds)) {                                \
            printf("line %d: %s\n", __LINE__, #holds); \
            fflush(stdout);                            \
            _exit(1);                                  \
        }                                              \
    } while (0)

static bool all_are(const unsigned char *from, size_t size, unsigned char byte)
{
    for (size_t i = 0; i < size; i++)
        if (from[i] != byte)
            return false;
    return true;
}

static unsigned char *take(size_t size)
{
    return host_memory_map(size, P, HOST_ANYWHERE);
}

/* ---- Data ---------------------------------------------------------------- */

static void data_come_back(void)
{
    area[DATA_BEGIN - 1] = 1;
    area[DATA_BEGIN] = 2;
    area[600 * P] = 3;
    area[DATA_END - 1] = 4;
    CHECK(host_fresh_keep() == 0);
    for (unsigned i = 0; i < 2; i++) {
        area[DATA_BEGIN - 1] = 11;
        area[DATA_BEGIN] = 12;
        area[300 * P + 5] = 13; /* of a page nobody had touched */
        area[600 * P] = 14;
        area[DATA_END - 1] = 15;
        area[DATA_END] = 16;
        host_fresh_restore();
        CHECK(area[DATA_BEGIN - 1] == 11); /* no data of the program */
        CHECK(area[DATA_BEGIN] == 2);
        CHECK(all_are(&area[300 * P], P, 0));
        CHECK(area[600 * P] == 3);
        CHECK(area[DATA_END - 1] == 4);
        CHECK(area[DATA_END] == 16);
    }
}

static void test_data_are_what_they_were(void **unused)
{
    (void)unused;
    passes(data_come_back);
}

/* Linux does not say which pages were touched: all count. */
static void test_data_come_back_without_the_pagemap(void **unused)
{
    (void)unused;
    no_pagemap = true;
    passes(data_come_back);
    no_pagemap = false;
}

static bool touched(const void *page)
{
    unsigned char vec;

    return mincore((void *)(uintptr_t)page, P, &vec) == 0 && (vec & 1) != 0;
}

static void untouched_stay_so(void)
{
    unsigned char *memory;

    CHECK(host_fresh_keep() == 0);
    memory = take(3 * P);
    memory[P] = 1;
    host_fresh_restore();
    CHECK(!touched(memory) && touched(memory + P) && !touched(memory + 2 * P));
    CHECK(!touched(&area[200 * P]));
}

static void test_pages_nobody_has_touched_take_no_room(void **unused)
{
    (void)unused;
    passes(untouched_stay_so);
}

/* ---- Memory -------------------------------------------------------------- */

static void memory_is_kept(void)
{
    unsigned char *stays = take(P), *first, *second;

    *stays = 1;
    CHECK(host_fresh_keep() == 0);
    first = take(2 * P);
    memset(first, 2, 2 * P);
    second = take(P);
    CHECK(first != stays && second != stays && second != first);
    host_memory_unmap(first, 2 * P);
    CHECK(take(2 * P) == first && all_are(first, 2 * P, 0));
    memset(first, 3, 2 * P);
    host_fresh_restore();
    CHECK(take(2 * P) == first && all_are(first, 2 * P, 0));
    CHECK(take(P) == second);
    host_memory_unmap(area, P); /* what was not mapped */
    CHECK(*stays == 1);
}

static void test_memory_given_back_is_zeroed_and_kept(void **unused)
{
    (void)unused;
    passes(memory_is_kept);
}

static void memory_at_its_place(void)
{
    unsigned char *memory;

    CHECK(host_fresh_keep() == 0);
    memory = host_memory_map(2 * P, 2 * MIB, HINT);
    CHECK((uintptr_t)memory == HINT);
    CHECK(host_memory_fill(memory, 2 * P, 0xa5) == 0);
    CHECK(all_are(memory, 2 * P, 0xa5));
    host_fresh_restore();
    CHECK(host_memory_map(4 * P, 2 * MIB, HINT) == memory); /* it grows */
    CHECK(all_are(memory, 4 * P, 0));
    memset(memory, 1, 4 * P);
    host_fresh_restore();
    CHECK(host_memory_map(P, 2 * MIB, HINT) == memory);
    CHECK(all_are(memory, 4 * P, 0));
    CHECK(host_memory_map(P, 2 * MIB, HINT) != memory); /* it is taken */
}

static void test_the_memory_of_a_machine_lies_where_it_should(void **unused)
{
    (void)unused;
    passes(memory_at_its_place);
}

static void memory_goes_back(void)
{
    unsigned char *memory = take(P);

    *memory = 1;
    CHECK(touched(memory));
    host_memory_unmap(memory, P);
    CHECK(!touched(memory));
}

static void test_who_keeps_nothing_gives_memory_back(void **unused)
{
    (void)unused;
    passes(memory_goes_back);
}

/* ---- What Linux does not give -------------------------------------------- */

static void maps_fail(void)
{
    maps_left = 0;
    CHECK(take(P) == NULL);
    maps_left = 1;
    CHECK(take(P) == NULL);
    for (maps_left = 0; maps_left < 2; maps_left++) {
        unsigned left = maps_left;

        CHECK(host_fresh_keep() == -ENOMEM);
        image = NULL;
        maps_left = left;
    }
    maps_left = UINT32_MAX;
    CHECK(host_memory_map(SIZE_MAX - 8 * P, 16 * P, HOST_ANYWHERE) == NULL);
    for (unsigned i = 0; i < BLOCK_MAX; i++)
        CHECK(take(P) != NULL);
    CHECK(take(P) == NULL);
}

static void test_memory_may_be_missing(void **unused)
{
    (void)unused;
    passes(maps_fail);
}

static void test_other_kinds_of_memory_are_not_simulated(void **unused)
{
    (void)unused;
    assert_int_equal(host_memory_share(area, P, 0, 0), host_error(ENOTSUP));
    assert_int_equal(host_memory_protect(area, P, true), host_error(ENOTSUP));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_are_what_they_were),
        cmocka_unit_test(test_data_come_back_without_the_pagemap),
        cmocka_unit_test(test_pages_nobody_has_touched_take_no_room),
        cmocka_unit_test(test_memory_given_back_is_zeroed_and_kept),
        cmocka_unit_test(test_the_memory_of_a_machine_lies_where_it_should),
        cmocka_unit_test(test_who_keeps_nothing_gives_memory_back),
        cmocka_unit_test(test_memory_may_be_missing),
        cmocka_unit_test(test_other_kinds_of_memory_are_not_simulated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
