/*
 * The virtio console: VIRTIO 1.2, section 5.3, one port. What comes from it is
 * typed; what is logged and written to the console goes there, too. It belongs
 * to CPU 0.
 *
 * Bytes to send wait in a ring and leave in buffers, as the device completes
 * them. A writer waits a moment for a full ring; then what has no room is lost,
 * at once until the device has completed a buffer, as nobody reads at the other
 * end. Received buffers go back to the device when
 * the console has taken their bytes.
 *
 * A device that breaks the rules, or asks to be reset, is left alone. Irq work
 * does that, and says so: a writer may have found it, who must not log.
 */
#include "drivers/virtio.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/console.h"
#include "kernel/device/driver.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/list.h>
#include <torc/log.h>
#include <torc/log_listen.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/time.h>

enum {
    RX = 0, /* queues: 5.3.2 */
    TX = 1,
    BUFFERS = 4,       /* of each queue, which is as long */
    BUFFER_SIZE = 512, /* bytes: all of them are a page */
    RING_SIZE = 4096,  /* bytes that wait to be sent */
};
#define PATIENCE_NS (20 * NS_PER_MS) /* of a writer, with a full ring */
static_assert(2 * BUFFERS * BUFFER_SIZE == HAL_PAGE_SIZE, "a page");

struct console_buffer {
    uint8_t *bytes; /* constant */
    bool is_free;   /* to be sent */
    size_t at, len; /* received: what of it the console has not taken */
};

/* CPU 0 only. */
struct virtio_console {
    struct console_source source;
    struct log_sink sink;
    struct virtio_device *virtio;
    struct virtqueue rx, tx;
    struct irq_work work;
    bool is_done;    /* the device is left alone, or will be */
    bool is_stuck;   /* it has completed nothing while a writer waited */
    const char *why; /* it is to be left alone */
    uint8_t *memory;
    /* As many as the queues take are used. */
    struct console_buffer received[BUFFERS], sent[BUFFERS];
    struct console_buffer *waiting[BUFFERS]; /* received, oldest first */
    unsigned waiting_count;
    uint8_t ring[RING_SIZE];
    size_t first, count;
};

/* ---- Ending -------------------------------------------------------------- */

static void stop(struct virtio_console *console, int stopped)
{
    console->is_done = true;
    virtio_detach(console->virtio, 0);
    virtio_queue_end(&console->rx, stopped);
    virtio_queue_end(&console->tx, stopped);
    if (stopped == 0)
        dma_free(console->memory, HAL_PAGE_SIZE);
}

static void give_up(struct virtio_console *console, const char *why)
{
    console->is_done = true;
    console->why = why;
    irq_work_raise(&console->work);
}

static void leave_alone(struct virtio_console *console)
{
    const char *why = console->why;

    console->why = NULL;
    stop(console, virtio_stop(console->virtio));
    console_source_end(&console->source);
    log_error("virtio: the console at %s %s: it is left alone",
              console->virtio->where, why);
}

/* Take what the device has completed. Returns 1 and *out, 0 (nothing), or -EIO:
 * it is given up. */
static int take(struct virtio_console *console, struct virtqueue *vq,
                struct console_buffer **out, uint32_t *written)
{
    void *cookie;
    int status = vq_take(vq, &cookie, written);

    if (status < 0)
        give_up(console, "breaks the rules of its queue");
    else if (status > 0)
        *out = cookie;
    return status;
}

/* ---- Out ----------------------------------------------------------------- */

static void buffers_send(struct virtio_console *console)
{
    unsigned buffers = min_u32(BUFFERS, console->tx.size);

    for (unsigned i = 0; i < buffers && console->count > 0; i++) {
        struct console_buffer *buffer = &console->sent[i];
        size_t len = 0;
        int status;

        if (!buffer->is_free)
            continue;
        while (len < BUFFER_SIZE && console->count > 0) {
            buffer->bytes[len++] = console->ring[console->first];
            console->first = (console->first + 1) % RING_SIZE;
            console->count--;
        }
        buffer->is_free = false;
        status = vq_add_one(&console->tx, hal_dma_addr(buffer->bytes),
                            (uint32_t)len, false, buffer);
        assert(status == 0);
    }
    vq_want_interrupt(&console->tx, true);
    virtio_kick(console->virtio, TX, &console->tx);
}

/* What was sent makes room for what waits. */
static void pump(struct virtio_console *console)
{
    struct console_buffer *buffer;
    uint32_t written;

    do {
        while (take(console, &console->tx, &buffer, &written) > 0) {
            buffer->is_free = true;
            console->is_stuck = false;
        }
        if (console->is_done)
            return;
        buffers_send(console);
    } while (vq_has_used(&console->tx)); /* see vq_want_interrupt() */
}

static void byte_put(struct virtio_console *console, char byte)
{
    if (console->count < RING_SIZE)
        console->ring[(console->first + console->count++) % RING_SIZE] =
            (uint8_t)byte;
}

static void room_await(struct virtio_console *console, size_t len)
{
    uint64_t end = 0;

    while (!console->is_done && RING_SIZE - console->count < len) {
        uint64_t now = time_ns();

        if (end == 0)
            end = now + PATIENCE_NS;
        else if (now >= end)
            console->is_stuck = true;
        pump(console);
        if (console->is_stuck)
            return;
        hal_cpu_relax();
    }
}

