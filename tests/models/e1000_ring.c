/* Descriptor rings, and who owns what in them: SDM 3.2.6 and 3.4. */
#include "kernel/lib/bytes.h"
#include "tests/models/e1000_parts.h"
#include "tests/models/model_sum.h"
#include <string.h>

enum { DESCRIPTOR = 16, LEN_UNIT = 128, DONE = 1 };

static bool is_rx(const struct e1000_model *model,
                  const struct e1000_model_ring *ring)
{
    return ring >= model->rx && ring < model->rx + E1000_MODEL_RINGS;
}

static const char *name_of(const struct e1000_model *model,
                           const struct e1000_model_ring *ring)
{
    return is_rx(model, ring) ? "receive" : "transmit";
}

uint32_t e1k_ring_count(const struct e1000_model_ring *ring)
{
    return ring->bytes / DESCRIPTOR;
}

uint32_t e1k_ring_held(const struct e1000_model_ring *ring)
{
    uint32_t count = e1k_ring_count(ring);

    return count == 0 ? 0 : (ring->tail + count - ring->head) % count;
}

uint8_t *e1k_descriptor(const struct e1000_model *model,
                        const struct e1000_model_ring *ring, uint32_t index)
{
    return pci_card_reach(&model->card, ring->base + DESCRIPTOR * index,
                          DESCRIPTOR, "a descriptor");
}

void e1k_ring_ready(const struct e1000_model *model,
                    const struct e1000_model_ring *ring, const char *what)
{
    if (ring->bytes == 0)
        model_breach("%s before its ring has a length", what);
    (void)pci_card_reach(&model->card, ring->base, ring->bytes, "the ring");
}

/* ---- Owners -------------------------------------------------------------- */

static uint64_t buffer_sum(const struct e1000_model *model,
                           const struct e1000_model_slot *slot)
{
    return slot->len == 0
               ? 0
               : model_sum(pci_card_reach(&model->card, le64_get(slot->raw),
                                          slot->len, "a buffer"),
                           slot->len);
}

void e1k_ring_compare(const struct e1000_model *model,
                      const struct e1000_model_ring *ring, uint32_t index)
{
    const struct e1000_model_slot *slot = &ring->slot[index];

    if (memcmp(e1k_descriptor(model, ring, index), slot->raw, DESCRIPTOR) != 0)
        model_breach("%s descriptor %u changed while the device held it",
                     name_of(model, ring), index);
    if (buffer_sum(model, slot) != slot->sum)
        model_breach("the buffer of %s descriptor %u changed while the device "
                     "held it",
                     name_of(model, ring), index);
}

/* The driver gives the device a descriptor. */
static void slot_give(struct e1000_model *model, struct e1000_model_ring *ring,
                      uint32_t index)
{
    struct e1000_model_slot *slot = &ring->slot[index];
    bool extended = (e1k_reg(model, RFCTL) & RFCTL_EXSTEN) != 0;

    memcpy(slot->raw, e1k_descriptor(model, ring, index), DESCRIPTOR);
    if (is_rx(model, ring)) {
        if ((slot->raw[extended ? 8 : 12] & DONE) != 0)
            model_breach("receive descriptor %u is given with DD set", index);
        slot->len = e1k_buffer_size(model);
    } else {
        slot->len = e1k_tx_check(model, slot->raw);
    }
    slot->sum = buffer_sum(model, slot);
    slot->owned = true;
}

void e1k_ring_advance(const struct e1000_model *model,
                      struct e1000_model_ring *ring)
{
    (void)model;
    ring->slot[ring->head].owned = false;
    ring->head = (ring->head + 1) % e1k_ring_count(ring);
}

void e1k_ring_forget(const struct e1000_model *model,
                     struct e1000_model_ring *ring)
{
    for (uint32_t i = 0; i < e1k_ring_count(ring); i++) {
        if (ring->slot[i].owned)
            e1k_ring_compare(model, ring, i);
        ring->slot[i].owned = false;
    }
    ring->base = ring->bytes = ring->head = ring->tail = 0;
}

void e1000_model_check(const struct e1000_model *model)
{
    for (unsigned queue = 0; queue < E1000_MODEL_RINGS; queue++) {
        for (uint32_t i = 0; i < e1k_ring_count(&model->rx[queue]); i++)
            if (model->rx[queue].slot[i].owned)
                e1k_ring_compare(model, &model->rx[queue], i);
        for (uint32_t i = 0; i < e1k_ring_count(&model->tx[queue]); i++)
            if (model->tx[queue].slot[i].owned)
                e1k_ring_compare(model, &model->tx[queue], i);
    }
}

