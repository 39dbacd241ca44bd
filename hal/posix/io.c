/* Registers and configuration space of the hosted machine: those of models. */
#include "hal/posix/machine.h"
#include "hal/posix/simbus.h"

enum { WINDOW_MAX = 64, FUNCTION_MAX = 32 };

/* Written before the machine runs, by tests. */
static struct {
    enum hal_io_space space;
    uint64_t base;
    size_t size;
    struct sim_window window;
} windows[WINDOW_MAX];
static unsigned window_count;

static struct {
    struct hal_pci_addr addr;
    struct sim_pci function;
} functions[FUNCTION_MAX];
static unsigned function_count;

int sim_claim(enum hal_io_space space, uint64_t base, size_t size,
              const struct sim_window *window)
{
    if (window_count == WINDOW_MAX)
        return -ENOSPC;
    windows[window_count].space = space;
    windows[window_count].base = base;
    windows[window_count].size = size;
    windows[window_count].window = *window;
    window_count++;
    return 0;
}

int sim_pci(struct hal_pci_addr addr, const struct sim_pci *function)
{
    if (function_count == FUNCTION_MAX)
        return -ENOSPC;
    functions[function_count].addr = addr;
    functions[function_count].function = *function;
    function_count++;
    return 0;
}

void sim_reset(void)
{
    window_count = 0;
    function_count = 0;
}

/* The window that holds [base, base+size), and where in it. */
static const struct sim_window *
window_find(enum hal_io_space space, uint64_t base, size_t size, size_t *offset)
{
    for (unsigned i = 0; i < window_count; i++) {
        if (windows[i].space == space && base >= windows[i].base &&
            size <= windows[i].size &&
            base - windows[i].base <= windows[i].size - size) {
            *offset = (size_t)(base - windows[i].base);
            return &windows[i].window;
        }
    }
    return NULL;
}

int hal_io_map(enum hal_io_space space, uint64_t base, size_t size,
               struct hal_io *io)
{
    size_t offset;

    if (size == 0 || base > UINT64_MAX - size ||
        (space == HAL_IO_PORT && (base > 0xffff || size > 0x10000 - base)))
        return -EINVAL;
    if (window_find(space, base, size, &offset) == NULL)
        return -ENODEV;
    *io = (struct hal_io){space, (uintptr_t)base, size};
    return 0;
}

static uint32_t io_read(struct hal_io io, size_t offset, unsigned width)
{
    const struct sim_window *window;
    size_t at;

    if (offset > io.size || width > io.size - offset)
        machine_bug("a register beyond the end of its window is read");
    window = window_find(io.space, io.base + offset, width, &at);
    if (window == NULL)
        machine_bug("a register that was never mapped is read");
    return window->read(window->model, at, width);
}

static void io_write(struct hal_io io, size_t offset, unsigned width,
                     uint32_t value)
{
    const struct sim_window *window;
    size_t at;

    if (offset > io.size || width > io.size - offset)
        machine_bug("a register beyond the end of its window is written");
    window = window_find(io.space, io.base + offset, width, &at);
    if (window == NULL)
        machine_bug("a register that was never mapped is written");
    window->write(window->model, at, width, value);
}

uint8_t hal_io_read8(struct hal_io io, size_t offset)
{
    return (uint8_t)io_read(io, offset, 1);
}

uint16_t hal_io_read16(struct hal_io io, size_t offset)
{
    return (uint16_t)io_read(io, offset, 2);
}

uint32_t hal_io_read32(struct hal_io io, size_t offset)
{
    return io_read(io, offset, 4);
}

void hal_io_write8(struct hal_io io, size_t offset, uint8_t value)
{
    io_write(io, offset, 1, value);
}

void hal_io_write16(struct hal_io io, size_t offset, uint16_t value)
{
    io_write(io, offset, 2, value);
}

void hal_io_write32(struct hal_io io, size_t offset, uint32_t value)
{
    io_write(io, offset, 4, value);
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

uint32_t hal_pci_read32(struct hal_pci_addr addr, unsigned reg)
{
    const struct sim_pci *function = function_find(addr);

    return function == NULL ? UINT32_MAX : function->read(function->model, reg);
}

void hal_pci_write32(struct hal_pci_addr addr, unsigned reg, uint32_t value)
{
    const struct sim_pci *function = function_find(addr);

    if (function != NULL)
        function->write(function->model, reg, value);
}
