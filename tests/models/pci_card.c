#include "tests/models/pci_card.h"
#include "hal/posix/kernel/dma.h"
#include "hal/posix/kernel/irq.h"
#include "kernel/lib/bytes.h"
#include "tests/models/breach.h"
#include <stdlib.h>
#include <string.h>

enum {
    COMMAND = 0x04,
    COMMAND_IO = 1,
    COMMAND_MEMORY = 2,
    COMMAND_MASTER = 4,
    COMMAND_INTX_OFF = 1 << 10,
    COMMAND_KNOWN = 0x0547, /* 6.2.2, those that a card may have */
    STATUS_INTERRUPT = 1 << 3,
    STATUS_CAPABILITIES = 1 << 4,
    STATUS_CLEARED_BY_ONE = 0xf900,
    MSIX_ENABLE = 0x8000,
    MSIX_MASK_ALL = 0x4000,
    VECTOR_MASKED = 1,
};

static uint16_t command(const struct pci_card *card)
{
    return le16_get(card->config + COMMAND);
}

uint8_t *pci_card_reach(const struct pci_card *card, uint64_t bus, size_t size,
                        const char *what)
{
    uint8_t *data = dma_lookup(bus, size);

    if ((command(card) & COMMAND_MASTER) == 0)
        model_breach("%s is needed, but the function is not bus master", what);
    if (data == NULL)
        model_breach("%s at %#llx (%zu bytes) is no memory a device may reach",
                     what, (unsigned long long)bus, size);
    return data;
}

/* ---- Interrupts ---------------------------------------------------------- */

/* Returns whether it was heard. */
static bool line_raise(struct pci_card *card)
{
    if (card->line == 0 || (command(card) & COMMAND_INTX_OFF) != 0)
        return false;
    if (card->muffled || card->lose_interrupts) {
        card->muffled = true;
        return false;
    }
    irq_raise(card->line);
    return true;
}

void pci_card_line(struct pci_card *card, bool asserted)
{
    bool rises = asserted && !card->asserted;

    card->asserted = asserted;
    if (!asserted)
        card->muffled = false;
    if (rises)
        card->by_line += line_raise(card);
}

void pci_card_step(struct pci_card *card)
{
    if (card->asserted)
        (void)line_raise(card);
}

bool pci_card_msix_on(const struct pci_card *card)
{
    return card->msix_cap != 0 &&
           (le16_get(card->config + card->msix_cap + 2) & MSIX_ENABLE) != 0;
}

static bool vector_masked(const struct pci_card *card, unsigned vector)
{
    return (le16_get(card->config + card->msix_cap + 2) & MSIX_MASK_ALL) != 0 ||
           (card->table[16 * vector + 12] & VECTOR_MASKED) != 0;
}

static void message_send(struct pci_card *card, unsigned vector)
{
    const uint8_t *entry = card->table + 16 * vector;
    int irq = irq_from_msi(le64_get(entry), le32_get(entry + 8));

    if (irq < 0)
        model_breach("entry %u of the MSI-X table means no interrupt", vector);
    if ((command(card) & COMMAND_MASTER) == 0)
        model_breach("a message, but the function is not bus master");
    card->by_message++;
    irq_raise(irq);
}

void pci_card_message(struct pci_card *card, unsigned vector)
{
    if (vector >= card->vectors)
        model_breach("MSI-X vector %u of %u", vector, card->vectors);
    if (card->lose_interrupts)
        return;
    if (vector_masked(card, vector))
        card->pending |= UINT32_C(1) << vector;
    else
        message_send(card, vector);
}

/* Messages that were masked go out when they are no more: 6.8.3.5. */
static void pending_send(struct pci_card *card)
{
    for (unsigned i = 0; i < card->vectors && pci_card_msix_on(card); i++) {
        if ((card->pending >> i & 1) == 0 || vector_masked(card, i))
            continue;
        card->pending &= ~(UINT32_C(1) << i);
        message_send(card, i);
    }
}

