/*
 * What is typed on the first serial port, a 16550 at 0x3f8 with interrupt 4
 * (PC16550D data sheet, 8.0). The HAL writes to it; this driver reads.
 *
 * The handler turns the interrupt of received bytes off, and irq work takes
 * what is in the FIFO and turns it on again, which interrupts anew when bytes
 * are there. While the console has no room it stays off: the bytes wait in the
 * port, and an emulated one makes their sender wait. A real port loses what
 * comes when its 16 bytes are full; the driver says so once.
 *
 * Reading the status clears its error bits, and the HAL reads it when it
 * writes: a damaged byte that arrives meanwhile is taken for a good one.
 */
#include "hal/hal.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/device/console.h"
#include "kernel/device/driver.h"
#include <torc/assert.h>
#include <torc/drivers.h>
#include <torc/list.h>
#include <torc/log.h>
#include <torc/memory.h>

enum {
    PORT = 0x3f8,
    PORTS = 8,
    LINE = 4, /* of the interrupt */
    /* registers */
    DATA = 0,
    IRQ_ENABLE = 1,
    MODEM_CONTROL = 4,
    LINE_STATUS = 5,
    SCRATCH = 7,
    /* bits */
    RECEIVED = 1,
    MODEM_READY = 1 << 0 | 1 << 1,
    MODEM_IRQ = 1 << 3, /* OUT2: a PC lets interrupts through */
    STATUS_READY = 1 << 0,
    STATUS_OVERRUN = 1 << 1,
    STATUS_PARITY = 1 << 2,
    STATUS_FRAMING = 1 << 3,
    STATUS_BREAK = 1 << 4,
    STATUS_GARBLED = STATUS_PARITY | STATUS_FRAMING | STATUS_BREAK,
};

/* CPU 0 only. */
struct uart {
    struct console_source source;
    struct hal_io io;
    struct irq_work work;
    bool has_told; /* of lost bytes */
};

static void interrupts(struct uart *uart, uint8_t which)
{
    hal_io_write8(uart->io, IRQ_ENABLE, which);
}

/* Take what is there, as far as there is room, with damaged bytes left out. */
static void work_run(struct irq_work *work)
{
    struct uart *uart = container_of(work, struct uart, work);
    size_t room = console_room();

    while (room > 0) {
        uint8_t status = hal_io_read8(uart->io, LINE_STATUS);
        uint8_t byte;

        if ((status & STATUS_OVERRUN) != 0 && !uart->has_told) {
            uart->has_told = true;
            log_warn("uart: what was typed came too fast: some is lost");
        }
        if ((status & STATUS_READY) == 0)
            break;
        byte = hal_io_read8(uart->io, DATA);
        room--;
        if ((status & STATUS_GARBLED) == 0)
            console_input(&byte, 1);
    }
    /* A port that always has a byte does not get the machine for itself. */
    if (console_room() > 0)
        interrupts(uart, RECEIVED);
}

static void resume(struct console_source *source)
{
    struct uart *uart = container_of(source, struct uart, source);

    irq_work_raise(&uart->work);
}

static void uart_irq(void *arg)
{
    struct uart *uart = arg;

    interrupts(uart, 0);
    irq_work_raise(&uart->work);
}

static bool is_there(struct hal_io io)
{
    hal_io_write8(io, SCRATCH, 0xa5);
    if (hal_io_read8(io, SCRATCH) != 0xa5)
        return false;
    hal_io_write8(io, SCRATCH, 0x5a);
    return hal_io_read8(io, SCRATCH) == 0x5a;
}

static int uart_probe(void)
{
    struct hal_io io;
    struct uart *uart;
    int status;

    if (hal_io_map(HAL_IO_PORT, PORT, PORTS, &io) != 0 || !is_there(io))
        return 0;
    uart = mem_alloc_zeroed(sizeof(*uart));
    if (uart == NULL)
        return -ENOMEM;
    uart->io = io;
    uart->source.resume = resume;
    irq_work_init(&uart->work, work_run);
    interrupts(uart, 0);
    status = console_source_add(&uart->source);
    if (status != 0) {
        mem_free(uart);
        return status;
    }
    status = hal_irq_attach(LINE, 0, uart_irq, uart);
    if (status != 0) {
        console_source_end(&uart->source);
        mem_free(uart);
        log_warn("uart: no interrupt %d (error %d): nothing can be typed there",
                 LINE, status);
        return 0;
    }
    hal_io_write8(io, MODEM_CONTROL, MODEM_READY | MODEM_IRQ);
    interrupts(uart, RECEIVED);
    log_info("uart: the console is read from the serial port at %#x", PORT);
    return 0;
}

const struct driver uart_driver = {.name = "uart", .probe = uart_probe};
