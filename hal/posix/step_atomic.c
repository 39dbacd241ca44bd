/*
 * What gcc and clang call for each atomic access of a file compiled with
 * -fsanitize=thread (LLVM, compiler-
 * rt/include/sanitizer/tsan_interface_atomic): the simulated machine builds
 * exchange.c so, and gets a point before each access. The accesses themselves
 * are plain: one pthread runs all CPUs.
 */
#include "hal/posix/point.h"
#include <stdint.h>

uint8_t __tsan_atomic8_load(const volatile uint8_t *at, int order);
uint64_t __tsan_atomic64_load(const volatile uint64_t *at, int order);
void __tsan_atomic8_store(volatile uint8_t *at, uint8_t value, int order);
void __tsan_atomic64_store(volatile uint64_t *at, uint64_t value, int order);

uint8_t __tsan_atomic8_load(const volatile uint8_t *at, int order)
{
    (void)order;
    machine_point();
    return *at;
}

uint64_t __tsan_atomic64_load(const volatile uint64_t *at, int order)
{
    (void)order;
    machine_point();
    return *at;
}

void __tsan_atomic8_store(volatile uint8_t *at, uint8_t value, int order)
{
    (void)order;
    machine_point();
    *at = value;
}

void __tsan_atomic64_store(volatile uint64_t *at, uint64_t value, int order)
{
    (void)order;
    machine_point();
    *at = value;
}

/* Plain accesses are nobody's business here. */
#define NOTHING(name)    \
    void name(void *at); \
    void name(void *at)  \
    {                    \
        (void)at;        \
    }
NOTHING(__tsan_read1)
NOTHING(__tsan_read2)
NOTHING(__tsan_read4)
NOTHING(__tsan_read8)
NOTHING(__tsan_read16)
NOTHING(__tsan_write1)
NOTHING(__tsan_write2)
NOTHING(__tsan_write4)
NOTHING(__tsan_write8)
NOTHING(__tsan_write16)
NOTHING(__tsan_unaligned_read4)
NOTHING(__tsan_unaligned_read8)
NOTHING(__tsan_unaligned_write4)
NOTHING(__tsan_unaligned_write8)
NOTHING(__tsan_func_entry)
NOTHING(__tsan_func_exit)

void __tsan_init(void);
void __tsan_init(void)
{
}

#define NOTHING_RANGE(name)             \
    void name(void *at, uint64_t size); \
    void name(void *at, uint64_t size)  \
    {                                   \
        (void)at, (void)size;           \
    }
NOTHING_RANGE(__tsan_read_range)
NOTHING_RANGE(__tsan_write_range)
