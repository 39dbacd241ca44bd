/* What is typed on the terminal of a hosted machine: the console over
 * hal_tty_*. */
#include "hal/hal.h"
#include "hal/leaf.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/device/console.h"
#include "kernel/device/driver.h"
#include "kernel/lib/minmax.h"
#include <torc/drivers.h>
#include <torc/list.h>
#include <torc/log.h>
#include <torc/memory.h>

enum { PIECE = 64 /* bytes */ };

/* CPU 0 only. */
struct tty {
    struct console_source source;
    struct irq_work work;
    bool has_ended;
};

static void work_run(struct irq_work *work)
{
    struct tty *tty = container_of(work, struct tty, work);
    uint8_t bytes[PIECE];

    while (!tty->has_ended) {
        size_t room = console_room();
        int got = 0;

        if (room > 0)
            got = hal_tty_read(bytes, min_u64(room, sizeof(bytes)));
        if (got == 0)
            return;
        if (got < 0) {
            tty->has_ended = true;
            console_source_end(&tty->source);
        } else {
            console_input(bytes, (size_t)got);
        }
    }
}

static void resume(struct console_source *source)
{
    irq_work_raise(&container_of(source, struct tty, source)->work);
}

static void tty_irq(void *arg)
{
    irq_work_raise(&((struct tty *)arg)->work);
}

/* Returns 0 or an error; the terminal is not read then. */
static int tty_start(struct tty *tty)
{
    int status = console_source_add(&tty->source);
    int irq;

    if (status != 0)
        return status;
    irq = hal_tty_open();
    status = irq;
    if (irq >= 0) {
        status = hal_irq_attach(irq, 0, tty_irq, tty);
        if (status != 0)
            hal_tty_close();
    }
    if (status != 0)
        console_source_end(&tty->source);
    return status;
}

static int tty_probe(void)
{
    struct tty *tty = mem_alloc_zeroed(sizeof(*tty));
    int status;

    if (tty == NULL)
        return -ENOMEM;
    tty->source.resume = resume;
    irq_work_init(&tty->work, work_run);
    status = tty_start(tty);
    if (status == 0)
        return 0;
    mem_free(tty);
    if (status != -ENODEV)
        log_warn("terminal: error %d: nothing can be typed there", status);
    return 0;
}

const struct driver leaf_tty_driver = {.name = "leaf_tty", .probe = tty_probe};
