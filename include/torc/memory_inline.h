/*
 * The short ways of mem_alloc() and mem_free(), inline, in applications as in
 * the kernel. A freed block waits on the quick list of its size class for the
 * next one who wants such a block; so a pair is a few instructions and no call.
 * The long ways, and all with AddressSanitizer, are in kernel/heap.c.
 */
#ifndef TORC_MEMORY_INLINE_H
#define TORC_MEMORY_INLINE_H

#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/cpu_local.h>

enum {
    MEM_CLASS_COUNT = 32,
    MEM_NO_CLASS = 255,
    MEM_SMALL_MAX = 8192, /* larger blocks are whole pages */
    MEM_GRAIN_SHIFT = 4,  /* all small ones are multiples of 16 */
    MEM_PAGE_SHIFT = 12,
};

/* In a free block, over what its user wrote there (-fno-strict-aliasing). */
struct mem_object {
    struct mem_object *next;
};

/* What the short ways look at. Owner CPU only. */
struct mem_quick {
    struct mem_object *list[MEM_CLASS_COUNT]; /* last in, first out */
    /*
     * The largest range of the CPU's pages, for mem_free(). The span is 0, and
     * the lists are empty, while nothing may be quick.
     */
    uintptr_t base;
    size_t span;
    const uint8_t *classes; /* of each page's blocks, or MEM_NO_CLASS */
};

/* How what the kernel keeps for a CPU begins: kernel/percpu.h. */
struct mem_cpu {
    char scheduler[128];
    struct mem_quick quick;
};

/* This CPU's. */
static inline struct mem_quick *mem_quick_self(void)
{
    struct mem_cpu *self = hal_cpu_local();

    return &self->quick;
}

/*
 * The class of `size` bytes, 1 to MEM_SMALL_MAX. Of the number of its last
 * grain only the upper three bits count, and how many bits are below them: each
 * multiple of 16 up to 128, then four classes to a doubling. A constant where
 * the size is one, and no slower than a table where it is not.
 */
static inline unsigned mem_class_of(size_t size)
{
    unsigned grain = (unsigned)((size - 1) >> MEM_GRAIN_SHIFT);
    unsigned below = 29 - (unsigned)__builtin_clz(grain | 4);

    return 4 * below + (grain >> below);
}

/*
 * The class of the block at `ptr`; MEM_NO_CLASS: it cannot be quick. A hint
 * that the range is mostly right made blocks of other CPUs a tenth slower; the
 * one on the result, in mem_free(), makes all a little quicker.
 */
static inline unsigned mem_quick_class(const struct mem_quick *quick,
                                       const void *ptr)
{
    uintptr_t offset = (uintptr_t)ptr - quick->base;

    if (offset >= quick->span)
        return MEM_NO_CLASS;
    return quick->classes[offset >> MEM_PAGE_SHIFT];
}

static inline void mem_quick_push(struct mem_quick *quick, unsigned class,
                                  void *ptr)
{
    struct mem_object *object = ptr;

    object->next = quick->list[class];
    quick->list[class] = object;
}

/* The long ways: not for the caller. */
must_check void *mem_alloc_slow(size_t size);
void mem_free_slow(void *ptr);

static inline void *mem_alloc(size_t size)
{
    if (likely(!SANITIZE_ADDRESS && size - 1 < MEM_SMALL_MAX)) {
        struct mem_quick *quick = mem_quick_self();
        unsigned class = mem_class_of(size);
        struct mem_object *object = quick->list[class];

        if (likely(object != NULL)) {
            quick->list[class] = object->next;
            return object;
        }
    }
    return mem_alloc_slow(size);
}

static inline void mem_free(void *ptr)
{
    if (!SANITIZE_ADDRESS) {
        struct mem_quick *quick = mem_quick_self();
        unsigned class = mem_quick_class(quick, ptr);

        if (likely(class != MEM_NO_CLASS)) {
            mem_quick_push(quick, class, ptr);
            return;
        }
    }
    mem_free_slow(ptr);
}

#endif