static void sink_write(struct log_sink *sink, const char *text, size_t len)
{
    struct virtio_console *console =
        container_of(sink, struct virtio_console, sink);

    while (len > 0 && !console->is_done) {
        size_t part = min_u64(len, RING_SIZE / 4);

        room_await(console, 2 * part);
        for (size_t i = 0; i < part; i++) {
            if (text[i] == '\n')
                byte_put(console, '\r');
            byte_put(console, text[i]);
        }
        if (!console->is_done)
            pump(console);
        text += part;
        len -= part;
    }
}

/* ---- In ------------------------------------------------------------------ */

/* The device may fill it. */
static void receive_into(struct virtio_console *console,
                         struct console_buffer *buffer)
{
    int status = vq_add_one(&console->rx, hal_dma_addr(buffer->bytes),
                            BUFFER_SIZE, true, buffer);

    assert(status == 0);
}

static void feed(struct virtio_console *console)
{
    while (console->waiting_count > 0) {
        struct console_buffer *buffer = console->waiting[0];
        size_t part = min_u64(console_room(), buffer->len - buffer->at);

        console_input(buffer->bytes + buffer->at, part);
        buffer->at += part;
        if (buffer->at < buffer->len) { /* the console has no room */
            console_hold();
            return;
        }
        console->waiting_count--;
        memmove(console->waiting, console->waiting + 1,
                console->waiting_count * sizeof(console->waiting[0]));
        receive_into(console, buffer);
    }
}

/* A device that fills buffers without end does not get the machine for itself:
 * a run takes as many as there are. */
static void receive(struct virtio_console *console)
{
    struct console_buffer *buffer;
    unsigned taken = 0;
    uint32_t written;

    while (!console->is_done && taken < BUFFERS &&
           take(console, &console->rx, &buffer, &written) > 0) {
        assert(written <= BUFFER_SIZE);
        buffer->at = 0;
        buffer->len = written;
        taken++;
        console->waiting[console->waiting_count++] = buffer;
        feed(console);
    }
    if (console->is_done)
        return;
    feed(console);
    vq_want_interrupt(&console->rx, true);
    virtio_kick(console->virtio, RX, &console->rx);
    if (vq_has_used(&console->rx)) /* see vq_want_interrupt() */
        irq_work_raise(&console->work);
}

static void work_run(struct irq_work *work)
{
    struct virtio_console *console =
        container_of(work, struct virtio_console, work);

    if (!console->is_done)
        pump(console);
    receive(console);
    if (console->why != NULL)
        leave_alone(console);
}

static void resume(struct console_source *source)
{
    irq_work_raise(&container_of(source, struct virtio_console, source)->work);
}

static void console_irq(void *arg)
{
    irq_work_raise(&((struct virtio_console *)arg)->work);
}

/* ---- Starting ------------------------------------------------------------ */

static void changed(struct virtio_device *virtio)
{
    struct virtio_console *console = virtio->driver;

    if (!console->is_done && virtio_needs_reset(virtio))
        give_up(console, "asks to be reset");
}

static void buffers_make(struct virtio_console *console)
{
    for (unsigned i = 0; i < BUFFERS; i++) {
        uint8_t *bytes = console->memory + 2 * i * BUFFER_SIZE;

        console->received[i].bytes = bytes;
        console->sent[i].bytes = bytes + BUFFER_SIZE;
        console->sent[i].is_free = true;
    }
}

/* Returns 0, or an error: it is stopped then. */
static int set_up(struct virtio_console *console)
{
    const struct virtio_vector vector = {console_irq, console, cpu_self()->id};
    const struct virtio_queue_wish wish = {.size_max = BUFFERS};
    int status = virtio_begin(console->virtio, 0);

    if (status == 0)
        status = virtio_attach(console->virtio, &vector, 1, changed);
    if (status > 0)
        status = virtio_queue(console->virtio, RX, &wish, &console->rx);
    if (status == 0)
        status = virtio_queue(console->virtio, TX, &wish, &console->tx);
    if (status != 0)
        stop(console, virtio_fail(console->virtio));
    return status;
}

/* Without memory for a part of it. Returns -ENOMEM. */
static int no_memory(struct virtio_console *console)
{
    if (console->memory != NULL)
        dma_free(console->memory, HAL_PAGE_SIZE);
    mem_free(console);
    return -ENOMEM;
}

static int found(struct virtio_device *virtio)
{
    struct virtio_console *console = mem_alloc_zeroed(sizeof(*console));
    int status;

    if (console == NULL)
        return -ENOMEM;
    console->virtio = virtio;
    console->source.resume = resume;
    console->sink.write = sink_write;
    irq_work_init(&console->work, work_run);
    console->memory = dma_alloc(HAL_PAGE_SIZE);
    if (console->memory == NULL || console_source_add(&console->source) != 0)
        return no_memory(console);
    virtio->driver = console;
    buffers_make(console);
    status = set_up(console);
    if (status != 0) {
        console_source_end(&console->source);
        log_error("virtio: the console at %s does not start (error %d): left "
                  "out",
                  virtio->where, status);
        return 0; /* its memory stays: an interrupt may be on its way */
    }
    virtio_ready(virtio);
    for (unsigned i = 0; i < BUFFERS && i < console->rx.size; i++)
        receive_into(console, &console->received[i]);
    irq_work_raise(&console->work);
    log_sink_add(&console->sink);
    log_info("virtio: a console at %s", virtio->where);
    return 0;
}

static int console_probe(void)
{
    return virtio_find(VIRTIO_ID_CONSOLE, found);
}

const struct driver virtio_console_driver = {.name = "virtio_console",
                                             .probe = console_probe,
                                             .options = virtio_options};
