/* ChaCha20 against the vectors of RFC 8439. */
#include "kernel/lib/bytes.h"
#include "kernel/lib/chacha20.h"
#include "tests/fakes/cmocka_all.h"
#include <string.h>
#include <torc/compiler.h>

struct vector {
    const char *name;
    const char *key; /* bytes in hexadecimal */
    const char *nonce;
    uint32_t counter;
    const char *block;
};

#define ZEROS_12 "000000000000000000000000"
#define ZEROS_32                       \
    "00000000000000000000000000000000" \
    "00000000000000000000000000000000"

static const struct vector vectors[] = {
    {"2.3.2",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "000000090000004a00000000", 1,
     "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
     "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"},
    {"A.1, 1", ZEROS_32, ZEROS_12, 0,
     "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
     "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"},
    {"A.1, 2", ZEROS_32, ZEROS_12, 1,
     "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
     "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"},
    {"A.1, 3",
     "0000000000000000000000000000000000000000000000000000000000000001",
     ZEROS_12, 1,
     "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
     "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0"},
    {"A.1, 4",
     "00ff000000000000000000000000000000000000000000000000000000000000",
     ZEROS_12, 2,
     "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
     "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096"},
    {"A.1, 5", ZEROS_32, "000000000000000000000002", 0,
     "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7"
     "8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d"},
};

static uint8_t digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void bytes_of(const char *text, uint8_t *to)
{
    for (; *text != '\0'; text += 2)
        *to++ = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
}

static void words_of(const char *text, uint32_t *to, unsigned count)
{
    uint8_t bytes[64];

    bytes_of(text, bytes);
    for (unsigned i = 0; i < count; i++)
        to[i] = le32_get(bytes + 4 * i);
}

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        uint32_t key[CHACHA20_KEY_WORDS], nonce[CHACHA20_NONCE_WORDS];
        uint8_t got[CHACHA20_BLOCK + 1], want[CHACHA20_BLOCK];

        words_of(vectors[i].key, key, CHACHA20_KEY_WORDS);
        words_of(vectors[i].nonce, nonce, CHACHA20_NONCE_WORDS);
        bytes_of(vectors[i].block, want);
        got[CHACHA20_BLOCK] = 0x77;
        chacha20_block(key, vectors[i].counter, nonce, got);
        ROW(vectors[i].name, memcmp(got, want, sizeof(want)) == 0);
        assert_int_equal(got[CHACHA20_BLOCK], 0x77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
