/*
 * The fast paths of mem_alloc() and mem_free(), inline, in applications as in
 * the kernel. A freed block goes on the quick list of its size class, and the
 * next allocation of that class takes it from there: a few instructions, no
 * call; in files that are compiled for size it is a call. The slow paths are in
 * kernel/heap/heap.c; with AddressSanitizer every call takes them.
 */
#ifndef TORC_MEMORY_INLINE_H
#define TORC_MEMORY_INLINE_H

#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/cpu_local.h>
#include <torc/trace_site.h>

enum {
    MEM_CLASS_COUNT = 32,
    MEM_NO_CLASS = 255,
    MEM_SMALL_MAX = 8192, /* larger blocks are whole pages */
    MEM_GRAIN_SHIFT = 4,  /* all small ones are multiples of 16 */
    MEM_PAGE_SHIFT = 12,
    MEM_QUICK_OFFSET = 512, /* in what the kernel keeps for a CPU */
};

/* In a free block, over what its user wrote there (-fno-strict-aliasing). */
struct mem_object {
    void *next; /* the same */
};

/* What the fast paths look at. Owner CPU only. */
struct mem_quick {
    void *list[MEM_CLASS_COUNT]; /* struct mem_object, last in, first out */
    /*
     * The largest range of the CPU's pages, for mem_free(). The span is 0, and
     * the lists are empty, while every call must take the slow path.
     */
    uintptr_t base;
    size_t span;
    const uint8_t *classes; /* of each page's blocks, or MEM_NO_CLASS */
    /* The block taken from a list last, and its class; or NULL and
     * MEM_NO_CLASS. mem_free() tells what for. */
    void *latest;
    unsigned latest_class;
};

/* This CPU's. */
static inline struct mem_quick *mem_quick_self(void)
{
    char *self = hal_cpu_local();

    return (void *)(self + MEM_QUICK_OFFSET);
}

/*
 * The class of `size` bytes, 1 to MEM_SMALL_MAX. There is a class for each
 * multiple of 16 up to 128, then four classes to each doubling. So the class
 * depends on the upper three bits of the number of the block's last grain of 16
 * bytes, and on how many bits are below those three. The compiler folds it when
 * the size is a constant.
 */
static inline unsigned mem_class_of(size_t size)
{
    unsigned grain = (unsigned)((size - 1) >> MEM_GRAIN_SHIFT);
    unsigned below = 29 - (unsigned)__builtin_clz(grain | 4);

    return 4 * below + (grain >> below);
}

/*
 * The class of the block at `ptr`; MEM_NO_CLASS: free it by the slow path.
 * There is no likely() here on purpose: docs/bench.md has what it costs.
 */
static inline unsigned mem_quick_class(const struct mem_quick *quick,
                                       const void *ptr)
{
    uintptr_t offset = (uintptr_t)ptr - quick->base;

    if (offset >= quick->span)
        return MEM_NO_CLASS;
    return quick->classes[offset >> MEM_PAGE_SHIFT];
}

/* For the trace: a block of a class was taken, was given back. */
void mem_trace_alloc(uintptr_t ptr, uintptr_t class);
void mem_trace_free(uintptr_t ptr, uintptr_t unused);

static inline void mem_quick_push(struct mem_quick *quick, unsigned class,
                                  void *ptr)
{
    struct mem_object *object = ptr;

    trace_site_store(&object->next, quick->list[class], mem_trace_free,
                     (uintptr_t)ptr, 0);
    quick->list[class] = object;
}

/* The slow paths: not for the caller. */
must_check void *mem_alloc_slow(size_t size);
void mem_free_slow(void *ptr);

static inline void *mem_alloc_quick(size_t size)
{
    if (likely(!SANITIZE_ADDRESS && size - 1 < MEM_SMALL_MAX)) {
        struct mem_quick *quick = mem_quick_self();
        unsigned class = mem_class_of(size);
        struct mem_object *object = quick->list[class];

        if (likely(object != NULL)) {
            quick->list[class] = object->next;
            trace_site_store(&quick->latest, object, mem_trace_alloc,
                             (uintptr_t)object, class);
            quick->latest_class = class;
            return object;
        }
    }
    return mem_alloc_slow(size);
}

/*
 * A block that is freed soon after it was allocated is often the latest. Its
 * class is known without a look at its page, and this look would be in the way:
 * the next allocation cannot read the list before the processor knows where
 * this free has stored to. docs/bench.md has what it saves.
 */
static inline void mem_free_quick(void *ptr)
{
    if (!SANITIZE_ADDRESS) {
        struct mem_quick *quick = mem_quick_self();
        unsigned class = ptr == quick->latest ? quick->latest_class
                                              : mem_quick_class(quick, ptr);

        if (likely(class != MEM_NO_CLASS)) {
            mem_quick_push(quick, class, ptr);
            return;
        }
    }
    mem_free_slow(ptr);
}

/* The quick paths as functions: not for the caller. */
must_check void *mem_alloc_call(size_t size);
void mem_free_call(void *ptr);

static inline void *mem_alloc(size_t size)
{
    return OPTIMIZE_SIZE ? mem_alloc_call(size) : mem_alloc_quick(size);
}

static inline void mem_free(void *ptr)
{
    if (OPTIMIZE_SIZE)
        mem_free_call(ptr);
    else
        mem_free_quick(ptr);
}

#endif
