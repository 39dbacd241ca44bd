/* From hal/baremetal to main() of a test program, and the end. */
#include "tests/guest/guest.h"
#include <stdlib.h>
#include <string.h>

enum { STACK_SIZE = 1 << 20, AT_EXIT_MAX = 32 };
#define LARGE ((uintptr_t)HAL_LARGE_PAGE_SIZE)

int main(int argc, char **argv);
_Noreturn void guest_start(const struct hal_boot_info *boot);

const char *guest_cmdline;
struct guest_area guest_areas[GUEST_USES];
GUEST_KEEP char guest_stack[STACK_SIZE] __attribute__((aligned(4096)));
char *const guest_stack_end = guest_stack + STACK_SIZE;

static void (*at_exit[AT_EXIT_MAX])(void);
static unsigned at_exit_count;

/* Even parts of the largest piece of memory. */
static void areas_make(const struct hal_boot_info *boot)
{
    const struct hal_region *region = &boot->region[0];
    uintptr_t base;
    size_t size;

    for (unsigned i = 1; i < boot->region_count; i++)
        if (boot->region[i].size > region->size)
            region = &boot->region[i];
    base = (region->base + LARGE - 1) & ~(LARGE - 1);
    size = (region->base + region->size - base) / GUEST_USES & ~(LARGE - 1);
    for (unsigned i = 0; i < GUEST_USES; i++)
        guest_areas[i] = (struct guest_area){base + i * size, size};
}

static void run(void)
{
    static char name[] = "test";
    static char *argv[] = {name, NULL};

    exit(main(1, argv));
}

void guest_start(const struct hal_boot_info *boot)
{
    guest_cmdline = boot->cmdline;
    areas_make(boot);
    guest_call(run, guest_stack_end);
}

int atexit(void (*fn)(void))
{
    if (at_exit_count == AT_EXIT_MAX)
        return -1;
    at_exit[at_exit_count++] = fn;
    return 0;
}

void exit(int status)
{
    while (at_exit_count > 0)
        at_exit[--at_exit_count]();
    hal_exit(status < 0 || status > 126 ? 126 : status);
}

void guest_abort(void)
{
    hal_abort(HAL_END_OFF);
}

void abort(void)
{
    static const char text[] = "abort()\n";

    guest_write(text, sizeof(text) - 1);
    guest_abort();
}
