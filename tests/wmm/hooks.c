/*
 * What gcc calls in code compiled with -fsanitize=thread. The names and
 * arguments are those of compiler-rt's tsan_interface.h and
 * tsan_interface_atomic.h; nothing of ThreadSanitizer itself is used.
 *
 * The macros here make names out of pieces, which the project avoids elsewhere:
 * there are four sizes of everything, and the compiler has chosen the names.
 */
#include "model.h"
#include "mutant.h"
#include "race.h"
#include "threads.h"
#include <string.h>

#define CALLER __builtin_return_address(0)

/* ---- Plain accesses ------------------------------------------------------ */

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_read_range(void *address, size_t size);
void __tsan_write_range(void *address, size_t size);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *address, size_t size)
{
    race_access((uintptr_t)address, size, false, CALLER);
}

void __tsan_write_range(void *address, size_t size)
{
    race_access((uintptr_t)address, size, true, CALLER);
}

#define PLAIN(name, size, write)                              \
    void name(void *address);                                 \
    void name(void *address)                                  \
    {                                                         \
        race_access((uintptr_t)address, size, write, CALLER); \
    }

PLAIN(__tsan_read1, 1, false)
PLAIN(__tsan_read2, 2, false)
PLAIN(__tsan_read4, 4, false)
PLAIN(__tsan_read8, 8, false)
PLAIN(__tsan_read16, 16, false)
PLAIN(__tsan_unaligned_read2, 2, false)
PLAIN(__tsan_unaligned_read4, 4, false)
PLAIN(__tsan_unaligned_read8, 8, false)
PLAIN(__tsan_unaligned_read16, 16, false)
PLAIN(__tsan_write1, 1, true)
PLAIN(__tsan_write2, 2, true)
PLAIN(__tsan_write4, 4, true)
PLAIN(__tsan_write8, 8, true)
PLAIN(__tsan_write16, 16, true)
PLAIN(__tsan_unaligned_write2, 2, true)
PLAIN(__tsan_unaligned_write4, 4, true)
PLAIN(__tsan_unaligned_write8, 8, true)
PLAIN(__tsan_unaligned_write16, 16, true)

void *wmm_memcpy(void *dst, const void *src, size_t size)
{
    race_access((uintptr_t)src, size, false, CALLER);
    race_access((uintptr_t)dst, size, true, CALLER);
    return memmove(dst, src, size);
}

void *wmm_memmove(void *dst, const void *src, size_t size)
{
    return wmm_memcpy(dst, src, size);
}

void *wmm_memset(void *dst, int byte, size_t size)
{
    race_access((uintptr_t)dst, size, true, CALLER);
    return memset(dst, byte, size);
}

/* ---- Atomic operations --------------------------------------------------- */

/* By memory_order; consume is taken for acquire, as by every compiler. */
static const unsigned orders[] = {
    [__ATOMIC_RELAXED] = 0,
    [__ATOMIC_CONSUME] = ORDER_ACQUIRE,
    [__ATOMIC_ACQUIRE] = ORDER_ACQUIRE,
    [__ATOMIC_RELEASE] = ORDER_RELEASE,
    [__ATOMIC_ACQ_REL] = ORDER_ACQUIRE | ORDER_RELEASE,
    [__ATOMIC_SEQ_CST] = ORDER_ACQUIRE | ORDER_RELEASE | ORDER_TOTAL,
};

/* What of an order means something for each kind of operation. */
static const unsigned has[] = {
    [SITE_LOAD] = ORDER_ACQUIRE | ORDER_TOTAL,
    [SITE_STORE] = ORDER_RELEASE | ORDER_TOTAL,
    [SITE_MODIFY] = ORDER_ACQUIRE | ORDER_RELEASE | ORDER_TOTAL,
    [SITE_FENCE] = ORDER_ACQUIRE | ORDER_RELEASE | ORDER_TOTAL,
};

static struct access access_of(const volatile void *address, unsigned size,
                               enum site_kind kind, int order, const void *site)
{
    unsigned wanted = orders[order & 7] & has[kind];

