/* Waiting for a request to stop: <torc/machine.h>. */
#include "hal/hal.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/percpu.h"
#include "kernel/thread/wait.h"
#include <torc/log.h>
#include <torc/machine.h>

/* CPU 0. */
static struct irq_work work;
static struct wait_queue waiting;
static bool is_attached;
static bool is_asked; /* and nobody has been told */

static void asked(struct irq_work *raised)
{
    (void)raised;
    is_asked = true;
    wait_wake_all(&waiting);
}

static void stop_irq(void *arg)
{
    (void)arg;
    irq_work_raise(&work);
}

static void attach(void)
{
    int status;

    is_attached = true;
    wait_queue_init(&waiting);
    irq_work_init(&work, asked);
    status = hal_irq_attach(HAL_IRQ_STOP, 0, stop_irq, NULL);
    if (status != 0)
        log_warn("nobody can ask this machine to stop (error %d)", status);
}

int machine_stop_wait(void)
{
    if (cpu_self()->id != 0)
        return -EXDEV;
    if (!is_attached)
        attach();
    while (!is_asked)
        wait_on(&waiting);
    is_asked = false;
    return 0;
}
