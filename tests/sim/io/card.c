#include "tests/sim/io/card.h"
#include "hal/posix/sim/sim.h"
#include "kernel/lib/bytes.h"
#include "tests/sim/io/devices.h"
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>

/* VIRTIO 1.2, 5.1. */
enum {
    ID = 1,
    RX = 0,
    TX = 1,
    FEATURE_MAC = 5,
    HEADER = 12,
    HEADER_LEGACY = 10,
    NUM_BUFFERS = 10, /* in the header */
};

/* A frame on the cable. */
struct frame {
    struct card *card;
    uint32_t len;
    uint8_t data[CARD_FRAME_MAX];
};

static uint32_t header_size(const struct card *card)
{
    return card->model.legacy ? HEADER_LEGACY : HEADER;
}

/* ---- Receiving ----------------------------------------------------------- */

/* Put the header and the frame into the pieces. Returns how many bytes. */
static uint32_t fill(const struct card *card, const struct frame *frame,
                     struct ring_chain *chain)
{
    uint8_t whole[HEADER + CARD_FRAME_MAX] = {0};
    uint32_t header = header_size(card);
    uint32_t len = header + frame->len;
    uint32_t at = 0;

    if (!card->model.legacy)
        le16_put(whole + NUM_BUFFERS, 1);
    memcpy(whole + header, frame->data, frame->len);
    for (unsigned i = 0; i < chain->count; i++) {
        uint32_t piece = chain->piece[i].len;

        if (!chain->piece[i].writable)
            model_breach("a receive buffer that cannot be written");
        if (card->model.legacy && i == 0 && piece != header)
            model_breach("a legacy header has no descriptor: 5.1.6.1");
        if (piece > len - at)
            piece = len - at;
        memcpy(chain->piece[i].data, whole + at, piece);
        at += piece;
    }
    if (at != len)
        model_breach("a receive buffer of %u bytes: 5.1.6.3.1", at);
    return len;
}

/* The frame has reached the end of the cable. */
static void arrive(void *arg)
{
    static struct ring_chain chain;
    struct frame *frame = arg;
    struct card *card = frame->card;

    card->on_cable--;
    (void)virtio_device_look(&card->model, RX, false);
    if (model_take(&card->model, RX, &chain)) {
        enum model_fault fault = fault_among(&device_faults, "receive",
                                             fault_bit(FAULT_LOST_IRQ) |
                                                 fault_bit(FAULT_SPURIOUS_IRQ));

        ring_complete(&card->model.queue[RX], chain.head,
                      fill(card, frame, &chain));
        card->delivered++;
        device_queue_interrupt(&card->rx, fault);
    } else {
        card->lost++;
    }
    free(frame);
}

static void put_on_cable(const struct frame *from)
{
    struct frame *frame = malloc(sizeof(*frame));

    if (frame == NULL)
        abort();
    frame->card = from->card;
    frame->len = from->len;
    memcpy(frame->data, from->data, from->len);
    frame->card->on_cable++;
    device_after_step(arrive, frame);
}

/* ---- Sending ------------------------------------------------------------- */

/* The bytes of a request behind its header, which asks for nothing. */
static void collect(const struct card *card, const struct ring_chain *chain,
                    struct frame *frame)
{
    uint32_t header = header_size(card);
    uint32_t at = 0;

    for (unsigned i = 0; i < chain->count; i++) {
        const uint8_t *data = chain->piece[i].data;
        uint32_t len = chain->piece[i].len;

        if (chain->piece[i].writable)
            model_breach("a frame to send that is writable");
        for (; len > 0 && at < header; len--, at++) {
            if (*data++ != 0)
                model_breach("a header that asks for something: 5.1.6.2");
        }
        if (len > CARD_FRAME_MAX - frame->len)
            model_breach("a frame of more than %u bytes", CARD_FRAME_MAX);
        memcpy(frame->data + frame->len, data, len);
        frame->len += len;
    }
}

static void serve_tx(struct device_queue *queue, const struct ring_chain *chain)
{
    static struct frame frame;
    struct card *card = container_of(queue, struct card, tx);
    enum model_fault fault = fault_among(&device_faults, "send", CARD_FAULTS);

    frame.card = card;
    frame.len = 0;
    collect(card, chain, &frame);
    card->sent++;
    if (card->lost_one_in != 0 && device_sometimes(card->lost_one_in)) {
        card->lost++;
    } else {
        put_on_cable(&frame);
        if (card->twice_one_in != 0 && device_sometimes(card->twice_one_in))
            put_on_cable(&frame);
    }
    device_queue_end(queue, chain->head, 0, fault, device_step_ns());
}

static void notified(struct virtio_model *model, unsigned index)
{
    struct card *card = container_of(model, struct card, model);

    if (index == TX)
        device_queue_notified(&card->tx);
}

void card_plug(struct card *card)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};
    static const unsigned odds[] = {0, 16, 4};

    card->model.id = ID;
    card->model.offered = 1 << FEATURE_MAC;
    card->model.queue_count = 2;
    card->model.notified = notified;
    memcpy(card->model.config, mac, sizeof(mac));
    card->tx = (struct device_queue){
        .model = &card->model, .index = TX, .serve = serve_tx};
    card->rx = (struct device_queue){.model = &card->model, .index = RX};
    card->lost_one_in = odds[hal_choose(COUNT_OF(odds), SIM_DEVICE)];
    card->twice_one_in = odds[hal_choose(COUNT_OF(odds), SIM_DEVICE)];
    virtio_device_plug(&card->model);
}