void pci_card_spurious(struct pci_card *card)
{
    for (unsigned i = 0; i < card->vectors && pci_card_msix_on(card); i++)
        if (!vector_masked(card, i) && le64_get(card->table + 16 * i) != 0)
            message_send(card, i);
    if (!pci_card_msix_on(card) && card->line != 0 &&
        (command(card) & COMMAND_INTX_OFF) == 0)
        irq_raise(card->line);
}

uint32_t pci_card_table_read(struct pci_card *card, size_t offset,
                             unsigned width)
{
    if (width != 4 || offset % 4 != 0 || offset >= 16 * card->vectors)
        model_breach("%u bytes at %#zx of the MSI-X table are read", width,
                     offset);
    return le32_get(card->table + offset);
}

void pci_card_table_write(struct pci_card *card, size_t offset, unsigned width,
                          uint32_t value)
{
    unsigned vector = (unsigned)(offset / 16);

    if (width != 4 || offset % 4 != 0 || offset >= 16 * card->vectors)
        model_breach("%u bytes at %#zx of the MSI-X table are written", width,
                     offset);
    if (offset % 16 != 12 && pci_card_msix_on(card) &&
        !vector_masked(card, vector))
        model_breach("entry %u of the MSI-X table changes while it is not "
                     "masked",
                     vector);
    if (offset % 16 == 0 && value % 4 != 0)
        model_breach("an MSI-X address that is not a multiple of 4");
    if (offset % 16 == 12 && (value & ~(uint32_t)VECTOR_MASKED) != 0)
        model_breach("reserved bits of an MSI-X vector control");
    le32_put(card->table + offset, value);
    pending_send(card);
}

uint32_t pci_card_pending_read(struct pci_card *card, size_t offset,
                               unsigned width)
{
    if (width != 4 || offset % 4 != 0 || offset >= 8)
        model_breach("%u bytes at %#zx of the pending bits are read", width,
                     offset);
    return offset == 0 ? card->pending : 0;
}

/* ---- BARs ---------------------------------------------------------------- */

/* A BAR is answered at its own address only, and when COMMAND says so. */
static void bar_check(const struct pci_card_bar *bar)
{
    const struct pci_card *card = bar->card;
    unsigned index = (unsigned)(bar - card->bar);
    uint16_t need = bar->space == HAL_IO_PORT ? COMMAND_IO : COMMAND_MEMORY;

    if ((command(card) & need) == 0)
        model_breach("BAR %u is accessed, but COMMAND does not allow it",
                     index);
    if ((card->bar_value[index] & ~15U) != (bar->base & ~UINT64_C(15)))
        model_breach("BAR %u is accessed while it is at another address",
                     index);
}

static uint32_t bar_read(void *arg, size_t offset, unsigned width)
{
    struct pci_card_bar *bar = arg;

    bar_check(bar);
    return bar->window.read(bar->window.model, offset, width);
}

static void bar_write(void *arg, size_t offset, unsigned width, uint32_t value)
{
    struct pci_card_bar *bar = arg;

    bar_check(bar);
    bar->window.write(bar->window.model, offset, width, value);
}

/* ---- Configuration space ------------------------------------------------- */

static uint32_t config_read(void *arg, unsigned reg)
{
    const struct pci_card *card = arg;
    uint32_t value = le32_get(card->config + reg);

    if (reg >= 0x10 && reg < 0x28)
        return card->bar_value[(reg - 0x10) / 4];
    if (reg == COMMAND && card->asserted)
        value |= STATUS_INTERRUPT << 16;
    return value;
}

static void command_write(struct pci_card *card, uint32_t value)
{
    uint16_t status = le16_get(card->config + COMMAND + 2);
    uint16_t before = command(card);

    if ((value & 0xffff & ~(uint32_t)COMMAND_KNOWN) != 0)
        model_breach("reserved bits of COMMAND: %#x", value & 0xffff);
    status &= (uint16_t) ~(value >> 16 & STATUS_CLEARED_BY_ONE);
    le16_put(card->config + COMMAND, (uint16_t)value);
    le16_put(card->config + COMMAND + 2, status);
    if ((before & ~value & COMMAND_INTX_OFF) != 0 && card->asserted)
        card->by_line += line_raise(card);
}

