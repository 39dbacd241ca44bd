#include "tests/models/virtio_vsock_model.h"
#include <string.h>

static uint64_t get(const uint8_t *bytes, unsigned at, unsigned width)
{
    uint64_t value = 0;

    for (unsigned i = width; i-- > 0;)
        value = value << 8 | bytes[at + i];
    return value;
}

static void put(uint8_t *bytes, unsigned at, unsigned width, uint64_t value)
{
    for (unsigned i = 0; i < width; i++)
        bytes[at + i] = (uint8_t)(value >> (8 * i));
}

void vsock_model_set_cid(struct virtio_model *model, uint64_t cid)
{
    put(model->config, 0, 8, cid);
}

void vsock_model_init(struct virtio_model *model, uint64_t cid)
{
    model->id = 19;
    model->offered |= UINT64_C(1) << 32 | 3; /* streams, and packets */
    if (model->queue_max == 0)
        model->queue_max = 128;
    model->queue_count = 3;
    vsock_model_set_cid(model, cid);
}

/* The bytes of a chain, in one piece. */
static size_t gather(const struct ring_chain *chain, uint8_t *bytes,
                     size_t size)
{
    size_t len = 0;

    for (unsigned i = 0; i < chain->count; i++) {
        if (chain->piece[i].writable)
            model_breach("what is sent is to be read by the device");
        if (chain->piece[i].len > size - len)
            model_breach("a packet of more than 64 KiB");
        memcpy(bytes + len, chain->piece[i].data, chain->piece[i].len);
        len += chain->piece[i].len;
    }
    return len;
}

bool vsock_model_take(struct virtio_model *model, struct model_packet *packet,
                      uint8_t *data)
{
    static uint8_t bytes[MODEL_VSOCK_HEADER + MODEL_VSOCK_DATA];
    static struct ring_chain chain;
    size_t len;

    if (!model_take(model, MODEL_VSOCK_TX, &chain))
        return false;
    len = gather(&chain, bytes, sizeof(bytes));
    if (len < MODEL_VSOCK_HEADER)
        model_breach("a packet is shorter than its header");
    *packet = (struct model_packet){
        .src_cid = get(bytes, 0, 8),
        .dst_cid = get(bytes, 8, 8),
        .src_port = (uint32_t)get(bytes, 16, 4),
        .dst_port = (uint32_t)get(bytes, 20, 4),
        .len = (uint32_t)get(bytes, 24, 4),
        .type = (uint16_t)get(bytes, 28, 2),
        .op = (uint16_t)get(bytes, 30, 2),
        .flags = (uint32_t)get(bytes, 32, 4),
        .buf_alloc = (uint32_t)get(bytes, 36, 4),
        .fwd_cnt = (uint32_t)get(bytes, 40, 4),
    };
    if (packet->len != len - MODEL_VSOCK_HEADER)
        model_breach("the length of a packet is not that of its buffers");
    if (packet->src_cid != get(model->config, 0, 8))
        model_breach("a packet has another source than the guest's CID");
    if (packet->len > 0 && packet->op != MODEL_RW)
        model_breach("only RW has data");
    memcpy(data, bytes + MODEL_VSOCK_HEADER, packet->len);
    model_complete(model, MODEL_VSOCK_TX, chain.head, 0);
    return true;
}

/* Write to a chain that the driver has given. */
static bool scatter(struct virtio_model *model, unsigned queue,
                    const uint8_t *bytes, size_t len)
{
    static struct ring_chain chain;
    size_t done = 0;

    if (!model_take(model, queue, &chain))
        return false;
    for (unsigned i = 0; i < chain.count; i++) {
        size_t part = len - done;

        if (!chain.piece[i].writable)
            model_breach("what is received is to be written by the device");
        if (part > chain.piece[i].len)
            part = chain.piece[i].len;
        memcpy(chain.piece[i].data, bytes + done, part);
        done += part;
    }
    if (done < len)
        model_breach("the test gives more than a buffer holds");
    model_complete(model, queue, chain.head, (uint32_t)len);
    return true;
}

bool vsock_model_put_raw(struct virtio_model *model, const uint8_t *bytes,
                         size_t len)
{
    return scatter(model, MODEL_VSOCK_RX, bytes, len);
}

bool vsock_model_put(struct virtio_model *model,
                     const struct model_packet *packet, const void *data,
                     size_t len)
{
    static uint8_t bytes[MODEL_VSOCK_HEADER + MODEL_VSOCK_DATA];

    put(bytes, 0, 8, packet->src_cid);
    put(bytes, 8, 8, packet->dst_cid);
    put(bytes, 16, 4, packet->src_port);
    put(bytes, 20, 4, packet->dst_port);
    put(bytes, 24, 4, packet->len);
    put(bytes, 28, 2, packet->type);
    put(bytes, 30, 2, packet->op);
    put(bytes, 32, 4, packet->flags);
    put(bytes, 36, 4, packet->buf_alloc);
    put(bytes, 40, 4, packet->fwd_cnt);
    if (len > 0)
        memcpy(bytes + MODEL_VSOCK_HEADER, data, len);
    return scatter(model, MODEL_VSOCK_RX, bytes, MODEL_VSOCK_HEADER + len);
}

bool vsock_model_event(struct virtio_model *model, uint32_t id, uint32_t len)
{
    uint8_t bytes[4];

    put(bytes, 0, 4, id);
    return scatter(model, MODEL_VSOCK_EVENT, bytes, len);
}
