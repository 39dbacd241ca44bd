/* Device registers and PCI configuration space. */
#include "hal/baremetal/base/fail.h"
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/firmware/platform.h"
#include "hal/baremetal/io/pci.h"
#include "hal/baremetal/memory/paging.h"
#include "hal/hal.h"
#include <torc/assert.h>

int hal_io_map(enum hal_io_space space, uint64_t base, size_t size,
               struct hal_io *io)
{
    if (size == 0)
        return -EINVAL;
    if (space == HAL_IO_PORT) {
        if (base > 0xffff || size > 0x10000 - base)
            return -EINVAL;
    } else {
        int status = paging_map_io(base, size);

        if (status != 0)
            return status;
    }
    *io = (struct hal_io){space, (uintptr_t)base, size};
    return 0;
}

static uintptr_t at(struct hal_io io, size_t offset, size_t width)
{
    assert(offset <= io.size && width <= io.size - offset);
    return io.base + offset;
}

uint8_t hal_io_read8(struct hal_io io, size_t offset)
{
    uintptr_t address = at(io, offset, 1);

    return io.space == HAL_IO_PORT ? inb((uint16_t)address)
                                   : *(volatile uint8_t *)address;
}

uint16_t hal_io_read16(struct hal_io io, size_t offset)
{
    uintptr_t address = at(io, offset, 2);

    return io.space == HAL_IO_PORT ? inw((uint16_t)address)
                                   : *(volatile uint16_t *)address;
}

uint32_t hal_io_read32(struct hal_io io, size_t offset)
{
    uintptr_t address = at(io, offset, 4);

    return io.space == HAL_IO_PORT ? inl((uint16_t)address)
                                   : *(volatile uint32_t *)address;
}

void hal_io_write8(struct hal_io io, size_t offset, uint8_t value)
{
    uintptr_t address = at(io, offset, 1);

    if (io.space == HAL_IO_PORT)
        outb((uint16_t)address, value);
    else
        *(volatile uint8_t *)address = value;
}

void hal_io_write16(struct hal_io io, size_t offset, uint16_t value)
{
    uintptr_t address = at(io, offset, 2);

    if (io.space == HAL_IO_PORT)
        outw((uint16_t)address, value);
    else
        *(volatile uint16_t *)address = value;
}

void hal_io_write32(struct hal_io io, size_t offset, uint32_t value)
{
    uintptr_t address = at(io, offset, 4);

    if (io.space == HAL_IO_PORT)
        outl((uint16_t)address, value);
    else
        *(volatile uint32_t *)address = value;
}

/* ---- PCI: configuration mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2) ------- */

enum { CONFIG_ADDRESS = 0xcf8, CONFIG_DATA = 0xcfc };
#define CONFIG_ENABLE UINT32_C(0x80000000)

static uint32_t config_address(struct hal_pci_addr addr, unsigned reg)
{
    assert(reg % 4 == 0 && reg < 256 && addr.dev < 32 && addr.fn < 8);
    return CONFIG_ENABLE | (uint32_t)addr.bus << 16 | (uint32_t)addr.dev << 11 |
           (uint32_t)addr.fn << 8 | reg;
}

/* A machine without the mechanism (microvm) does not keep the address. */
static bool config_select(uint32_t address)
{
    outl(CONFIG_ADDRESS, address);
    return inl(CONFIG_ADDRESS) == address;
}

void pci_init(void)
{
    if (platform.has_pcie && !config_select(CONFIG_ENABLE))
        boot_warn("PCI devices are not found: this machine has no "
                  "configuration ports, and ECAM is not supported (QEMU: "
                  "microvm without pcie=on, or q35)");
}

/* The two ports are one resource of all CPUs: used while CPU 0 probes, and by a
 * CPU that starts its device, which device_dedicate() makes one at a time. */
uint32_t hal_pci_read32(struct hal_pci_addr addr, unsigned reg)
{
    if (!config_select(config_address(addr, reg)))
        return UINT32_MAX;
    return inl(CONFIG_DATA);
}

void hal_pci_write32(struct hal_pci_addr addr, unsigned reg, uint32_t value)
{
    if (config_select(config_address(addr, reg)))
        outl(CONFIG_DATA, value);
}