/* ---- Registers ----------------------------------------------------------- */

/* Of the transmit rings, the first register; NULL: the address is none. */
static struct e1000_model_ring *ring_at(struct e1000_model *model, size_t at,
                                        size_t *offset)
{
    struct e1000_model_ring *rings = at < TDBAL ? model->rx : model->tx;
    size_t from = at < TDBAL ? RDBAL : TDBAL;
    size_t queue = (at - from) / RING_STRIDE;

    *offset = (at - from) % RING_STRIDE;
    if (at < from || queue >= e1k_rings(model))
        return NULL;
    return *offset == RING_BAL || *offset == RING_BAH || *offset == RING_LEN ||
                   *offset == RING_HEAD || *offset == RING_TAIL
               ? &rings[queue]
               : NULL;
}

bool e1k_ring_has(const struct e1000_model *model, size_t at)
{
    size_t offset;

    return ring_at((struct e1000_model *)(uintptr_t)model, at, &offset) != NULL;
}

uint32_t e1k_ring_read(struct e1000_model *model, size_t at)
{
    size_t offset;
    const struct e1000_model_ring *ring = ring_at(model, at, &offset);

    switch (offset) {
    case RING_BAL:
        return (uint32_t)ring->base;
    case RING_BAH:
        return (uint32_t)(ring->base >> 32);
    case RING_LEN:
        return ring->bytes;
    case RING_HEAD:
        return ring->head;
    default:
        return ring->tail;
    }
}

static void tail_write(struct e1000_model *model, struct e1000_model_ring *ring,
                       uint32_t tail)
{
    uint32_t count = e1k_ring_count(ring);
    uint32_t given;

    if (count == 0 && model->forgetful)
        return;
    if (count == 0)
        model_breach("the %s tail is written before the ring has a length",
                     name_of(model, ring));
    if (tail >= count)
        model_breach("%s tail %u is beyond the ring of %u",
                     name_of(model, ring), tail, count);
    given = (tail + count - ring->tail) % count;
    if (given > count - 1 - e1k_ring_held(ring))
        model_breach("the %s tail passes the head", name_of(model, ring));
    for (uint32_t i = 0; i < given; i++)
        slot_give(model, ring, (ring->tail + i) % count);
    ring->tail = tail;
    model->tail_writes[is_rx(model, ring) ? 0 : 1]++;
}

/* The place and the size of a ring: only while nothing uses it. */
static void place_write(struct e1000_model *model,
                        struct e1000_model_ring *ring, size_t offset,
                        uint32_t value)
{
    if (offset == RING_BAL && value % DESCRIPTOR != 0)
        model_breach("a %s ring at %#x: not a multiple of 16",
                     name_of(model, ring), value);
    if (offset == RING_LEN && value % LEN_UNIT != 0)
        model_breach("a %s ring of %u bytes: not a multiple of 128",
                     name_of(model, ring), value);
    if (offset == RING_LEN && value > E1000_MODEL_RING_MAX * DESCRIPTOR)
        model_breach("a %s ring of %u bytes: too long", name_of(model, ring),
                     value);
    if (offset == RING_HEAD && value != 0 && value >= e1k_ring_count(ring))
        model_breach("%s head %u is beyond the ring", name_of(model, ring),
                     value);
    switch (offset) {
    case RING_BAL:
        ring->base = (ring->base & ~(uint64_t)UINT32_MAX) | value;
        break;
    case RING_BAH:
        ring->base = (ring->base & UINT32_MAX) | (uint64_t)value << 32;
        break;
    case RING_LEN:
        ring->bytes = value;
        break;
    default:
        ring->head = value;
    }
}

void e1k_ring_write(struct e1000_model *model, size_t at, uint32_t value)
{
    size_t offset;
    struct e1000_model_ring *ring = ring_at(model, at, &offset);
    bool is_on = is_rx(model, ring) ? (e1k_reg(model, RCTL) & RCTL_EN) != 0
                                    : (e1k_reg(model, TCTL) & TCTL_EN) != 0;

    if (offset == RING_TAIL) {
        tail_write(model, ring, value);
        return;
    }
    if (is_on)
        model_breach("the %s ring is moved while it is enabled",
                     name_of(model, ring));
    for (uint32_t i = 0; i < e1k_ring_count(ring); i++)
        if (ring->slot[i].owned)
            model_breach("the %s ring is moved while the device holds its "
                         "descriptor %u",
                         name_of(model, ring), i);
    place_write(model, ring, offset, value);
}
