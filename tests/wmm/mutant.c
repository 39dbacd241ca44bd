#include "mutant.h"
#include "model.h"
#include <stdio.h>
#include <stdlib.h>

/* The kernel's code has a section of its own. */
extern char __start_kernel_text[];
extern char __stop_kernel_text[];

static struct {
    uintptr_t base;
    size_t size;
    struct {
        uint8_t kind;
        uint8_t order; /* all bits it was ever used with */
    } * seen;          /* [return address - base] */
    uintptr_t site;
    unsigned without;
} mutant;

void mutant_init(void)
{
    mutant.base = (uintptr_t)__start_kernel_text;
    mutant.size = (size_t)(__stop_kernel_text - __start_kernel_text) + 1;
    mutant.seen = calloc(mutant.size, sizeof(*mutant.seen));
    if (mutant.seen == NULL)
        abort();
}

void mutant_set(uintptr_t site, unsigned without)
{
    mutant.site = site;
    mutant.without = without;
}

unsigned mutant_order(const void *site, enum site_kind kind, unsigned order)
{
    uintptr_t at = (uintptr_t)site - mutant.base;

    if (at < mutant.size) {
        mutant.seen[at].kind = (uint8_t)kind;
        mutant.seen[at].order |= (uint8_t)order;
    }
    return (uintptr_t)site == mutant.site ? order & ~mutant.without : order;
}

static void list(FILE *file, uintptr_t at, unsigned without, const char *what)
{
    static const char *const kinds[] = {"none", "load", "store", "modify",
                                        "fence"};

    fprintf(file, "%#lx:%u %s %s\n", mutant.base + at, without,
            kinds[mutant.seen[at].kind], what);
}

void mutant_list(FILE *file)
{
    for (size_t at = 0; at < mutant.size; at++) {
        unsigned order = mutant.seen[at].order;
        bool fence = mutant.seen[at].kind == SITE_FENCE;

        if (mutant.seen[at].kind != SITE_NONE)
            fprintf(file, "%#lx used\n", mutant.base + at);
        if (fence)
            list(file, at, order, "removed");
        if (!fence && (order & ORDER_ACQUIRE) != 0)
            list(file, at, ORDER_ACQUIRE | ORDER_TOTAL, "without acquire");
        if (!fence && (order & ORDER_RELEASE) != 0)
            list(file, at, ORDER_RELEASE | ORDER_TOTAL, "without release");
        if ((order & ORDER_TOTAL) != 0)
            list(file, at, ORDER_TOTAL, "not seq_cst");
    }
}
