/* The quick paths of the heap as functions, for files that are compiled for
 * size: one copy of the code, and short calls. */
#include <torc/memory.h>

void *mem_alloc_call(size_t size)
{
    return mem_alloc_quick(size);
}

void mem_free_call(void *ptr)
{
    mem_free_quick(ptr);
}
