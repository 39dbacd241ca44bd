/*
 * Response heads: what is said of a whole one is what is said as soon as the
 * bytes are there, spans lie within, and a head that is right has the same
 * meaning with anything behind it.
 */
#include "net/http/peer/response.c"
#include "net/http/span.c"
#include <stdlib.h>
#include <torc/assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct http_response_head head, again;
    int whole, first = 0;

    if (size < 1)
        return 0;
    text++; /* the first byte says whether it was HEAD, and where it is cut */
    size--;
    whole = http_response_parse(text, size, data[0] % 2 == 1, &head);
    assert(whole <= (int)size);
    if (size > 0)
        first =
            http_response_parse(text, data[0] % size, data[0] % 2 == 1, &again);
    if (first != 0)
        assert(first == whole); /* a mistake, or the end, stays what it is */
    if (whole <= 0)
        return 0;
    assert(head.status >= 100 && head.status <= 599);
    assert(head.fields.at >= text);
    assert(head.fields.at + head.fields.len <= text + whole);
    assert(head.framing != RESPONSE_TO_END || !head.keep_alive);
    assert(http_response_parse(text, (size_t)whole, data[0] % 2 == 1, &again) ==
           whole);
    assert(again.framing == head.framing && again.length == head.length);
    http_fields_find(head.fields, "content-length");
    return 0;
}
