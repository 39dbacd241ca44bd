/*
 * Mutations that know what an input is: operations, and records that patch an
 * image (image_input.h). A record is put where a field is, with a value that
 * might make sense there; checksums, of which the shapes have none, stay.
 *
 * An input of a fuzzer that writes: the shape, how many operations, four bytes
 * each, then records.
 */
#ifndef TORC_TESTS_FUZZ_FIELD_MUTATOR_H
#define TORC_TESTS_FUZZ_FIELD_MUTATOR_H

#include "kernel/lib/bytes.h"
#include "tests/fakes/ext2_fields.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    OP_BYTES = 4,
    OPS_MAX = 60,
    FIELDS_MAX = 8192,
    RECORDS_MAX = 64,
    RECORD_HEAD = 4, /* bytes: the place and the length */
};

/* A good image, and its fields. */
struct shape_fields {
    struct field field[FIELDS_MAX];
    size_t count;
    const uint8_t *image;
    size_t size;
    uint32_t blocks, inodes, block_size;
};

/* Find the fields of the image. */
static inline void shape_fields_find(struct shape_fields *shape)
{
    const uint8_t *super = shape->image + 1024;

    shape->count =
        ext2_fields(shape->image, shape->size, shape->field, FIELDS_MAX);
    shape->inodes = le32_get(super);
    shape->blocks = le32_get(super + 4);
    shape->block_size = 1024u << le32_get(super + 24);
}

static uint64_t mutator_state;

static inline unsigned mutator_draw(unsigned limit)
{
    mutator_state = mutator_state * 6364136223846793005 + 1442695040888963407;
    return limit == 0 ? 0 : (unsigned)(mutator_state >> 33) % limit;
}

/* ---- Values -------------------------------------------------------------- */

static inline uint64_t field_value(const struct shape_fields *shape,
                                   const struct field *field)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < field->size; i++)
        value |= (uint64_t)shape->image[field->at + i] << 8 * i;
    return value;
}

/* One of that kind; the kinds are as likely as each other. Those of the
 * superblock, which come first, are few. */
static inline const struct field *field_draw(const struct shape_fields *shape,
                                             unsigned kind)
{
    enum { SUPER_FIELDS = 40 };
    const struct field *field = NULL;

    if (mutator_draw(8) == 0)
        return &shape->field[mutator_draw(SUPER_FIELDS)];
    for (unsigned tries = 0; tries < 200; tries++) {
        field = &shape->field[mutator_draw((unsigned)shape->count)];
        if (field->kind == kind)
            break;
    }
    return field;
}

static inline uint64_t number_draw(const struct shape_fields *shape,
                                   const struct field *field)
{
    uint32_t limit = field->kind == FIELD_BLOCK   ? shape->blocks
                     : field->kind == FIELD_INODE ? shape->inodes
                                                  : shape->block_size;

    switch (mutator_draw(5)) {
    case 0:
        return mutator_draw(limit + 2);
    case 1: /* what another one has */
        return field_value(shape, field_draw(shape, field->kind));
    case 2:
        return limit - mutator_draw(3);
    case 3:
        return mutator_draw(13);
    default:
        return (uint64_t)mutator_draw(1u << 31) << mutator_draw(2);
    }
}

static inline uint64_t value_draw(const struct shape_fields *shape,
                                  const struct field *field)
{
    uint64_t old = field_value(shape, field);

    switch (mutator_draw(8)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return old + 1;
    case 3:
        return old - 1;
    case 4:
        return old ^ (uint64_t)1 << mutator_draw(8u * field->size);
    case 5:
        return field->kind == FIELD_LENGTH ? old + 4u * mutator_draw(8) - 16
                                           : old * 2;
    default:
        return number_draw(shape, field);
    }
}

/* ---- Records ------------------------------------------------------------- */

/* Where records begin, from `head` on, and where the last one ends: how many.
 */
static inline size_t records_find(const uint8_t *data, size_t size, size_t head,
                                  size_t places[RECORDS_MAX + 1])
{
    size_t count = 0, at = head;

    while (at + RECORD_HEAD < size && count < RECORDS_MAX) {
        places[count++] = at;
        at += RECORD_HEAD + 1 + data[at + 3] % 8;
    }
    places[count] = at < size ? at : size;
    return count;
}

