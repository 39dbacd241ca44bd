/* Where a model of a virtio device is, and what its rings are like. */
#ifndef TORC_TESTS_QTEST_MODEL_PLACE_H
#define TORC_TESTS_QTEST_MODEL_PLACE_H

#include "tests/models/virtio_model.h"

enum model_transport {
    MODEL_PCI,
    MODEL_PCI_LINE, /* without MSI-X */
    MODEL_PCI_TRANSITIONAL,
    MODEL_PCI_LEGACY,
    MODEL_MMIO_1,
    MODEL_MMIO_2,
};

/* VIRTIO 1.2, chapter 6. */
#define MODEL_INDIRECT (UINT64_C(1) << 28)
#define MODEL_EVENTS   (UINT64_C(1) << 29)
#define MODEL_PACKED   (UINT64_C(1) << 34)

struct model_place {
    enum model_transport transport;
    uint64_t rings; /* of the three above */
};

/* Features that it offers besides, because of its place. */
uint64_t model_place_features(const struct model_place *place);

/* Put it into the machine; the only device. */
void model_place(struct virtio_model *model, const struct model_place *place);

#endif