static void bar_place(struct pci_card *card, unsigned index, uint32_t value)
{
    const struct pci_card_bar *bar = &card->bar[index];
    uint32_t flag = bar->space == HAL_IO_PORT;

    if (bar->size != 0)
        card->bar_value[index] = (value & ~(bar->size - 1)) | flag;
}

static void msix_control_write(struct pci_card *card, uint32_t value)
{
    uint8_t *control = card->config + card->msix_cap + 2;
    uint16_t fixed = le16_get(control) & 0x7ff;

    if ((value >> 16 & 0x3800) != 0)
        model_breach("reserved bits of the MSI-X control: %#x", value >> 16);
    le16_put(control, (uint16_t)((value >> 16 & 0xc000) | fixed));
    pending_send(card);
}

static void config_write(void *arg, unsigned reg, uint32_t value)
{
    struct pci_card *card = arg;

    if (reg == COMMAND)
        command_write(card, value);
    else if (reg >= 0x10 && reg < 0x28)
        bar_place(card, (reg - 0x10) / 4, value);
    else if (reg == 0x0c) /* cache line size and latency timer */
        le16_put(card->config + reg, (uint16_t)value);
    else if (reg == 0x3c)
        card->config[reg] = (uint8_t)value;
    else if (card->msix_cap != 0 && reg == card->msix_cap)
        msix_control_write(card, value);
    else
        model_breach("configuration register %#x is read-only", reg);
}

/* ---- Into the machine ---------------------------------------------------- */

void pci_card_identify(struct pci_card *card, uint16_t vendor, uint16_t device,
                       uint32_t class_code)
{
    le16_put(card->config, vendor);
    le16_put(card->config + 2, device);
    le32_put(card->config + 8, class_code << 8);
    le16_put(card->config + 0x2c, vendor);
    card->config[0x3c] = card->line != 0 ? (uint8_t)card->line : 255;
    card->config[0x3d] = card->line != 0;
}

void pci_card_capability(struct pci_card *card, uint8_t at, uint8_t id)
{
    uint8_t *next = card->config + 0x34;

    while (*next != 0)
        next = card->config + *next + 1;
    *next = at;
    card->config[at] = id;
    card->config[at + 1] = 0;
    card->config[6] |= STATUS_CAPABILITIES;
}

void pci_card_plug(struct pci_card *card)
{
    const struct sim_pci function = {config_read, config_write, card};

    for (unsigned i = 0; i < PCI_CARD_BARS; i++) {
        struct pci_card_bar *bar = &card->bar[i];
        const struct sim_window window = {bar_read, bar_write, bar};

        if (bar->size == 0)
            continue;
        bar->card = card;
        bar_place(card, i, (uint32_t)bar->base);
        if (sim_claim(bar->space, bar->base, bar->size, &window) != 0)
            abort();
    }
    /* After power-on every vector is masked: 6.8.2.9. */
    for (unsigned i = 0; i < card->vectors; i++)
        card->table[16 * i + 12] = VECTOR_MASKED;
    if (card->msix_cap != 0)
        le16_put(card->config + card->msix_cap + 2,
                 (uint16_t)(card->vectors - 1));
    if (sim_pci(card->addr, &function) != 0)
        abort();
}

/* ---- Out of it ----------------------------------------------------------- */

static uint32_t gone_read(void *arg, size_t offset, unsigned width)
{
    (void)arg, (void)offset;
    return UINT32_MAX >> (32 - 8 * width);
}

static void gone_write(void *arg, size_t offset, unsigned width, uint32_t value)
{
    (void)arg, (void)offset, (void)width, (void)value;
}

void pci_card_pull(struct pci_card *card)
{
    for (unsigned i = 0; i < PCI_CARD_BARS; i++) {
        card->bar[i].window.read = gone_read;
        card->bar[i].window.write = gone_write;
    }
}