/* Put `len` bytes at a place; false: there is no room. */
static inline bool bytes_insert(uint8_t *data, size_t *size, size_t max,
                                size_t at, const void *bytes, size_t len)
{
    if (*size + len > max)
        return false;
    memmove(data + at + len, data + at, *size - at);
    memcpy(data + at, bytes, len);
    *size += len;
    return true;
}

static inline void bytes_remove(uint8_t *data, size_t *size, size_t from,
                                size_t to)
{
    memmove(data + from, data + to, *size - to);
    *size -= to - from;
}

/* Add a record, take one away, or give one another value. */
static inline size_t records_mutate(uint8_t *data, size_t size, size_t max,
                                    size_t head,
                                    const struct shape_fields *shape)
{
    size_t places[RECORDS_MAX + 1];
    size_t count = records_find(data, size, head, places);
    size_t which = mutator_draw((unsigned)count + 1);
    const struct field *field = field_draw(shape, mutator_draw(FIELD_BITS + 1));
    uint64_t value = value_draw(shape, field);
    uint8_t record[RECORD_HEAD + 8];

    le32_put(record, field->at);
    record[3] = (uint8_t)(field->size - 1);
    le32_put(record + RECORD_HEAD, (uint32_t)value);
    le32_put(record + RECORD_HEAD + 4, (uint32_t)(value >> 32));
    size = places[count];
    if (which < count && mutator_draw(3) == 0)
        bytes_remove(data, &size, places[which], places[which + 1]);
    if (count < RECORDS_MAX && mutator_draw(4) != 0)
        bytes_insert(data, &size, max, which < count ? places[which] : size,
                     record, RECORD_HEAD + (size_t)field->size);
    return size;
}

/* ---- Operations ---------------------------------------------------------- */

/* How many operations an input has, whose second byte says so. */
static inline size_t ops_count(const uint8_t *data, size_t size)
{
    size_t said = size < 2 ? 0 : data[1] % (OPS_MAX + 1);
    size_t room = size < 2 ? 0 : (size - 2) / OP_BYTES;

    return said < room ? said : room;
}

/* Add an operation, take one away, or change one. */
static inline size_t ops_mutate(uint8_t *data, size_t size, size_t max)
{
    size_t count = ops_count(data, size);
    size_t which = mutator_draw((unsigned)count + 1);
    uint8_t *at = data + 2 + which * OP_BYTES;
    uint8_t op[OP_BYTES];

    for (unsigned i = 0; i < OP_BYTES; i++)
        op[i] = (uint8_t)mutator_draw(256);
    data[1] = (uint8_t)count;
    if (which < count && mutator_draw(3) == 0) {
        at[mutator_draw(OP_BYTES)] = op[0];
    } else if (which < count && mutator_draw(3) == 0) {
        bytes_remove(data, &size, 2 + which * OP_BYTES,
                     2 + (which + 1) * OP_BYTES);
        data[1]--;
    } else if (count < OPS_MAX) {
        /* Of one that is there now and then, with other paths. */
        if (count > 0 && mutator_draw(4) == 0)
            op[0] = data[2 + mutator_draw((unsigned)count) * OP_BYTES];
        if (bytes_insert(data, &size, max, 2 + which * OP_BYTES, op, OP_BYTES))
            data[1]++;
    }
    return size;
}

/* Operations of one input, records of another. */
static inline size_t ops_cross(const uint8_t *ops, size_t ops_size,
                               const uint8_t *records, size_t records_size,
                               uint8_t *out, size_t max)
{
    size_t head = 2 + ops_count(ops, ops_size) * OP_BYTES;
    size_t from = 2 + ops_count(records, records_size) * OP_BYTES;
    size_t rest = records_size > from ? records_size - from : 0;

    if (ops_size < head || head > max)
        return 0;
    memcpy(out, ops, head);
    out[1] = (uint8_t)((head - 2) / OP_BYTES);
    rest = rest < max - head ? rest : max - head;
    if (rest > 0)
        memcpy(out + head, records + from, rest);
    return head + rest;
}

#endif
