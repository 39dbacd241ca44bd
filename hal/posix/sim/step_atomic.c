/*
 * What gcc and clang call for each atomic access of a file compiled with
 * -fsanitize=thread (LLVM, compiler-rt: sanitizer/tsan_interface_atomic.h). The
 * simulated machine compiles so what CPUs share with each other and with
 * devices (SIM_POINTS in the Makefile), to have a preemption point before each
 * access. The accesses are plain: one pthread runs all CPUs.
 */
#include "hal/posix/preemption.h"
#include <stdint.h>

/* The load and the store of one width. */
#define ATOMIC(load, store, type)                         \
    type load(const volatile type *at, int order);        \
    type load(const volatile type *at, int order)         \
    {                                                     \
        (void)order;                                      \
        preemption_point();                               \
        return *at;                                       \
    }                                                     \
    void store(volatile type *at, type value, int order); \
    void store(volatile type *at, type value, int order)  \
    {                                                     \
        (void)order;                                      \
        preemption_point();                               \
        *at = value;                                      \
    }
ATOMIC(__tsan_atomic8_load, __tsan_atomic8_store, uint8_t)
ATOMIC(__tsan_atomic16_load, __tsan_atomic16_store, uint16_t)
ATOMIC(__tsan_atomic32_load, __tsan_atomic32_store, uint32_t)
ATOMIC(__tsan_atomic64_load, __tsan_atomic64_store, uint64_t)

/* A fence orders accesses, which are in order here. */
void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
    (void)order;
}

/* At other accesses there is no preemption point. */
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
