#include "tests/models/virtio_fault.h"
#include "tests/models/breach.h"

static void late_add(struct virtio_late *late, const struct virtio_model *model,
                     unsigned queue, uint16_t head, uint32_t written)
{
    for (unsigned i = 0; i < VIRTIO_LATE_MAX; i++) {
        if (late->request[i].steps > 0)
            continue;
        late->request[i].steps = late->steps;
        late->request[i].queue = queue;
        late->request[i].head = head;
        late->request[i].written = written;
        late->request[i].resets = model->resets;
        return;
    }
    model_breach("more late requests than there is room for");
}

bool virtio_late_step(struct virtio_model *model, struct virtio_late *late)
{
    for (unsigned i = 0; i < VIRTIO_LATE_MAX; i++) {
        if (late->request[i].steps == 0 || --late->request[i].steps > 0)
            continue;
        if (late->request[i].resets != model->resets)
            continue; /* a reset has ended it */
        model_complete(model, late->request[i].queue, late->request[i].head,
                       late->request[i].written);
        return true;
    }
    return false;
}

void virtio_fault_end(struct virtio_model *model, struct virtio_late *late,
                      unsigned queue, uint16_t head, uint32_t written,
                      enum model_fault fault)
{
    switch (fault) {
    case FAULT_NEVER:
        return;
    case FAULT_LATE:
        late_add(late, model, queue, head, written);
        return;
    case FAULT_RESET:
        model_need_reset(model);
        return;
    case FAULT_LOST_IRQ:
        model->lose_interrupts = true;
        model_complete(model, queue, head, written);
        model->lose_interrupts = false;
        return;
    case FAULT_SPURIOUS_IRQ:
        model->isr |= 1;
        model->raise(model, (int)queue);
        break;
    default:
        break;
    }
    model_complete(model, queue, head, written);
    if (fault == FAULT_TWICE) {
        model_use_raw(model, queue, head, written);
        model_interrupt(model, queue);
    }
}
