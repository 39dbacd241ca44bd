/*
 * What is typed on a keyboard at the PS/2 port: the controller is an 8042
 * (IBM PS/2 Hardware Interface Technical Reference), which turns what the
 * keyboard says into scan codes of set 1. Interrupt 1.
 *
 * Irq work takes the codes from the controller while the console has room for a
 * key; the rest waits there, and the keyboard keeps 16 codes of its own.
 */
#include "drivers/ps2_keys.h"
#include "hal/hal.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/device/console.h"
#include "kernel/device/driver.h"
#include <torc/drivers.h>
#include <torc/list.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/time.h>

enum {
    PORT = 0x60,
    PORTS = 5,
    LINE = 1, /* of the interrupt */
    /* registers */
    DATA = 0,
    STATUS = 4, /* read */
    COMMAND = 4,
    /* status */
    HAS_OUTPUT = 1 << 0,
    HAS_INPUT = 1 << 1,
    FROM_MOUSE = 1 << 5,
    NOTHING_THERE = 0xff,
    /* commands */
    READ_CONFIG = 0x20,
    WRITE_CONFIG = 0x60,
    DISABLE_MOUSE = 0xa7,
    DISABLE_KEYBOARD = 0xad,
    ENABLE_KEYBOARD = 0xae,
    /* configuration */
    CONFIG_IRQ = 1 << 0,
    CONFIG_MOUSE_IRQ = 1 << 1,
    CONFIG_KEYBOARD_OFF = 1 << 4,
    CONFIG_TRANSLATE = 1 << 6,
    START = 0xf4,        /* a command to the keyboard: send what is typed */
    FIRST_ANSWER = 0xfa, /* from there on codes are answers, no keys */
    CODES_MAX = 64,      /* of one run of the work, and of old ones */
};

#define PATIENCE_NS (20 * NS_PER_MS) /* with the controller */

/* CPU 0 only. */
struct ps2 {
    struct console_source source;
    struct hal_io io;
    struct irq_work work;
    struct ps2_keys keys;
    bool is_done; /* it does not start, and its interrupt is attached */
};

/* ---- Keys ---------------------------------------------------------------- */

static void work_run(struct irq_work *work)
{
    struct ps2 *ps2 = container_of(work, struct ps2, work);

    for (unsigned i = 0; i < CODES_MAX && !ps2->is_done; i++) {
        uint8_t status;
        uint8_t code;
        char bytes[PS2_KEY_MAX];

        if (console_room() < PS2_KEY_MAX) {
            console_hold();
            return;
        }
        status = hal_io_read8(ps2->io, STATUS);
        if ((status & HAS_OUTPUT) == 0)
            return;
        code = hal_io_read8(ps2->io, DATA);
        if ((status & FROM_MOUSE) == 0 && code < FIRST_ANSWER)
            console_input(bytes, ps2_key(&ps2->keys, code, bytes));
    }
}

static void resume(struct console_source *source)
{
    irq_work_raise(&container_of(source, struct ps2, source)->work);
}

static void ps2_irq(void *arg)
{
    irq_work_raise(&((struct ps2 *)arg)->work);
}

/* ---- Starting ------------------------------------------------------------ */

/* Wait until these bits of the status are `value`. Returns 0, -ETIMEDOUT. */
static int await(struct hal_io io, uint8_t bits, uint8_t value)
{
    uint64_t end = time_ns() + PATIENCE_NS;

    do {
        if ((hal_io_read8(io, STATUS) & bits) == value)
            return 0;
        hal_cpu_relax();
    } while (time_ns() < end);
    return -ETIMEDOUT;
}

static int put(struct hal_io io, size_t where, uint8_t byte)
{
    int status = await(io, HAS_INPUT, 0);

    if (status == 0)
        hal_io_write8(io, where, byte);
    return status;
}

/* Both ports off, what waited is forgotten, interrupts and translation on; then
 * the keyboard's port on. Returns 0, -ETIMEDOUT. */
static int set_up(struct hal_io io)
{
    uint8_t config;
    int status = put(io, COMMAND, DISABLE_KEYBOARD);

    if (status == 0)
        status = put(io, COMMAND, DISABLE_MOUSE);
    for (unsigned i = 0; i < CODES_MAX; i++) {
        if ((hal_io_read8(io, STATUS) & HAS_OUTPUT) != 0)
            (void)hal_io_read8(io, DATA);
    }
    if (status == 0)
        status = put(io, COMMAND, READ_CONFIG);
    if (status == 0)
        status = await(io, HAS_OUTPUT, HAS_OUTPUT);
    if (status != 0)
        return status;
    config = hal_io_read8(io, DATA) &
             (uint8_t) ~(CONFIG_MOUSE_IRQ | CONFIG_KEYBOARD_OFF);
    status = put(io, COMMAND, WRITE_CONFIG);
    if (status == 0)
        status = put(io, DATA, config | CONFIG_IRQ | CONFIG_TRANSLATE);
    if (status == 0)
        status = put(io, COMMAND, ENABLE_KEYBOARD);
    return status == 0 ? put(io, DATA, START) : status;
}

/* Returns 0, or an error: it is given back then, unless its interrupt is
 * attached. */
static int start(struct ps2 *ps2)
{
    int status = console_source_add(&ps2->source);

    if (status != 0) {
        mem_free(ps2);
        return status;
    }
    status = hal_irq_attach(LINE, 0, ps2_irq, ps2);
    if (status != 0) {
        console_source_end(&ps2->source);
        mem_free(ps2);
        return status;
    }
    status = set_up(ps2->io);
    if (status != 0) {
        ps2->is_done = true;
        console_source_end(&ps2->source);
    }
    return status;
}

static int ps2_probe(void)
{
    struct hal_io io;
    struct ps2 *ps2;
    int status;

    if (hal_io_map(HAL_IO_PORT, PORT, PORTS, &io) != 0 ||
        hal_io_read8(io, STATUS) == NOTHING_THERE)
        return 0;
    ps2 = mem_alloc_zeroed(sizeof(*ps2));
    if (ps2 == NULL)
        return -ENOMEM;
    ps2->io = io;
    ps2->source.resume = resume;
    irq_work_init(&ps2->work, work_run);
    status = start(ps2);
    if (status == 0)
        log_info("ps2: the console is read from the keyboard");
    else
        log_warn("ps2: the keyboard does not start (error %d)", status);
    return status == -ENOMEM ? status : 0;
}

const struct driver ps2_driver = {.name = "ps2", .probe = ps2_probe};
