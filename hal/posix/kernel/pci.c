/* PCI configuration space of the hosted machine: that of device models. */
#include "hal/posix/kernel/simbus.h"
#include "hal/posix/preemption.h"
#include <torc/assert.h>

enum { FUNCTION_MAX = 80 };

/* Written before the machine runs, by tests. */
static struct {
    struct hal_pci_addr addr;
    struct sim_pci function;
} functions[FUNCTION_MAX];
static unsigned function_count;

int sim_pci(struct hal_pci_addr addr, const struct sim_pci *function)
{
    assert(addr.dev < 32);
    assert(addr.fn < 8);
    assert(function->read != NULL);
    assert(function->write != NULL);
    if (function_count == FUNCTION_MAX)
        return -ENOSPC;
    functions[function_count].addr = addr;
    functions[function_count].function = *function;
    function_count++;
    return 0;
}

void sim_pci_reset(void)
{
    function_count = 0;
}

static const struct sim_pci *function_find(struct hal_pci_addr addr)
{
    for (unsigned i = 0; i < function_count; i++) {
        if (functions[i].addr.bus == addr.bus &&
            functions[i].addr.dev == addr.dev &&
            functions[i].addr.fn == addr.fn)
            return &functions[i].function;
    }
    return NULL;
}

void sim_pci_check(void)
{
    assert(function_count <= FUNCTION_MAX);
    /* Each is the first one at its address. */
    for (unsigned i = 0; i < function_count; i++)
        assert(function_find(functions[i].addr) == &functions[i].function);
}

uint32_t hal_pci_read32(struct hal_pci_addr addr, unsigned reg)
{
    const struct sim_pci *function = function_find(addr);

    assert(reg % 4 == 0);
    assert(reg < 256);
    if (function == NULL)
        return UINT32_MAX;
    preemption_point();
    return function->read(function->model, reg);
}

void hal_pci_write32(struct hal_pci_addr addr, unsigned reg, uint32_t value)
{
    const struct sim_pci *function = function_find(addr);

    assert(reg % 4 == 0);
    assert(reg < 256);
    if (function == NULL)
        return;
    preemption_point();
    function->write(function->model, reg, value);
}
