/*
 * A model of QEMU's firmware configuration device, from its specification
 * (docs/specs/fw_cfg.rst): files by name, read by bytes or by DMA. It fails the
 * test when it is used otherwise than that says.
 */
#ifndef TORC_TESTS_MODELS_FW_CFG_MODEL_H
#define TORC_TESTS_MODELS_FW_CFG_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FW_CFG_MODEL_FILES = 160, FW_CFG_MODEL_NAME = 56 };

struct fw_cfg_model {
    /* Set by the test. */
    bool has_dma;
    bool is_other;      /* the signature is not QEMU's */
    bool dma_fails;     /* with its error bit */
    unsigned dma_hangs; /* this command, counted from 1, does not end by itself;
                           0: none */
    uint32_t extra;     /* the directory claims so many more files */
    unsigned count;
    struct {
        char name[FW_CFG_MODEL_NAME]; /* maybe without NUL */
        const void *data;
        uint32_t size;
    } file[FW_CFG_MODEL_FILES];

    /* Its own. */
    uint16_t key;
    size_t at;
    uint32_t high;
    unsigned dma_count, byte_count; /* commands; bytes read one by one */
    uint64_t hanging;               /* address of that command */
};

/* Plug it in, as the test has set it. */
void fw_cfg_model_plug(struct fw_cfg_model *model);

/* End the command that hangs: the device writes to memory. */
void fw_cfg_model_late(struct fw_cfg_model *model);

/* Add a file of text. */
void fw_cfg_model_add(struct fw_cfg_model *model, const char *name,
                      const char *text);

#endif
