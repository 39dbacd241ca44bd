#include "tests/qtest/model_place.h"

#define VERSION_1 (UINT64_C(1) << 32)

uint64_t model_place_features(const struct model_place *place)
{
    bool is_legacy = place->transport == MODEL_PCI_LEGACY ||
                     place->transport == MODEL_MMIO_1;

    return place->rings | (is_legacy ? 0 : VERSION_1);
}

void model_place(struct virtio_model *model, const struct model_place *place)
{
    const struct pci_model_options options = {
        .no_msix = place->transport == MODEL_PCI_LINE,
        .no_modern = place->transport == MODEL_PCI_LEGACY,
        .legacy = place->transport == MODEL_PCI_LEGACY ||
                  place->transport == MODEL_PCI_TRANSITIONAL,
    };

    if (place->transport == MODEL_MMIO_1)
        model_on_mmio(model, 1);
    else if (place->transport == MODEL_MMIO_2)
        model_on_mmio(model, 2);
    else
        model_on_pci(model, &options);
}
