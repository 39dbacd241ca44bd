/* A sum of bytes, to see whether somebody has changed them. */
#ifndef TORC_TESTS_MODELS_MODEL_SUM_H
#define TORC_TESTS_MODELS_MODEL_SUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t model_sum(const uint8_t *data, size_t size);

#endif
