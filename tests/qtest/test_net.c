/*
 * Drivers of network cards against QEMU's devices and against our models: the
 * same scenario must give the same transcript.
 */
#include "drivers/virtio_net_internal.h"
#include "tests/qtest/model_place.h"
#include "tests/qtest/program.h"
#include "tests/qtest/scenario_e1000.h"
#include "tests/qtest/scenario_ne2000.h"
#include "tests/qtest/scenario_offload.h"
#include "tests/qtest/side_model_e1000.h"
#include "tests/qtest/side_model_ne2000.h"
#include "tests/qtest/side_model_net.h"
#include "tests/qtest/side_qemu_net.h"
#include <torc/drivers.h>
#include <torc/time.h>

#define CARD "netdev=net,mac=52:54:00:12:34:56"

struct row {
    const char *name;
    const struct driver *driver; /* NULL: none, the registers by hand */
    void (*scenario)(const struct net_side *side, struct transcript *out);
    const struct net_side *model;
    struct model_place place; /* of a virtio model */
    struct qemu_net qemu;
};

/*
 * What QEMU's devices have unless they are told otherwise. A packed ring is
 * without events: QEMU 7.2, once its socket was full, wants to be notified at a
 * place of the ring that it has left behind (2.8.10), and waits for a lap.
 */
#define USUAL (MODEL_INDIRECT | MODEL_EVENTS)

/* The driver, what is done with it, and the model. */
#define VIRTIO &virtio_net_driver, scenario_net, &model_net
#define LARGE  &virtio_net_driver, scenario_net_large, &model_net
#define HAND   NULL, scenario_e1000
#define E1000  &e1000_driver

/* clang-format off */
static const struct row rows[] = {
    {"pc, virtio transitional", VIRTIO, {MODEL_PCI_TRANSITIONAL, USUAL},
     {"pc", {"-device", "virtio-net-pci-transitional," CARD}, true}},
    {"pc, virtio modern", VIRTIO, {MODEL_PCI, USUAL},
     {"pc", {"-device", "virtio-net-pci-non-transitional," CARD}, true}},
    {"pc, virtio legacy", VIRTIO, {MODEL_PCI_LEGACY, USUAL},
     {"pc", {"-device", "virtio-net-pci,disable-modern=on," CARD}, true}},
    {"pc, virtio by line", VIRTIO, {MODEL_PCI_LINE, USUAL},
     {"pc", {"-device", "virtio-net-pci,vectors=0," CARD}, false}},
    {"pc, virtio with plain rings", VIRTIO, {MODEL_PCI, 0},
     {"pc", {"-device", "virtio-net-pci,event_idx=off,indirect_desc=off," CARD},
      true}},
    {"q35, virtio", VIRTIO, {MODEL_PCI, USUAL},
     {"q35", {"-device", "virtio-net-pci," CARD}, true}},
    {"q35, virtio with packed rings", VIRTIO, {MODEL_PCI, MODEL_PACKED},
     {"q35", {"-device", "virtio-net-pci,packed=on,event_idx=off," CARD},
      true}},
    {"q35, virtio, large frames", LARGE, {MODEL_PCI, USUAL},
     {"q35", {"-device", "virtio-net-pci," CARD}, true}},
    {"q35, virtio, large frames in packed rings", LARGE,
     {MODEL_PCI, MODEL_PACKED},
     {"q35", {"-device", "virtio-net-pci,packed=on,event_idx=off," CARD},
      true}},
    {"microvm, virtio version 1", VIRTIO, {MODEL_MMIO_1, USUAL},
     {MICROVM, {"-device", "virtio-net-device," CARD}, false}},
    {"microvm, virtio version 2", VIRTIO, {MODEL_MMIO_2, USUAL},
     {MICROVM, {NO_LEGACY, "-device", "virtio-net-device," CARD}, false}},
    {"pc, 82540EM", &e1000_driver, scenario_net, &model_82540em, {0, 0},
     {"pc", {"-device", "e1000," CARD}, false}},
    {"q35, 82574L", &e1000_driver, scenario_net, &model_82574l, {0, 0},
     {"q35", {"-device", "e1000e," CARD}, true}},
    {"pc, 82540EM with offloads", E1000, scenario_offload, &model_82540em,
     {0, 0}, {"pc", {"-device", "e1000," CARD}, false}},
    {"q35, 82574L with checksums", E1000, scenario_checksums, &model_82574l,
     {0, 0}, {"q35", {"-device", "e1000e," CARD}, true}},
    {"pc, NE2000", &ne2000_driver, scenario_net, &model_ne2000, {0, 0},
     {"pc", {"-device", "ne2k_pci," CARD}, false}},
    {"pc, 82540EM by hand", HAND, &model_82540em, {0, 0},
     {"pc", {"-device", "e1000," CARD}, false}},
    {"pc, NE2000 by hand", NULL, scenario_ne2000, &model_ne2000, {0, 0},
     {"pc", {"-device", "ne2k_pci," CARD}, false}},
    {"q35, 82574L by hand", HAND, &model_82574l, {0, 0},
     {"q35", {"-device", "e1000e," CARD}, false}},
};
/* clang-format on */

static bool is_virtio(const struct row *row)
{
    return row->model == &model_net;
}

static void reset_virtio(struct net_device *card)
{
    struct virtio_net *net = vnet_of(card);

    vnet_ask_reset(net, "is reset by the test");
    while (net->reset.is_wanted || !net->is_up)
        thread_sleep(NS_PER_MS);
    thread_sleep(NS_PER_MS); /* and its queue begins */
    net_check(card);
}

static void run(const void *arg, struct transcript *out)
{
    const struct row *row = arg;
    const struct net_side side = {
        .name = row->name,
        .driver = row->driver,
        .make = qemu_net_make,
        .begin = qemu_net_begin,
        .end = qemu_net_end,
        .unmake = qemu_net_unmake,
        .cable_send = qemu_net_send,
        .cable_take = qemu_net_take,
        .link = row->model->link != NULL ? qemu_net_link : NULL,
        .reset = is_virtio(row) ? reset_virtio : NULL,
        .is_lossy = row->model->is_lossy,
        .is_slow = row->model->is_slow,
        .options = &row->qemu,
    };

    row->scenario(&side, out);
}

static void run_model(const void *arg, struct transcript *out)
{
    const struct row *row = arg;
    struct net_side side = *row->model;

    side.driver = row->driver;
    if (is_virtio(row)) {
        side.options = &row->place;
        side.reset = reset_virtio;
    }
    row->scenario(&side, out);
}

int main(int argc, char **argv)
{
    struct program_test tests[COUNT_OF(rows)];

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        tests[i] =
            (struct program_test){rows[i].name, run, run_model, &rows[i]};
    return program_main(argc, argv, tests, COUNT_OF(rows));
}