    return (struct access){(uintptr_t)address, size,
                           mutant_order(site, kind, wanted), site};
}

static void fence(int order, const void *site)
{
    unsigned weakened = mutant_order(site, SITE_FENCE, orders[order & 7]);

    if (threads_active && weakened != 0)
        model_fence(weakened, site);
}

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_signal_fence(int order);
void wmm_fence(void);

void __tsan_atomic_thread_fence(int order)
{
    fence(order, CALLER);
}

void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}

/* hal_fence() */
void wmm_fence(void)
{
    fence(__ATOMIC_SEQ_CST, CALLER);
}

#define MODIFY(bits, type, name, how, builtin)                       \
    type __tsan_atomic##bits##_##name(volatile type *at, type value, \
                                      int order);                    \
    type __tsan_atomic##bits##_##name(volatile type *at, type value, \
                                      int order)                     \
    {                                                                \
        struct access access =                                       \
            access_of(at, sizeof(type), SITE_MODIFY, order, CALLER); \
                                                                     \
        if (!threads_active)                                         \
            return builtin(at, value, __ATOMIC_SEQ_CST);             \
        return (type)model_modify(&access, how, value);              \
    }

#define COMPARE(bits, type, name)                                              \
    int __tsan_atomic##bits##_##name(volatile type *at, type *expected,        \
                                     type desired, int order, int failure);    \
    int __tsan_atomic##bits##_##name(volatile type *at, type *expected,        \
                                     type desired, int order, int failure)     \
    {                                                                          \
        struct access access =                                                 \
            access_of(at, sizeof(type), SITE_MODIFY, order, CALLER);           \
        uint64_t found = *expected;                                            \
        bool done;                                                             \
                                                                               \
        if (!threads_active)                                                   \
            return __atomic_compare_exchange_n(at, expected, desired, false,   \
                                               __ATOMIC_SEQ_CST,               \
                                               __ATOMIC_SEQ_CST);              \
        done = model_compare_swap(&access, orders[failure & 7] & access.order, \
                                  &found, desired);                            \
        *expected = (type)found;                                               \
        return done;                                                           \
    }

#define SIZE(bits, type)                                                       \
    type __tsan_atomic##bits##_load(const volatile type *at, int order);       \
    type __tsan_atomic##bits##_load(const volatile type *at, int order)        \
    {                                                                          \
        struct access access =                                                 \
            access_of(at, sizeof(type), SITE_LOAD, order, CALLER);             \
                                                                               \
        return threads_active ? (type)model_load(&access) : *at;               \
    }                                                                          \
    void __tsan_atomic##bits##_store(volatile type *at, type value,            \
                                     int order);                               \
    void __tsan_atomic##bits##_store(volatile type *at, type value, int order) \
    {                                                                          \
        struct access access =                                                 \
            access_of(at, sizeof(type), SITE_STORE, order, CALLER);            \
                                                                               \
        if (threads_active)                                                    \
            model_store(&access, value);                                       \
        else                                                                   \
            *at = value;                                                       \
    }                                                                          \
    MODIFY(bits, type, exchange, MODIFY_SWAP, __atomic_exchange_n)             \
    MODIFY(bits, type, fetch_add, MODIFY_ADD, __atomic_fetch_add)              \
    MODIFY(bits, type, fetch_sub, MODIFY_SUB, __atomic_fetch_sub)              \
    MODIFY(bits, type, fetch_and, MODIFY_AND, __atomic_fetch_and)              \
    MODIFY(bits, type, fetch_or, MODIFY_OR, __atomic_fetch_or)                 \
    MODIFY(bits, type, fetch_xor, MODIFY_XOR, __atomic_fetch_xor)              \
    MODIFY(bits, type, fetch_nand, MODIFY_NAND, __atomic_fetch_nand)           \
    COMPARE(bits, type, compare_exchange_strong)                               \
    COMPARE(bits, type, compare_exchange_weak)

SIZE(8, uint8_t)
SIZE(16, uint16_t)
SIZE(32, uint32_t)
SIZE(64, uint64_t)
