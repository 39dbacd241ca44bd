/* Device registers of the hosted machine: those of device models. */
#include "hal/posix/kernel/exit.h"
#include "hal/posix/kernel/simbus.h"
#include "hal/posix/preemption.h"
#include <torc/assert.h>

enum { WINDOW_MAX = 64 };

/* Written before the machine runs, by tests. */
static struct {
    enum hal_io_space space;
    uint64_t base;
    size_t size;
    struct sim_window window;
} windows[WINDOW_MAX];
static unsigned window_count;

int sim_claim(enum hal_io_space space, uint64_t base, size_t size,
              const struct sim_window *window)
{
    assert(size > 0 && base <= UINT64_MAX - size);
    assert(window->read != NULL);
    assert(window->write != NULL);
    if (window_count == WINDOW_MAX)
        return -ENOSPC;
    windows[window_count].space = space;
    windows[window_count].base = base;
    windows[window_count].size = size;
    windows[window_count].window = *window;
    window_count++;
    return 0;
}

void sim_reset(void)
{
    window_count = 0;
    sim_pci_reset();
}

void sim_check(void)
{
    assert(window_count <= WINDOW_MAX);
    for (unsigned i = 0; i < window_count; i++) {
        assert(windows[i].size > 0);
        assert(windows[i].window.read != NULL);
        assert(windows[i].window.write != NULL);
        /* No two of them answer at the same address. */
        for (unsigned j = 0; j < i; j++)
            assert(windows[i].space != windows[j].space ||
                   windows[i].base >= windows[j].base + windows[j].size ||
                   windows[j].base >= windows[i].base + windows[i].size);
    }
    sim_pci_check();
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
    assert(offset <= SIZE_MAX - size);
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
    preemption_point();
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
    preemption_point();
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
