/* Receiving into the ring of the NE2000 model: DS, "Packet reception". */
#include "kernel/lib/bytes.h"
#include "tests/models/e1000_model.h" /* model_crc32() */
#include "tests/models/ne2000_parts.h"
#include <string.h>

enum {
    HEADER = 4,
    CRC_SIZE = 4,
    FRAME_MIN = 60,
    TALLY_TELLS = 0x80, /* CNT is set */
    TALLY_MAX = 0xc0,
    SHORT_LENGTH = 8, /* that a "short" fault puts into the header */
};

static bool wire_add(struct ne2000_model *model, const uint8_t *frame,
                     size_t len, bool bad)
{
    unsigned index = model->wire_count;

    if (len > NE2000_MODEL_FRAME_MAX || index == NE2000_MODEL_WIRE)
        return false;
    memcpy(model->wire[index], frame, len);
    model->wire_len[index] = len;
    model->wire_bad[index] = bad;
    model->wire_count++;
    return true;
}

bool ne2000_model_receive(struct ne2000_model *model, const uint8_t *frame,
                          size_t len)
{
    return wire_add(model, frame, len, false);
}

bool ne2000_model_receive_bad(struct ne2000_model *model, const uint8_t *frame,
                              size_t len)
{
    return wire_add(model, frame, len, true);
}

static void wire_remove(struct ne2000_model *model)
{
    model->wire_count--;
    memmove(model->wire, model->wire + 1,
            model->wire_count * sizeof(model->wire[0]));
    memmove(model->wire_len, model->wire_len + 1,
            model->wire_count * sizeof(model->wire_len[0]));
    memmove(model->wire_bad, model->wire_bad + 1,
            model->wire_count * sizeof(model->wire_bad[0]));
}

static void tally(struct ne2000_model *model, unsigned index)
{
    if (model->tally[index] < TALLY_MAX)
        model->tally[index]++;
    if (model->tally[index] >= TALLY_TELLS)
        ne2k_raise(model, ISR_CNT);
}

/* The upper 6 bits of the CRC of the address, as the wire has it, are an index
 * into MAR: DS, "Multicast address registers". */
static bool table_match(const struct ne2000_model *model, const uint8_t *frame)
{
    uint32_t crc = ~model_crc32(frame, 6);
    unsigned index = 0;

    for (unsigned bit = 0; bit < 6; bit++)
        index |= (crc >> bit & 1) << (5 - bit);
    return (model->multicast[index / 8] >> index % 8 & 1) != 0;
}

static bool address_match(const struct ne2000_model *model,
                          const uint8_t *frame)
{
    static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};

    if (memcmp(frame, broadcast, 6) == 0)
        return (model->rcr & RCR_AB) != 0;
    if ((frame[0] & 1) != 0)
        return (model->rcr & RCR_AM) != 0 && table_match(model, frame);
    return (model->rcr & RCR_PRO) != 0 || memcmp(frame, model->station, 6) == 0;
}

/* Pages that may be written before the ring meets BNRY. */
static unsigned pages_free(const struct ne2000_model *model)
{
    unsigned count = model->page_stop - model->page_start;

    return (model->boundary + count - model->current) % count;
}

static void overflow(struct ne2000_model *model)
{
    model->frames_missed++;
    tally(model, TALLY_MISSED);
    if (model->overflow == OVERFLOW_NONE)
        model->overflow = OVERFLOW_HAPPENED;
    ne2k_raise(model, ISR_OVW);
}

/* Bytes go to the ring from offset `at` of the page CURR on. */
static void ring_put(struct ne2000_model *model, unsigned at,
                     const uint8_t *data, size_t size)
{
    unsigned count = model->page_stop - model->page_start;

    for (size_t i = 0; i < size; i++, at++) {
        unsigned page = model->current + at / 256;

        if (page >= model->page_stop)
            page -= count;
        *ne2000_model_ram(model, page * 256 + at % 256) = data[i];
    }
}

static void frame_put(struct ne2000_model *model, const uint8_t *frame,
                      size_t len, uint8_t status, bool is_short)
{
    unsigned pages = (unsigned)(HEADER + len + CRC_SIZE + 255) / 256;
    unsigned next = model->current + pages;
    uint8_t header[HEADER], check[CRC_SIZE];
    uint16_t told = (uint16_t)(len + CRC_SIZE);

    if (next >= model->page_stop)
        next -= model->page_stop - model->page_start;
    header[0] = status;
    header[1] = model->lie ? model->lie_next : (uint8_t)next;
    le16_put(header + 2, model->lie ? model->lie_len
                         : is_short ? SHORT_LENGTH
                                    : told);
    le32_put(check, model_crc32(frame, len) ^ ((status & RSR_CRC) != 0));
    ring_put(model, 0, header, HEADER);
    ring_put(model, HEADER, frame, len);
    ring_put(model, HEADER + (unsigned)len, check, CRC_SIZE);
    model->lie = false;
    model->current = (uint8_t)next;
    model->rsr = status;
    model->frames_received++;
    ne2k_raise(model, (status & RSR_PRX) != 0 ? ISR_PRX : ISR_RXE);
}

/* The fault that the frame meets; true: it goes on now. */
static bool receive_begins(struct ne2000_model *model, bool *bad,
                           bool *is_short)
{
    enum model_fault fault = fault_next(model->faults, "receive");

    if (fault == FAULT_FAIL)
        *bad = true;
    if (fault == FAULT_SHORT)
        *is_short = true;
    if (fault == FAULT_RESET)
        ne2k_forget(model);
    return nic_fault_met(&model->met, &model->met.rx, &model->card, fault,
                         ne2k_late(model));
}

/* A frame that the card wants: into the ring if there is room. */
static void frame_take(struct ne2000_model *model, const uint8_t *frame,
                       size_t len, bool bad, bool is_short)
{
    uint8_t status = (frame[0] & 1) != 0 ? RSR_PHY : 0;

    if (bad) {
        tally(model, TALLY_CRC);
        model->rsr = status | RSR_CRC;
        ne2k_raise(model, ISR_RXE);
        if ((model->rcr & RCR_SEP) == 0)
            return;
    }
    if (model->overflow != OVERFLOW_NONE ||
        HEADER + len + CRC_SIZE > 256 * pages_free(model)) {
        overflow(model);
        return;
    }
    frame_put(model, frame, len, status | (bad ? RSR_CRC : RSR_PRX), is_short);
}

bool ne2000_model_step_receive(struct ne2000_model *model)
{
    bool was_late = model->met.rx.late_ns != 0;
    const uint8_t *frame = model->wire[0];
    size_t len = model->wire_len[0];
    bool bad = model->wire_bad[0];
    bool is_short = false;
    bool wanted = ne2k_running(model) && (model->tcr & TCR_LOOP) == 0 &&
                  model->cable && len >= 14 && address_match(model, frame) &&
                  (len >= FRAME_MIN || (model->rcr & RCR_AR) != 0);

    if (model->wire_count == 0 || model->met.rx.stuck ||
        (was_late && hal_time_ns() < model->met.rx.late_ns))
        return false;
    model->met.rx.late_ns = 0;
    if (wanted && (model->rcr & RCR_MON) != 0) {
        model->rsr = RSR_DIS | RSR_MPA;
        tally(model, TALLY_MISSED);
        wanted = false;
    }
    if (wanted && !was_late && !receive_begins(model, &bad, &is_short))
        return true;
    if (wanted && ne2k_running(model))
        frame_take(model, frame, len, bad, is_short);
    wire_remove(model);
    return true;
}
